/** A backend at work: its endpoints, which of them is next, and the connections to each that wait for a request. */
import { createHash } from 'node:crypto'
import { addressOf } from '../../model/address.ts'
import type { Backend, Endpoint, Endpoints, ForwardProxy } from '../../model/model.ts'
import { leaveAsked } from './ask.ts'
import type { EngineExchange } from './exchange.ts'
import { BackendSessions } from './http2/sessions.ts'
import { HealthCheck } from './health.ts'
import { pinned, tokenOf } from './persistence.ts'
import { createPicker, type Picker } from './picker.ts'
import type { Resolver } from './resolve.ts'
import type { Counts } from './stats.ts'
import type { BackendSecurity } from './tls.ts'
import { UpstreamConnection } from './upstream.ts'
import type { Wheel } from './wheel.ts'

/** What connections need of the engine around them. */
export interface PoolContext {
  readonly wheel: Wheel
  readonly resolver: Resolver
  readonly counts: Counts
}

const FAILURES = 3
const EJECTION = 10_000
/** Connections that wait for a request, to one endpoint. More are closed. */
const IDLE_MOST = 512

/** Lives as long as the engine and keeps its name: plans come and go, and only configure it. */
export class BackendPool {
  readonly id: string
  backend: Backend | undefined
  /** `grpc`: for calls of gRPC. `ask`: the endpoint chooses by ALPN. */
  http2: 'never' | 'always' | 'grpc' | 'ask' = 'never'
  endpoints: readonly EndpointPool[] = []
  readonly #context: PoolContext
  #given: Endpoints | undefined
  #security: BackendSecurity | undefined
  #via: ForwardProxy | undefined
  #picker: Picker = createPicker([])
  #check: HealthCheck | undefined
  #ring: Ring | undefined

  constructor(id: string, context: PoolContext) {
    this.id = id
    this.#context = context
  }

  get security(): BackendSecurity | undefined {
    return this.#security
  }

  /** The proxy between us and the endpoints. */
  get via(): ForwardProxy | undefined {
    return this.#via
  }

  /** Touches only what has changed: connections to endpoints that stay, stay. */
  configure(backend: Backend | undefined, given: Endpoints | undefined, security: BackendSecurity | undefined): void {
    if (this.backend === backend && this.#given === given && this.#security === security) return
    const keep =
      this.backend?.protocol === backend?.protocol && this.#security === security && sameProxy(this.#via, backend?.via)
    const before = new Map(this.endpoints.map((endpoint) => [endpoint.key, endpoint]))
    this.backend = backend
    this.http2 = http2Of(backend)
    this.#given = given
    this.#security = security
    this.#via = backend?.via
    const addresses = backend === undefined ? [] : (given?.addresses ?? [])
    const now: EndpointPool[] = []
    for (const address of addresses) {
      const key = addressOf(address)
      const known = keep ? before.get(key) : undefined
      if (known !== undefined) {
        before.delete(key)
        known.endpoint = address
        now.push(known)
      } else if (!now.some((endpoint) => endpoint.key === key)) {
        now.push(new EndpointPool(key, address, this, this.#context))
      }
    }
    this.endpoints = now
    for (const gone of before.values()) gone.retire()
    this.#picker = createPicker(now.map(weightOf))
    this.#ring = undefined
    this.#check?.stop()
    const active = backend?.health?.active
    this.#check =
      active === undefined || now.length === 0
        ? undefined
        : new HealthCheck(active, now, this.#security, this.#context.resolver)
    if (active === undefined) for (const endpoint of now) endpoint.healthy = true
  }

  /** The endpoint for this exchange; undefined where none can take it. */
  pick(exchange: EngineExchange): EndpointPool | undefined {
    const { endpoints } = this
    if (endpoints.length === 0) return undefined
    const { begun: now } = exchange
    const only = endpoints[0]!
    if (endpoints.length === 1 && exchange.plan?.forward.persistence === undefined) {
      return weightOf(only) > 0 ? only : undefined
    }
    const persistence = exchange.plan?.forward.persistence
    if (persistence !== undefined) {
      const before = pinned(exchange, persistence, endpoints)
      if (before !== undefined && before.usable(now) && !wasTried(exchange, before)) return before
    }
    const balance = this.backend?.balance
    if (balance !== undefined && balance.kind !== 'round-robin') {
      const chosen = balance.kind === 'least-connections' ? this.#least(exchange) : this.#hashed(exchange, balance)
      if (chosen !== undefined) return chosen
    }
    let fallback: EndpointPool | undefined
    for (let turn = 0; turn < endpoints.length * 2; turn++) {
      const index = this.#picker.next()
      if (index < 0) return undefined
      const endpoint = endpoints[index]!
      if (wasTried(exchange, endpoint)) continue
      if (endpoint.usable(now)) return endpoint
      fallback ??= endpoint
    }
    // weights may hide one from so few turns
    for (const endpoint of endpoints) {
      if (weightOf(endpoint) > 0 && !wasTried(exchange, endpoint) && endpoint.usable(now)) return endpoint
    }
    if (fallback !== undefined) return fallback
    // all were tried: a second time is better than none
    const index = this.#picker.next()
    return index < 0 ? undefined : endpoints[index]
  }

  stop(): void {
    this.#check?.stop()
    for (const endpoint of this.endpoints) endpoint.retire()
    this.endpoints = []
  }

  /** The endpoint for a connection or a flow of bytes. */
  pickForBytes(seeker: Seeker): EndpointPool | undefined {
    const { endpoints } = this
    const balance = this.backend?.balance
    const takes = (endpoint: EndpointPool): boolean =>
      weightOf(endpoint) > 0 && !seeker.tried.includes(endpoint) && endpoint.usable(seeker.begun)
    if (balance?.kind === 'hash' && balance.on === 'client-address') {
      this.#ring ??= makeRing(endpoints)
      const chosen = onRing(this.#ring, seeker.clientAddress, takes)
      if (chosen !== undefined) return chosen
    }
    if (balance?.kind === 'least-connections') {
      const able = endpoints.filter(takes)
      if (able.length > 0) return able.reduce((a, b) => (b.busy * weightOf(a) < a.busy * weightOf(b) ? b : a))
    }
    for (let turn = 0; turn < endpoints.length * 2; turn++) {
      const index = this.#picker.next()
      if (index < 0) return undefined
      if (takes(endpoints[index]!)) return endpoints[index]
    }
    return (
      endpoints.find(takes) ?? endpoints.find((endpoint) => weightOf(endpoint) > 0 && !seeker.tried.includes(endpoint))
    )
  }

  #least(exchange: EngineExchange): EndpointPool | undefined {
    // begins at the next of the rotation, so that equals take turns
    const start = Math.max(0, this.#picker.next())
    let best: EndpointPool | undefined
    for (let step = 0; step < this.endpoints.length; step++) {
      const endpoint = this.endpoints[(start + step) % this.endpoints.length]!
      const weight = weightOf(endpoint)
      if (weight === 0 || wasTried(exchange, endpoint) || !endpoint.usable(exchange.begun)) continue
      if (best === undefined || endpoint.busy * weightOf(best) < best.busy * weight) best = endpoint
    }
    return best
  }

  /** A ring of hashed points: an endpoint that comes or goes moves only its own share of the keys. */
  #hashed(exchange: EngineExchange, balance: Extract<Backend['balance'], { kind: 'hash' }>): EndpointPool | undefined {
    const key = hashKey(exchange, balance)
    if (key === undefined) return undefined
    this.#ring ??= makeRing(this.endpoints)
    return onRing(this.#ring, key, (endpoint) => !wasTried(exchange, endpoint) && endpoint.usable(exchange.begun))
  }
}

/** Who looks for an endpoint, and is no exchange. */
export interface Seeker {
  /** Of the monotonic clock, milliseconds. */
  readonly begun: number
  readonly tried: readonly EndpointPool[]
  readonly clientAddress: string
}

/** The first point behind that of the key whose endpoint takes it. */
function onRing(ring: Ring, key: string, takes: (endpoint: EndpointPool) => boolean): EndpointPool | undefined {
  if (ring.length === 0) return undefined
  const wanted = hash32(key)
  let low = 0
  let high = ring.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (ring[middle]!.at < wanted) low = middle + 1
    else high = middle
  }
  for (let step = 0; step < ring.length; step++) {
    const { endpoint } = ring[(low + step) % ring.length]!
    if (takes(endpoint)) return endpoint
  }
  return undefined
}

type Ring = readonly { readonly at: number; readonly endpoint: EndpointPool }[]

/** One address, and the connections to it. */
export class EndpointPool {
  readonly key: string
  readonly backend: BackendPool
  readonly context: PoolContext
  /** For session persistence. */
  readonly token: string
  readonly address: string
  endpoint: Endpoint
  /** By active checks. */
  healthy = true
  busy = 0
  readonly idle: UpstreamConnection[] = []
  #failures = 0
  #ejectedUntil = 0
  #retired = false
  #sessions: BackendSessions | undefined

  constructor(key: string, endpoint: Endpoint, backend: BackendPool, context: PoolContext) {
    this.key = key
    this.endpoint = endpoint
    this.backend = backend
    this.context = context
    this.address = endpoint.host.startsWith('unix:') ? endpoint.host : key
    this.token = tokenOf(key)
  }

  usable(now: number): boolean {
    if (this.endpoint.draining === true || !this.healthy) return false
    return this.#ejectedUntil === 0 || now >= this.#ejectedUntil || !this.#othersServe(now)
  }

  /** A connection for one exchange: the one used last, which is the likeliest to live, or a new one. */
  take(fresh: boolean): UpstreamConnection {
    this.busy++
    if (!fresh) {
      const waiting = this.idle.pop()
      if (waiting !== undefined) return waiting
    }
    return new UpstreamConnection(this)
  }

  /** Back after an exchange; false: it is not wanted any more. */
  give(connection: UpstreamConnection): boolean {
    this.busy--
    if (this.#retired || this.idle.length >= IDLE_MOST) return false
    this.idle.push(connection)
    return true
  }

  /** An exchange has ended, and its connection with it. */
  lost(): void {
    this.busy--
  }

  forget(connection: UpstreamConnection): void {
    const at = this.idle.indexOf(connection)
    if (at >= 0) this.idle.splice(at, 1)
  }

  succeeded(): void {
    this.#failures = 0
    this.#ejectedUntil = 0
  }

  failed(): void {
    const passive = this.backend.backend?.health?.passive
    if (++this.#failures < (passive?.failures ?? FAILURES)) return
    this.#failures = 0
    this.#ejectedUntil = performance.now() + (passive?.ejection ?? EJECTION)
    this.context.counts.ejections++
  }

  get ejected(): boolean {
    return this.#ejectedUntil > performance.now()
  }

  /** Of HTTP/2. */
  sessions(): BackendSessions {
    return (this.#sessions ??= new BackendSessions(this))
  }

  get retired(): boolean {
    return this.#retired
  }

  /** Out of the plan: what is under way ends as it would, nothing new begins. */
  retire(): void {
    this.#retired = true
    this.#sessions?.retire()
    leaveAsked(this)
    for (const connection of this.idle.splice(0)) connection.destroy()
  }

  #othersServe(now: number): boolean {
    return this.backend.endpoints.some(
      (other) =>
        other !== this &&
        other.endpoint.draining !== true &&
        other.healthy &&
        weightOf(other) > 0 &&
        now >= other.#ejectedUntil,
    )
  }
}

function wasTried(exchange: EngineExchange, endpoint: EndpointPool): boolean {
  return exchange.tried !== undefined && exchange.tried.includes(endpoint)
}

function weightOf(pool: EndpointPool): number {
  return pool.endpoint.draining === true ? 0 : (pool.endpoint.weight ?? 1)
}

function http2Of(backend: Backend | undefined): BackendPool['http2'] {
  switch (backend?.protocol) {
    case 'h2c':
      return 'always'
    case 'auto':
      return backend.tls?.alpn?.includes('h2') === true ? 'ask' : 'grpc'
    case 'http1':
      return backend.tls?.alpn?.includes('h2') === true ? 'ask' : 'never'
    case undefined:
    case 'tcp':
    case 'udp':
      return 'never'
  }
}

function sameProxy(a: ForwardProxy | undefined, b: ForwardProxy | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return (
    a.protocol === b.protocol &&
    a.host === b.host &&
    a.port === b.port &&
    a.authorization?.reveal() === b.authorization?.reveal()
  )
}

function hashKey(exchange: EngineExchange, balance: Extract<Backend['balance'], { kind: 'hash' }>): string | undefined {
  switch (balance.on) {
    case 'client-address':
      return exchange.connection.clientAddress
    case 'path':
      return exchange.request.path
    case 'header':
      return balance.name === undefined ? undefined : exchange.request.headers.get(balance.name.toLowerCase())
    case 'cookie': {
      const cookies = exchange.request.headers.get('cookie')?.split(';') ?? []
      const found = cookies.find((cookie) => cookie.trim().startsWith(`${balance.name ?? ''}=`))
      return found?.trim().slice((balance.name ?? '').length + 1)
    }
  }
}

const POINTS = 64

function makeRing(endpoints: readonly EndpointPool[]): { readonly at: number; readonly endpoint: EndpointPool }[] {
  const ring: { at: number; endpoint: EndpointPool }[] = []
  for (const endpoint of endpoints) {
    const points = Math.min(4096, POINTS * weightOf(endpoint))
    for (let point = 0; point < points; point++) ring.push({ at: hash32(`${endpoint.key}#${point}`), endpoint })
  }
  return ring.sort((a, b) => a.at - b.at)
}

function hash32(text: string): number {
  return createHash('md5').update(text).digest().readUInt32BE(0)
}
