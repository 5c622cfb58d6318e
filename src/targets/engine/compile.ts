/** Plan → what the engine runs: sockets, hosts, routers, one program a route. Pure; remembers what did not change. */
import type { Work } from '../../lib/turns.ts'
import type { Diagnostic } from '../../model/diagnostic.ts'
import type { Backend, Condition, Endpoints, Forward, Limits, Listener, Model, Route } from '../../model/model.ts'
import type { Plan } from '../../pipeline/plan.ts'
import type { CompileContext, CompiledCondition, AnyPolicy, Step } from '../../policies/policy.ts'
import type { Services } from '../../policies/services.ts'
import type { Compilation } from '../target.ts'
import { compileTrust, type Trust } from './connection.ts'
import type { EngineExchange } from './exchange.ts'
import type { ForwardPlan } from './forward.ts'
import type { PortPlan } from './listeners.ts'
import type { BackendPool } from './pool.ts'
import { Programs, type World } from './programs.ts'
import { RuleTable, type Rules } from './router/router.ts'
import { compileSockets } from './sockets.ts'
import { compileStreams } from './streams/compile.ts'
import type { Counts, RouteCounts } from './stats.ts'
import { compileBackendTls, type BackendSecurity } from './tls.ts'
import type { Wheel } from './wheel.ts'

export interface CompiledStep {
  readonly step: Step
  readonly when: CompiledCondition | undefined
}

/** One route, ready to run. */
export interface RouteProgram {
  readonly route: Route
  readonly steps: readonly CompiledStep[]
  /** Where it goes when no policy has answered; undefined for other actions. */
  readonly plan: ForwardPlan | undefined
  readonly counts: RouteCounts
}

export interface CompiledListener {
  readonly listener: Listener
  /** What policies see as the route before there is one. */
  readonly asRoute: Route
  readonly steps: readonly CompiledStep[]
  readonly rules: Rules<RouteProgram>
  readonly limits: ResolvedLimits
  readonly trust: Trust | undefined
  readonly counts: RouteCounts
  readonly context: ExchangeContext
}

export type ResolvedLimits = Required<Limits>

/** What exchanges need of the engine around them. */
export interface ExchangeContext {
  readonly services: Services
  readonly wheel: Wheel
  readonly counts: Counts
  /** A policy's own Forward, looked up. */
  planOf(forward: Forward, route: Route): ForwardPlan
  forwarded(exchange: EngineExchange, mode: 'append' | 'replace'): string
  mirror(exchange: EngineExchange): void
  /** The runner's next step, and its response phase: what is forwarded comes back to whoever runs exchanges. */
  advance(exchange: EngineExchange): void
  respond(exchange: EngineExchange): void
  finished(exchange: EngineExchange): void
}

/** A whole plan, compiled. */
export interface EngineArtifact {
  readonly plan: Plan
  readonly sockets: readonly PortPlan[]
  readonly backends: ReadonlyMap<string, CompiledBackend>
}

export interface CompiledBackend {
  readonly backend: Backend
  readonly endpoints: Endpoints | undefined
  readonly security: BackendSecurity | undefined
}

export interface CompilerOptions {
  readonly policies: readonly AnyPolicy[]
  readonly conditions: (condition: Condition, context: CompileContext) => CompiledCondition
  readonly limits: Partial<Limits>
  readonly context: ExchangeContext
  /** The pool with that id; made where there is none. Opens nothing. */
  pool(id: string): BackendPool
}

const DEFAULT_LIMITS: ResolvedLimits = {
  headBytes: 32_768,
  headerCount: 100,
  targetBytes: 8192,
  bodyBytes: 0,
  headTimeout: 10_000,
  bodyTimeout: 60_000,
  bodyRate: 240,
  idleTimeout: 75_000,
  connectionsPerClient: 0,
}

export class Compiler {
  readonly #options: CompilerOptions
  readonly #limits: ResolvedLimits
  readonly #programs: Programs
  readonly #rules = new Map<string, RuleTable<RouteProgram>>()
  readonly #securities = new WeakMap<Backend, { readonly parts: readonly unknown[]; readonly value: BackendSecurity }>()

  constructor(options: CompilerOptions) {
    this.#options = options
    this.#programs = new Programs(options)
    this.#limits = { ...DEFAULT_LIMITS, ...defined(options.limits) }
  }

  /** In pieces: what serves goes on serving between them. */
  *compile(plan: Plan): Work<Compilation<EngineArtifact>> {
    const { model } = plan
    const diagnostics: Diagnostic[] = []
    const certificates = new Map(model.certificates.map((certificate) => [certificate.id, certificate]))
    const backendIds = new Set(model.backends.map((backend) => backend.id))
    const endpoints = new Map(model.endpoints.map((one) => [one.backend, one]))
    const world: World = { model, certificates, backendIds }

    const byListener = new Map<string, RouteProgram[]>(model.listeners.map((listener) => [listener.id, []]))
    const programs = yield* this.#programs.ofRoutes(world)
    for (const [at, { value, diagnostics: found }] of programs.entries()) {
      diagnostics.push(...found)
      for (const id of value.route.listeners) byListener.get(id)?.push(value)
      if (at % 256 === 255) yield
    }

    const listeners: CompiledListener[] = []
    for (const listener of model.listeners) {
      if (listener.protocol !== 'http' && listener.protocol !== 'https') continue
      const rules = yield* this.#rulesOf(listener.id, byListener.get(listener.id) ?? [])
      listeners.push(this.#listener(listener, rules, world, diagnostics))
    }
    for (const id of this.#rules.keys()) if (!byListener.has(id)) this.#rules.delete(id)

    const backends = new Map<string, CompiledBackend>()
    for (const backend of model.backends) {
      yield
      backends.set(backend.id, this.#backend(backend, endpoints.get(backend.id), world, diagnostics))
    }
    const sockets = compileStreams(model, compileSockets(listeners, certificates, diagnostics), {
      limits: this.#limits,
      certificates,
      pool: (id) => (backendIds.has(id) ? this.#options.pool(id) : undefined),
      diagnostics,
    })
    return { artifact: { plan, sockets, backends }, diagnostics }
  }

  planOf(forward: Forward, route: Route, model: Model): ForwardPlan {
    return this.#programs.planOf(forward, route, model)
  }

  #listener(listener: Listener, rules: Rules<RouteProgram>, world: World, diagnostics: Diagnostic[]): CompiledListener {
    const { context } = this.#options
    const asRoute = asRouteOf(listener)
    const steps = this.#programs.ofListener(listener, asRoute, world)
    diagnostics.push(...steps.diagnostics)
    let trust: Trust | undefined
    try {
      trust = compileTrust(listener.trustedProxies)
    } catch (error) {
      const message = `trustedProxies: ${error instanceof Error ? error.message : String(error)}; nobody is trusted`
      diagnostics.push({ code: 'engine/trusted-proxies', severity: 'error', message, origin: listener.origin })
    }
    return {
      listener,
      asRoute,
      steps: steps.value,
      rules,
      limits: { ...this.#limits, ...defined(listener.limits ?? {}) },
      trust,
      counts: context.counts.route(''),
      context,
    }
  }

  *#rulesOf(id: string, programs: readonly RouteProgram[]): Work<Rules<RouteProgram>> {
    const rules = yield* RuleTable.of(programs, ({ route }) => route, this.#rules.get(id))
    this.#rules.set(id, rules)
    return rules
  }

  #backend(
    backend: Backend,
    endpoints: Endpoints | undefined,
    world: World,
    diagnostics: Diagnostic[],
  ): CompiledBackend {
    if (backend.via !== undefined && backend.protocol !== 'http1') {
      const message = `backend ${backend.id} speaks ${backend.protocol}, which goes through no proxy`
      diagnostics.push({ code: 'engine/backend-via', severity: 'error', message, origin: backend.origin })
      return { backend, endpoints: undefined, security: undefined }
    }
    if (backend.tls === undefined) return { backend, endpoints, security: undefined }
    const ids = [
      ...(backend.tls.trust.kind === 'ca' ? backend.tls.trust.certificates : []),
      ...(backend.tls.clientCertificate === undefined ? [] : [backend.tls.clientCertificate]),
    ]
    const parts = [JSON.stringify(backend.tls), ...ids.map((id) => world.certificates.get(id))]
    const known = this.#securities.get(backend)
    if (known !== undefined && sameItems(known.parts, parts)) return { backend, endpoints, security: known.value }
    try {
      const value = compileBackendTls(backend.tls, (id) => world.certificates.get(id))
      this.#securities.set(backend, { parts, value })
      return { backend, endpoints, security: value }
    } catch (error) {
      const message = `backend ${backend.id} cannot be spoken to: ${error instanceof Error ? error.message : String(error)}`
      diagnostics.push({ code: 'engine/backend-tls', severity: 'error', message, origin: backend.origin })
      // without its endpoints its requests get 503; in clear they would get what nobody may see
      return { backend, endpoints: undefined, security: undefined }
    }
  }
}

function asRouteOf(listener: Listener): Route {
  return {
    id: listener.id,
    listeners: [listener.id],
    match: {},
    policies: listener.policies ?? [],
    action: { kind: 'next' },
    origin: listener.origin,
  }
}

function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index])
}

function defined(limits: Limits): Partial<ResolvedLimits> {
  return Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined))
}
