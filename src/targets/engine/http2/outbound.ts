/** One stream of HTTP/2 to an endpoint: an exchange goes out and comes back as an answer. */
import { constants, type ClientHttp2Stream, type OutgoingHttpHeaders } from 'node:http2'
import { TAG, type Fields } from '../../../lib/http1/fields.ts'
import { Refusal } from '../../../lib/http1/head.ts'
import { Refusal as BodyRefusal } from '../../../policies/policy.ts'
import type { BodySink } from '../body-flow.ts'
import type { EngineExchange, Outbound } from '../exchange.ts'
import { answered, failedUpstream, INTERIM_MOST, type UpstreamFailure, refuseBody } from '../forward.ts'
import type { EndpointPool } from '../pool.ts'
import { Deadline } from '../wheel.ts'
import { Wire } from '../wire.ts'
import { isGrpcExchange } from './grpc.ts'
import { readAnswer, readTrailers, writeFields } from './heads.ts'
import type { BackendSession } from './sessions.ts'

/** What listeners of a stream find their exchange by. */
const OUTBOUND = Symbol('outbound')

interface OwnStream extends ClientHttp2Stream {
  [OUTBOUND]: BackendStream
}

export class BackendStream extends Deadline implements Outbound, BodySink {
  readonly address: string
  readonly #pool: EndpointPool
  readonly #session: BackendSession
  readonly #stream: ClientHttp2Stream
  readonly #tryDue: number
  #exchange: EngineExchange | undefined
  #answered = false
  #interim = 0
  #ended = false
  #sent = false
  #trailers: Fields | undefined
  #requestTrailers: Fields | undefined
  /** The body may be read in the same turn as the head, whose event comes later. */
  #early: Buffer[] | undefined

  /** `length`: of the request's body, bytes, or -1. `tryDue`: when the try must be over, of the monotonic clock. */
  constructor(
    session: BackendSession,
    pool: EndpointPool,
    stream: ClientHttp2Stream,
    exchange: EngineExchange,
    tryDue: number,
  ) {
    super()
    this.#session = session
    this.#pool = pool
    this.#stream = stream
    this.#exchange = exchange
    this.#tryDue = tryDue
    this.address = pool.address
    exchange.outbound = this
    ;(stream as OwnStream)[OUTBOUND] = this
    stream.on('response', onResponse)
    stream.on('headers', onInform)
    stream.on('trailers', onTrailers)
    stream.on('data', onData)
    stream.on('end', onEnd)
    stream.on('close', onClose)
    stream.on('error', ignore)
    this.#arm(exchange.plan?.forward.timeouts?.firstByte ?? 0)
  }

  /** The body of the request follows. `trailers`: they may come behind it. */
  attach(): void {
    const stream = this.#stream
    stream.on('drain', onDrain)
    this.#exchange?.request.flow?.attach(this)
  }

  // --- the body of the request ---

  write(piece: Buffer): boolean {
    if (this.#stream.destroyed) return true
    return this.#stream.write(Wire.keep(piece))
  }

  end(trailers: Fields | undefined): void {
    this.#sent = true
    this.#requestTrailers = trailers
    if (!this.#stream.destroyed) this.#stream.end()
  }

  /** The client's body broke off: the backend must not take it for whole. */
  fail(error?: Error): void {
    const exchange = this.#exchange
    this.cancel()
    if (exchange !== undefined && error instanceof BodyRefusal) refuseBody(exchange, error)
  }

  onWantTrailers(): void {
    const headers: OutgoingHttpHeaders = {}
    if (this.#requestTrailers !== undefined) writeFields(this.#requestTrailers, headers, TAG.length | TAG.host)
    if (!this.#stream.destroyed) this.#stream.sendTrailers(headers)
  }

  // --- what the exchange wants ---

  cancel(): void {
    this.#detach()
    this.#break()
  }

  /** close() would say END_STREAM first, and a part of a request would look whole. */
  #break(): void {
    if (this.#stream.destroyed) return
    if (this.#sent) this.#stream.close(constants.NGHTTP2_CANCEL)
    else this.#stream.destroy(BROKEN_OFF)
  }

  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
  }

  // --- the answer ---

  onInform(status: number, raw: readonly string[]): void {
    const exchange = this.#exchange
    if (++this.#interim > INTERIM_MOST) {
      this.#fail('bad-answer', 'bad-answer: too-many-interim')
      return
    }
    if (exchange === undefined || status === 100 || status === 101 || !exchange.inbound.modern) return
    const head = readAnswer(status, raw)
    if (head.kind === 'response') exchange.inbound.inform(status, '', head.fields)
  }

  onResponse(status: number, flags: number, raw: readonly string[]): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    const head = readAnswer(status, raw)
    if (head.kind === 'refusal' || status < 200) {
      this.#fail('bad-answer', `bad-answer: ${head.kind === 'refusal' ? head.reason : 'status'}`)
      return
    }
    this.#answered = true
    this.#pool.succeeded()
    this.#arm(exchange.plan?.forward.timeouts?.idle ?? 0)
    const whole = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
    const none = whole || status === 204 || status === 304 || exchange.request.method === 'HEAD'
    if (whole) {
      // nothing can follow: the exchange need not wait for the end
      this.#detach()
      answered(exchange, this, head, 0)
      return
    }
    answered(exchange, this, head, none ? 0 : head.length)
    const early = this.#early
    this.#early = undefined
    if (early !== undefined) for (const piece of early) this.onPiece(piece)
    if (this.#exchange === exchange) exchange.inbound.flush()
  }

  onTrailers(raw: readonly string[]): void {
    const trailers = readTrailers(raw)
    if (trailers instanceof Refusal) this.#fail('bad-answer', `bad-answer: ${trailers.reason}`)
    else this.#trailers = trailers
  }

  onPiece(piece: Buffer): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    if (!this.#answered) {
      ;(this.#early ??= []).push(piece)
      return
    }
    const idle = exchange.plan?.forward.timeouts?.idle ?? 0
    if (idle > 0) this.#arm(idle)
    const { flow } = exchange.response
    if (flow !== undefined) {
      flow.push(piece)
      return
    }
    if (!exchange.inbound.write(piece)) this.#stream.pause()
    exchange.inbound.flush()
  }

  onEnd(): void {
    const exchange = this.#exchange
    if (exchange === undefined || !this.#answered) return
    // a reset ends the readable side, too
    if (this.#stream.rstCode !== constants.NGHTTP2_NO_ERROR) return
    this.#ended = true
    this.#detach()
    // RFC 9113 §8.1: an answer before the end of the request may leave the rest unread
    if (!this.#sent) this.#break()
    const { flow } = exchange.response
    if (flow !== undefined) flow.finish(this.#trailers)
    else exchange.inbound.end(this.#trailers)
  }

  onDrain(): void {
    this.#exchange?.request.flow?.resume()
  }

  onClose(): void {
    this.#pool.context.wheel.remove(this)
    this.#pool.lost()
    this.#session.left()
    const exchange = this.#exchange
    if (exchange === undefined || this.#ended) return
    const code = this.#stream.rstCode
    if (code === constants.NGHTTP2_REFUSED_STREAM) this.#fail('refused', 'refused: stream')
    else if (this.#answered) this.#fail('reset', `reset: stream ${code}`)
    else if (this.#session.gone && this.#session.uses > 1) this.#fail('stale', 'reset: connection')
    else this.#fail('reset', `reset: ${this.#session.gone ? 'connection' : `stream ${code}`}`)
  }

  expire(): void {
    this.#fail('timeout', this.#answered ? 'timeout: answer broke off' : 'timeout: no answer')
  }

  // --- inside ---

  #fail(failure: UpstreamFailure, detail: string): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    this.#detach()
    this.#break()
    if (failure !== 'stale' && failure !== 'refused') this.#pool.failed()
    failedUpstream(exchange, failure, detail)
  }

  #detach(): void {
    const exchange = this.#exchange
    this.due = Number.POSITIVE_INFINITY
    if (exchange === undefined) return
    this.#exchange = undefined
    exchange.outbound = undefined
    exchange.request.flow?.detach()
  }

  /** `ms` 0: only the end of the try counts. */
  #arm(ms: number): void {
    const now = performance.now()
    const due = Math.min(ms > 0 ? now + ms : Number.POSITIVE_INFINITY, this.#tryDue)
    if (due === Number.POSITIVE_INFINITY) this.due = due
    else this.#pool.context.wheel.set(this, due - now, now)
  }
}

const BROKEN_OFF = new Error('broken off')

/** The request as the backend gets it. `lines`: fields to add, as text with CRLF. */
export function requestHeaders(
  exchange: EngineExchange,
  authority: string,
  scheme: 'http' | 'https',
  lines: string,
  length: number,
  skip: number,
): OutgoingHttpHeaders {
  const { request } = exchange
  const headers: OutgoingHttpHeaders = {
    ':method': request.method,
    ':scheme': scheme,
    ':authority': authority,
    ':path': request.target,
  }
  const { flow } = request
  const own = flow !== undefined && (length < 0 || flow.changed)
  writeFields(request.headers, headers, skip | TAG.host | TAG.expect | (own ? TAG.length : 0))
  if (own && length >= 0) headers['content-length'] = String(length)
  for (const line of lines.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 2)
  }
  // TE is of one hop, and gRPC's servers want to see it
  if (request.trailers || isGrpcExchange(exchange)) headers['te'] = 'trailers'
  return headers
}

function of(stream: ClientHttp2Stream): BackendStream {
  return (stream as OwnStream)[OUTBOUND]
}

function onResponse(this: ClientHttp2Stream, headers: { ':status'?: number }, flags: number, raw?: string[]): void {
  of(this).onResponse(headers[':status'] ?? 0, flags, raw ?? [])
}

function onInform(this: ClientHttp2Stream, headers: { ':status'?: number }, _flags: number, raw?: string[]): void {
  of(this).onInform(headers[':status'] ?? 0, raw ?? [])
}

function onTrailers(this: ClientHttp2Stream, _headers: unknown, _flags: number, raw?: string[]): void {
  of(this).onTrailers(raw ?? [])
}

function onData(this: ClientHttp2Stream, piece: Buffer): void {
  of(this).onPiece(piece)
}

function onEnd(this: ClientHttp2Stream): void {
  of(this).onEnd()
}

function onClose(this: ClientHttp2Stream): void {
  of(this).onClose()
}

function onDrain(this: ClientHttp2Stream): void {
  of(this).onDrain()
}

export function onWantTrailers(this: ClientHttp2Stream): void {
  of(this).onWantTrailers()
}

/** What it was, 'close' tells. */
function ignore(): void {
  return undefined
}
