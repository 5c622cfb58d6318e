/** One request and its answer: what policies see of it, and where it stands. Knows no protocol: see `Inbound`. */
import { randomBytes } from 'node:crypto'
import { isToken, TARGET } from '../../lib/http1/characters.ts'
import { Fields } from '../../lib/http1/fields.ts'
import type { Route } from '../../model/model.ts'
import type { Body, ConnectionFacts, Exchange, ExchangeRequest, ExchangeResponse, Step } from '../../policies/policy.ts'
import type { ConsumerRecord } from '../../policies/services.ts'
import { BodyFlow, type BodySink, type BodySource } from './body-flow.ts'
import type { CompiledListener, CompiledStep, RouteProgram } from './compile.ts'
import type { ForwardPlan, ForwardTarget } from './forward.ts'
import type { EndpointPool } from './pool.ts'

/** What carries exchanges to a client: an HTTP/1 connection, an HTTP/2 stream. */
export interface Inbound extends BodySink, BodySource {
  /** Is 1xx understood, and are there chunks? */
  readonly modern: boolean
  /** An informational answer, now. */
  inform(status: number, reason: string, fields: Fields): void
  /** The head of the answer; may wait for the first `write`, `end` or `flush`. `length`: bytes, or -1 where the end will tell. */
  answer(exchange: EngineExchange, length: number): void
  /** A piece, bytes[start, end); the caller flushes when it has no more for now. */
  writeRange(bytes: Buffer, start: number, end: number): boolean
  /** What waits goes out. */
  flush(): void
  /** No well-formed answer is possible any more: cut it off so that nobody takes it for whole. */
  abort(): void
  /** Answer 101 with these fields; from here on both sides are bytes. Undefined where the protocol has no such thing. */
  tunnel(exchange: EngineExchange, far: TunnelEnd, first: Buffer | undefined): TunnelEnd | undefined
}

/** One side of an upgraded connection. */
export interface TunnelEnd {
  /** False: wait for `resume`. */
  send(piece: Buffer): boolean
  /** The other side has said its last. */
  finish(): void
  destroy(): void
  pause(): void
  resume(): void
}

/** Who answers at the far side; an HTTP/1 or HTTP/2 connection to an endpoint. */
export interface Outbound {
  /** The exchange is over or nobody wants the answer any more. `late`: it has not come in time. */
  cancel(why?: 'late'): void
  pause(): void
  resume(): void
  /** The client has taken what it was sent: see Inbound. */
  readonly address: string
}

export const STAGE = { listener: 0, route: 1, backend: 2, forwarding: 3, answering: 4, done: 5 } as const

export class EngineExchange implements Exchange {
  readonly request: EngineRequest
  readonly response: EngineResponse
  readonly connection: ConnectionFacts
  readonly startedAt: number
  readonly inbound: Inbound
  /** Of the monotonic clock, milliseconds. */
  readonly begun: number
  readonly listener: CompiledListener
  route: Route
  parameters: Readonly<Record<string, string>> = NO_PARAMETERS
  consumer: ConsumerRecord | undefined = undefined

  stage: number = STAGE.listener
  steps: readonly CompiledStep[] = NO_STEPS
  at = 0
  /** Steps that ran and have a later phase. */
  ran: Step[] | undefined = undefined
  /** How many of `ran` still have to see the response. */
  answerAt = 0
  rule = -1
  program: RouteProgram | undefined = undefined
  plan: ForwardPlan | undefined = undefined
  target: ForwardTarget | undefined = undefined
  pool: EndpointPool | undefined = undefined
  tries = 0
  tried: EndpointPool[] | undefined = undefined
  outbound: Outbound | undefined = undefined
  /** Why it was not as it should be: for the log and the metrics. */
  failure: string | undefined = undefined
  /** The endpoint that answered last. */
  upstream: string | undefined = undefined
  /** Bytes of the body that were sent to the client. */
  sent = 0
  /** Was the answer of a policy or a backend replaced by one of ours already? */
  replaced = false
  /** A kept connection died under it once already. */
  retriedStale = false
  limit: import('./wheel.ts').Deadline | undefined = undefined
  mirrors: string[] | undefined = undefined
  persist: import('./persistence.ts').Pin | undefined = undefined
  #notes: Map<symbol, unknown> | undefined = undefined
  #id: string | undefined = undefined
  #abort: AbortController | undefined = undefined

  constructor(
    inbound: Inbound,
    listener: CompiledListener,
    connection: ConnectionFacts,
    request: EngineRequest,
    startedAt: number,
    begun: number,
  ) {
    this.inbound = inbound
    this.listener = listener
    this.route = listener.asRoute
    this.connection = connection
    this.request = request
    this.response = new EngineResponse(this)
    this.startedAt = startedAt
    this.begun = begun
  }

  get id(): string {
    return (this.#id ??= makeId())
  }

  /** The id, if anybody has asked for it. */
  get knownId(): string | undefined {
    return this.#id
  }

  get notes(): Map<symbol, unknown> {
    return (this.#notes ??= new Map())
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController()
      if (this.stage === STAGE.done) this.#abort.abort()
    }
    return this.#abort.signal
  }

  /** The client has gone: whoever waits with `signal` is told. */
  abortSignal(): void {
    this.#abort?.abort()
  }
}

export class EngineRequest implements ExchangeRequest {
  readonly originalTarget: string
  readonly version: '1.0' | '1.1' | '2'
  readonly host: string
  /** Host as the client wrote it, port included; undefined where there is none. */
  readonly authority: string | undefined
  readonly headers: Fields
  readonly clientCertificate: 'absent' | 'verified' | 'unverified'
  /** What the client wants to change to, where the connection can. */
  readonly upgrade: string | undefined
  readonly trailers: boolean
  flow: BodyFlow | undefined
  #method: string
  #target: string
  #pathEnd: number

  constructor(
    head: {
      readonly method: string
      readonly target: string
      readonly originalTarget: string
      readonly pathEnd: number
      readonly host: string
      readonly authority: string | undefined
      readonly fields: Fields
      readonly upgrade: string | undefined
      readonly trailers: boolean
    },
    version: '1.0' | '1.1' | '2',
    clientCertificate: 'absent' | 'verified' | 'unverified',
    flow: BodyFlow | undefined,
  ) {
    this.#method = head.method
    this.#target = head.target
    this.#pathEnd = head.pathEnd
    this.originalTarget = head.originalTarget
    this.host = head.host
    this.authority = head.authority
    this.headers = head.fields
    this.upgrade = head.upgrade
    this.trailers = head.trailers
    this.version = version
    this.clientCertificate = clientCertificate
    this.flow = flow
  }

  get method(): string {
    return this.#method
  }

  set method(method: string) {
    if (!isToken(method)) throw new TypeError(`not a method: ${JSON.stringify(method)}`)
    this.#method = method
  }

  get target(): string {
    return this.#target
  }

  set target(target: string) {
    if (target === this.#target) return
    if (!isTarget(target)) throw new TypeError(`not a request target: ${JSON.stringify(target)}`)
    this.#target = target
    const end = target.indexOf('?')
    this.#pathEnd = end < 0 ? target.length : end
  }

  get path(): string {
    return this.#pathEnd === this.#target.length ? this.#target : this.#target.slice(0, this.#pathEnd)
  }

  get query(): string {
    return this.#pathEnd === this.#target.length ? '' : this.#target.slice(this.#pathEnd + 1)
  }

  get body(): Body {
    return (this.flow ??= new BodyFlow(0, undefined))
  }

  /** For the router. */
  header(lowerName: string): string | undefined {
    return this.headers.get(lowerName)
  }
}

export class EngineResponse implements ExchangeResponse {
  reason = ''
  headers: Fields = NO_FIELDS
  from: 'backend' | 'gateway' = 'gateway'
  flow: BodyFlow | undefined = undefined
  /** Of the message that comes from the backend: bytes, or -1. */
  declared = 0
  /** A body of ours that nobody has touched. */
  fixed: string | Buffer | undefined = undefined
  readonly #exchange: EngineExchange
  #status = 0

  constructor(exchange: EngineExchange) {
    this.#exchange = exchange
  }

  get status(): number {
    return this.#status
  }

  set status(status: number) {
    if (!Number.isInteger(status) || status < 200 || status > 599) {
      throw new TypeError(`not a status that can be answered: ${status}`)
    }
    this.#status = status
    this.reason = ''
  }

  /** A new answer; what was there before is forgotten. `declared`: bytes of the body, or -1. */
  begin(status: number, reason: string, headers: Fields, from: 'backend' | 'gateway', declared: number): void {
    this.#status = status
    this.reason = reason
    this.headers = headers
    this.from = from
    this.declared = declared
    this.flow = undefined
    this.fixed = undefined
  }

  get body(): Body {
    return this.makeFlow()
  }

  makeFlow(): BodyFlow {
    if (this.flow === undefined) {
      if (this.fixed !== undefined) {
        this.flow = new BodyFlow(-1, undefined)
        this.flow.replace(this.fixed)
        this.fixed = undefined
      } else {
        const outbound = this.#exchange.outbound
        this.flow = new BodyFlow(
          this.declared,
          outbound === undefined
            ? undefined
            : { pause: () => outbound.pause(), resume: () => outbound.resume(), want: () => undefined },
        )
      }
    }
    return this.flow
  }
}

const NO_PARAMETERS: Readonly<Record<string, string>> = Object.freeze(Object.create(null) as Record<string, string>)
const NO_STEPS: readonly CompiledStep[] = Object.freeze([])
const NO_FIELDS = new Fields()

function isTarget(target: string): boolean {
  if (target !== '*' && target.charCodeAt(0) !== 0x2f) return false
  for (let at = 0; at < target.length; at++) {
    const code = target.charCodeAt(at)
    if (code > 255 || TARGET[code] === 0) return false
  }
  return true
}

/** 22 characters of base62 hold 130 bits. */
const ID = 22
/** For some ninety: one call costs as much for one. Who keeps an id keeps the text of them all. */
const RANDOM = 1536
let ids = ''
let idsAt = 0

function makeId(): string {
  if (idsAt + ID > ids.length) {
    // what is left of base64 without its two signs is as likely as before
    ids = randomBytes(RANDOM).toString('base64url').replaceAll(/[-_]/g, '')
    idsAt = 0
  }
  return ids.slice(idsAt, (idsAt += ID))
}
