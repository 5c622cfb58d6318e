/** HTTP/2 connections to one endpoint: as few as its limit of streams allows, opened when needed, closed when idle. */
import { connect, type ClientHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { TAG } from '../../../lib/http1/fields.ts'
import { dial } from '../dial.ts'
import { STAGE, type EngineExchange, type Outbound } from '../exchange.ts'
import { failedUpstream, hostOfEndpoint, startOverHttp1 } from '../forward.ts'
import type { EndpointPool } from '../pool.ts'
import { Deadline } from '../wheel.ts'
import { isGrpcExchange } from './grpc.ts'
import { BackendStream, onWantTrailers, requestHeaders } from './outbound.ts'

const CONNECT_TIMEOUT = 5000
const IDLE_TIMEOUT = 30_000
/** Before the endpoint has said how many streams it takes (RFC 9113 §6.5.2 recommends to take that many at least). */
const STREAMS = 100
/** What an answer may send before it is read, bytes a stream. */
const WINDOW = 262_144
/** A peer that has vanished is noticed by TCP, where nothing else would. */
const KEEP_ALIVE = 30_000

export class BackendSessions {
  readonly pool: EndpointPool
  readonly #sessions: BackendSession[] = []
  /** Chosen by ALPN: this endpoint speaks HTTP/1.1. */
  plain = false
  /** How many streams the last connection was allowed. */
  most = STREAMS

  constructor(pool: EndpointPool) {
    this.pool = pool
  }

  /** `alpn`: what TLS offers; what else than h2 is chosen goes over HTTP/1.1. */
  start(exchange: EngineExchange, length: number, fresh: boolean, alpn: readonly string[]): void {
    const { pool } = this
    pool.busy++
    const backendRequest = exchange.plan?.forward.timeouts?.backendRequest ?? 0
    const tryDue = backendRequest > 0 ? performance.now() + backendRequest : Number.POSITIVE_INFINITY
    let session = fresh ? undefined : this.#sessions.find((known) => known.free)
    if (session === undefined) {
      session = new BackendSession(this, alpn, exchange.plan?.forward.timeouts?.connect || CONNECT_TIMEOUT)
      this.#sessions.push(session)
    }
    session.start(exchange, length, tryDue)
  }

  forget(session: BackendSession): void {
    const at = this.#sessions.indexOf(session)
    if (at >= 0) this.#sessions.splice(at, 1)
  }

  /** Out of the plan: streams that are open end as they would. */
  retire(): void {
    for (const session of this.#sessions.splice(0)) session.close()
  }
}

export class BackendSession extends Deadline {
  gone = false
  uses = 0
  readonly #owner: BackendSessions
  readonly #socket: Socket
  #session: ClientHttp2Session | undefined
  #waiting: Waiting[] = []
  #streams = 0
  #most: number
  #closing = false

  constructor(owner: BackendSessions, alpn: readonly string[], timeout: number) {
    super()
    this.#owner = owner
    this.#most = owner.most
    this.#socket = dial(owner.pool, alpn, timeout, (error) => {
      if (error !== undefined) this.#onNoConnection(error)
      else this.#onConnect()
    })
  }

  /** Takes it one more stream? */
  get free(): boolean {
    return !this.gone && !this.#closing && this.#streams + this.#waiting.length < this.#most
  }

  start(exchange: EngineExchange, length: number, tryDue: number): void {
    this.uses++
    if (this.#session === undefined) {
      // nothing is sent before the other side is known
      this.#waiting.push(new Waiting(exchange, length, tryDue, this.#owner.pool))
      return
    }
    this.#send(this.#session, exchange, length, tryDue)
  }

  /** A stream has ended. */
  left(): void {
    this.#streams--
    if (this.#streams > 0 || this.gone) return
    if (this.#closing) this.#session?.close()
    else this.#owner.pool.context.wheel.set(this, IDLE_TIMEOUT, performance.now())
  }

  /** No new streams. */
  close(): void {
    this.#closing = true
    this.#owner.forget(this)
    // what waits for the connection is as good as open
    if (this.#waiting.length === 0) this.#session?.close()
  }

  expire(): void {
    if (this.#streams === 0) this.close()
  }

  #onConnect(): void {
    const { pool } = this.#owner
    const chosen = (this.#socket as Partial<TLSSocket>).alpnProtocol
    if (pool.backend.security !== undefined && chosen !== 'h2') {
      this.#onOtherProtocol()
      return
    }
    this.#socket.setKeepAlive(true, KEEP_ALIVE)
    const session = connect('http://backend', {
      createConnection: () => this.#socket,
      settings: { enablePush: false, initialWindowSize: WINDOW },
      maxSessionMemory: 64,
    })
    this.#session = session
    session.on('remoteSettings', (settings) => {
      this.#most = this.#owner.most = Math.max(1, Math.min(settings.maxConcurrentStreams ?? STREAMS, 1000))
    })
    session.on('goaway', () => this.close())
    // what it was, its streams and 'close' tell
    session.on('error', () => this.#onGone())
    session.on('close', () => this.#onGone())
    this.#socket.on('end', () => this.#socket.destroy())
    const waiting = this.#waiting
    this.#waiting = []
    for (const one of waiting) {
      if (one.leave()) this.#send(session, one.exchange, one.length, one.tryDue)
      else pool.lost()
    }
    if (this.#closing) session.close()
    else if (this.#streams === 0) pool.context.wheel.set(this, IDLE_TIMEOUT, performance.now())
  }

  #send(session: ClientHttp2Session, exchange: EngineExchange, length: number, tryDue: number): void {
    const { pool } = this.#owner
    const { forward } = exchange.plan!
    const { request } = exchange
    const { flow } = request
    const mode = forward.forwarded ?? 'replace'
    const lines = mode === 'none' ? '' : exchange.listener.context.forwarded(exchange, mode)
    const host = forward.host
    const authority =
      host === undefined || host.kind === 'keep'
        ? (request.headers.get('host') ?? request.authority ?? hostOfEndpoint(pool))
        : host.kind === 'set'
          ? host.name
          : hostOfEndpoint(pool)
    const scheme = pool.backend.security === undefined ? 'http' : 'https'
    const skip = mode === 'none' ? 0 : TAG.forwarded
    const headers = requestHeaders(exchange, authority, scheme, lines, length, skip)
    // calls of gRPC have no trailers
    const waitForTrailers = flow !== undefined && length < 0 && !isGrpcExchange(exchange)
    this.#streams++
    this.due = Number.POSITIVE_INFINITY
    let stream
    try {
      stream = session.request(headers, { endStream: flow === undefined, waitForTrailers })
    } catch (error) {
      this.#streams--
      pool.lost()
      const code = (error as NodeJS.ErrnoException).code ?? ''
      // the session ended in this very turn
      const gone = code === 'ERR_HTTP2_INVALID_SESSION' || code === 'ERR_HTTP2_GOAWAY_SESSION'
      if (!gone) exchange.listener.context.services.events.emit('error', 'engine/http2-request', String(error))
      this.close()
      failedUpstream(exchange, gone ? 'refused' : 'bad-answer', gone ? 'refused: connection' : `request: ${code}`)
      return
    }
    if (waitForTrailers) stream.on('wantTrailers', onWantTrailers)
    const outbound = new BackendStream(this, pool, stream, exchange, tryDue)
    if (flow !== undefined) outbound.attach()
    else outbound.end(undefined)
  }

  #onNoConnection(error: NodeJS.ErrnoException): void {
    const { pool } = this.#owner
    this.gone = true
    this.#owner.forget(this)
    this.#socket.on('error', () => undefined)
    this.#socket.destroy()
    pool.failed()
    const failure = error.code === 'ETIMEDOUT' ? 'connect-timeout' : 'connect'
    for (const one of this.#waiting.splice(0)) {
      pool.lost()
      if (one.leave()) failedUpstream(one.exchange, failure, `connect: ${error.code ?? error.message}`)
    }
  }

  /** TLS has agreed on something else: HTTP/1.1 for what can go over it. */
  #onOtherProtocol(): void {
    const { pool } = this.#owner
    this.gone = true
    this.#owner.forget(this)
    this.#socket.on('error', () => undefined)
    this.#socket.destroy()
    const may = pool.backend.http2 === 'ask'
    if (may) this.#owner.plain = true
    for (const one of this.#waiting.splice(0)) {
      pool.lost()
      if (!one.leave()) continue
      if (may && !isGrpcExchange(one.exchange)) startOverHttp1(one.exchange, pool, one.length)
      else failedUpstream(one.exchange, 'bad-answer', 'connect: no h2')
    }
  }

  #onGone(): void {
    if (this.gone) return
    this.gone = true
    this.#owner.forget(this)
    this.#owner.pool.context.wheel.remove(this)
    this.#session?.destroy()
    this.#socket.destroy()
  }
}

/** An exchange whose connection is being opened. */
class Waiting extends Deadline implements Outbound {
  readonly address: string
  readonly exchange: EngineExchange
  readonly length: number
  readonly tryDue: number
  readonly #pool: EndpointPool

  constructor(exchange: EngineExchange, length: number, tryDue: number, pool: EndpointPool) {
    super()
    this.exchange = exchange
    this.length = length
    this.tryDue = tryDue
    this.address = pool.address
    this.#pool = pool
    exchange.outbound = this
    const now = performance.now()
    if (tryDue !== Number.POSITIVE_INFINITY) pool.context.wheel.set(this, tryDue - now, now)
  }

  /** False: nobody waits any more. */
  leave(): boolean {
    this.#pool.context.wheel.remove(this)
    if (this.exchange.outbound !== this || this.exchange.stage !== STAGE.forwarding) return false
    this.exchange.outbound = undefined
    return true
  }

  cancel(): void {
    this.#pool.context.wheel.remove(this)
    if (this.exchange.outbound === this) this.exchange.outbound = undefined
  }

  expire(): void {
    if (this.exchange.outbound !== this) return
    this.exchange.outbound = undefined
    failedUpstream(this.exchange, 'connect-timeout', 'connect: timeout')
  }

  pause(): void {
    return undefined
  }

  resume(): void {
    return undefined
  }
}
