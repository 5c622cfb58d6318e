/** A request of a policy's own → the whole answer of a backend. Effect; not on the way of ordinary requests. */
import http from 'node:http'
import { connect, type ClientHttp2Session, type OutgoingHttpHeaders } from 'node:http2'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { AskReply, AskRequest } from '../../policies/services.ts'
import { dial } from './dial.ts'
import type { BackendPool, EndpointPool } from './pool.ts'

const CONNECT_TIMEOUT = 5000
const IDLE_TIMEOUT = 30_000
const LONGEST_ANSWER = 1_048_576

/** What is asked changes nothing, so it may be asked again: once, of another endpoint where there is one. */
export async function askBackend(pool: BackendPool, request: AskRequest): Promise<AskReply> {
  const { exchange } = request
  const late = AbortSignal.timeout(request.timeout)
  const signal = AbortSignal.any([late, exchange.signal])
  const tried: EndpointPool[] = []
  for (;;) {
    const seeker = { begun: performance.now(), tried, clientAddress: exchange.connection.clientAddress }
    const endpoint = pool.pickForBytes(seeker) ?? tried[0]
    if (endpoint === undefined) throw new Error('it has no endpoint')
    try {
      const overHttp2 = request.protocol === 'grpc' || pool.http2 === 'always'
      return await (overHttp2 ? askOverHttp2(endpoint, request, signal) : askOverHttp1(endpoint, request, signal))
    } catch (error) {
      if (late.aborted) throw new Error(`no answer within ${request.timeout} ms`, { cause: error })
      if (signal.aborted || tried.length > 0 || error instanceof TooLong) throw error
      tried.push(endpoint)
    }
  }
}

class TooLong extends Error {
  constructor() {
    super(`its answer is longer than ${LONGEST_ANSWER} bytes`)
  }
}

/** Pieces → all of them, or TooLong. */
function collector(): { readonly add: (piece: Buffer) => void; readonly whole: () => Buffer } {
  const pieces: Buffer[] = []
  let length = 0
  return {
    add: (piece) => {
      length += piece.length
      if (length > LONGEST_ANSWER) throw new TooLong()
      pieces.push(piece)
    },
    whole: () => Buffer.concat(pieces),
  }
}

const pairs = (raw: readonly string[]): (readonly [string, string])[] =>
  raw.flatMap((name, index) => (index % 2 === 0 ? [[name, raw[index + 1] ?? ''] as const] : []))

/** The endpoint is out of the plan: connections that wait close, what is under way ends as it would. */
export function leaveAsked(endpoint: EndpointPool): void {
  agents.get(endpoint)?.leave()
  agents.delete(endpoint)
  const session = sessions.get(endpoint)
  sessions.delete(endpoint)
  // one that never opened has told so already
  void session?.then(
    (open) => open.close(),
    () => undefined,
  )
}

// --- HTTP/1.1 ---

const agents = new WeakMap<EndpointPool, EndpointAgent>()

/** Connections to one endpoint, dialled as all others to it are. */
class EndpointAgent extends http.Agent {
  readonly #endpoint: EndpointPool

  constructor(endpoint: EndpointPool) {
    super({ keepAlive: true, maxSockets: 256, maxFreeSockets: 16, timeout: IDLE_TIMEOUT })
    this.#endpoint = endpoint
  }

  leave(): void {
    for (const free of Object.values(this.freeSockets)) for (const socket of free ?? []) socket.destroy()
  }

  override createConnection(_options: unknown, done: (error: Error | null, socket: Duplex) => void): undefined {
    const socket = dial(this.#endpoint, ['http/1.1'], CONNECT_TIMEOUT, (error) => {
      if (error === undefined) return done(null, socket)
      socket.on('error', () => undefined)
      socket.destroy()
      done(error, socket)
    })
    // it was opened to stay half open, which would make it look idle
    socket.on('end', () => socket.destroy())
  }
}

function askOverHttp1(endpoint: EndpointPool, request: AskRequest, signal: AbortSignal): Promise<AskReply> {
  let agent = agents.get(endpoint)
  if (agent === undefined) agents.set(endpoint, (agent = new EndpointAgent(endpoint)))
  const { method, body } = request
  const { via, security } = endpoint.backend
  const headers = request.headers.flat()
  let { path } = request
  if (via !== undefined && security === undefined) {
    // a proxy in clear is told the whole address (RFC 9112 3.2.2)
    path = `http://${endpoint.address}${path}`
    if (via.authorization !== undefined) headers.push('Proxy-Authorization', via.authorization.reveal())
  }
  return new Promise((resolve, reject) => {
    const outgoing = http.request({ agent, method, path, headers, setHost: false, signal })
    outgoing.on('error', reject)
    outgoing.on('response', (response) => {
      const read = collector()
      response.on('data', (piece: Buffer) => {
        try {
          read.add(piece)
        } catch (error) {
          outgoing.destroy(error as Error)
        }
      })
      response.on('error', reject)
      response.on('aborted', () => reject(new Error('its answer breaks off')))
      response.on('end', () => {
        resolve({
          status: response.statusCode ?? 0,
          headers: pairs(response.rawHeaders),
          body: read.whole(),
          trailers: pairs(response.rawTrailers),
        })
      })
    })
    outgoing.end(body)
  })
}

// --- HTTP/2 ---

const sessions = new WeakMap<EndpointPool, Promise<ClientHttp2Session>>()

function sessionOf(endpoint: EndpointPool): Promise<ClientHttp2Session> {
  const known = sessions.get(endpoint)
  if (known !== undefined) return known
  const forget = (): void => {
    if (sessions.get(endpoint) === opening) sessions.delete(endpoint)
  }
  const opening = new Promise<ClientHttp2Session>((resolve, reject) => {
    const socket = dial(endpoint, ['h2'], CONNECT_TIMEOUT, (error) => {
      const chosen = (socket as Partial<TLSSocket>).alpnProtocol
      const why = error ?? (endpoint.backend.security === undefined || chosen === 'h2' ? undefined : new Error('no h2'))
      if (why !== undefined) {
        forget()
        socket.on('error', () => undefined)
        socket.destroy()
        return reject(why)
      }
      const session = connect('http://backend', { createConnection: () => socket, settings: { enablePush: false } })
      // its streams tell what went wrong
      session.on('error', forget)
      session.on('goaway', forget)
      session.on('close', forget)
      session.setTimeout(IDLE_TIMEOUT, () => {
        forget()
        session.close()
      })
      socket.on('end', () => socket.destroy())
      session.unref()
      resolve(session)
    })
  })
  sessions.set(endpoint, opening)
  return opening
}

async function askOverHttp2(endpoint: EndpointPool, request: AskRequest, signal: AbortSignal): Promise<AskReply> {
  const session = await sessionOf(endpoint)
  signal.throwIfAborted()
  const headers: OutgoingHttpHeaders = {
    ':method': request.method,
    ':path': request.path,
    ':scheme': endpoint.backend.security === undefined ? 'http' : 'https',
    ':authority': endpoint.backend.security?.serverName ?? endpoint.address,
  }
  for (const [given, value] of request.headers) {
    const name = given.toLowerCase()
    const before = headers[name === 'host' ? ':authority' : name]
    if (name === 'host') headers[':authority'] = value
    else headers[name] = before === undefined ? value : [before, value].flat().map(String)
  }
  return new Promise((resolve, reject) => {
    const stream = session.request(headers, { signal, endStream: request.body.length === 0 })
    const read = collector()
    const reply = {
      status: 0,
      headers: [] as (readonly [string, string])[],
      trailers: [] as (readonly [string, string])[],
    }
    stream.on('response', (answer, _flags, raw?: string[]) => {
      reply.status = answer[':status'] ?? 0
      reply.headers = pairs(raw ?? []).filter(([name]) => !name.startsWith(':'))
    })
    stream.on('trailers', (_trailers, _flags, raw?: string[]) => {
      reply.trailers = pairs(raw ?? [])
    })
    stream.on('data', (piece: Buffer) => {
      try {
        read.add(piece)
      } catch (error) {
        stream.destroy(error as Error)
      }
    })
    stream.on('error', reject)
    stream.on('close', () => {
      if (stream.rstCode === 0 && reply.status > 0) resolve({ ...reply, body: read.whole() })
      else reject(new Error(`the stream ended with ${stream.rstCode}`))
    })
    if (request.body.length > 0) stream.end(request.body)
  })
}
