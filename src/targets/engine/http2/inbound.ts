/** One stream of HTTP/2: a request → an exchange, its answer → frames. */
import { STATUS_CODES } from 'node:http'
import type { Fields } from '../../../lib/http1/fields.ts'
import { TAG } from '../../../lib/http1/tags.ts'
import type { RequestHead } from '../../../lib/http1/head.ts'
import { Refusal } from '../../../lib/http1/refusal.ts'
import { latin1 } from '../../../lib/http1/latin1.ts'
import { ERROR } from '../../../lib/http2/frames.ts'
import type { HeaderList } from '../../../lib/http2/list.ts'
import type { ServerStream } from '../../../lib/http2/server-stream.ts'
import type { StreamUser } from '../../../lib/http2/stream.ts'
import { BodyFlow } from '../body-flow.ts'
import { clock, dateLine } from '../clock.ts'
import type { ResolvedLimits } from '../compile.ts'
import { Pace } from '../pace.ts'
import { EngineExchange, EngineRequest, STAGE, type Inbound, type TunnelEnd } from '../exchange.ts'
import { limitExchange } from '../forward.ts'
import { begin, clientGone, finished } from '../run.ts'
import { Deadline } from '../wheel.ts'
import type { Http2Connection } from './connection.ts'
import { grpcMessage, grpcStatus, grpcTimeout, isGrpc, isGrpcExchange } from './grpc.ts'
import { ELSEWHERE, readRequest, readTrailerLines } from './heads.ts'

/** Small pieces are joined into one frame. */
const JOIN = 16_384

export class StreamInbound extends Deadline implements Inbound, StreamUser {
  readonly modern = true
  readonly #connection: Http2Connection
  readonly #stream: ServerStream
  #limits: ResolvedLimits
  #exchange: EngineExchange | undefined
  /** The head of the answer, until it is known whether it is all of it; 0: none waits. */
  #status = 0
  #lines = ''
  /** Of the body, until it is known whether it is the end of it. */
  #pending = ''
  /** Of the answer's body, -1: the end will tell. */
  #length = -1
  #given = 0
  /** Nothing but the head is sent. */
  #bodiless = false
  #begun = false
  #requestDone: boolean
  #wantsContinue = false
  #bodyBytes = 0
  #pace: Pace | undefined
  #stalled = false

  constructor(connection: Http2Connection, stream: ServerStream, list: HeaderList) {
    super()
    this.#connection = connection
    this.#stream = stream
    this.#requestDone = stream.remoteEnded
    this.#limits = connection.open.plan.limits
    stream.user = this
    const head = readRequest(list, this.#limits)
    if (head instanceof Refusal) this.#refuse(head)
    else this.#begin(head)
  }

  #begin(head: RequestHead): void {
    const { open, facts } = this.#connection
    const { plan } = open
    const bodiless = this.#requestDone
    if (bodiless && head.length > 0) {
      // RFC 9113 §8.1.1
      this.#stream.malformed()
      return
    }
    this.#stream.expected = head.length
    const listener = plan.find(head.host)
    if (facts.secure && !plan.directed(facts.serverName, listener)) {
      this.#refuse(MISDIRECTED)
      return
    }
    const limits = (this.#limits = listener.limits)
    const declared = bodiless ? 0 : head.length
    if (limits.bodyBytes > 0 && declared > limits.bodyBytes) {
      this.#refuse(LONG_BODY)
      return
    }
    const { now } = clock
    const connection = facts.of(listener, head.fields)
    const flow = declared === 0 ? undefined : new BodyFlow(declared, this)
    const request = new EngineRequest(head, '2', connection.clientCertificate, flow)
    const startedAt = Math.round(clock.origin + now)
    const exchange = new EngineExchange(this, listener, connection, request, startedAt, now)
    this.#exchange = exchange
    listener.context.counts.requests++
    if (flow !== undefined) {
      this.#wantsContinue = (head.fields.tags & TAG.expect) !== 0
      const grpc = isGrpc(head.fields.get('content-type'))
      // a stream of few messages is as good as one of many
      const left = (this.#pace = new Pace()).start(grpc ? { ...limits, bodyRate: 0 } : limits, now)
      if (!this.#wantsContinue) this.#set(left)
      const deadline = head.fields.get('grpc-timeout')
      if (deadline !== undefined && grpc) {
        const ms = grpcTimeout(deadline)
        if (ms > 0) limitExchange(exchange, ms)
      }
    }
    begin(exchange)
  }

  // --- the body of the request ---

  onData(bytes: Buffer, from: number, end: number): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    const limit = this.#limits.bodyBytes
    this.#bodyBytes += end - from
    if (limit > 0 && this.#bodyBytes > limit) {
      this.#refuse(LONG_BODY)
      return
    }
    this.#wantsContinue = false
    if (!this.#stalled) this.#set(this.#left(this.#pace?.piece(end - from, clock.now)))
    exchange.request.flow?.push(bytes.subarray(from, end))
  }

  onEndOfBody(lines: string | undefined): void {
    this.#requestDone = true
    const trailers = lines === undefined ? undefined : readTrailerLines(lines)
    if (trailers instanceof Refusal) {
      this.#refuse(trailers)
      return
    }
    if (!this.#stalled) this.due = Number.POSITIVE_INFINITY
    this.#exchange?.request.flow?.finish(trailers)
  }

  pause(): void {
    if (!this.#stalled) this.due = Number.POSITIVE_INFINITY
    this.#pace?.pause(clock.now)
    this.#stream.pause()
  }

  resume(): void {
    const left = this.#left(this.#pace?.resume(clock.now))
    if (!this.#requestDone && !this.#stalled) this.#set(left)
    this.#stream.resume()
  }

  want(): void {
    if (!this.#wantsContinue) return
    this.#wantsContinue = false
    if (!this.#begun) this.#stream.inform(100, '')
    this.#set(this.#left(this.#pace?.restart(clock.now)))
  }

  /** Milliseconds for the next piece: one that is answered already is in a conversation, which may be slow. */
  #left(before: number | undefined): number {
    return this.#begun || before === undefined ? this.#limits.bodyTimeout : before
  }

  // --- the answer ---

  inform(status: number, _reason: string, fields: Fields): void {
    if (!this.#begun && status !== 101) this.#stream.inform(status, fields.write(ELSEWHERE | TAG.length))
  }

  answer(exchange: EngineExchange, length: number): void {
    const { response, request } = exchange
    const { status, headers } = response
    const gateway = response.from === 'gateway'
    const date = (headers.tags & TAG.date) === 0 ? dateLine() : ''
    if (gateway && status >= 400 && isGrpcExchange(exchange)) {
      this.#status = 200
      this.#lines = grpcAnswer(exchange) + date
      this.#bodiless = true
      return
    }
    this.#status = status
    this.#length = length
    this.#bodiless = status === 204 || status === 304 || request.method === 'HEAD'
    // a length that was not the backend's, or is not any more, is ours to say
    const own = this.#bodiless
      ? gateway || response.flow?.changed === true
      : gateway || response.flow !== undefined || length < 0
    const skip = own || status === 204 ? ELSEWHERE | TAG.length : ELSEWHERE
    const says = own && length >= 0 && !(this.#bodiless && (status === 204 || status === 304))
    this.#lines = headers.write(skip) + (says ? `content-length: ${length}\r\n${date}` : date)
  }

  write(piece: Buffer): boolean {
    return this.writeRange(piece, 0, piece.length)
  }

  writeRange(bytes: Buffer, start: number, end: number): boolean {
    const exchange = this.#exchange
    if (exchange === undefined || this.#bodiless) return true
    const size = end - start
    exchange.sent += size
    this.#given += size
    if (this.#pending.length + size <= JOIN) {
      this.#pending += latin1(bytes, start, end)
      // who has a backend flushes when there is no more for now
      if (exchange.outbound === undefined && this.#given !== this.#length) this.#flush()
    } else {
      this.#flush()
      const piece = start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end)
      if (!this.#stream.send(piece)) this.#stall()
    }
    return !this.#stalled
  }

  flush(): void {
    // an empty answer goes out with its end
    if (this.#exchange !== undefined && !this.#bodiless && this.#length !== 0) this.#flush()
  }

  #flush(): void {
    this.#sendHead()
    const pending = this.#pending
    if (pending === '') return
    this.#pending = ''
    if (!this.#stream.send(pending)) this.#stall()
  }

  #sendHead(): void {
    const status = this.#status
    if (status === 0) return
    this.#status = 0
    this.#begun = true
    if (!this.#requestDone && this.due !== Number.POSITIVE_INFINITY) this.#set(this.#limits.bodyTimeout)
    this.#stream.respond(status, this.#lines)
  }

  end(given: Fields | undefined): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    this.#exchange = undefined
    const stream = this.#stream
    const pending = this.#pending
    const trailers = given?.write(ELSEWHERE | TAG.length | TAG.host)
    if (this.#bodiless || (this.#status !== 0 && pending === '' && !trailers)) {
      stream.respondWhole(this.#status, this.#lines)
    } else {
      this.#sendHead()
      stream.end(pending, trailers === '' ? undefined : trailers)
    }
    this.#begun = true
    if (stream.over) this.#leave()
    else this.#set(this.#limits.bodyTimeout)
    finished(exchange)
  }

  /** The answer cannot be completed. */
  fail(): void {
    this.abort()
  }

  abort(): void {
    const exchange = this.#exchange
    this.#exchange = undefined
    this.#stream.abort(ERROR.internal)
    this.#leave()
    if (exchange !== undefined) clientGone(exchange, exchange.failure ?? 'aborted')
  }

  tunnel(): TunnelEnd | undefined {
    return undefined
  }

  onDrain(): void {
    if (this.#stream.over) {
      this.#leave()
      return
    }
    if (!this.#stalled) return
    this.#stalled = false
    this.due = Number.POSITIVE_INFINITY
    const exchange = this.#exchange
    if (exchange === undefined) return
    if (!this.#requestDone) this.#set(this.#limits.bodyTimeout)
    if (exchange.response.flow !== undefined) exchange.response.flow.resume()
    else exchange.outbound?.resume()
  }

  onLost(): void {
    const exchange = this.#exchange
    this.#exchange = undefined
    this.#leave()
    if (exchange !== undefined) clientGone(exchange, 'client-gone')
  }

  // --- inside ---

  #refuse(refusal: Refusal): void {
    this.#connection.open.context.counts.refuse(refusal.reason)
    const exchange = this.#exchange
    const stream = this.#stream
    this.#exchange = undefined
    if (exchange !== undefined) clientGone(exchange, `refused: ${refusal.reason}`)
    if (this.#begun) stream.abort(ERROR.internal)
    else {
      this.#begun = true
      const body = `${STATUS_CODES[refusal.status] ?? 'Bad Request'}: ${refusal.reason}\n`
      const type = 'content-type: text/plain; charset=utf-8\r\n'
      stream.respond(refusal.status, `${type}content-length: ${body.length}\r\n${dateLine()}`)
      stream.end(body, undefined)
    }
    if (stream.over) this.#leave()
    else this.#set(this.#limits.bodyTimeout)
  }

  #stall(): void {
    if (this.#stalled) return
    this.#stalled = true
    this.#set(this.#limits.bodyTimeout)
  }

  #set(ms: number): void {
    if (ms > 0) this.#connection.open.context.wheel.set(this, ms, clock.now)
    else this.due = Number.POSITIVE_INFINITY
  }

  /** Nothing is kept of a stream that is over. */
  #leave(): void {
    if (this.slot >= 0) this.#connection.open.context.wheel.remove(this)
  }

  expire(): void {
    const exchange = this.#exchange
    if (this.#stalled || this.#stream.hasMore) {
      this.#connection.open.context.counts.refuse('unread')
      this.abort()
    } else if (exchange === undefined) this.abort()
    else if (!this.#requestDone && (this.#begun || exchange.stage < STAGE.answering))
      this.#refuse(!this.#begun && this.#pace?.behind === true ? DRIPPING : SLOW_BODY)
  }
}

/** Trailers-only: the head is the end, and says what went wrong. */
function grpcAnswer(exchange: EngineExchange): string {
  const { response, failure } = exchange
  const { fixed, headers } = response
  headers.delete('content-type')
  const words = typeof fixed === 'string' && fixed.length < 200 ? fixed : (STATUS_CODES[response.status] ?? '')
  const status = `grpc-status: ${grpcStatus(response.status, failure)}\r\ngrpc-message: ${grpcMessage(words)}\r\n`
  return `${headers.write(ELSEWHERE | TAG.length)}content-type: application/grpc\r\n${status}`
}

const LONG_BODY = Object.freeze(new Refusal(413, 'body-too-large'))
const SLOW_BODY = Object.freeze(new Refusal(408, 'body-timeout'))
const DRIPPING = Object.freeze(new Refusal(408, 'body-rate'))
const MISDIRECTED = Object.freeze(new Refusal(421, 'misdirected'))
