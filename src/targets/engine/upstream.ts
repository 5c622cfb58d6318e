/** One HTTP/1.1 connection to an endpoint: an exchange at a time goes out as text and comes back as an answer. */
import { BodyReader, type BodySink as PieceSink } from '../../lib/http1/body.ts'
import type { Fields } from '../../lib/http1/fields.ts'
import { TAG } from '../../lib/http1/tags.ts'
import { readNextResponseHead, readResponseHead, type ResponseHead } from '../../lib/http1/head.ts'
import { Refusal } from '../../lib/http1/refusal.ts'
import { endOfHead, latin1 } from '../../lib/http1/latin1.ts'
import { Refusal as BodyRefusal } from '../../policies/policy.ts'
import type { BodySink } from './body-flow.ts'
import { clock } from './clock.ts'
import { dialSecurely, dialsPlainly, placeOf } from './dial.ts'
import type { EngineExchange, Outbound, TunnelEnd } from './exchange.ts'
import { answered, failedUpstream, INTERIM_MOST, refuseBody, type UpstreamFailure } from './forward.ts'
import type { EndpointPool } from './pool.ts'
import { Deadline } from './wheel.ts'
import { Wire, type WireUser } from './wire.ts'

const HEAD_BYTES = 65_536
const HEAD_LIMITS = { headerCount: 200 }
const CONNECT_TIMEOUT = 5000
/** Shorter than what servers usually wait; a server that says when it will close is believed. */
const IDLE_TIMEOUT = 30_000
const ALPN: readonly string[] = ['http/1.1']
const PART = Object.freeze(new Refusal(400, 'part-of-head'))
/** Small pieces are joined into one write. */
const JOIN = 16_384

const CONNECTING = 0
const IDLE = 1
const HEAD = 2
const BODY = 3
const TUNNEL = 4
const CLOSED = 5

export class UpstreamConnection extends Deadline implements Outbound, BodySink, PieceSink, TunnelEnd, WireUser {
  readonly pool: EndpointPool
  readonly address: string
  readonly #wire: Wire
  readonly #reader = new BodyReader()
  #state = CONNECTING
  #connected = false
  #exchange: EngineExchange | undefined
  /** Bytes of a head that is not whole yet. */
  #held: Buffer | undefined
  /** What comes byte by byte is not read again each time. */
  #inPieces = false
  #out = ''
  #joining = false
  #requestDone = true
  #chunked = false
  #keepAlive = true
  #uses = 0
  #anyByte = false
  #interim = 0
  #interimBytes = 0
  #idleFor = IDLE_TIMEOUT
  /** When the try must be over; of the wheel's clock. */
  #tryDue = Number.POSITIVE_INFINITY
  #waiting: { head: string; length: number } | undefined
  #far: TunnelEnd | undefined

  constructor(pool: EndpointPool) {
    super()
    this.pool = pool
    this.address = pool.address
    pool.context.counts.upstreamConnects++
    if (dialsPlainly(pool)) {
      this.#wire = Wire.connect(this, placeOf(pool))
      this.#wire.socket.on('connect', () => this.#onConnect())
    } else {
      const socket = dialSecurely(pool, ALPN)
      this.#wire = Wire.over(() => this, socket)
      socket.on('secureConnect', () => this.#onConnect())
    }
    pool.context.wheel.set(this, CONNECT_TIMEOUT, clock.now)
  }

  /** Sends one exchange. `head` ends with the empty line; `length`: of the body, bytes, or -1 for chunks. */
  start(exchange: EngineExchange, head: string, length: number): void {
    this.#exchange = exchange
    exchange.outbound = this
    this.#uses++
    this.#anyByte = false
    this.#inPieces = false
    this.#interim = 0
    this.#interimBytes = 0
    const timeouts = exchange.plan?.forward.timeouts
    const now = timeouts === undefined && this.#connected ? 0 : clock.now
    if (timeouts?.backendRequest !== undefined && timeouts.backendRequest > 0)
      this.#tryDue = now + timeouts.backendRequest
    else this.#tryDue = Number.POSITIVE_INFINITY
    if (!this.#connected) {
      this.#arm(timeouts?.connect || CONNECT_TIMEOUT, now)
      // nothing is sent before the other side is known: neither to a stranger, nor to a socket that never opens
      this.#waiting = { head, length }
      return
    }
    this.#send(exchange, head, length, now)
  }

  #send(exchange: EngineExchange, head: string, length: number, now: number): void {
    this.#state = HEAD
    const firstByte = exchange.plan?.forward.timeouts?.firstByte ?? 0
    if (firstByte > 0 || this.#tryDue !== Number.POSITIVE_INFINITY) this.#arm(firstByte, now)
    else this.due = Number.POSITIVE_INFINITY
    const { flow } = exchange.request
    if (flow === undefined) {
      this.#requestDone = true
      this.#wire.write(head)
      return
    }
    this.#requestDone = false
    this.#chunked = length === -1
    this.#out = head
    this.#joining = true
    flow.attach(this)
    this.#joining = false
    this.#flush()
  }

  // --- the body of the request ---

  write(piece: Buffer): boolean {
    if (this.#state === CLOSED) return true
    if (this.#chunked) this.#out += `${piece.length.toString(16)}\r\n`
    if (piece.length + this.#out.length <= JOIN) {
      this.#out += latin1(piece, 0, piece.length)
      if (this.#chunked) this.#out += '\r\n'
      if (!this.#joining) this.#flush()
    } else {
      const out = this.#out
      this.#out = ''
      if (out === '') this.#wire.writeBytes(piece)
      else this.#wire.writeAround(out, piece, this.#chunked ? '\r\n' : '')
    }
    return !this.#wire.stalled
  }

  end(trailers: Fields | undefined): void {
    if (this.#state === CLOSED) return
    if (this.#chunked) this.#out += trailers === undefined ? '0\r\n\r\n' : `0\r\n${trailers.write(0)}\r\n`
    this.#requestDone = true
    if (!this.#joining) this.#flush()
  }

  /** The client's body broke off, or a policy refused it: the backend must not take it for whole. */
  fail(error?: Error): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    this.#out = ''
    this.#detach()
    this.destroy()
    if (error instanceof BodyRefusal) refuseBody(exchange, error)
  }

  #flush(): void {
    if (this.#out === '') return
    const out = this.#out
    this.#out = ''
    this.#wire.write(out)
  }

  // --- what the exchange wants ---

  cancel(): void {
    if (this.#exchange === undefined && this.#state !== TUNNEL) return
    this.#detach()
    this.destroy()
  }

  pause(): void {
    // while we do not read, nobody can say whether the backend sends
    if (this.#state === BODY) this.#arm(0, clock.now)
    this.#wire.pause()
  }

  resume(): void {
    const idle = this.#exchange?.plan?.forward.timeouts?.idle ?? 0
    if (idle > 0 && this.#state === BODY) this.#arm(idle, clock.now)
    this.#wire.resume()
  }

  destroy(): void {
    if (this.#state === CLOSED) return
    if (this.#state === IDLE) this.pool.forget(this)
    this.#state = CLOSED
    this.pool.context.wheel.remove(this)
    this.#wire.destroy()
  }

  // --- the answer ---

  onPiece(bytes: Buffer, start: number, end: number): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    const { flow } = exchange.response
    if (flow !== undefined) flow.push(bytes.subarray(start, end))
    else if (!exchange.inbound.writeRange(bytes, start, end)) this.pause()
  }

  onEnd(trailers: Fields | undefined): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    this.#release()
    const { flow } = exchange.response
    if (flow !== undefined) flow.finish(trailers)
    else exchange.inbound.end(trailers)
  }

  onRefusal(refusal: Refusal): void {
    this.#fail('bad-answer', `bad-answer: ${refusal.reason}`)
  }

  #onConnect(): void {
    if (this.#state === CLOSED) return
    this.#connected = true
    this.#state = IDLE
    const exchange = this.#exchange
    const waiting = this.#waiting
    this.#waiting = undefined
    if (exchange === undefined || waiting === undefined) {
      this.destroy()
      return
    }
    this.#send(exchange, waiting.head, waiting.length, clock.now)
  }

  onRead(buffer: Buffer, length: number): void {
    const exchange = this.#exchange
    if (this.#state === TUNNEL) {
      this.#touchTunnel()
      if (this.#far?.send(buffer.subarray(0, length)) === false) this.#wire.pause()
      return
    }
    if (exchange === undefined) {
      // nobody asked: whatever this is, no later answer may be taken from it
      this.destroy()
      return
    }
    this.#anyByte = true
    let bytes = buffer
    let end = length
    let at = 0
    if (this.#state === HEAD) {
      if (this.#held !== undefined) {
        bytes = Buffer.concat([this.#held, buffer.subarray(0, length)])
        end = bytes.length
        this.#held = undefined
      }
      at = this.#onHeadBytes(bytes, end, exchange)
      if (at < 0) return
    }
    if (this.#state === BODY) {
      const idle = exchange.plan?.forward.timeouts?.idle ?? 0
      if (idle > 0 && !this.#wire.paused) this.#arm(idle, clock.now)
      if (at < end) at = this.#reader.feed(bytes, at, end, this)
      if (this.#exchange === exchange) exchange.inbound.flush()
    }
    if (at < end && (this.#state === IDLE || this.#state === HEAD)) this.destroy()
  }

  /** Where the body begins; -1 where there is nothing more to do with these bytes. */
  #onHeadBytes(bytes: Buffer, length: number, exchange: EngineExchange): number {
    let from = 0
    for (;;) {
      // most heads come whole, and are good: that is found out on the way
      let head = this.#inPieces ? PART : readNextResponseHead(bytes, from, length, HEAD_LIMITS)
      if (head.kind === 'refusal' || head.size > HEAD_BYTES) {
        const end = endOfHead(bytes, from, length)
        if (end < 0 || end - from > HEAD_BYTES) {
          if (length - from > HEAD_BYTES) this.#fail('bad-answer', 'bad-answer: head-too-long')
          else {
            this.#held = Wire.keep(bytes.subarray(from, length))
            this.#inPieces = true
          }
          return -1
        }
        head = readResponseHead(bytes, from, end, HEAD_LIMITS)
      }
      if (head.kind === 'refusal') {
        this.#fail('bad-answer', `bad-answer: ${head.reason}`)
        return -1
      }
      from += head.size
      if (head.status >= 200) {
        this.#onHead(head, exchange)
        return from
      }
      if (head.status === 101) {
        this.#upgrade(exchange, head.fields, from < length ? bytes.subarray(from, length) : undefined)
        return -1
      }
      this.#interimBytes += head.size
      if (++this.#interim > INTERIM_MOST || this.#interimBytes > HEAD_BYTES) {
        this.#fail('bad-answer', 'bad-answer: too-many-interim')
        return -1
      }
      // 100 was said by us already
      if (head.status !== 100 && exchange.inbound.modern) exchange.inbound.inform(head.status, head.reason, head.fields)
      if (from === length) return -1
    }
  }

  #onHead(head: ResponseHead, exchange: EngineExchange): void {
    const none = head.status === 204 || head.status === 304 || exchange.request.method === 'HEAD'
    const declared = none ? 0 : head.chunked ? -1 : head.length
    this.#keepAlive = head.keepAlive && (none || head.chunked || head.length >= 0)
    if (this.#keepAlive && (head.fields.tags & TAG.alive) !== 0) this.#readKeepAlive(head.fields)
    this.#reader.start(none ? 0 : head.chunked ? 'chunked' : head.length < 0 ? 'close' : head.length, HEAD_LIMITS)
    this.#state = BODY
    if (this.#tryDue === Number.POSITIVE_INFINITY) this.due = Number.POSITIVE_INFINITY
    this.pool.succeeded()
    if (this.#reader.done) this.#release()
    else if (declared < 0 || declared > JOIN) this.#wire.bulk(true)
    answered(exchange, this, head, declared)
  }

  /** `Keep-Alive: timeout=5`: be gone a second before the server is. */
  #readKeepAlive(fields: Fields): void {
    const said = fields.get('keep-alive')
    if (said === undefined) return
    const seconds = /timeout=(\d{1,6})/.exec(said)?.[1]
    if (seconds !== undefined) this.#idleFor = Math.min(IDLE_TIMEOUT, Math.max(500, Number(seconds) * 1000 - 1000))
  }

  /** The answer is whole: the connection waits for the next exchange, or ends. */
  #release(): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    this.#exchange = undefined
    exchange.outbound = undefined
    this.#wire.bulk(false)
    const reusable = this.#keepAlive && this.#requestDone
    if (!this.#requestDone) exchange.request.flow?.detach()
    if (reusable && this.pool.give(this)) {
      this.#state = IDLE
      if (this.#wire.paused) this.#wire.resume()
      this.pool.context.wheel.set(this, this.#idleFor, clock.now)
      return
    }
    if (!reusable) this.pool.lost()
    this.#state = BODY
    this.destroy()
  }

  /** The exchange has nothing to do with this connection any more. */
  #detach(): void {
    const exchange = this.#exchange
    if (exchange !== undefined) {
      this.#exchange = undefined
      exchange.outbound = undefined
      exchange.request.flow?.detach()
    }
    if (this.#state !== CLOSED) this.pool.lost()
  }

  #fail(failure: UpstreamFailure, detail: string): void {
    const exchange = this.#exchange
    if (exchange === undefined) {
      this.destroy()
      return
    }
    // nor is it late when its client is
    const blameless = failure === 'stale' || (failure === 'timeout' && this.#wire.paused)
    this.#detach()
    this.destroy()
    if (!blameless) this.pool.failed()
    failedUpstream(exchange, failure, detail)
  }

  // --- the connection ends ---

  onEndOfStream(): void {
    if (this.#state === TUNNEL) {
      this.#far?.finish()
      return
    }
    if (this.#state === BODY && this.#exchange !== undefined && this.#reader.close()) {
      this.#keepAlive = false
      this.onEnd(undefined)
      return
    }
    this.#broken('closed')
  }

  onWireError(error: NodeJS.ErrnoException): void {
    this.#broken(error.code ?? error.message)
  }

  onGone(): void {
    if (this.#state === TUNNEL) {
      const far = this.#far
      this.#far = undefined
      this.destroy()
      this.pool.lost()
      far?.destroy()
      return
    }
    this.#broken('closed')
  }

  #broken(detail: string): void {
    if (this.#state === TUNNEL) return
    if (this.#exchange === undefined) {
      this.destroy()
      return
    }
    if (!this.#connected) this.#fail('connect', `connect: ${detail}`)
    else if (!this.#anyByte && this.#uses > 1) this.#fail('stale', `reset: ${detail}`)
    else this.#fail('reset', `reset: ${detail}`)
  }

  onDrain(): void {
    if (this.#state === TUNNEL) this.#far?.resume()
    else this.#exchange?.request.flow?.resume()
  }

  // --- time ---

  /** `ms` 0: only the end of the try counts. */
  #arm(ms: number, now: number): void {
    const due = Math.min(ms > 0 ? now + ms : Number.POSITIVE_INFINITY, this.#tryDue)
    if (due === Number.POSITIVE_INFINITY) this.due = due
    else this.pool.context.wheel.set(this, due - now, now)
  }

  expire(): void {
    if (this.#state === TUNNEL) {
      this.#far?.destroy()
      this.#wire.destroy()
    } else if (this.#exchange === undefined) this.destroy()
    else if (!this.#connected) this.#fail('connect-timeout', 'connect: timeout')
    else this.#fail('timeout', this.#state === HEAD ? 'timeout: no answer' : 'timeout: answer broke off')
  }

  // --- upgrades ---

  #upgrade(exchange: EngineExchange, fields: Fields, first: Buffer | undefined): void {
    if (exchange.request.upgrade === undefined || !this.#requestDone || exchange.plan?.forward.upgrade === false) {
      this.#fail('bad-answer', 'bad-answer: unasked-upgrade')
      return
    }
    this.pool.succeeded()
    this.#state = TUNNEL
    this.#exchange = undefined
    exchange.outbound = this
    this.#tunnelIdle = exchange.plan?.forward.timeouts?.idle ?? 0
    this.due = Number.POSITIVE_INFINITY
    this.#tryDue = Number.POSITIVE_INFINITY
    this.#touchTunnel()
    exchange.response.begin(101, '', fields, 'backend', 0)
    const far = exchange.inbound.tunnel(exchange, this, first)
    if (far === undefined) {
      this.pool.lost()
      this.destroy()
      return
    }
    this.#far = far
  }

  #tunnelIdle = 0

  #touchTunnel(): void {
    if (this.#tunnelIdle > 0) this.#arm(this.#tunnelIdle, clock.now)
  }

  send(piece: Buffer): boolean {
    this.#touchTunnel()
    return piece.length <= JOIN ? this.#wire.write(latin1(piece, 0, piece.length)) : this.#wire.writeBytes(piece)
  }

  finish(): void {
    this.#wire.end()
  }
}
