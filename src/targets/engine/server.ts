/** One HTTP/1.1 connection of a client: bytes → exchanges, answers → bytes. One request at a time; pipelined ones wait. */
import { STATUS_CODES } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { BodyReader, type BodySink as PieceSink } from '../../lib/http1/body.ts'
import type { Fields } from '../../lib/http1/fields.ts'
import { HOP, TAG } from '../../lib/http1/tags.ts'
import { readNextRequestHead, readRequestHead, PREFACE, type RequestHead } from '../../lib/http1/head.ts'
import { Refusal } from '../../lib/http1/refusal.ts'
import { endOfHead, latin1 } from '../../lib/http1/latin1.ts'
import { clock, dateLine } from './clock.ts'
import { BodyFlow } from './body-flow.ts'
import type { ResolvedLimits } from './compile.ts'
import { ConnectionFactsOf } from './connection.ts'
import { EngineExchange, EngineRequest, STAGE, type Inbound, type TunnelEnd } from './exchange.ts'
import type { OpenSocket } from './listeners.ts'
import { Pace } from './pace.ts'
import { begin, clientGone, finished } from './run.ts'
import { Deadline } from './wheel.ts'
import { Wire, type WireUser } from './wire.ts'

/** Small pieces are joined into one write. */
const JOIN = 16_384
/** Of requests that came before their turn, bytes. */
const PIPELINE = 65_536
/** An answer that came before the end of the request's body: so much of the rest is read to keep the connection. */
const SKIP = 65_536
/** How long a client may take to read an answer after which we close, milliseconds. */
const LINGER = 2000

export class ClientConnection extends Deadline implements Inbound, PieceSink, TunnelEnd, WireUser {
  modern = true
  readonly #wire: Wire
  readonly #open: OpenSocket
  readonly #reader = new BodyReader()
  readonly #facts: ConnectionFactsOf
  #exchange: EngineExchange | undefined
  #limits: ResolvedLimits
  #held: Buffer | undefined
  #out = ''
  #processing = false
  #closing = false
  #tunnelFar: TunnelEnd | undefined
  #tunnel = false
  /** Has the client said that this is its last request? */
  #last = false
  /** May another request follow this one? */
  #keepAlive = false
  #wantsContinue = false
  #bodyBytes = 0
  /** Made for the first body. */
  #pace: Pace | undefined
  /** Of the answer: 0 none to be written, 1 with a length, 2 in chunks, 3 until the connection ends. */
  #framing = 0
  #begun = false
  #stalled = false
  #halfClosed = false
  /** Closing: have our last bytes left us? */
  #sent = false

  constructor(wire: Wire, open: OpenSocket) {
    super()
    this.#wire = wire
    this.#open = open
    this.#facts = new ConnectionFactsOf(wire, open.secure ? (wire.socket as TLSSocket) : undefined, open)
    this.#limits = open.plan.limits
    this.#idle()
  }

  get remoteAddress(): string {
    return this.#facts.remoteAddress
  }

  /** Ends when it can: at once where it waits for a request, else with the answer. */
  drain(): void {
    if (this.#exchange === undefined && this.#held === undefined && !this.#closing) this.#end()
  }

  destroy(): void {
    this.#wire.destroy()
  }

  // --- bytes of the client ---

  onRead(buffer: Buffer, length: number): void {
    if (this.#tunnel) {
      if (this.#tunnelFar?.send(buffer.subarray(0, length)) === false) this.#wire.pause()
      return
    }
    if (this.#closing) return
    if (this.#held === undefined) {
      this.#process(buffer, length)
      return
    }
    const bytes = Buffer.concat([this.#held, buffer.subarray(0, length)])
    this.#held = undefined
    this.#process(bytes, bytes.length)
  }

  #process(bytes: Buffer, length: number): void {
    this.#processing = true
    let at = 0
    while (at < length && !this.#closing && !this.#tunnel) {
      if (!this.#reader.done) {
        const from = at
        at = this.#reader.feed(bytes, at, length, this)
        if (this.#exchange !== undefined && !this.#reader.done) this.#onBodyBytes(at - from)
      } else if (this.#exchange !== undefined) {
        this.#hold(bytes, at, length)
        if (length - at > PIPELINE) this.#wire.pause()
        break
      } else {
        at = this.#onHeadBytes(bytes, at, length)
        if (at < 0) break
      }
    }
    this.#processing = false
  }

  #onBodyBytes(size: number): void {
    const left = this.#begun ? this.#limits.bodyTimeout : this.#pace?.piece(size, clock.now)
    // who was asked to wait is not late
    if (left !== undefined && !this.#wire.paused) this.#touch(left)
  }

  #hold(bytes: Buffer, at: number, length: number): void {
    this.#held = Wire.keep(bytes.subarray(at, length))
  }

  /** Where the head ends; -1 where there is nothing more to do with these bytes. */
  #onHeadBytes(bytes: Buffer, from: number, length: number): number {
    let at = from
    const { limits } = this.#open.plan
    // RFC 9112 §2.2: one empty line before a request is an old habit, and harmless
    if (bytes[at] === 13 && bytes[at + 1] === 10 && at + 1 < length) at += 2
    // most heads come whole, and are good: that is found out on the way
    let head = this.#waitsForHead ? PART : readNextRequestHead(bytes, at, length, limits)
    if (head.kind === 'refusal' || head.size > limits.headBytes) {
      const end = endOfHead(bytes, at, length)
      if (end < 0 || end - at > limits.headBytes) {
        this.#onPartOfHead(bytes, at, length)
        return -1
      }
      head = readRequestHead(bytes, at, end, limits)
    }
    this.#waitsForHead = false
    if (head.kind === 'refusal') {
      const take = (): boolean =>
        this.#open.takePreface(this, this.#wire, bytes.subarray(at, length), () => this.#leave())
      if (head !== PREFACE || !take()) this.#refuse(head)
      return -1
    }
    const end = at + head.size
    this.#begin(head, end === length)
    return end
  }

  #onPartOfHead(bytes: Buffer, at: number, length: number): void {
    const { limits } = this.#open.plan
    if (length - at > limits.headBytes) {
      const line = bytes.indexOf(10, at)
      const long = line < 0 || line >= length || line - at > limits.targetBytes + 64
      this.#refuse(long ? LONG_TARGET : LONG_HEAD)
      return
    }
    const refusal = earlyRefusal(bytes, at, length)
    if (refusal !== undefined) {
      this.#refuse(refusal)
      return
    }
    if (at === length) return
    if (!this.#waitsForHead) {
      this.#waitsForHead = true
      this.#set(limits.headTimeout)
    }
    this.#hold(bytes, at, length)
  }

  #waitsForHead = false

  #begin(head: RequestHead, whole: boolean): void {
    const { plan } = this.#open
    const listener = plan.find(head.host)
    if (this.#facts.secure && !plan.directed(this.#facts.serverName, listener)) {
      this.#refuse(MISDIRECTED)
      return
    }
    const { limits } = listener
    this.#limits = limits
    this.modern = head.minor === 1
    const declared = head.chunked ? -1 : Math.max(0, head.length)
    if (limits.bodyBytes > 0 && declared > limits.bodyBytes) {
      this.#refuse(LONG_BODY)
      return
    }
    this.#reader.start(head.chunked ? 'chunked' : declared, limits)
    this.#keepAlive = head.keepAlive
    this.#last = !head.keepAlive
    this.#wantsContinue = head.expectContinue
    this.#bodyBytes = 0
    this.#begun = false
    const connection = this.#facts.of(listener, head.fields)
    const flow = declared === 0 ? undefined : new BodyFlow(declared, this)
    const request = new EngineRequest(head, head.minor === 1 ? '1.1' : '1.0', connection.clientCertificate, flow)
    const exchange = new EngineExchange(
      this,
      listener,
      connection,
      request,
      Math.round(clock.origin + clock.now),
      clock.now,
    )
    this.#exchange = exchange
    this.due = Number.POSITIVE_INFINITY
    if (declared !== 0) {
      const left = (this.#pace ??= new Pace()).start(limits, clock.now)
      if (whole) this.#set(left)
      if (declared < 0 || declared > JOIN) this.#wire.bulk(true)
    }
    listener.context.counts.requests++
    begin(exchange)
  }

  onPiece(bytes: Buffer, start: number, end: number): void {
    const exchange = this.#exchange
    if (exchange === undefined || exchange.stage === STAGE.done) return
    const limit = this.#limits.bodyBytes
    if (limit > 0) {
      this.#bodyBytes += end - start
      if (this.#bodyBytes > limit) {
        this.#refuse(LONG_BODY)
        return
      }
    }
    this.#wantsContinue = false
    exchange.request.flow?.push(bytes.subarray(start, end))
  }

  onEnd(trailers: Fields | undefined): void {
    if (!this.#stalled) this.due = Number.POSITIVE_INFINITY
    this.#wire.bulk(false)
    this.#exchange?.request.flow?.finish(trailers)
  }

  onRefusal(refusal: Refusal): void {
    this.#refuse(refusal)
  }

  // --- the body of the request, as a source ---

  pause(): void {
    if (!this.#stalled) this.due = Number.POSITIVE_INFINITY
    this.#pace?.pause(clock.now)
    this.#wire.pause()
  }

  resume(): void {
    const left = this.#pace?.resume(clock.now) ?? 0
    if (!this.#tunnel && !this.#reader.done) this.#touch(this.#begun ? this.#limits.bodyTimeout : left)
    this.#wire.resume()
  }

  want(): void {
    if (!this.#wantsContinue) return
    this.#wantsContinue = false
    this.#wire.write('HTTP/1.1 100 Continue\r\n\r\n')
    // until now it was the client that waited
    this.#set(this.#pace?.start(this.#limits, clock.now) ?? 0)
  }

  // --- the answer ---

  inform(status: number, reason: string, fields: Fields): void {
    if (!this.modern || this.#begun) return
    const skip = HOP | TAG.length | TAG.coding
    this.#wire.write(`${statusLine(status, reason)}${fields.write(skip)}\r\n`)
  }

  answer(exchange: EngineExchange, length: number): void {
    const { response, request } = exchange
    const { status, headers } = response
    this.#begun = true
    // both ways at once is a conversation, which may be slow
    if (!this.#reader.done && !this.#wire.paused) this.#touch(this.#limits.bodyTimeout)
    let skip = HOP | TAG.coding
    let framing = ''
    const { method } = request
    if (status === 204 || status === 304 || method === 'HEAD') {
      this.#framing = 0
      if (status === 204) skip |= TAG.length
      else if (response.from === 'gateway' || response.flow?.changed === true) {
        skip |= TAG.length
        if (status !== 304 && length >= 0) framing = `Content-Length: ${length}\r\n`
      }
    } else if (length >= 0) {
      this.#framing = 1
      if (response.from === 'gateway' || response.flow !== undefined || (headers.tags & TAG.length) === 0) {
        skip |= TAG.length
        framing = `Content-Length: ${length}\r\n`
      }
    } else if (this.modern) {
      this.#framing = 2
      skip |= TAG.length
      framing = 'Transfer-Encoding: chunked\r\n'
    } else {
      this.#framing = 3
      skip |= TAG.length
      this.#keepAlive = false
    }
    if (this.#framing !== 2) skip |= TAG.trailer
    if (this.#open.draining || this.#wantsContinue || (!this.#reader.done && this.#reader.left > SKIP)) {
      this.#keepAlive = false
    }
    if (!this.#keepAlive) framing += 'Connection: close\r\n'
    else if (!this.modern) framing += 'Connection: keep-alive\r\n'
    if ((headers.tags & TAG.date) === 0) framing += dateLine()
    this.#out += `${statusLine(status, response.reason)}${headers.write(skip)}${framing}\r\n`
  }

  /** bytes[start, end) as a piece: without making a Buffer of it where it is small. */
  writeRange(bytes: Buffer, start: number, end: number): boolean {
    const exchange = this.#exchange
    const size = end - start
    if (this.#framing === 1 && exchange?.outbound !== undefined && size + this.#out.length <= JOIN) {
      exchange.sent += size
      this.#out += latin1(bytes, start, end)
      return !this.#stalled
    }
    return this.write(bytes.subarray(start, end))
  }

  write(piece: Buffer): boolean {
    const exchange = this.#exchange
    if (exchange === undefined || this.#framing === 0) return true
    exchange.sent += piece.length
    const chunked = this.#framing === 2
    if (chunked) this.#out += `${piece.length.toString(16)}\r\n`
    if (piece.length + this.#out.length <= JOIN) {
      this.#out += latin1(piece, 0, piece.length)
      if (chunked) this.#out += '\r\n'
      // a backend's connection flushes when it has read all there is
      if (exchange.outbound === undefined) this.flush()
    } else {
      const out = this.#out
      this.#out = ''
      const more = out === '' ? this.#wire.writeBytes(piece) : this.#wire.writeAround(out, piece, chunked ? '\r\n' : '')
      if (!more) this.#stall()
    }
    return !this.#stalled
  }

  end(trailers: Fields | undefined): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    if (this.#framing === 2) this.#out += trailers === undefined ? '0\r\n\r\n' : `0\r\n${trailers.write(0)}\r\n`
    this.flush()
    if (this.#exchange !== exchange) return
    this.#exchange = undefined
    finished(exchange)
    if (!this.#keepAlive || this.#open.draining || this.#wantsContinue) {
      this.#end()
      return
    }
    if (this.#stalled) return
    this.#next()
  }

  /** The answer cannot be completed. */
  fail(): void {
    this.abort()
  }

  flush(): void {
    if (this.#out === '') return
    const out = this.#out
    this.#out = ''
    if (!this.#wire.write(out)) this.#stall()
  }

  abort(): void {
    const exchange = this.#exchange
    // only a reset tells a reader until the end that this was not the end
    if (this.#begun && this.#framing === 3) this.#wire.reset()
    else this.#wire.destroy()
    if (exchange === undefined) return
    this.#exchange = undefined
    clientGone(exchange, exchange.failure ?? 'aborted')
  }

  tunnel(exchange: EngineExchange, far: TunnelEnd, first: Buffer | undefined): TunnelEnd | undefined {
    if (!this.modern || this.#begun || this.#closing) return undefined
    const { headers } = exchange.response
    const upgrade = headers.get('upgrade') ?? exchange.request.upgrade ?? ''
    this.#begun = true
    this.#tunnel = true
    this.#tunnelFar = far
    this.due = Number.POSITIVE_INFINITY
    const head = `HTTP/1.1 101 Switching Protocols\r\n${headers.write(HOP | TAG.length | TAG.coding)}`
    this.#wire.write(`${head}Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n\r\n`)
    exchange.listener.context.counts.upgrades++
    if (first !== undefined && !this.send(first)) far.pause()
    const held = this.#held
    this.#held = undefined
    if (held !== undefined && !far.send(held)) this.#wire.pause()
    else if (this.#wire.paused) this.#wire.resume()
    return this
  }

  send(piece: Buffer): boolean {
    if (this.#exchange !== undefined) this.#exchange.sent += piece.length
    return piece.length <= JOIN ? this.#wire.write(latin1(piece, 0, piece.length)) : this.#wire.writeBytes(piece)
  }

  finish(): void {
    this.#wire.end()
  }

  // --- between exchanges ---

  #next(): void {
    if (this.#reader.done) this.#idle()
    else this.#set(this.#limits.bodyTimeout)
    if (this.#wire.paused) this.#wire.resume()
    const held = this.#held
    // while bytes are being processed, whoever does it goes on by itself
    if (this.#processing || held === undefined) {
      if (this.#halfClosed && held === undefined) this.#end()
      return
    }
    this.#held = undefined
    this.#process(held, held.length)
  }

  #idle(): void {
    this.#set(this.#open.plan.limits.idleTimeout)
  }

  /** Says our last, and reads on for a moment so that the client gets to read it. */
  #end(): void {
    if (this.#closing) return
    const last = this.#last && this.#held === undefined && this.#reader.done
    this.#closing = true
    this.#held = undefined
    // a client that announced its last request sends nothing more that could turn our end into a reset
    if (last && this.#wire.close()) return
    this.#wire.end(() => {
      this.#sent = true
      this.#set(LINGER)
    })
    if (this.#wire.paused) this.#wire.resume()
    this.#set(this.#limits.bodyTimeout)
  }

  #refuse(refusal: Refusal): void {
    this.#open.context.counts.refuse(refusal.reason)
    const exchange = this.#exchange
    if (exchange !== undefined) {
      this.#exchange = undefined
      clientGone(exchange, `refused: ${refusal.reason}`)
      if (this.#begun) {
        this.#wire.destroy()
        return
      }
    }
    const words = STATUS_CODES[refusal.status] ?? 'Bad Request'
    const body = `${words}: ${refusal.reason}\n`
    const length = `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${body.length}\r\n`
    this.#wire.write(`${statusLine(refusal.status, words)}${dateLine()}${length}Connection: close\r\n\r\n${body}`)
    this.#end()
  }

  /** The connection goes on in other hands (HTTP/2). */
  #leave(): void {
    this.#closing = true
    this.#open.context.wheel.remove(this)
  }

  // --- the connection ends ---

  onEndOfStream(): void {
    if (this.#tunnel) {
      this.#tunnelFar?.finish()
      return
    }
    if (this.#closing) {
      this.#wire.destroy()
      return
    }
    const exchange = this.#exchange
    if (exchange === undefined) {
      if (this.#waitsForHead) this.#wire.destroy()
      else this.#end()
      return
    }
    // who said that this is the last request may also say that it has said its last; anybody else has gone
    if (this.#reader.done && !this.#keepAlive) {
      this.#halfClosed = true
      return
    }
    this.#wire.destroy()
    this.#exchange = undefined
    clientGone(exchange, 'client-gone')
  }

  onWireError(): void {
    this.onGone()
  }

  onGone(): void {
    this.#closing = true
    this.#open.context.wheel.remove(this)
    const exchange = this.#exchange
    this.#exchange = undefined
    const far = this.#tunnelFar
    this.#tunnelFar = undefined
    far?.destroy()
    if (exchange !== undefined) {
      if (this.#tunnel) finished(exchange)
      else clientGone(exchange, 'client-gone')
    }
    this.#open.left(this, this.#facts)
  }

  onDrain(): void {
    if (this.#tunnel) {
      this.#tunnelFar?.resume()
      return
    }
    if (!this.#stalled) return
    this.#stalled = false
    if (this.#closing) return
    this.due = Number.POSITIVE_INFINITY
    const exchange = this.#exchange
    if (exchange === undefined) {
      this.#next()
      return
    }
    if (exchange.response.flow !== undefined) exchange.response.flow.resume()
    else exchange.outbound?.resume()
  }

  // --- time ---

  #stall(): void {
    this.#stalled = true
    this.#set(this.#limits.bodyTimeout)
  }

  #set(ms: number): void {
    if (ms > 0) this.#open.context.wheel.set(this, ms, clock.now)
    else this.due = Number.POSITIVE_INFINITY
  }

  #touch(ms: number): void {
    if (!this.#stalled) this.#set(ms)
  }

  expire(): void {
    if (this.#closing || this.#stalled) {
      if (!this.#sent) this.#open.context.counts.refuse('unread')
      this.#wire.destroy()
    } else if (this.#exchange !== undefined) {
      if (this.#reader.done) return
      this.#refuse(!this.#begun && this.#pace?.behind === true ? DRIPPING : SLOW_BODY)
    } else if (this.#waitsForHead) this.#refuse(SLOW_HEAD)
    else if (!this.#reader.done) this.#wire.destroy()
    else this.#end()
  }
}

/** Whoever has sent a part may send the rest byte by byte: what is there is not read again each time. */
const PART = Object.freeze(new Refusal(400, 'part-of-head'))
const LONG_HEAD = Object.freeze(new Refusal(431, 'head-too-long'))
const LONG_TARGET = Object.freeze(new Refusal(414, 'target-too-long'))
const LONG_BODY = Object.freeze(new Refusal(413, 'body-too-large'))
const SLOW_HEAD = Object.freeze(new Refusal(408, 'head-timeout'))
const SLOW_BODY = Object.freeze(new Refusal(408, 'body-timeout'))
const DRIPPING = Object.freeze(new Refusal(408, 'body-rate'))
const MISDIRECTED = Object.freeze(new Refusal(421, 'misdirected'))
const BARE_LF = Object.freeze(new Refusal(400, 'bare-lf'))
const NO_METHOD = Object.freeze(new Refusal(400, 'request-line'))

/** What can never become a good head, while it is not whole: nobody should have to wait for the timeout to learn it. */
function earlyRefusal(bytes: Buffer, from: number, length: number): Refusal | undefined {
  const first = from < length ? bytes[from] : undefined
  // a TLS hello, a control character: this is not HTTP
  if (first !== undefined && (first < 0x21 || first > 0x7e) && !(first === 13 && length - from === 1)) return NO_METHOD
  for (let at = bytes.indexOf(10, from); at >= 0 && at < length; at = bytes.indexOf(10, at + 1)) {
    if (at === 0 || bytes[at - 1] !== 13) return BARE_LF
  }
  return undefined
}

const lines = new Map<number, string>()

function statusLine(status: number, reason: string): string {
  if (reason !== '' && reason !== STATUS_CODES[status]) return `HTTP/1.1 ${status} ${reason}\r\n`
  let line = lines.get(status)
  if (line === undefined) {
    line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
    lines.set(status, line)
  }
  return line
}
