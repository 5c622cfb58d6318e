/** Routes and listeners of a plan → what each of them runs: its steps, and where it goes. Pure; remembers what did not change. */
import type { Work } from '../../lib/turns.ts'
import type { Diagnostic, Origin } from '../../model/diagnostic.ts'
import {
  emptyModel,
  type Certificate,
  type Forward,
  type Listener,
  type Model,
  type PolicyUse,
  type Route,
} from '../../model/model.ts'
import type { AnyPolicy, CompileContext, Step } from '../../policies/policy.ts'
import type { CompiledStep, CompilerOptions, RouteProgram } from './compile.ts'
import type { ForwardPlan, ForwardTarget } from './forward.ts'
import { createPicker } from './picker.ts'
import { NONE, placesOf } from './router/order.ts'

/** Of one plan, looked up. */
export interface World {
  readonly model: Model
  readonly certificates: ReadonlyMap<string, Certificate>
  readonly backendIds: ReadonlySet<string>
}

export interface Remembered<T> {
  readonly value: T
  readonly diagnostics: readonly Diagnostic[]
  /** Did it look at more than itself? Then it holds for these parts of the model only. */
  readonly people: People | undefined
}

/** The parts of a model that policies look at: no more, or each plan's list of routes would live as long as one of its programs. */
type People = Pick<
  Model,
  | 'certificates'
  | 'consumers'
  | 'credentials'
  | 'backends'
  // where a redirect finds the port that it must name
  | 'listeners'
>

export class Programs {
  readonly #options: CompilerOptions
  readonly #policies: ReadonlyMap<string, AnyPolicy>
  /** Of the last plan's routes, in their order: ten thousand keys of a WeakMap would hold everybody up after each collection. */
  #made: readonly Remembered<RouteProgram>[] = []
  /** Of uses that stand in many routes: what looked neither at its route nor at the model, and found nothing wrong. */
  #shared = new WeakMap<PolicyUse, CompiledStep>()
  #listenerSteps = new WeakMap<Listener, Remembered<readonly CompiledStep[]>>()
  #plugins: object | undefined
  /** What was looked at last. */
  #people: People = emptyModel
  /** Of policies. */
  #forwards = new WeakMap<Forward, ForwardPlan>()

  constructor(options: CompilerOptions) {
    this.#options = options
    this.#policies = new Map(options.policies.map((policy) => [policy.name, policy]))
  }

  /** In pieces, in the order of the model. */
  *ofRoutes(world: World): Work<readonly Remembered<RouteProgram>[]> {
    this.#forgetPlugins()
    const before = this.#made
    const places = yield* placesOf(before, ({ value }) => value.route, world.model.routes)
    const made: Remembered<RouteProgram>[] = []
    for (const [at, route] of world.model.routes.entries()) {
      const known = before[places[at] ?? NONE]
      if (known !== undefined && (known.people === undefined || samePeople(known.people, world.model))) {
        made.push(known)
        if (at % 64 === 63) yield
      } else {
        made.push(this.#program(route, world))
        yield
      }
    }
    this.#made = made
    return made
  }

  ofListener(listener: Listener, asRoute: Route, world: World): Remembered<readonly CompiledStep[]> {
    this.#forgetPlugins()
    let known = this.#listenerSteps.get(listener)
    if (known === undefined || (known.people !== undefined && !samePeople(known.people, world.model))) {
      const found: Diagnostic[] = []
      let looked = false
      const steps = this.#steps(listener.policies, asRoute, listener.origin, world, found, () => {
        looked = true
      })
      known = {
        value: steps ?? FAIL_CLOSED,
        diagnostics: found,
        people: looked ? this.#peopleOf(world.model) : undefined,
      }
      this.#listenerSteps.set(listener, known)
    }
    return known
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
    this.#forwards.set(forward, made)
    return made
  }

  /** One object for all plans in which they are the same. */
  #peopleOf(model: Model): People {
    if (!samePeople(this.#people, model)) {
      const { certificates, consumers, credentials, backends, listeners } = model
      this.#people = { certificates, consumers, credentials, backends, listeners }
    }
    return this.#people
  }

  /** Steps of plugins belong to the load that compiled them, wherever they stand. */
  #forgetPlugins(): void {
    const { loaded } = this.#options.context.services.plugins
    if (loaded === this.#plugins) return
    this.#plugins = loaded
    this.#made = []
    this.#shared = new WeakMap()
    this.#listenerSteps = new WeakMap()
    this.#forwards = new WeakMap()
  }

  #program(route: Route, world: World): Remembered<RouteProgram> {
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
    const found = diagnostics.length === 0 ? NO_DIAGNOSTICS : diagnostics
    return { value, diagnostics: found, people: looked ? this.#peopleOf(world.model) : undefined }
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
    let seen: World | undefined = world
    const lookAt = (): World => {
      if (seen === undefined) throw new Error('a policy sees the model while it is compiled, and not later')
      own = true
      look()
      return seen
    }
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
        return lookAt().model
      },
      services,
      certificate: (id) => lookAt().certificates.get(id),
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
    } finally {
      // steps keep their context for its services; with it they would keep the whole plan that they were compiled for
      seen = undefined
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
    return { forward, targets, picker: createPicker(forward.backends.map((weighted) => weighted.weight ?? 1)) }
  }
}

const NO_DIAGNOSTICS: readonly Diagnostic[] = Object.freeze([])
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

function samePeople(a: People, b: People): boolean {
  return (
    a.certificates === b.certificates &&
    a.consumers === b.consumers &&
    a.credentials === b.credentials &&
    a.backends === b.backends &&
    a.listeners === b.listeners
  )
}
