/** HTTP/2 connections to one endpoint: as few as its limit of streams allows, opened when needed, closed when idle. */
import type { TLSSocket } from 'node:tls'
import { ClientSession, STREAMS_MOST, type ClientUser } from '../../../lib/http2/client.ts'
import { clock } from '../clock.ts'
import { dialWire } from '../dial.ts'
import { STAGE, type EngineExchange, type Outbound } from '../exchange.ts'
import { failedUpstream, startOverHttp1 } from '../forward.ts'
import type { EndpointPool } from '../pool.ts'
import { Deadline } from '../wheel.ts'
import type { Wire, WireUser } from '../wire.ts'
import { isGrpcExchange } from './grpc.ts'
import { BackendStream, HEAD_BYTES } from './outbound.ts'
import { SessionWire } from './session-wire.ts'

const CONNECT_TIMEOUT = 5000
const IDLE_TIMEOUT = 30_000
/** Before the endpoint has said how many streams it takes (RFC 9113 §6.5.2 recommends to take that many at least). */
const STREAMS = 100
const LIMITS = { headBytes: HEAD_BYTES }
/** How often an endpoint gets back what it may spend on frames that say nothing, milliseconds. */
const REFILL = 1000
/** How long an endpoint may take to read why its connection ends, milliseconds. */
const LINGER = 2000
/** A peer that has vanished is noticed by TCP while nothing is on its way to it; else by the first request that comes to nothing. */
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
    const tryDue = backendRequest > 0 ? clock.now + backendRequest : Number.POSITIVE_INFINITY
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

export class BackendSession extends Deadline implements ClientUser, WireUser {
  gone = false
  uses = 0
  /** How often something was read. */
  reads = 0
  /** The rule that the endpoint has broken. */
  broken: string | undefined = undefined
  readonly #owner: BackendSessions
  readonly #wire: Wire
  readonly #writes: SessionWire
  /** From when the endpoint is there. */
  #session: ClientSession | undefined
  #waiting: Waiting[] = []
  #most: number
  #closing = false
  #refilled = clock.now
  #reading = false
  /** Those whose clients have something to come at the end of this read. */
  #unflushed: BackendStream[] = []

  constructor(owner: BackendSessions, alpn: readonly string[], timeout: number) {
    super()
    this.#owner = owner
    this.#most = owner.most
    this.#wire = dialWire(owner.pool, alpn, this, () => this.#onConnect())
    this.#writes = new SessionWire(this.#wire)
    owner.pool.context.wheel.set(this, timeout, clock.now)
  }

  /** Takes it one more stream? */
  get free(): boolean {
    if (this.gone || this.#closing) return false
    const session = this.#session
    return session === undefined ? this.#waiting.length < this.#most : session.open && session.streams.size < this.#most
  }

  start(exchange: EngineExchange, length: number, tryDue: number): void {
    this.uses++
    // nothing is sent before the other side is known
    if (this.#session === undefined) this.#waiting.push(new Waiting(exchange, length, tryDue, this.#owner.pool))
    else this.#send(this.#session, exchange, length, tryDue)
  }

  /** No new streams. */
  close(): void {
    this.#closing = true
    this.#owner.forget(this)
    // what waits for the connection is as good as open
    if (this.#waiting.length === 0) this.#session?.close()
  }

  /** No answer has come in time. `reads`: when it was asked. One that has said nothing since then, to nobody, may be dead. */
  late(reads: number): void {
    if (this.reads === reads) this.close()
  }

  /** At the end of this read, or now: small pieces go to a client in one write. */
  flushLater(stream: BackendStream): void {
    if (this.#reading) this.#unflushed.push(stream)
    else stream.flush()
  }

  expire(): void {
    if (this.gone) this.#wire.destroy()
    else if (this.#session === undefined) {
      this.#onNoConnection(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' }))
    } else if (this.#session.streams.size === 0) this.close()
  }

  #onConnect(): void {
    if (this.gone) return
    const { pool } = this.#owner
    const { socket } = this.#wire
    const chosen = (socket as Partial<TLSSocket>).alpnProtocol
    if (pool.backend.security !== undefined && chosen !== 'h2') {
      this.#onOtherProtocol()
      return
    }
    socket.setKeepAlive(true, KEEP_ALIVE)
    const session = new ClientSession(this, this.#writes, LIMITS)
    this.#session = session
    this.#writes.carry(session)
    const waiting = this.#waiting
    this.#waiting = []
    for (const one of waiting) {
      if (one.leave()) this.#send(session, one.exchange, one.length, one.tryDue)
      else pool.lost()
    }
    if (this.#closing) session.close()
    else if (session.streams.size === 0) pool.context.wheel.set(this, IDLE_TIMEOUT, clock.now)
  }

  #send(session: ClientSession, exchange: EngineExchange, length: number, tryDue: number): void {
    const { pool } = this.#owner
    // it was closed while somebody waited for it
    if (!session.open) {
      pool.lost()
      failedUpstream(exchange, 'refused', 'refused: connection')
      return
    }
    this.due = Number.POSITIVE_INFINITY
    new BackendStream(this, session, exchange, pool, length, tryDue)
  }

  #onNoConnection(error: NodeJS.ErrnoException): void {
    const { pool } = this.#owner
    this.#leave()
    this.#wire.destroy()
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
    this.#leave()
    this.#wire.destroy()
    const may = pool.backend.http2 === 'ask'
    if (may) this.#owner.plain = true
    for (const one of this.#waiting.splice(0)) {
      pool.lost()
      if (!one.leave()) continue
      if (may && !isGrpcExchange(one.exchange)) startOverHttp1(one.exchange, pool, one.length)
      else failedUpstream(one.exchange, 'bad-answer', 'connect: no h2')
    }
  }

  /** Nobody finds it any more. */
  #leave(): void {
    this.gone = true
    this.#owner.forget(this)
    this.#owner.pool.context.wheel.remove(this)
  }

  // --- the session ---

  onStreams(most: number): void {
    this.#most = this.#owner.most = Math.max(1, Math.min(most, STREAMS_MOST))
  }

  onLeft(): void {
    const { pool } = this.#owner
    pool.lost()
    if (this.gone || this.#closing || this.#session!.streams.size > 0) return
    pool.context.wheel.set(this, IDLE_TIMEOUT, clock.now)
  }

  onRefused(reason: string): void {
    // a stream of its own tells for itself
    if (reason !== 'h2-malformed') this.broken = reason
  }

  onFarewell(): void {
    this.close()
  }

  onEnd(): void {
    this.#leave()
    this.#writes.end()
    this.#owner.pool.context.wheel.set(this, LINGER, clock.now)
  }

  // --- the wire ---

  onRead(buffer: Buffer, length: number): void {
    const session = this.#session
    // a server says nothing before it was asked in HTTP/2; over TLS it may, and a session is there by then
    if (session === undefined) {
      this.#wire.destroy()
      return
    }
    const { now } = clock
    if (now - this.#refilled >= REFILL) {
      session.refill((now - this.#refilled) / 1000)
      this.#refilled = now
    }
    this.reads++
    this.#reading = true
    session.receive(buffer, 0, length)
    this.#reading = false
    const unflushed = this.#unflushed
    if (unflushed.length === 0) return
    this.#unflushed = []
    for (const stream of unflushed) stream.flush()
  }

  /** Sockets here may be half open, and HTTP/2 has no use for it. */
  onEndOfStream(): void {
    this.#wire.destroy()
  }

  onDrain(): void {
    this.#session?.drained()
  }

  onWireError(error: NodeJS.ErrnoException): void {
    if (this.#session === undefined && !this.gone) this.#onNoConnection(error)
    else this.onGone()
  }

  onGone(): void {
    this.#writes.gone = true
    if (this.gone) {
      this.#owner.pool.context.wheel.remove(this)
      return
    }
    if (this.#session === undefined) {
      this.#onNoConnection(Object.assign(new Error('closed'), { code: 'ECONNRESET' }))
      return
    }
    this.#leave()
    this.#session.gone()
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
    const { now } = clock
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
