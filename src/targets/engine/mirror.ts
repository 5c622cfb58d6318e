/** A copy of an exchange's request, sent to a backend nobody waits for. Effect; never slows the exchange. */
import { TAG } from '../../lib/http1/tags.ts'
import http from 'node:http'
import https from 'node:https'
import type { EngineExchange } from './exchange.ts'
import type { BackendPool } from './pool.ts'
import { checkIdentity } from './tls.ts'

/** Copies under way at once; more are dropped, so that a slow mirror costs nothing but itself. */
const MOST = 256
const TIMEOUT = 15_000
const BODY_MOST = 1_048_576

let underWay = 0

export function mirrorTo(exchange: EngineExchange, backend: BackendPool): void {
  const endpoint = backend.pick(exchange)
  if (endpoint === undefined || underWay >= MOST) return
  const { host, port } = endpoint.endpoint
  const { request } = exchange
  const { security } = backend
  const headers: string[] = []
  for (const [name, value] of request.headers) {
    const lower = name.toLowerCase()
    if (!HOP.has(lower)) headers.push(name, value)
  }
  if (!request.headers.tagged(TAG.host)) headers.push('Host', request.authority ?? host)
  for (const line of exchange.listener.context.forwarded(exchange, 'replace').split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) headers.push(line.slice(0, colon), line.slice(colon + 2))
  }
  const options: https.RequestOptions = {
    ...(host.startsWith('unix:')
      ? { socketPath: host.slice(5) }
      : { host, port, lookup: endpoint.context.resolver.lookup }),
    method: request.method,
    path: request.target,
    headers,
    agent: security === undefined ? plainAgent : secureAgent,
    timeout: TIMEOUT,
    ...(security === undefined
      ? {}
      : {
          secureContext: security.context,
          rejectUnauthorized: security.reject,
          ...(security.serverName === undefined ? {} : { servername: security.serverName }),
          checkServerIdentity: (dialled, peer) => checkIdentity(security, dialled, peer),
        }),
  }
  underWay++
  const copy = (security === undefined ? http : https).request(options)
  let over = false
  const done = (): void => {
    if (over) return
    over = true
    underWay--
  }
  copy.on('response', (response) => {
    response.resume()
    response.on('error', () => undefined)
  })
  copy.on('timeout', () => copy.destroy())
  copy.on('error', done)
  copy.on('close', done)
  const { flow } = request
  if (flow === undefined) {
    copy.end()
    return
  }
  flow.tee(BODY_MOST, {
    piece: (piece) => {
      copy.write(Buffer.from(piece))
    },
    end: (whole) => {
      if (whole) copy.end()
      else copy.destroy()
    },
  })
}

const plainAgent = new http.Agent({ keepAlive: true, maxSockets: 64 })
const secureAgent = new https.Agent({ keepAlive: true, maxSockets: 64 })

const HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'upgrade',
  'transfer-encoding',
  'expect',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
])
