/**
 * The model: what every source says and every target does. Plain immutable data. Imports nothing outside this folder.
 *
 * Every id begins with its source (`express-gateway/…`), so two sources never mean the same thing by accident.
 * **Routes are in order of precedence**: among the routes of a listener that match a request, the first wins. A source
 * settles its own precedence by sorting; targets may build any index that gives the same answer.
 */
import type { Origin } from './diagnostic.ts'
import type { Secret } from './secret.ts'

export interface Model {
  readonly version: 1
  readonly listeners: readonly Listener[]
  readonly routes: readonly Route[]
  /** Routes of bytes: TCP, UDP and TLS by SNI. */
  readonly streams: readonly StreamRoute[]
  readonly backends: readonly Backend[]
  /** Apart from the backends: endpoints change every second, the rest every day. */
  readonly endpoints: readonly Endpoints[]
  readonly certificates: readonly Certificate[]
  readonly consumers: readonly Consumer[]
  readonly credentials: readonly Credential[]
}

// --- listeners -------------------------------------------------------------------------------------------------------

export type Protocol = 'http' | 'https' | 'tls' | 'tcp' | 'udp'

/** One name on one address and port. Listeners that share address and port share the socket; the most specific host wins. */
export interface Listener {
  readonly id: string
  /** An IP address to bind, or `*` for all of them. */
  readonly address: string
  /** 0 asks the system for a free one (tests, examples). */
  readonly port: number
  readonly protocol: Protocol
  /** Which hosts are its own; absent: any. */
  readonly host?: HostMatch
  /** For `https` and `tls`. */
  readonly tls?: ListenerTls
  /** What a request gets that no route takes. Default: `{ kind: 'reply', status: 404 }`. */
  readonly unmatched?: Unmatched
  /** Policies of every request of this listener, before a route is looked up. May change path, method and headers, not the host. */
  readonly policies?: readonly PolicyUse[]
  readonly limits?: Limits
  /** What the requests of this listener are told about who stands in front: default is to trust nobody. */
  readonly trustedProxies?: readonly string[]
  readonly origin: Origin
}

/**
 * `reply`: a short answer of ours. `express`: the 404 page that Express prints. `close`: no answer at all
 * (nginx's 444). `unavailable`: the listener exists but must not serve; every request is answered with the status.
 */
export type Unmatched =
  | { readonly kind: 'reply'; readonly status: number; readonly body?: string; readonly contentType?: string }
  | { readonly kind: 'express' }
  | { readonly kind: 'close' }

export interface ListenerTls {
  /** `terminate`: we hold the key. `passthrough`: bytes go on as they came, routed by SNI. */
  readonly mode: 'terminate' | 'passthrough'
  /** Ids of certificates, by SNI the one with the most specific matching host is served; else the first. */
  readonly certificates: readonly string[]
  /** What a client gets whose SNI no certificate names. Default `first`. */
  readonly unknownName?: 'first' | 'reject'
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3'
  readonly ciphers?: string
  readonly alpn?: readonly ('h2' | 'http/1.1')[]
  /**
   * Client certificates. `require`: no valid certificate, no connection. `request`: asked for, recorded on the
   * exchange, never refused (also Gateway API's AllowInsecureFallback).
   */
  readonly clientValidation?: { readonly mode: 'require' | 'request'; readonly ca: readonly string[] }
  /** A request whose Host belongs to another listener of the socket than its SNI: 421. Default true for more than one listener. */
  readonly misdirected?: 'refuse' | 'serve'
}

/** Sizes in bytes, times in milliseconds; absent takes the engine's default, 0 means no limit where that is safe. */
export interface Limits {
  readonly headBytes?: number
  readonly headerCount?: number
  readonly targetBytes?: number
  readonly bodyBytes?: number
  /** From the first byte of a head to its end. */
  readonly headTimeout?: number
  /** Between two pieces of a body. */
  readonly bodyTimeout?: number
  /** Bytes a second that a body must keep up: what it is behind comes off `bodyTimeout`. */
  readonly bodyRate?: number
  /** Between two requests of a connection. */
  readonly idleTimeout?: number
  readonly connectionsPerClient?: number
}

// --- matching --------------------------------------------------------------------------------------------------------

/** Hosts are compared in lower case, without port and without a trailing dot. */
export type HostMatch =
  | { readonly kind: 'exact'; readonly name: string }
  /** `*.example.com` is `suffix` `.example.com`; `labels` says whether `*` stands for one label or for one or more. */
  | { readonly kind: 'suffix'; readonly suffix: string; readonly labels: 'one' | 'many' }
  /** Anchored as written, without case. */
  | { readonly kind: 'regexp'; readonly source: string }

/** On the path as the client sent it (percent-encoding untouched), without the query. */
export type PathMatch =
  /** `ignoreCase` and `optionalSlash` (one trailing slash more or less) are Express's way. */
  | { readonly kind: 'exact'; readonly value: string; readonly ignoreCase?: boolean; readonly optionalSlash?: boolean }
  /** By segments: `/abc` takes `/abc`, `/abc/`, `/abc/d`, not `/abcd`. */
  | { readonly kind: 'prefix'; readonly value: string }
  /** By characters: `/abc` takes `/abcd`. */
  | { readonly kind: 'start'; readonly value: string; readonly ignoreCase?: boolean }
  /** JavaScript syntax, anchored as written. `parameters` names the capture groups in order. */
  | {
      readonly kind: 'regexp'
      readonly source: string
      readonly ignoreCase?: boolean
      readonly parameters?: readonly string[]
    }

export type ValueMatch =
  | { readonly kind: 'exact'; readonly value: string }
  | { readonly kind: 'regexp'; readonly source: string }
  | { readonly kind: 'present' }

export interface NamedMatch {
  /** Header names in lower case; query names as written. */
  readonly name: string
  readonly value: ValueMatch
}

/** All of it must hold. Absent parts hold always. */
export interface Match {
  readonly path?: PathMatch
  /** Upper case. GET does not imply HEAD: a source that wants it says so. */
  readonly methods?: readonly string[]
  readonly headers?: readonly NamedMatch[]
  readonly query?: readonly NamedMatch[]
  /** `grpc`: the content type begins with application/grpc; `not-grpc`: it does not. */
  readonly content?: 'grpc' | 'not-grpc'
  /** The TLS client's certificate was verified. */
  readonly clientCertificate?: 'verified'
}

// --- routes ----------------------------------------------------------------------------------------------------------

export interface Route {
  readonly id: string
  /** Ids of listeners. */
  readonly listeners: readonly string[]
  /** Any of these; absent or empty: every host of the listener. */
  readonly hosts?: readonly HostMatch[]
  readonly match: Match
  /** In the order in which they see the request; they see the response in reverse order. */
  readonly policies: readonly PolicyUse[]
  /** What happens when no policy has answered. */
  readonly action: Action
  /** For humans: access log, metrics, explain. Default: the id. */
  readonly label?: string
  /**
   * What a source wants its own policies to find again, for example Express Gateway's apiEndpoint. Plain JSON;
   * the pipeline and the targets do not look inside.
   */
  readonly annotations?: Readonly<Record<string, unknown>>
  readonly origin: Origin
}

export type Action =
  | { readonly kind: 'forward'; readonly forward: Forward }
  /** Fail closed: a route that lost a policy answers 500, one that we cannot serve 503. */
  | {
      readonly kind: 'reply'
      readonly status: number
      readonly body?: string
      readonly contentType?: string
      /** `weak`: an ETag as Express makes it, and 304 to who has it. Default: none. */
      readonly etag?: 'weak'
    }
  /** Go on with the next route that matches (Express's `next()`). */
  | { readonly kind: 'next' }

/** Where a request goes, and how. Also the configuration of the policy `forward`, which sends a request away mid-pipeline. */
export interface Forward {
  /** None, or a sum of weights of 0: every request is answered with `emptyStatus`. */
  readonly backends: readonly WeightedBackend[]
  /** Default 500. */
  readonly emptyStatus?: number
  /** The Host that the backend sees. `keep` (default): the client's. `backend`: the endpoint's own host and port. */
  readonly host?:
    { readonly kind: 'keep' } | { readonly kind: 'backend' } | { readonly kind: 'set'; readonly name: string }
  readonly timeouts?: Timeouts
  readonly retry?: Retry
  readonly persistence?: Persistence
  /** `X-Forwarded-*`. `append` adds ours to the client's, `replace` (default) says only ours, `none` adds nothing and passes the client's. */
  readonly forwarded?: 'append' | 'replace' | 'none'
  /** May this route upgrade a connection (WebSocket)? Default true. */
  readonly upgrade?: boolean
  /** What the client gets when no backend answers. Default: a plain body with the reason's standard words. */
  readonly failure?: { readonly status?: number; readonly body?: string; readonly contentType?: string }
}

export interface WeightedBackend {
  /** `backend`: by id. `fail`: the share of requests of a reference that cannot be resolved gets this status. */
  readonly target:
    { readonly kind: 'backend'; readonly id: string } | { readonly kind: 'fail'; readonly status: number }
  /** 0 or more; default 1. */
  readonly weight?: number
  /** Only for requests that this backend is chosen for, after the route's own. */
  readonly policies?: readonly PolicyUse[]
}

/** Milliseconds; 0 or absent: no limit of this kind. */
export interface Timeouts {
  /** The whole exchange as the client sees it, all tries included: 504. */
  readonly request?: number
  /** One try, until the end of its answer: 504 if it is the last. */
  readonly backendRequest?: number
  /** Until the connection to the backend stands; default 5000. */
  readonly connect?: number
  /** Until the first byte of the answer's head. */
  readonly firstByte?: number
  /** Silence between two pieces, either way. */
  readonly idle?: number
}

export interface Retry {
  /** Extra tries, 0 to 100. */
  readonly attempts: number
  /** Statuses of a backend worth another try. */
  readonly statuses?: readonly number[]
  /** Base interval in milliseconds; default 25, doubled each time up to ten times the base, with jitter. */
  readonly backoff?: number
  /** How large a body may be kept for another try, bytes; default 65536. A larger one is sent once. */
  readonly bufferBytes?: number
}

export interface Persistence {
  readonly kind: 'cookie' | 'header'
  readonly name: string
  /** Milliseconds; absent: the session of the browser. */
  readonly absoluteTimeout?: number
  readonly idleTimeout?: number
  readonly cookiePath?: string
}

// --- policies --------------------------------------------------------------------------------------------------------

/** One policy in its place. `config` is parsed by the policy's own schema, once for each plan. */
export interface PolicyUse {
  readonly policy: string
  readonly config: unknown
  /** Only where this holds. */
  readonly when?: Condition
  readonly origin: Origin
}

export type Condition =
  | { readonly kind: 'all' | 'any'; readonly of: readonly Condition[] }
  | { readonly kind: 'not'; readonly of: Condition }
  | { readonly kind: 'constant'; readonly value: boolean }
  | { readonly kind: 'method'; readonly methods: readonly string[] }
  /** On the request target with its query, as policies before have left it. */
  | { readonly kind: 'target'; readonly value: ValueMatch }
  /** On the Host header as sent, port included; a glob in which `*` crosses dots. */
  | { readonly kind: 'host'; readonly glob: string }
  /** Is there a consumer? */
  | { readonly kind: 'authenticated' }
  | { readonly kind: 'client-certificate' }
  /** Truth of an expression of the user's, in a sandbox. */
  | { readonly kind: 'expression'; readonly language: 'javascript' | 'cel'; readonly source: string }
  /** The body, JSON or a form, is valid under the schema. */
  | {
      readonly kind: 'body-schema'
      readonly schema: Readonly<Record<string, unknown>>
      /** What it refers to elsewhere, by URL. */
      readonly documents?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
      readonly logErrors?: boolean
    }
  /** A condition that a plugin brought. */
  | { readonly kind: 'plugin'; readonly name: string; readonly config: Readonly<Record<string, unknown>> }

// --- backends --------------------------------------------------------------------------------------------------------

export interface Backend {
  readonly id: string
  /** What is spoken to it. `auto`: HTTP/2 with prior knowledge for gRPC, else HTTP/1.1. */
  readonly protocol: 'http1' | 'h2c' | 'auto' | 'tcp' | 'udp'
  /** Absent: in clear. */
  readonly tls?: BackendTls
  /** A forward proxy that its endpoints are reached through; for `http1` only. Absent: directly. */
  readonly via?: ForwardProxy
  /** Default `round-robin`, weighted. */
  readonly balance?:
    | { readonly kind: 'round-robin' }
    | { readonly kind: 'least-connections' }
    | { readonly kind: 'hash'; readonly on: 'client-address' | 'header' | 'cookie' | 'path'; readonly name?: string }
  readonly health?: Health
  /** What a request gets while there is no ready endpoint; default 503. */
  readonly unavailableStatus?: number
  readonly origin: Origin
}

/**
 * Requests in clear go to it in absolute form (RFC 9112 3.2.2), those in TLS through a tunnel that CONNECT opens
 * (RFC 9110 9.3.6). It resolves the endpoints' names.
 */
export interface ForwardProxy {
  /** What is spoken to the proxy itself; its certificate is verified against the machine's store. */
  readonly protocol: 'http' | 'https'
  readonly host: string
  readonly port: number
  /** The value of Proxy-Authorization. */
  readonly authorization?: Secret
}

export interface BackendTls {
  /** SNI, and the name that is verified unless `subjectAltNames` says otherwise. */
  readonly serverName?: string
  /** Certificate ids to trust; `system`: the machine's store; `none`: nothing is verified (`secure: false`). */
  readonly trust:
    { readonly kind: 'system' | 'none' } | { readonly kind: 'ca'; readonly certificates: readonly string[] }
  readonly subjectAltNames?: readonly { readonly kind: 'dns' | 'uri'; readonly value: string }[]
  /** Certificate id of our own, shown when asked. */
  readonly clientCertificate?: string
  readonly alpn?: readonly ('h2' | 'http/1.1')[]
}

/** Times in milliseconds. */
export interface Health {
  /** Taken out for `ejection` after so many failures in a row; default 3 and 10,000. Never the last one. */
  readonly passive?: { readonly failures: number; readonly ejection: number }
  readonly active?: {
    readonly kind: 'http' | 'tcp'
    readonly path?: string
    readonly host?: string
    readonly port?: number
    readonly interval: number
    readonly timeout: number
    readonly healthy: number
    readonly unhealthy: number
    /** Default: 200 to 399. */
    readonly statuses?: readonly number[]
  }
}

export interface Endpoints {
  /** Id of the backend. */
  readonly backend: string
  readonly addresses: readonly Endpoint[]
}

export interface Endpoint {
  /** An IP address or a name to resolve; `unix:/path` for a socket. */
  readonly host: string
  readonly port: number
  /** Default 1. */
  readonly weight?: number
  /** Serves what it has, gets nothing new. */
  readonly draining?: boolean
  /** For humans: the Pod. */
  readonly label?: string
}

// --- bytes -----------------------------------------------------------------------------------------------------------

export interface StreamRoute {
  readonly id: string
  readonly listeners: readonly string[]
  /** SNI names; absent for TCP and UDP. In order of precedence, as routes are. */
  readonly hosts?: readonly HostMatch[]
  /** A share of `fail` closes its connections. */
  readonly backends: readonly WeightedBackend[]
  readonly timeouts?: Timeouts
  readonly origin: Origin
}

// --- certificates, consumers -----------------------------------------------------------------------------------------

export interface Certificate {
  readonly id: string
  /** PEM, leaf first; for a trust anchor one or more CAs. */
  readonly certificate: string
  /** PEM; absent for a trust anchor. */
  readonly key?: Secret
  /** Further CAs that are sent or trusted with it, PEM. */
  readonly chain?: string
  /** Which SNI names it is served for; absent: the names in the certificate itself. Globs as `*.example.com`. */
  readonly hosts?: readonly string[]
  readonly origin: Origin
}

export interface Consumer {
  readonly id: string
  readonly kind: 'user' | 'application'
  readonly name: string
  readonly attributes?: Readonly<Record<string, unknown>>
  readonly origin: Origin
}

/** A static credential, from configuration. Those of a store are looked up there and never stand in the model. */
export interface Credential {
  readonly id: string
  readonly consumer: string
  readonly kind: 'key' | 'basic' | 'jwt'
  /** Which policies may use it: a policy names the group. */
  readonly group: string
  readonly secret: Secret
  readonly scopes?: readonly string[]
  readonly origin: Origin
}

export const emptyModel: Model = Object.freeze({
  version: 1,
  listeners: [],
  routes: [],
  streams: [],
  backends: [],
  endpoints: [],
  certificates: [],
  consumers: [],
  credentials: [],
})
