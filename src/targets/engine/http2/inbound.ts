/** One stream of HTTP/2: a request → an exchange, its answer → frames. */
import { STATUS_CODES } from 'node:http'
import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import { TAG, type Fields } from '../../../lib/http1/fields.ts'
import { Refusal, type RequestHead } from '../../../lib/http1/head.ts'
import { BodyFlow } from '../body-flow.ts'
import { clock, tick } from '../clock.ts'
import type { ResolvedLimits } from '../compile.ts'
import { EngineExchange, EngineRequest, STAGE, type Inbound, type TunnelEnd } from '../exchange.ts'
import { limitExchange } from '../forward.ts'
import { begin, clientGone, finished } from '../run.ts'
import { Deadline } from '../wheel.ts'
import { Wire } from '../wire.ts'
import type { Http2Connection } from './connection.ts'
import { grpcMessage, grpcStatus, grpcTimeout, isGrpc, isGrpcExchange } from './grpc.ts'
import { readRequest, readTrailers, writeFields } from './heads.ts'

/** What listeners of a stream find their exchange by: they are the same functions for all streams. */
const INBOUND = Symbol('inbound')

interface OwnStream extends ServerHttp2Stream {
  [INBOUND]: StreamInbound
}

export class StreamInbound extends Deadline implements Inbound {
  readonly modern = true
  readonly #connection: Http2Connection
  readonly #stream: ServerHttp2Stream
  #limits: ResolvedLimits
  #exchange: EngineExchange | undefined
  #headers: OutgoingHttpHeaders | undefined
  /** The first piece, until it is known whether it is the last. */
  #piece: Buffer | undefined
  /** Of the answer's body, -1: the end will tell. */
  #length = -1
  #given = 0
  /** Nothing but the head is sent. */
  #bodiless = false
  #begun = false
  #asksForTrailers = false
  #trailers: Fields | undefined
  #requestDone: boolean
  #requestTrailers: Fields | undefined
  #wantsContinue = false
  #bodyBytes = 0
  #stalled = false
  #over = false

  constructor(connection: Http2Connection, stream: ServerHttp2Stream, raw: readonly string[], bodiless: boolean) {
    super()
    this.#connection = connection
    this.#stream = stream
    this.#requestDone = bodiless
    const { plan } = connection.open
    this.#limits = plan.limits
    ;(stream as OwnStream)[INBOUND] = this
    stream.on('close', onClose)
    stream.on('error', ignore)
    connection.tookHead()
    const head = readRequest(raw, plan.limits)
    if (head instanceof Refusal) this.#refuse(head)
    else this.#begin(head, bodiless)
  }

  #begin(head: RequestHead, bodiless: boolean): void {
    const { open, facts } = this.#connection
    const { plan } = open
    const listener = plan.find(head.host)
    if (facts.secure && !plan.directed(facts.serverName, listener)) {
      this.#refuse(MISDIRECTED)
      return
    }
    const limits = (this.#limits = listener.limits)
    const declared = bodiless ? 0 : head.length
    const empty = declared === 0
    if (limits.bodyBytes > 0 && declared > limits.bodyBytes) {
      this.#refuse(LONG_BODY)
      return
    }
    const now = tick()
    const connection = facts.of(listener, head.fields)
    const flow = empty ? undefined : new BodyFlow(declared, this)
    const request = new EngineRequest(head, '2', connection.clientCertificate, flow)
    const exchange = new EngineExchange(this, listener, connection, request, clock.origin + now, now)
    this.#exchange = exchange
    listener.context.counts.requests++
    // the end of an empty body comes in a frame of its own
    if (empty && !bodiless) this.#stream.on('end', onEnd).resume()
    if (flow !== undefined) {
      const stream = this.#stream
      this.#wantsContinue = (head.fields.tags & TAG.expect) !== 0
      stream.on('data', onData)
      stream.on('trailers', onTrailers)
      stream.on('end', onEnd)
      if (!this.#wantsContinue) this.#set(limits.bodyTimeout)
      const deadline = head.fields.get('grpc-timeout')
      if (deadline !== undefined && isGrpc(head.fields.get('content-type'))) {
        const ms = grpcTimeout(deadline)
        if (ms > 0) limitExchange(exchange, ms)
      }
    }
    begin(exchange)
  }

  // --- the body of the request ---

  onPiece(piece: Buffer): void {
    const exchange = this.#exchange
    this.#connection.useful += piece.length + 1024
    if (exchange === undefined) return
    const limit = this.#limits.bodyBytes
    this.#bodyBytes += piece.length
    if (limit > 0 && this.#bodyBytes > limit) {
      this.#refuse(LONG_BODY)
      return
    }
    this.#wantsContinue = false
    if (!this.#stalled) this.#set(this.#limits.bodyTimeout)
    exchange.request.flow?.push(piece)
  }

  onTrailers(raw: readonly string[]): void {
    const trailers = readTrailers(raw)
    if (trailers instanceof Refusal) this.#refuse(trailers)
    else this.#requestTrailers = trailers
  }

  onEndOfBody(): void {
    // a reset ends the readable side too, and what came so far is not the body
    if (this.#stream.aborted || this.#stream.rstCode !== constants.NGHTTP2_NO_ERROR) return
    this.#requestDone = true
    if (!this.#stalled) this.due = Number.POSITIVE_INFINITY
    this.#exchange?.request.flow?.finish(this.#requestTrailers)
  }

  pause(): void {
    if (!this.#stalled) this.due = Number.POSITIVE_INFINITY
    this.#stream.pause()
  }

  resume(): void {
    if (!this.#requestDone && !this.#stalled) this.#set(this.#limits.bodyTimeout)
    this.#stream.resume()
  }

  want(): void {
    if (!this.#wantsContinue) return
    this.#wantsContinue = false
    if (!this.#begun && !this.#stream.destroyed) this.#stream.additionalHeaders({ ':status': 100 })
    this.#set(this.#limits.bodyTimeout)
  }

  // --- the answer ---

  inform(status: number, _reason: string, fields: Fields): void {
    if (this.#begun || this.#stream.destroyed || status === 101) return
    const headers: OutgoingHttpHeaders = { ':status': status }
    writeFields(fields, headers, TAG.length)
    this.#stream.additionalHeaders(headers)
  }

  answer(exchange: EngineExchange, length: number): void {
    const { response, request } = exchange
    const { status } = response
    if (response.from === 'gateway' && status >= 400 && isGrpcExchange(exchange)) {
      this.#headers = grpcAnswer(exchange)
      this.#bodiless = true
      return
    }
    const headers: OutgoingHttpHeaders = { ':status': status }
    let skip = TAG.none as number
    this.#length = length
    if (status === 204 || status === 304 || request.method === 'HEAD') {
      this.#bodiless = true
      const own = response.from === 'gateway' || response.flow?.changed === true
      if (status === 204 || own) skip = TAG.length
      writeFields(response.headers, headers, skip)
      if (own && status !== 204 && status !== 304 && length >= 0) headers['content-length'] = String(length)
    } else {
      const own = response.from === 'gateway' || response.flow !== undefined || length < 0
      if (own) skip = TAG.length
      writeFields(response.headers, headers, skip)
      if (own && length >= 0) headers['content-length'] = String(length)
    }
    this.#headers = headers
  }

  write(piece: Buffer): boolean {
    const exchange = this.#exchange
    if (exchange === undefined || this.#bodiless) return true
    exchange.sent += piece.length
    this.#given += piece.length
    if (this.#piece === undefined && this.#headers !== undefined) {
      if (exchange.outbound !== undefined || this.#given === this.#length) {
        // goes out with the head, and with the end where that comes at once
        this.#piece = Wire.keep(piece)
        return true
      }
    }
    this.#sendHead()
    if (this.#stream.write(Wire.keep(piece))) return true
    this.#stall()
    return false
  }

  writeRange(bytes: Buffer, start: number, end: number): boolean {
    return this.write(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end))
  }

  end(trailers: Fields | undefined): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    this.#exchange = undefined
    this.#trailers = trailers
    const stream = this.#stream
    const headers = this.#headers
    const piece = this.#piece
    this.#piece = undefined
    if (!stream.destroyed) {
      if (headers === undefined) {
        if (!this.#bodiless) stream.end(piece)
      } else {
        this.#headers = undefined
        this.#begun = true
        if (this.#bodiless || (piece === undefined && trailers === undefined)) {
          stream.respond(headers, { endStream: true })
        } else {
          this.#respond(headers, trailers !== undefined)
          stream.end(piece)
        }
      }
      // RFC 9113 §8.1: the answer is whole, the rest of the request is not wanted
      if (!this.#requestDone && !this.#asksForTrailers) stream.close(constants.NGHTTP2_NO_ERROR)
    }
    if (this.#stalled || stream.writableNeedDrain) this.#set(this.#limits.bodyTimeout)
    else this.due = Number.POSITIVE_INFINITY
    this.#over = true
    finished(exchange)
  }

  /** The answer cannot be completed. */
  fail(): void {
    this.abort()
  }

  flush(): void {
    // an empty answer goes out with its end
    if (this.#headers === undefined || this.#bodiless || this.#length === 0) return
    this.#sendHead()
    if (this.#stream.writableNeedDrain) this.#stall()
  }

  abort(): void {
    const exchange = this.#exchange
    this.#exchange = undefined
    this.#over = true
    // close() would say END_STREAM first, and what is not whole would look whole
    this.#stream.destroy(BROKEN_OFF)
    if (exchange !== undefined) clientGone(exchange, exchange.failure ?? 'aborted')
  }

  tunnel(): TunnelEnd | undefined {
    return undefined
  }

  onWantTrailers(): void {
    const stream = this.#stream
    if (stream.destroyed) return
    const headers: OutgoingHttpHeaders = {}
    if (this.#trailers !== undefined) writeFields(this.#trailers, headers, TAG.length | TAG.host)
    stream.sendTrailers(headers)
    if (!this.#requestDone) stream.close(constants.NGHTTP2_NO_ERROR)
  }

  onDrain(): void {
    if (!this.#stalled) return
    this.#stalled = false
    this.due = Number.POSITIVE_INFINITY
    const exchange = this.#exchange
    if (exchange === undefined) return
    if (!this.#requestDone) this.#set(this.#limits.bodyTimeout)
    if (exchange.response.flow !== undefined) exchange.response.flow.resume()
    else exchange.outbound?.resume()
  }

  onClose(): void {
    this.#connection.open.context.wheel.remove(this)
    const exchange = this.#exchange
    this.#exchange = undefined
    const taken = !this.#over && this.#stream.rstCode !== constants.NGHTTP2_NO_ERROR
    this.#over = true
    this.#connection.left(taken ? 'early' : 'answered')
    if (exchange !== undefined) clientGone(exchange, 'client-gone')
  }

  // --- inside ---

  #sendHead(): void {
    const headers = this.#headers
    if (headers === undefined) return
    this.#headers = undefined
    this.#begun = true
    const stream = this.#stream
    if (stream.destroyed) return
    // trailers may follow whatever has no length
    this.#respond(headers, this.#length < 0)
    const piece = this.#piece
    if (piece === undefined) return
    this.#piece = undefined
    stream.write(piece)
  }

  #respond(headers: OutgoingHttpHeaders, waitForTrailers: boolean): void {
    if (!waitForTrailers) {
      this.#stream.respond(headers)
      return
    }
    this.#asksForTrailers = true
    this.#stream.on('wantTrailers', onWantTrailers)
    this.#stream.respond(headers, { waitForTrailers: true })
  }

  #refuse(refusal: Refusal): void {
    this.#connection.open.context.counts.refuse(refusal.reason)
    const exchange = this.#exchange
    const stream = this.#stream
    this.#exchange = undefined
    this.#over = true
    if (exchange !== undefined) clientGone(exchange, `refused: ${refusal.reason}`)
    if (stream.destroyed) return
    if (this.#begun) {
      stream.destroy(BROKEN_OFF)
      return
    }
    this.#begun = true
    this.#headers = undefined
    const body = `${STATUS_CODES[refusal.status] ?? 'Bad Request'}: ${refusal.reason}\n`
    stream.respond({
      ':status': refusal.status,
      'content-type': 'text/plain; charset=utf-8',
      'content-length': body.length,
    })
    stream.end(body)
    if (!this.#requestDone) stream.close(constants.NGHTTP2_NO_ERROR)
  }

  #stall(): void {
    if (this.#stalled) return
    this.#stalled = true
    this.#stream.once('drain', onDrain)
    this.#set(this.#limits.bodyTimeout)
  }

  #set(ms: number): void {
    if (ms > 0) this.#connection.open.context.wheel.set(this, ms, performance.now())
    else this.due = Number.POSITIVE_INFINITY
  }

  expire(): void {
    const exchange = this.#exchange
    if (exchange === undefined || this.#stalled || this.#begun) this.#stream.destroy(BROKEN_OFF)
    else if (exchange.stage < STAGE.answering && !this.#requestDone) this.#refuse(SLOW_BODY)
  }
}

/** Trailers-only: the head is the end, and says what went wrong. */
function grpcAnswer(exchange: EngineExchange): OutgoingHttpHeaders {
  const { response, failure } = exchange
  const headers: OutgoingHttpHeaders = { ':status': 200 }
  writeFields(response.headers, headers, TAG.length)
  headers['content-type'] = 'application/grpc'
  headers['grpc-status'] = String(grpcStatus(response.status, failure))
  const { fixed } = response
  const words = typeof fixed === 'string' && fixed.length < 200 ? fixed : (STATUS_CODES[response.status] ?? '')
  headers['grpc-message'] = grpcMessage(words)
  return headers
}

function onClose(this: ServerHttp2Stream): void {
  ;(this as OwnStream)[INBOUND].onClose()
}

function onData(this: ServerHttp2Stream, piece: Buffer): void {
  ;(this as OwnStream)[INBOUND].onPiece(piece)
}

function onEnd(this: ServerHttp2Stream): void {
  ;(this as OwnStream)[INBOUND].onEndOfBody()
}

function onTrailers(this: ServerHttp2Stream, _headers: unknown, _flags: number, raw?: string[]): void {
  ;(this as OwnStream)[INBOUND].onTrailers(raw ?? [])
}

function onWantTrailers(this: ServerHttp2Stream): void {
  ;(this as OwnStream)[INBOUND].onWantTrailers()
}

function onDrain(this: ServerHttp2Stream): void {
  ;(this as OwnStream)[INBOUND].onDrain()
}

/** What it was, 'close' tells. */
function ignore(): void {
  return undefined
}

const BROKEN_OFF = new Error('broken off')
const LONG_BODY = Object.freeze(new Refusal(413, 'body-too-large'))
const SLOW_BODY = Object.freeze(new Refusal(408, 'body-timeout'))
const MISDIRECTED = Object.freeze(new Refusal(421, 'misdirected'))
