/** An exchange → a backend: which endpoint, what text, what to do when it fails. Knows no protocol of the client's. */
import { STATUS_CODES } from 'node:http'
import { Fields } from '../../lib/http1/fields.ts'
import { HOP, TAG } from '../../lib/http1/tags.ts'
import type { ResponseHead } from '../../lib/http1/head.ts'
import type { Forward, ForwardProxy } from '../../model/model.ts'
import type { Refusal } from '../../policies/policy.ts'
import type { CompiledStep } from './compile.ts'
import { STAGE, type EngineExchange, type Outbound } from './exchange.ts'
import { isGrpcExchange } from './http2/grpc.ts'
import { writePin } from './persistence.ts'
import type { Picker } from './picker.ts'
import type { BackendPool, EndpointPool } from './pool.ts'
import { Deadline } from './wheel.ts'

/** A model's Forward with its names looked up. */
export interface ForwardPlan {
  readonly forward: Forward
  readonly targets: readonly ForwardTarget[]
  readonly picker: Picker
}

export interface ForwardTarget {
  /** Undefined: requests get `status`. */
  readonly pool: BackendPool | undefined
  readonly status: number
  readonly steps: readonly CompiledStep[]
}

/**
 * `connect`, `connect-timeout`: nothing was sent. `stale`: a kept connection ended before a byte of the answer.
 * `refused`: it has said that it did not begin with it. `reset`: it ended later, or was new. `timeout`: too late. `bad-answer`: no answer that has one reading.
 */
export type UpstreamFailure = 'connect' | 'connect-timeout' | 'stale' | 'refused' | 'reset' | 'timeout' | 'bad-answer'

/** 1xx before an answer: a backend that says more never comes to the point, and each is written to a client who may not read. */
export const INTERIM_MOST = 100

/** Kept of a request's body for another try, bytes. */
const KEEP = 65_536

export function forward(exchange: EngineExchange, plan: ForwardPlan): void {
  exchange.plan = plan
  const request = plan.forward.timeouts?.request ?? 0
  if (request > 0) limitExchange(exchange, request)
  const index = plan.picker.next()
  if (index < 0) {
    refuse(exchange, plan.forward.emptyStatus ?? 500, 'no-backend')
    return
  }
  const target = plan.targets[index]!
  exchange.target = target
  if (target.steps.length > 0) {
    exchange.stage = STAGE.backend
    exchange.steps = target.steps
    exchange.at = 0
    exchange.listener.context.advance(exchange)
    return
  }
  dispatch(exchange)
}

/** `ms`: for the whole exchange, from its begin. An earlier limit holds. */
export function limitExchange(exchange: EngineExchange, ms: number): void {
  exchange.limit ??= new ExchangeLimit(exchange)
  if (exchange.limit.due > exchange.begun + ms) {
    exchange.listener.context.wheel.set(exchange.limit, ms, exchange.begun)
  }
}

/** After the backend's own policies. */
export function dispatch(exchange: EngineExchange): void {
  const target = exchange.target!
  if (target.pool === undefined) {
    refuse(exchange, target.status, 'backend-unresolved')
    return
  }
  exchange.stage = STAGE.forwarding
  exchange.listener.context.mirror(exchange)
  attempt(exchange, false)
}

/** One try. `fresh`: not on a kept connection. */
function attempt(exchange: EngineExchange, fresh: boolean): void {
  const backend = exchange.target!.pool!
  const endpoint = backend.pick(exchange)
  if (endpoint === undefined) {
    fail(exchange, backend.backend?.unavailableStatus ?? 503, 'no-endpoint')
    return
  }
  exchange.tries++
  exchange.pool = endpoint
  exchange.upstream = endpoint.address
  const { flow } = exchange.request
  const length = flow === undefined ? 0 : flow.length()
  flow?.record(exchange.plan!.forward.retry?.bufferBytes ?? KEEP)
  if (backend.http2 !== 'never') {
    const alpn = speaksHttp2(exchange, endpoint)
    if (alpn !== undefined) {
      endpoint.sessions().start(exchange, length, fresh, alpn)
      return
    }
  }
  endpoint.take(fresh).start(exchange, writeRequest(exchange, endpoint, length), length)
}

/** The endpoint has chosen HTTP/1.1, on another connection. */
export function startOverHttp1(exchange: EngineExchange, endpoint: EndpointPool, length: number): void {
  endpoint.take(true).start(exchange, writeRequest(exchange, endpoint, length), length)
}

const ONLY_H2: readonly string[] = ['h2']
const BOTH: readonly string[] = ['h2', 'http/1.1']

/** What to offer to the endpoint; undefined: HTTP/1.1. */
function speaksHttp2(exchange: EngineExchange, endpoint: EndpointPool): readonly string[] | undefined {
  switch (endpoint.backend.http2) {
    case 'never':
      return undefined
    case 'always':
      return ONLY_H2
    case 'grpc':
      return isGrpcExchange(exchange) ? ONLY_H2 : undefined
    case 'ask':
      if (isGrpcExchange(exchange)) return ONLY_H2
      // an upgrade needs a connection of its own
      return exchange.request.upgrade !== undefined || endpoint.sessions().plain ? undefined : BOTH
  }
}

/** The request as the backend gets it, up to the empty line. */
function writeRequest(exchange: EngineExchange, endpoint: EndpointPool, length: number): string {
  const { request } = exchange
  const { forward } = exchange.plan!
  const { headers } = request
  const mode = forward.forwarded ?? 'replace'
  let skip = HOP | TAG.coding | TAG.expect
  let added = ''
  const host = forward.host
  if (host === undefined || host.kind === 'keep') {
    if (request.authority === undefined) {
      if (!headers.tagged(TAG.host)) added = `Host: ${hostOfEndpoint(endpoint)}\r\n`
    } else if (request.target !== request.originalTarget && request.originalTarget.charCodeAt(0) !== 0x2f) {
      // absolute form: the target names the host
      skip |= TAG.host
      added = `Host: ${request.authority}\r\n`
    }
  } else {
    skip |= TAG.host
    added = `Host: ${host.kind === 'set' ? host.name : hostOfEndpoint(endpoint)}\r\n`
  }
  if (mode !== 'none') {
    added += exchange.listener.context.forwarded(exchange, mode)
    skip |= TAG.forwarded
  }
  const { flow } = request
  if (flow !== undefined) {
    if (length === -1) {
      skip |= TAG.length
      added += 'Transfer-Encoding: chunked\r\n'
    } else if (flow.changed || !headers.tagged(TAG.length)) {
      skip |= TAG.length
      if (length > 0 || request.method === 'POST' || request.method === 'PUT' || request.method === 'PATCH') {
        added += `Content-Length: ${length}\r\n`
      }
    }
  } else if ((request.method === 'DELETE' || request.method === 'OPTIONS') && !headers.tagged(TAG.length)) {
    // backends have come to rely on it: Node's proxies always said so
    added += 'Content-Length: 0\r\n'
  }
  if (request.upgrade !== undefined && forward.upgrade !== false) {
    added += `Connection: Upgrade\r\nUpgrade: ${request.upgrade}\r\n`
  } else if (request.trailers) {
    added += 'TE: trailers\r\nConnection: TE\r\n'
  }
  const { via, security } = endpoint.backend
  if (via !== undefined && security === undefined) {
    // what the client says to a proxy of its own is not for ours (RFC 9110 11.7.2)
    headers.delete('proxy-authorization')
    return writeForProxy(exchange, endpoint, via, headers.write(skip) + added)
  }
  // few long pieces: each is copied on its own when the text is written
  const { method } = request
  return `${method === 'GET' ? 'GET ' : `${method} `}${request.target} HTTP/1.1\r\n${headers.write(skip)}${added}\r\n`
}

/** In absolute form, to a proxy that the endpoint is behind. */
function writeForProxy(exchange: EngineExchange, endpoint: EndpointPool, via: ForwardProxy, fields: string): string {
  const { method, target } = exchange.request
  const shown = via.authorization === undefined ? '' : `Proxy-Authorization: ${via.authorization.reveal()}\r\n`
  const path = target.startsWith('/') ? target : ''
  return `${method} http://${hostOfEndpoint(endpoint)}${path} HTTP/1.1\r\n${fields}${shown}\r\n`
}

export function hostOfEndpoint(pool: EndpointPool): string {
  const { host, port } = pool.endpoint
  if (host.startsWith('unix:')) return 'localhost'
  const name = host.includes(':') ? `[${host}]` : host
  const usual = pool.backend.security === undefined ? 80 : 443
  return port === usual ? name : `${name}:${port}`
}

/** A backend has answered. `declared`: bytes of the body, or -1. */
export function answered(exchange: EngineExchange, outbound: Outbound, head: ResponseHead, declared: number): void {
  const { forward } = exchange.plan!
  const retry = forward.retry
  if (retry?.statuses !== undefined && exchange.tries <= retry.attempts && retry.statuses.includes(head.status)) {
    if (mayRepeat(exchange, true)) {
      outbound.cancel()
      exchange.outbound = undefined
      exchange.listener.context.counts.upstreamRetries++
      // another endpoint first: the one that has answered so would say it again
      const { endpoints } = exchange.target!.pool!
      ;(exchange.tried ??= []).push(exchange.pool!)
      if (endpoints.every((endpoint) => exchange.tried!.includes(endpoint))) exchange.tried = undefined
      again(exchange, retry.backoff ?? BACKOFF)
      return
    }
  }
  exchange.response.begin(head.status, head.reason, head.fields, 'backend', declared)
  if (forward.persistence !== undefined && exchange.pool !== undefined) {
    writePin(exchange, forward.persistence, exchange.pool)
  }
  exchange.listener.context.respond(exchange)
}

/** A try has failed; the connection is gone. */
export function failedUpstream(exchange: EngineExchange, failure: UpstreamFailure, detail: string): void {
  const { context } = exchange.listener
  exchange.failure = detail
  context.counts.failedUpstream(failure)
  if (exchange.stage === STAGE.answering) {
    exchange.response.flow?.fail(new Error(`backend: ${detail}`))
    exchange.inbound.abort()
    return
  }
  if (exchange.stage !== STAGE.forwarding) return
  if (exchange.limit !== undefined && exchange.limit.due === Number.POSITIVE_INFINITY) return
  const retry = exchange.plan!.forward.retry
  const unsent = failure === 'connect' || failure === 'connect-timeout'
  if (failure === 'stale' || failure === 'refused') {
    // the backend closed a kept connection while our request was on its way; once more, on a new one
    if (!exchange.retriedStale && mayRepeat(exchange, failure === 'refused')) {
      exchange.retriedStale = true
      context.counts.upstreamRetries++
      attempt(exchange, true)
      return
    }
  } else {
    ;(exchange.tried ??= []).push(exchange.pool!)
    const others = exchange.target!.pool!.endpoints.some((endpoint) => !exchange.tried!.includes(endpoint))
    const left = retry === undefined ? unsent && others && exchange.tries <= 3 : exchange.tries <= retry.attempts
    if (left && failure !== 'bad-answer' && mayRepeat(exchange, unsent)) {
      if (!others) exchange.tried = undefined
      context.counts.upstreamRetries++
      if (retry === undefined) attempt(exchange, false)
      else again(exchange, retry.backoff ?? BACKOFF)
      return
    }
  }
  fail(exchange, failure === 'timeout' || failure === 'connect-timeout' ? 504 : 502, detail)
}

const BACKOFF = 25
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])

/** `certain`: the backend has not done it, or said itself that it may be asked again. Otherwise only idempotent methods (RFC 9110 §9.2.2). */
function mayRepeat(exchange: EngineExchange, certain: boolean): boolean {
  if (!certain && !REPEATABLE.has(exchange.request.method)) return false
  return exchange.request.flow === undefined || exchange.request.flow.rewind()
}

/** Doubled each time, up to ten times the base, with jitter. */
function again(exchange: EngineExchange, base: number): void {
  const most = Math.min(base * 10, base * 2 ** (exchange.tries - 1))
  const wait = Math.random() * most
  setTimeout(() => {
    if (exchange.stage === STAGE.forwarding) attempt(exchange, false)
  }, wait)
}

/** A policy has refused the body while it was on its way to the backend. The connection to it is gone. */
export function refuseBody(exchange: EngineExchange, refusal: Refusal): void {
  exchange.failure = `body: ${refusal.message}`
  // whoever sends the body may stand above us on the stack
  queueMicrotask(() => {
    if (exchange.stage === STAGE.answering) exchange.inbound.abort()
    else if (exchange.stage === STAGE.forwarding) plainAnswer(exchange, refusal.status, undefined, undefined)
  })
}

/** The route cannot be served as it stands. */
function refuse(exchange: EngineExchange, status: number, failure: string): void {
  exchange.failure ??= failure
  plainAnswer(exchange, status, undefined, undefined)
}

/** No backend answers. */
function fail(exchange: EngineExchange, status: number, failure: string): void {
  exchange.failure = failure
  const custom = exchange.plan?.forward.failure
  plainAnswer(exchange, custom?.status ?? status, custom?.body, custom?.contentType)
}

/** A short answer of ours, through the response phase. */
export function plainAnswer(
  exchange: EngineExchange,
  status: number,
  body: string | undefined,
  contentType: string | undefined,
): void {
  const headers = new Fields()
  headers.set('Content-Type', contentType ?? 'text/plain; charset=utf-8')
  exchange.response.begin(status, '', headers, 'gateway', 0)
  exchange.response.fixed = body ?? `${STATUS_CODES[status] ?? 'Error'}\n`
  exchange.listener.context.respond(exchange)
}

/** The whole exchange takes too long: 504 while nothing was answered, a cut otherwise. */
class ExchangeLimit extends Deadline {
  readonly #exchange: EngineExchange

  constructor(exchange: EngineExchange) {
    super()
    this.#exchange = exchange
  }

  expire(): void {
    const exchange = this.#exchange
    if (exchange.stage === STAGE.done) return
    const { outbound } = exchange
    exchange.outbound = undefined
    outbound?.cancel('late')
    exchange.failure = 'timeout: request'
    exchange.listener.context.counts.failedUpstream('timeout')
    if (exchange.stage === STAGE.answering) exchange.inbound.abort()
    else fail(exchange, 504, 'timeout: request')
  }
}
