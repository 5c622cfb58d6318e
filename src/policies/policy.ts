/** The shapes every policy has: configuration → a step in the engine, or directives in nginx. Types only. */
import type { z } from 'zod'
import type { Diagnostic, Origin } from '../model/diagnostic.ts'
import type { Certificate, Forward, Model, Route } from '../model/model.ts'
import type { ConsumerRecord, Services } from './services.ts'

export interface Policy<Config> {
  readonly name: string
  /** One line for `gantry explain`, the console and the documentation. */
  readonly summary: string
  /** Strict: an unknown key is an error. Defaults are written here and nowhere else. */
  readonly config: z.ZodType<Config>
  /** Called once for each use in a plan; everything that can be computed before a request is computed here. */
  engine(config: Config, context: CompileContext): Step
  /** The same in nginx, or why it cannot be. A route with an unsupported policy is served by the engine behind nginx. */
  nginx(config: Config, context: CompileContext): NginxPiece | Unsupported
}

/** A policy whose configuration only itself knows: what lists of policies hold. Every `Policy<Config>` is one. */
export interface AnyPolicy {
  readonly name: string
  readonly summary: string
  readonly config: z.ZodType
  engine(config: never, context: CompileContext): Step
  nginx(config: never, context: CompileContext): NginxPiece | Unsupported
}

/** What a policy may know while it is compiled. Throwing here costs this one route (500) and makes a diagnostic. */
export interface CompileContext {
  readonly route: Route | undefined
  readonly origin: Origin
  readonly model: Model
  readonly services: Services
  certificate(id: string): Certificate | undefined
  report(diagnostic: Diagnostic): void
  /** For policies that hold conditions or other policies inside themselves. */
  compileCondition(condition: import('../model/model.ts').Condition): CompiledCondition
}

export type CompiledCondition = (exchange: Exchange) => boolean | Promise<boolean>

/**
 * What runs. The runner looks before it awaits: a step that returns no promise costs no turn of the event loop.
 * `request` runs in the order of the route's list; an outcome ends the request phase. `response` runs in reverse order
 * over the steps whose `request` ran, for answers of backends and of ours alike, before the head is sent. `done` runs
 * when the last byte is sent or the client has gone; it must not throw and cannot change anything.
 */
export interface Step {
  request?(exchange: Exchange): Outcome | undefined | Promise<Outcome | undefined>
  response?(exchange: Exchange): void | Promise<void>
  done?(exchange: Exchange): void
}

export type Outcome = Reply | ForwardNow | NextRoute | Upgrade

/** An answer of ours. Content-Length is set by the engine where the body's length is known. */
export interface Reply {
  readonly kind: 'reply'
  readonly status: number
  readonly reason?: string
  readonly headers?: readonly (readonly [name: string, value: string])[]
  /** A stream is piped with backpressure, chunked unless a length is said, and destroyed when the client goes. */
  readonly body?: string | Buffer | import('node:stream').Readable
}

/** End the request phase here and send the request to these backends. */
export interface ForwardNow {
  readonly kind: 'forward'
  /** Compiled by the engine from the policy's own configuration: see CompileContext; opaque to policies. */
  readonly forward: Forward
}

/** Leave this route; the next one that matches goes on. Changes to the request stay. */
export interface NextRoute {
  readonly kind: 'next'
}

/**
 * The client's connection goes on in the policy's hands, for a request with `upgrade`. The stream stands for the socket: what
 * is written first is the head of an answer. 101: bytes both ways from there on. Any other status: an answer, sent when
 * the stream ends. Destroyed before it said anything: the connection is cut.
 */
export interface Upgrade {
  readonly kind: 'upgrade'
  /** By when that head must be there; milliseconds. Then the stream is destroyed with an error. */
  readonly timeout: number
  take(socket: import('node:stream').Duplex): void
}

// --- the exchange ----------------------------------------------------------------------------------------------------

/** One request and its answer, as policies see them. Valid until `done` has run. */
export interface Exchange {
  readonly request: ExchangeRequest
  /** Meaningful in the response phase only. */
  readonly response: ExchangeResponse
  readonly connection: ConnectionFacts
  readonly route: Route
  /** Named captures of the path match; numbered ones under '0', '1', … Percent-decoded. */
  readonly parameters: Readonly<Record<string, string>>
  /** Who it is, once an authentication policy knows. */
  consumer: ConsumerRecord | undefined
  /** A name for this exchange: 22 characters, base62. Made when first asked for. */
  readonly id: string
  /** When the head was complete: milliseconds since the epoch. */
  readonly startedAt: number
  /** For policies to leave notes for one another or for their own later phases; the key is the owner's own symbol. */
  readonly notes: Map<symbol, unknown>
  /** Ends when the client has gone. Made when first asked for. */
  readonly signal: AbortSignal
}

export interface ExchangeRequest {
  method: string
  /** Path and query as they go to the backend; starts with '/', or is '*'. */
  target: string
  /** The target as the client sent it. */
  readonly originalTarget: string
  /** Without the query. */
  readonly path: string
  /** After '?', without it; '' where there is none. */
  readonly query: string
  readonly version: '1.0' | '1.1' | '2'
  /** Lower case, without port. '' where an HTTP/1.0 client sent none. */
  readonly host: string
  readonly headers: HeaderFields
  readonly body: Body
  /** The protocol that the client asks to change to, as it wrote it; only with HTTP/1.1, and without a body. */
  readonly upgrade?: string | undefined
}

export interface ExchangeResponse {
  status: number
  reason: string
  readonly headers: HeaderFields
  readonly body: Body
  /** Where the answer comes from. */
  readonly from: 'backend' | 'gateway'
}

export interface ConnectionFacts {
  /** The client's address; the last untrusted one of X-Forwarded-For where the listener trusts proxies. */
  readonly clientAddress: string
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  /** Of the listener. */
  readonly scheme: 'http' | 'https'
  readonly serverName: string | undefined
  /** `absent`: none shown or none asked for. */
  readonly clientCertificate: 'absent' | 'verified' | 'unverified'
  /** The listener that took the request. */
  readonly listener: string
  /** The socket, for the adapter of Express middleware only. */
  readonly socket: import('node:net').Socket | undefined
}

/** Header fields in order. Names may be given in any case; they are written as last given. Values never hold CR, LF or NUL. */
export interface HeaderFields extends Iterable<readonly [name: string, value: string]> {
  /** Values of one name joined by ', ' (cookie by '; '); undefined where there is none. The name must be in lower case. */
  get(lowerName: string): string | undefined
  all(lowerName: string): readonly string[]
  has(lowerName: string): boolean
  /** Replaces all of that name. Throws a TypeError on a name or a value that cannot be written. */
  set(name: string, value: string): void
  append(name: string, value: string): void
  delete(name: string): void
  /** All that are of this name to a reader that takes `_` for `-`, as CGI does. The name must be in lower case. */
  deleteAlike(lowerName: string): void
}

export interface Body {
  /** Is there none for certain? */
  readonly empty: boolean
  /** The whole body; rejects with a BodyTooLarge when it is longer than `limit` bytes. It is still forwarded unless replaced. */
  read(limit: number): Promise<Buffer>
  /** What is sent instead, with its length. */
  replace(body: Buffer | string): void
  /**
   * Piece by piece: the result is sent instead, chunked. `end` is called once, for what is left. What `piece` throws ends
   * the exchange: a Refusal with its status while no head is sent, else by closing both connections.
   */
  transform(transformer: { piece(chunk: Buffer): Buffer | undefined; end?(): Buffer | undefined }): void
  /** The body as a stream that the caller now owns; what is not put back by `replaceStream` is not forwarded. */
  stream(): import('node:stream').Readable
  replaceStream(stream: import('node:stream').Readable, length?: number): void
}

/**
 * Thrown where no Outcome can be returned (by conditions, and by transformers of bodies before the head is sent): the
 * runner answers with this status instead of 500.
 */
export class Refusal extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.name = 'Refusal'
    this.status = status
  }
}

export class BodyTooLarge extends Refusal {
  constructor(limit: number) {
    super(413, `body is larger than ${limit} bytes`)
    this.name = 'BodyTooLarge'
  }
}

/**
 * The note under which a policy that has parsed a body leaves it, for expressions to see as `req.body`. Registered
 * under a name, since the sandbox that reads it stands below the policies and cannot import this.
 */
export const parsedBody = Symbol.for('gantry.parsedBody')

// --- nginx -----------------------------------------------------------------------------------------------------------

/** One directive, printed by lib/nginx; values are quoted by the printer and cannot escape. */
export interface NginxDirective {
  readonly name: string
  readonly args: readonly (string | NginxRaw)[]
  readonly block?: readonly NginxDirective[]
}

/** Text with variables (`$http_host`), written by us, never from a user. */
export interface NginxRaw {
  readonly raw: string
}

/**
 * Directives of one policy. What the backend is asked for stands in `$gantry_target` (at first `$request_uri`) and
 * `$gantry_host` (at first what the route's action says): a policy that changes them does so by `set` in `location`, and
 * the target proxies to them. A text with '$' cannot be written: nginx has no escape for it.
 */
export interface NginxPiece {
  readonly location?: readonly NginxDirective[]
  readonly server?: readonly NginxDirective[]
  readonly http?: readonly NginxDirective[]
  /** The directives rewrite nginx's own URI (`rewrite … break`): it is proxied to instead of `$gantry_target`. */
  readonly uri?: 'rewritten'
  /** Of a listener's policy: routes are matched on the path as nginx reads it, normalised; their paths are in normal form. */
  readonly path?: 'decoded'
  /** Says itself what the backend is asked for, though the listener has decoded the path. */
  readonly target?: 'settled'
  /** Of a listener's policy: fields with an underscore in their name go no further. */
  readonly underscores?: 'drop'
}

export interface Unsupported {
  readonly unsupported: string
}

/** This target cannot do it, and says so. */
export function unsupported(why: string): Unsupported {
  return { unsupported: why }
}
