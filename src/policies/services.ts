/** What policies may ask of the process around them. Interfaces only; the runtime hands in the real ones. */
import type { Diagnostic } from '../model/diagnostic.ts'
import type { CompiledCondition, Exchange, Step } from './policy.ts'

export interface Services {
  readonly identities: Identities
  readonly counters: Counters
  readonly cache: Cache
  readonly expressions: Expressions
  readonly plugins: Plugins
  readonly events: Events
  readonly metrics: Metrics
  /** For an authorization server; absent where there are no consumers to grant anything (the nginx target, tests). */
  readonly authorizations?: Authorizations
  /** The engine's; absent where there is no engine (the nginx target, tests). */
  readonly mirror?: Mirror
  /** The engine's; absent where there is no engine. */
  readonly ask?: Ask
  /** From where modules that a configuration names are resolved; absent: from where the process runs. */
  readonly folder?: string
  /** Milliseconds since the epoch. */
  now(): number
}

/** A value, or the promise of one where it has to be fetched. */
export type Soon<T> = T | Promise<T>

/** The store behind an identity cannot be reached: the request gets 503, quickly. */
export class StoreUnavailable extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'StoreUnavailable'
  }
}

// --- who somebody is -------------------------------------------------------------------------------------------------

export interface ConsumerRecord {
  readonly id?: string
  readonly type?: 'user' | 'application'
  readonly username?: string
  readonly name?: string
  /** Everything else that the store or the token says. */
  readonly [property: string]: unknown
}

export interface CredentialRecord {
  readonly type: string
  readonly id: string
  readonly consumerId: string
  readonly isActive: boolean
  /** In clear for keys; absent for hashed ones. */
  readonly keySecret?: string
  readonly passwordHash?: string
  readonly scopes: readonly string[]
}

export interface TokenRecord {
  readonly id: string
  readonly consumerId: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
  readonly scopes: readonly string[]
  readonly authenticatedUserId?: string
  readonly [property: string]: unknown
}

/** Users, applications, credentials and tokens. All of it may reject with StoreUnavailable. */
export interface Identities {
  credential(type: 'key-auth' | 'jwt' | 'basic-auth' | 'oauth2', id: string): Soon<CredentialRecord | undefined>
  /** An active application or user with that id; with `byName` also an active user with that username. */
  consumer(id: string, options?: { readonly byName?: boolean }): Soon<ConsumerRecord | undefined>
  /** Slow by design (bcrypt), in constant time. */
  verifyPassword(credential: CredentialRecord, password: string): Promise<boolean>
  /** A valid opaque access token `id|secret`. */
  accessToken(token: string): Soon<TokenRecord | undefined>
}

/**
 * Notes a copy of this exchange for the backend with that id. The copy is made when the exchange is forwarded, so it
 * carries what later policies changed; nobody waits for it, and its answer is dropped. Several copies may be noted.
 */
export type Mirror = (exchange: Exchange, backend: string) => void

/**
 * A request of a policy's own to the backend with that id, while the exchange waits. Resolves with the whole answer, whatever
 * its status; rejects where there is none within the time, or one of more than 1 MiB, and when the client has gone.
 */
export type Ask = (backend: string, request: AskRequest) => Promise<AskReply>

export interface AskRequest {
  readonly method: string
  readonly path: string
  /** Sent as they are: with Host and Content-Length for HTTP. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
  /** `grpc`: over HTTP/2 always. */
  readonly protocol: 'http' | 'grpc'
  /** Milliseconds, all tries included. */
  readonly timeout: number
  readonly exchange: Exchange
}

export interface AskReply {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
  readonly trailers: readonly (readonly [name: string, value: string])[]
}

/** What an authorization server asks of the consumers. All of it may reject with StoreUnavailable. */
export interface Authorizations {
  /** An active application with that id. */
  application(id: string): Promise<ConsumerRecord | undefined>
  /** An active user with that id. */
  user(id: string): Promise<ConsumerRecord | undefined>
  /** The active consumer (by id, or a user by name) whose active credential that password or secret fits. Slow, in constant time. */
  authenticate(type: 'basic-auth' | 'oauth2', name: string, secret: string): Promise<ConsumerRecord | undefined>
  /** Does the active oauth2 credential of that application hold all of them? */
  holdsScopes(applicationId: string, scopes: readonly string[]): Promise<boolean>
  /** Opaque; the same one for the same grant until it expires. */
  accessToken(grant: TokenGrant, lifetimeMs: number): Promise<IssuedToken>
  refreshToken(grant: TokenGrant, lifetimeMs: number): Promise<IssuedToken>
  /** What a valid refresh token was issued for. */
  refreshGrant(token: string): Promise<TokenGrant | undefined>
  code(grant: CodeGrant, lifetimeMs: number): Promise<string>
  /** Once: of several that bring the same code, one gets its grant. Where `fits` says no, the code stays. */
  redeemCode(code: string, fits: (grant: CodeGrant) => boolean): Promise<CodeGrant | undefined>
  readonly sessions: {
    newId(): string
    get(id: string): Soon<string | undefined>
    set(id: string, text: string, ttlMs: number): Promise<void>
    delete(id: string): Promise<void>
  }
}

/** What a token is for. */
export interface TokenGrant {
  /** The application. */
  readonly consumerId: string
  readonly authType?: string
  readonly authenticatedUserId?: string
  readonly redirectUri?: string
  readonly scopes?: readonly string[]
}

export interface IssuedToken {
  readonly token: string
  /** False: it was issued before, for the same grant. */
  readonly fresh: boolean
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

export interface CodeGrant {
  readonly consumerId: string
  readonly userId: string
  readonly redirectUri: string
  readonly scopes?: readonly string[]
  /** PKCE (RFC 7636): what the one who redeems must be able to explain. */
  readonly codeChallenge?: string
  readonly codeChallengeMethod?: 'S256' | 'plain'
}

// --- counting --------------------------------------------------------------------------------------------------------

export interface CounterState {
  readonly count: number
  /** When the window ends: milliseconds since the epoch. */
  readonly resetAt: number
}

/** Windows that are exact over all workers (and over all machines with Redis). */
export interface Counters {
  /** Adds `amount` (default 1; negative gives back) to the fixed window of that key and returns the sum after it. */
  add(key: string, windowMs: number, amount?: number): Soon<CounterState>
}

export interface Cache {
  get(key: string): Soon<string | undefined>
  /** `ttlMs` above 0. */
  set(key: string, value: string, ttlMs: number): Soon<void>
}

// --- users' code -----------------------------------------------------------------------------------------------------

/** Users' JavaScript, in a sandbox with limits of time and memory, compiled once. */
export interface Expressions {
  /**
   * `expression`: its value; `template`: the text of a JavaScript template literal; `program`: statements, whose value is
   * the `Reply` that they sent through `res` (`res.send`, `res.json`, `res.end`, …), or undefined where they sent none.
   * A syntax error throws here, at compile time, with line and column in its message.
   */
  compile(kind: 'expression' | 'template' | 'program', source: string): Expression
  /**
   * The header fields that code has set through `res`, onto the answer: for the response phase of a step that has
   * evaluated something. Cheap where there are none.
   */
  finish(exchange: Exchange): void
}

export interface Expression {
  /**
   * Throws what the expression throws, and on its limits. `req.body` is what a policy has left in the exchange's notes
   * under `parsedBody` (policy.ts).
   */
  evaluate(exchange: Exchange): unknown
}

/** Policies and conditions that plugins bring. */
export interface Plugins {
  /** Another one after each load: what was compiled before it belongs to plugins that are gone. Absent: there is no load. */
  readonly loaded?: object | undefined
  policy(name: string): { compile(config: Readonly<Record<string, unknown>>): Step } | undefined
  condition(name: string): { compile(config: Readonly<Record<string, unknown>>): CompiledCondition } | undefined
  /** Express routers that plugins mounted in front of every route. */
  readonly gatewayRoutes: Step | undefined
}

// --- telling ---------------------------------------------------------------------------------------------------------

export interface Events {
  /** What the log knows, the admin API and the console know too. */
  emit(
    level: 'debug' | 'info' | 'warn' | 'error',
    code: string,
    message: string,
    facts?: Readonly<Record<string, unknown>>,
  ): void
  diagnostic(diagnostic: Diagnostic): void
}

/** Named counters for the metrics endpoint; label values must be few and never a client's own words. */
export interface Metrics {
  counter(name: string, help: string, labels?: readonly string[]): (labels: readonly string[], amount?: number) => void
  histogram(
    name: string,
    help: string,
    buckets: readonly number[],
    labels?: readonly string[],
  ): (labels: readonly string[], value: number) => void
  gauge(name: string, help: string, collect: () => number): void
}
