/** One stream of HTTP/2 to an endpoint: an exchange goes out and comes back as an answer. */
import type { Fields } from '../../../lib/http1/fields.ts'
import { TAG } from '../../../lib/http1/tags.ts'
import { Refusal } from '../../../lib/http1/refusal.ts'
import type { AnswerUser, ClientStream } from '../../../lib/http2/client-stream.ts'
import type { ClientSession } from '../../../lib/http2/client.ts'
import { ERROR } from '../../../lib/http2/frames.ts'
import type { HeaderList } from '../../../lib/http2/list.ts'
import type { Loss } from '../../../lib/http2/stream.ts'
import { Refusal as BodyRefusal } from '../../../policies/policy.ts'
import type { BodySink } from '../body-flow.ts'
import { clock } from '../clock.ts'
import type { EngineExchange, Outbound } from '../exchange.ts'
import { answered, failedUpstream, hostOfEndpoint, INTERIM_MOST, refuseBody, type UpstreamFailure } from '../forward.ts'
import type { EndpointPool } from '../pool.ts'
import { Deadline } from '../wheel.ts'
import { isGrpcExchange } from './grpc.ts'
import { ELSEWHERE, readAnswer, readTrailerLines } from './heads.ts'
import type { BackendSession } from './sessions.ts'

/** Of an answer's head, and of all 1xx before it, bytes. */
export const HEAD_BYTES = 65_536

export class BackendStream extends Deadline implements Outbound, BodySink, AnswerUser {
  readonly address: string
  readonly #pool: EndpointPool
  readonly #session: BackendSession
  readonly #stream: ClientStream
  readonly #tryDue: number
  /** Of the session, when this began. */
  readonly #reads: number
  /** Trailers of the request may follow its body. */
  readonly #trailers: boolean
  #exchange: EngineExchange | undefined
  #answered = false
  #interim = 0
  #interimBytes = 0
  #sent: boolean
  #unflushed = false
  #paused = false

  /** `length`: of the request's body, bytes, or -1. `tryDue`: when the try must be over, of the wheel's clock. */
  constructor(
    session: BackendSession,
    wire: ClientSession,
    exchange: EngineExchange,
    pool: EndpointPool,
    length: number,
    tryDue: number,
  ) {
    super()
    this.#session = session
    this.#reads = session.reads
    this.#pool = pool
    this.#exchange = exchange
    this.#tryDue = tryDue
    this.address = pool.address
    exchange.outbound = this
    const { flow } = exchange.request
    this.#sent = flow === undefined
    const grpc = isGrpcExchange(exchange)
    // calls of gRPC have no trailers
    this.#trailers = length < 0 && !grpc
    const lines = writeRequest(exchange, pool, length, grpc)
    this.#stream = wire.begin(this, lines, flow === undefined ? 'whole' : 'body follows')
    this.#arm(exchange.plan?.forward.timeouts?.firstByte ?? 0)
    flow?.attach(this)
  }

  // --- the body of the request ---

  write(piece: Buffer): boolean {
    return this.#stream.send(piece)
  }

  end(trailers: Fields | undefined): void {
    this.#sent = true
    const lines = this.#trailers ? trailers?.write(ELSEWHERE | TAG.length | TAG.host) : undefined
    this.#stream.end('', lines === '' ? undefined : lines)
  }

  /** The client's body broke off: the backend must not take it for whole. */
  fail(error?: Error): void {
    const exchange = this.#exchange
    this.cancel()
    if (exchange !== undefined && error instanceof BodyRefusal) refuseBody(exchange, error)
  }

  // --- what the exchange wants ---

  cancel(why?: 'late'): void {
    // before this stream leaves: its connection is not to be taken for the next one
    if (why === 'late') this.#session.late(this.#reads)
    this.#detach()
    this.#stream.abort(this.#sent ? ERROR.cancel : ERROR.internal)
  }

  pause(): void {
    this.#paused = true
    // while we do not read, nobody can say whether the backend sends
    this.#arm(0)
    this.#stream.pause()
  }

  resume(): void {
    this.#paused = false
    if (this.#answered) this.#arm(this.#idle)
    this.#stream.resume()
    this.flush()
  }

  // --- the answer ---

  onInform(status: number, list: HeaderList): void {
    const exchange = this.#exchange
    this.#interimBytes += list.lines.length
    if (++this.#interim > INTERIM_MOST || this.#interimBytes > HEAD_BYTES) {
      this.#fail('bad-answer', 'bad-answer: too-many-interim')
      return
    }
    const head = readAnswer(status, list)
    if (head.kind === 'refusal') this.#fail('bad-answer', `bad-answer: ${head.reason}`)
    // 100 was said by us already
    else if (exchange !== undefined && status !== 100 && exchange.inbound.modern) {
      exchange.inbound.inform(status, '', head.fields)
    }
  }

  onAnswer(status: number, list: HeaderList, ends: boolean): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    const head = readAnswer(status, list)
    if (head.kind === 'refusal') {
      this.#fail('bad-answer', `bad-answer: ${head.reason}`)
      return
    }
    const bodiless = status === 204 || status === 304 || exchange.request.method === 'HEAD'
    // RFC 9113 §8.1.1
    if (ends && !bodiless && head.length > 0) {
      this.#fail('bad-answer', 'bad-answer: content-length')
      return
    }
    this.#answered = true
    this.#pool.succeeded()
    if (ends) {
      // nothing can follow: the exchange need not wait for the end
      this.#detach()
      answered(exchange, this, head, 0)
      return
    }
    this.#arm(this.#idle)
    this.#stream.expected = bodiless ? 0 : head.length
    answered(exchange, this, head, bodiless ? 0 : head.length)
    this.#flushSoon()
  }

  onData(bytes: Buffer, from: number, end: number): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    const idle = this.#idle
    if (idle > 0) this.#arm(idle)
    const { flow } = exchange.response
    if (flow !== undefined) {
      flow.push(bytes.subarray(from, end))
      return
    }
    if (!exchange.inbound.writeRange(bytes, from, end)) this.pause()
    this.#flushSoon()
  }

  onEndOfBody(lines: string | undefined): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    const trailers = lines === undefined ? undefined : readTrailerLines(lines)
    if (trailers instanceof Refusal) {
      this.#fail('bad-answer', `bad-answer: ${trailers.reason}`)
      return
    }
    this.#detach()
    const { flow } = exchange.response
    if (flow !== undefined) flow.finish(trailers)
    else exchange.inbound.end(trailers)
  }

  onDrain(): void {
    this.#exchange?.request.flow?.resume()
  }

  onLost(code: number, loss: Loss): void {
    const session = this.#session
    if (loss === 'fault') this.#fail('bad-answer', 'bad-answer: malformed')
    else if (loss === 'reset') {
      if (code === ERROR.refused && !this.#answered) this.#fail('refused', 'refused: stream')
      else this.#fail('reset', `reset: stream ${code}`)
    } else if (session.broken !== undefined) this.#fail('bad-answer', `bad-answer: ${session.broken}`)
    else this.#fail(session.uses > 1 && !this.#answered ? 'stale' : 'reset', 'reset: connection')
  }

  expire(): void {
    this.#fail('timeout', this.#answered ? 'timeout: answer broke off' : 'timeout: no answer')
  }

  /** What the client has of the answer so far goes out. */
  flush(): void {
    this.#unflushed = false
    this.#exchange?.inbound.flush()
  }

  // --- inside ---

  #flushSoon(): void {
    if (this.#unflushed || this.#exchange === undefined) return
    this.#unflushed = true
    this.#session.flushLater(this)
  }

  #fail(failure: UpstreamFailure, detail: string): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    this.cancel(failure === 'timeout' ? 'late' : undefined)
    // nor is it late when its client is
    const blameless = failure === 'stale' || failure === 'refused' || (failure === 'timeout' && this.#paused)
    if (!blameless) this.#pool.failed()
    failedUpstream(exchange, failure, detail)
  }

  #detach(): void {
    const exchange = this.#exchange
    this.#pool.context.wheel.remove(this)
    if (exchange === undefined) return
    this.#exchange = undefined
    exchange.outbound = undefined
    exchange.request.flow?.detach()
  }

  get #idle(): number {
    return this.#exchange?.plan?.forward.timeouts?.idle ?? 0
  }

  /** `ms` 0: only the end of the try counts. */
  #arm(ms: number): void {
    const tryDue = this.#tryDue
    if (ms === 0 && tryDue === Number.POSITIVE_INFINITY) {
      this.due = tryDue
      return
    }
    const { now } = clock
    this.#pool.context.wheel.set(this, Math.min(ms > 0 ? ms : Number.POSITIVE_INFINITY, tryDue - now), now)
  }
}

/** The request as the backend gets it: pseudo-headers and fields, a line each. */
function writeRequest(exchange: EngineExchange, pool: EndpointPool, length: number, grpc: boolean): string {
  const { request } = exchange
  const { headers, flow } = request
  const { forward } = exchange.plan!
  const { host } = forward
  const mode = forward.forwarded ?? 'replace'
  const authority =
    host === undefined || host.kind === 'keep'
      ? (headers.get('host') ?? request.authority ?? hostOfEndpoint(pool))
      : host.kind === 'set'
        ? host.name
        : hostOfEndpoint(pool)
  let skip = ELSEWHERE | TAG.host | TAG.expect
  let added = ''
  if (mode !== 'none') {
    skip |= TAG.forwarded
    added = exchange.listener.context.forwarded(exchange, mode)
  }
  if (flow !== undefined && (length < 0 || flow.changed)) {
    skip |= TAG.length
    if (length >= 0) added += `content-length: ${length}\r\n`
  }
  // TE is of one hop, and gRPC's servers want to see it
  if (request.trailers || grpc) added += 'te: trailers\r\n'
  const scheme = pool.backend.security === undefined ? 'http' : 'https'
  return `:method: ${request.method}\r\n:scheme: ${scheme}\r\n:authority: ${authority}\r\n:path: ${request.target}\r\n${headers.write(skip)}${added}`
}
