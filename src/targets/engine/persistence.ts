/** Session persistence: which endpoint a client's cookie or header names, and what a new client is told. Pure. */
import { createHash } from 'node:crypto'
import type { Persistence } from '../../model/model.ts'
import type { EngineExchange } from './exchange.ts'
import type { EndpointPool } from './pool.ts'

/** What the answer must tell the client. */
export interface Pin {
  readonly persistence: Persistence
  readonly token: string
}

/** A name for an endpoint that says nothing about the network behind the gateway. */
export function tokenOf(address: string): string {
  return createHash('sha256').update(`gantry endpoint ${address}`).digest('base64url').slice(0, 16)
}

/** The endpoint that this client was on, if it is still there and in service. */
export function pinned(
  exchange: EngineExchange,
  persistence: Persistence,
  endpoints: readonly EndpointPool[],
): EndpointPool | undefined {
  const value = tokenIn(exchange, persistence)
  if (value === undefined) return undefined
  const [token, since, seen] = value.split('.')
  const now = exchange.startedAt
  if (since !== undefined && persistence.absoluteTimeout !== undefined && persistence.absoluteTimeout > 0) {
    if (now - Number.parseInt(since, 36) * 1000 > persistence.absoluteTimeout) return undefined
  }
  if (seen !== undefined && persistence.idleTimeout !== undefined && persistence.idleTimeout > 0) {
    if (now - Number.parseInt(seen, 36) * 1000 > persistence.idleTimeout) return undefined
  }
  return endpoints.find((endpoint) => endpoint.token === token)
}

/** `Set-Cookie` or the header, where it has changed or must be renewed. */
export function writePin(exchange: EngineExchange, persistence: Persistence, endpoint: EndpointPool): void {
  const before = tokenIn(exchange, persistence)?.split('.')
  const same = before?.[0] === endpoint.token
  const idle = persistence.idleTimeout !== undefined && persistence.idleTimeout > 0
  if (same && !idle) return
  const now = Math.floor(exchange.startedAt / 1000).toString(36)
  const since = same && before?.[1] !== undefined ? before[1] : now
  const token = `${endpoint.token}.${since}${idle ? `.${now}` : ''}`
  const { headers } = exchange.response
  if (persistence.kind === 'header') {
    headers.set(persistence.name, token)
    return
  }
  const lasting = persistence.absoluteTimeout
  const age = lasting === undefined || lasting <= 0 ? '' : `; Max-Age=${Math.ceil(lasting / 1000)}`
  const path = persistence.cookiePath ?? '/'
  const secure = exchange.connection.scheme === 'https' ? '; Secure' : ''
  headers.append('Set-Cookie', `${persistence.name}=${token}; Path=${path}${age}; HttpOnly; SameSite=Lax${secure}`)
}

function tokenIn(exchange: EngineExchange, persistence: Persistence): string | undefined {
  const { headers } = exchange.request
  if (persistence.kind === 'header') return headers.get(persistence.name.toLowerCase())
  const cookies = headers.get('cookie')
  if (cookies === undefined) return undefined
  for (const cookie of cookies.split(';')) {
    const equals = cookie.indexOf('=')
    if (equals > 0 && cookie.slice(0, equals).trim() === persistence.name) return cookie.slice(equals + 1).trim()
  }
  return undefined
}
