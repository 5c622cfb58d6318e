/** Plan → what the engine runs: sockets, hosts, routers, one program a route. Pure; remembers what did not change. */
import type { Work } from '../../lib/turns.ts'
import type { Diagnostic, Origin } from '../../model/diagnostic.ts'
import type {
  Backend,
  Certificate,
  Condition,
  Endpoints,
  Forward,
  Limits,
  Listener,
  Model,
  PolicyUse,
  Route,
} from '../../model/model.ts'
import type { Plan } from '../../pipeline/plan.ts'
import type { CompileContext, CompiledCondition, AnyPolicy, Step } from '../../policies/policy.ts'
import type { Services } from '../../policies/services.ts'
import type { Compilation } from '../target.ts'
import { compileTrust, type Trust } from './connection.ts'
import type { EngineExchange } from './exchange.ts'
import type { ForwardPlan, ForwardTarget } from './forward.ts'
import type { PortPlan } from './listeners.ts'
import { createPicker } from './picker.ts'
import type { BackendPool } from './pool.ts'
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

interface Remembered<T> {
  readonly value: T
  readonly diagnostics: readonly Diagnostic[]
  /** Did it look at more than itself? Then it holds for these parts of the model only. */
  readonly model: Model | undefined
}

export class Compiler {
  readonly #options: CompilerOptions
  readonly #policies: ReadonlyMap<string, AnyPolicy>
  readonly #limits: ResolvedLimits
  #programs = new WeakMap<Route, Remembered<RouteProgram>>()
  /** Of uses that stand in many routes: what looked neither at its route nor at the model, and found nothing wrong. */
  #shared = new WeakMap<PolicyUse, CompiledStep>()
  #listenerSteps = new WeakMap<Listener, Remembered<readonly CompiledStep[]>>()
  #plugins: object | undefined
  readonly #rules = new Map<string, RuleTable<RouteProgram>>()
  #forwards = new WeakMap<Forward, ForwardPlan>()
  readonly #securities = new WeakMap<Backend, { readonly parts: readonly unknown[]; readonly value: BackendSecurity }>()

  constructor(options: CompilerOptions) {
    this.#options = options
    this.#policies = new Map(options.policies.map((policy) => [policy.name, policy]))
    this.#limits = { ...DEFAULT_LIMITS, ...defined(options.limits) }
  }

  /** In pieces: what serves goes on serving between them. */
  *compile(plan: Plan): Work<Compilation<EngineArtifact>> {
    const { model } = plan
    this.#forgetPlugins()
    const diagnostics: Diagnostic[] = []
    const certificates = new Map(model.certificates.map((certificate) => [certificate.id, certificate]))
    const backendIds = new Set(model.backends.map((backend) => backend.id))
    const endpoints = new Map(model.endpoints.map((one) => [one.backend, one]))
    const world: World = { model, certificates, backendIds }

    const byListener = new Map<string, RouteProgram[]>(model.listeners.map((listener) => [listener.id, []]))
    for (const route of model.routes) {
      const remembered = this.#program(route, world)
      diagnostics.push(...remembered.diagnostics)
      for (const id of route.listeners) byListener.get(id)?.push(remembered.value)
      yield
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

  /** Steps of plugins belong to the load that compiled them, wherever they stand. */
  #forgetPlugins(): void {
    const { loaded } = this.#options.context.services.plugins
    if (loaded === this.#plugins) return
    this.#plugins = loaded
    this.#programs = new WeakMap()
    this.#shared = new WeakMap()
    this.#listenerSteps = new WeakMap()
    this.#forwards = new WeakMap()
  }

  /** A Forward that a policy says at run time. Its own policies are compiled when it is first seen. */
  planOf(forward: Forward, route: Route, model: Model): ForwardPlan {
    const known = this.#forwards.get(forward)
    if (known !== undefined) return known
    const certificates = new Map(model.certificates.map((certificate) => [certificate.id, certificate]))
    const diagnostics: Diagnostic[] = []
    const world = { model, certificates, backendIds: new Set(model.backends.map((backend) => backend.id)) }
    const made = this.#forward(forward, route, route.origin, world, diagnostics, () => undefined)
    for (const diagnostic of diagnostics) this.#options.context.services.events.diagnostic(diagnostic)
    return made
  }

  #program(route: Route, world: World): Remembered<RouteProgram> {
    const known = this.#programs.get(route)
    if (known !== undefined && (known.model === undefined || samePeople(known.model, world.model))) return known
    const diagnostics: Diagnostic[] = []
    let looked = false
    const look = (): void => {
      looked = true
    }
    let steps = this.#steps(route.policies, route, route.origin, world, diagnostics, look)
    let plan: ForwardPlan | undefined
    if (route.action.kind === 'forward') {
      plan = this.#forward(route.action.forward, route, route.origin, world, diagnostics, look)
    }
    if (steps === undefined) {
      steps = FAIL_CLOSED
      plan = undefined
    }
    const counts = this.#options.context.counts.route(route.label ?? route.id)
    const value: RouteProgram = { route, steps, plan, counts }
    const remembered = { value, diagnostics, model: looked ? world.model : undefined }
    this.#programs.set(route, remembered)
    return remembered
  }

  /** Undefined where one of them cannot be compiled. */
  #steps(
    uses: readonly PolicyUse[] | undefined,
    route: Route | undefined,
    origin: Origin,
    world: World,
    diagnostics: Diagnostic[],
    look: () => void,
  ): readonly CompiledStep[] | undefined {
    if (uses === undefined || uses.length === 0) return NO_STEPS
    const steps: CompiledStep[] = []
    let whole = true
    for (const use of uses) {
      const step = this.#step(use, route, origin, world, diagnostics, look)
      if (step === undefined) whole = false
      else steps.push(step)
    }
    return whole ? steps : undefined
  }

  #step(
    use: PolicyUse,
    route: Route | undefined,
    origin: Origin,
    world: World,
    diagnostics: Diagnostic[],
    look: () => void,
  ): CompiledStep | undefined {
    const shared = this.#shared.get(use)
    if (shared !== undefined) return shared
    const { services } = this.#options.context
    const where = use.origin ?? origin
    const before = diagnostics.length
    let own = use.origin === undefined
    const problem = (code: string, message: string, hint?: string): undefined => {
      const answers500 = `${message}; its requests are answered with 500`
      diagnostics.push({
        code,
        severity: 'error',
        message: answers500,
        origin: where,
        ...(hint === undefined ? {} : { hint }),
      })
      return undefined
    }
    const policy = this.#policies.get(use.policy)
    const context: CompileContext = {
      get route() {
        own = true
        return route
      },
      origin: where,
      get model() {
        own = true
        look()
        return world.model
      },
      services,
      certificate: (id) => {
        own = true
        look()
        return world.certificates.get(id)
      },
      report: (diagnostic) => {
        diagnostics.push(diagnostic)
      },
      compileCondition: (condition) => this.#options.conditions(condition, context),
    }
    try {
      let step: Step
      if (policy === undefined) {
        const plugin = services.plugins.policy(use.policy)
        if (plugin === undefined) return problem('engine/unknown-policy', `there is no policy ${use.policy}`)
        step = plugin.compile(use.config as Readonly<Record<string, unknown>>)
      } else {
        const parsed = policy.config.safeParse(use.config)
        if (!parsed.success) {
          const issue = parsed.error.issues[0]
          const at = issue === undefined || issue.path.length === 0 ? '' : ` ${issue.path.join('.')}`
          return problem('engine/policy-config', `policy ${use.policy}${at}: ${issue?.message ?? 'is not understood'}`)
        }
        step = policy.engine(parsed.data as never, context)
      }
      const compiled = { step, when: use.when === undefined ? undefined : this.#options.conditions(use.when, context) }
      if (!own && diagnostics.length === before) this.#shared.set(use, compiled)
      return compiled
    } catch (error) {
      return problem(
        'engine/policy-compile',
        `policy ${use.policy}: ${error instanceof Error ? error.message : String(error)}`,
      )
    }
  }

  #forward(
    forward: Forward,
    route: Route | undefined,
    origin: Origin,
    world: World,
    diagnostics: Diagnostic[],
    look: () => void,
  ): ForwardPlan {
    const targets = forward.backends.map((weighted): ForwardTarget => {
      const steps = this.#steps(weighted.policies, route, origin, world, diagnostics, look) ?? FAIL_CLOSED
      if (weighted.target.kind === 'fail') return { pool: undefined, status: weighted.target.status, steps }
      const { id } = weighted.target
      if (!world.backendIds.has(id)) {
        look()
        const message = `there is no backend ${id}; its requests are answered with 500`
        diagnostics.push({ code: 'engine/unknown-backend', severity: 'error', message, origin })
        return { pool: undefined, status: 500, steps }
      }
      return { pool: this.#options.pool(id), status: 500, steps }
    })
    const plan = { forward, targets, picker: createPicker(forward.backends.map((weighted) => weighted.weight ?? 1)) }
    this.#forwards.set(forward, plan)
    return plan
  }

  #listener(listener: Listener, rules: Rules<RouteProgram>, world: World, diagnostics: Diagnostic[]): CompiledListener {
    const { context } = this.#options
    let known = this.#listenerSteps.get(listener)
    const asRoute = asRouteOf(listener)
    if (known === undefined || (known.model !== undefined && !samePeople(known.model, world.model))) {
      const found: Diagnostic[] = []
      let looked = false
      const steps = this.#steps(listener.policies, asRoute, listener.origin, world, found, () => {
        looked = true
      })
      known = { value: steps ?? FAIL_CLOSED, diagnostics: found, model: looked ? world.model : undefined }
      this.#listenerSteps.set(listener, known)
    }
    diagnostics.push(...known.diagnostics)
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
      steps: known.value,
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

interface World {
  readonly model: Model
  readonly certificates: ReadonlyMap<string, Certificate>
  readonly backendIds: ReadonlySet<string>
}

const NO_STEPS: readonly CompiledStep[] = Object.freeze([])

/** A route that lost a policy must not serve without it. */
const FAIL_CLOSED: readonly CompiledStep[] = Object.freeze([
  {
    when: undefined,
    step: {
      request: () => ({
        kind: 'reply' as const,
        status: 500,
        headers: [['Content-Type', 'text/plain; charset=utf-8']] as const,
        body: 'Internal Server Error\n',
      }),
    },
  },
])

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

/** The parts of a model that policies look at. */
function samePeople(a: Model, b: Model): boolean {
  return (
    a === b ||
    (a.certificates === b.certificates &&
      a.consumers === b.consumers &&
      a.credentials === b.credentials &&
      a.backends === b.backends &&
      // where a redirect finds the port that it must name
      a.listeners === b.listeners)
  )
}

function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index])
}

function defined(limits: Limits): Partial<ResolvedLimits> {
  return Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined))
}
