/**
 * The admin API: one HTTP server for Gantry's own endpoints and for what else is mounted (Express Gateway's Admin API).
 * On loopback it is open to local programs, not to web pages; anywhere else it asks for a bearer token.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { Handler } from '../lib/handler.ts'

export interface AdminOptions {
  readonly address: string
  readonly port: number
  readonly token?: string
  /** For endpoints that anybody may ask, such as a Pod's readiness: neither token nor loopback is required. */
  readonly open?: true
  readonly handlers: readonly Handler[]
  /** Until a request is here whole, milliseconds. Default 30 seconds. */
  readonly requestTimeout?: number
}

export interface AdminServer {
  readonly url: string
  readonly server: Server
  close(): Promise<void>
}

export function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || (isIP(address) === 4 && address.startsWith('127.'))
}

/** Rejects when the port cannot be opened, and when the address is not loopback and there is no token. */
export async function openAdmin(options: AdminOptions): Promise<AdminServer> {
  if (!isLoopback(options.address) && options.token === undefined && options.open !== true) {
    throw new Error(`the admin API does not listen on ${options.address} without a token`)
  }
  const requestTimeout = options.requestTimeout ?? 30_000
  const timeouts = {
    requestTimeout,
    headersTimeout: Math.min(10_000, requestTimeout),
    connectionsCheckingInterval: Math.min(2000, requestTimeout / 2),
  }
  const server = createServer(timeouts, (request, response) => {
    handle(options, request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy()
      else sendJson(response, 500, { error: error instanceof Error ? error.message : String(error) })
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: options.address, port: options.port }, () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
  const { port, address } = server.address() as AddressInfo
  return {
    server,
    url: `http://${isIP(address) === 6 ? `[${address}]` : address}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function handle(options: AdminOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  // one of them would be checked, another one believed
  if (request.rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'host').length > 1) {
    return sendJson(response, 400, { error: 'the request names two hosts' })
  }
  const refusal = refuse(options, request)
  if (refusal !== undefined) return refusal(response)
  let url: URL
  try {
    url = new URL(request.url ?? '/', 'http://admin')
  } catch {
    return sendJson(response, 400, { error: 'the request target is not a URL' })
  }
  for (const handler of options.handlers) if (await handler(request, response, url)) return
  sendJson(response, 404, {
    error: `no such admin endpoint: ${url.pathname}`,
    hint: 'GET /healthz, /readyz, /metrics, /gantry/status',
  })
}

/** Without a token only this machine's own programs may ask: no other Host (DNS rebinding), no web page (Origin). */
function refuse(options: AdminOptions, request: IncomingMessage): ((response: ServerResponse) => void) | undefined {
  if (options.open === true) return undefined
  if (options.token !== undefined) {
    const shown = /^Bearer +(.+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? ''
    if (sameText(shown, options.token)) return undefined
    return (response) => {
      response.setHeader('WWW-Authenticate', 'Bearer realm="gantry admin"')
      sendJson(response, 401, { error: 'the admin API asks for its bearer token' })
    }
  }
  const host = hostOf(request.headers.host)
  if (!isLoopback(host))
    return (response) =>
      sendJson(response, 403, { error: `the admin API on loopback does not answer to the host ${host}` })
  const origin = request.headers.origin
  if (origin !== undefined && originHost(origin) !== request.headers.host) {
    return (response) => sendJson(response, 403, { error: 'the admin API does not answer to pages of other origins' })
  }
  return undefined
}

function hostOf(header: string | undefined): string {
  const text = header ?? ''
  return text.startsWith('[') ? text.slice(1, text.indexOf(']')) : (text.split(':')[0] ?? '')
}

function originHost(origin: string): string | undefined {
  try {
    return new URL(origin).host
  } catch {
    return undefined
  }
}

/** Hashed first, so that neither length nor content shows in the time it takes. */
function sameText(left: string, right: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(left), digest(right))
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = `${JSON.stringify(value, undefined, 2)}\n`
  response.writeHead(status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
  })
  response.end(body)
}

/** How long somebody whose request is too large may go on sending it, milliseconds. */
const LINGER = 2000

/**
 * An answer to a request that is not read to its end. It is sent at once; the connection ends when the client has sent all,
 * or after a moment: ended earlier, what is still on its way would wipe out the answer before it is read.
 */
export function sendAndEnd(response: ServerResponse, status: number, contentType: string, body: string): void {
  const request = response.req
  response.writeHead(status, {
    'Content-Type': contentType,
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  })
  response.write(body)
  const timer = setTimeout(() => response.end(), LINGER)
  request.once('end', () => response.end())
  request.once('close', () => clearTimeout(timer))
  request.resume()
}

export function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  contentType = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'Content-Type': contentType, 'Content-Length': Buffer.byteLength(text) })
  response.end(text)
}
