/** A part of a model → an engine that serves it on loopback, for tests of policies, sources and the engine itself. */
import { emptyModel, type Endpoint, type Forward, type Model, type Route } from '../../model/model.ts'
import type { AnyPolicy, CompileContext, CompiledCondition } from '../../policies/policy.ts'
import type { Condition, Limits } from '../../model/model.ts'
import type { CounterState, Services } from '../../policies/services.ts'
import type { Diagnostic } from '../../model/diagnostic.ts'
import { createEngine, type Engine, type EngineOptions } from './engine.ts'

export interface Served {
  /** Of the first listener: `http://127.0.0.1:12345`. */
  readonly url: string
  readonly port: number
  /** Of a listener, by its id. */
  portOf(listener: string): number
  readonly engine: Engine
  /** What compiling the plan said. */
  readonly diagnostics: readonly Diagnostic[]
  /** What was emitted and diagnosed while it served. */
  readonly events: readonly { readonly code: string; readonly message: string }[]
  /** Another model on the same engine; throws where it is refused. */
  swap(part: Partial<Model>): Promise<readonly Diagnostic[]>
  stop(): Promise<void>
}

export interface ServeOptions {
  readonly policies?: readonly AnyPolicy[]
  readonly services?: Partial<Services>
  readonly conditions?: (condition: Condition, context: CompileContext) => CompiledCondition
  readonly limits?: Limits
  readonly onDone?: EngineOptions['onDone']
  readonly otherProtocols?: EngineOptions['otherProtocols']
}

const origin = { source: 'test' }

/** Without listeners, one is made: http, on a free port, for every route that names none. */
export async function serve(part: Partial<Model>, options: ServeOptions = {}): Promise<Served> {
  const events: { code: string; message: string }[] = []
  const engine = createEngine({
    policies: options.policies ?? [],
    services: { ...createTestServices(events), ...options.services },
    conditions:
      options.conditions ??
      ((condition) => {
        if (condition.kind === 'constant') return () => condition.value
        if (condition.kind === 'method') return (exchange) => condition.methods.includes(exchange.request.method)
        throw new Error(`give serve() the compiler of conditions: it knows no ${condition.kind}`)
      }),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    ...(options.onDone === undefined ? {} : { onDone: options.onDone }),
    ...(options.otherProtocols === undefined ? {} : { otherProtocols: options.otherProtocols }),
  })
  let plans = 0
  const swap = async (next: Partial<Model>): Promise<readonly Diagnostic[]> => {
    const { artifact, diagnostics } = engine.compile({ id: `test-${++plans}`, model: complete(next) })
    const applied = await engine.apply(artifact)
    if (applied.kind === 'refused') throw new Error(applied.diagnostics.map((one) => one.message).join('\n'))
    return diagnostics
  }
  const diagnostics = await swap(part)
  const first = complete(part).listeners[0]!
  const portOf = (listener: string): number => {
    const address = engine.addresses().get(listener)
    if (address === undefined) throw new Error(`listener ${listener} is not open`)
    return address.port
  }
  const port = portOf(first.id)
  return {
    url: `${first.protocol}://127.0.0.1:${port}`,
    port,
    portOf,
    engine,
    diagnostics,
    events,
    swap,
    stop: () => engine.stop(0),
  }
}

/** Every request to these, by a route `all` and a backend `b`. */
export function forwarding(
  addresses: readonly Endpoint[],
  route: Partial<Route> = {},
  rest: Partial<Model> = {},
): Partial<Model> {
  const forward: Forward = { backends: [{ target: { kind: 'backend', id: 'b' } }] }
  return {
    routes: [
      { id: 'all', listeners: [], match: {}, policies: [], action: { kind: 'forward', forward }, origin, ...route },
    ],
    backends: [{ id: 'b', protocol: 'http1', origin }],
    endpoints: [{ backend: 'b', addresses }],
    ...rest,
  }
}

/** Endpoints on loopback. */
export const onLoopback = (...ports: readonly number[]): readonly Endpoint[] =>
  ports.map((port) => ({ host: '127.0.0.1', port }))

/** Services that need nothing: counters and cache in memory, nobody known, no plugins, no expressions. */
export function createTestServices(events: { code: string; message: string }[] = []): Services {
  const windows = new Map<string, { count: number; resetAt: number }>()
  const cache = new Map<string, { value: string; until: number }>()
  return {
    identities: {
      credential: () => undefined,
      consumer: () => undefined,
      verifyPassword: () => Promise.resolve(false),
      accessToken: () => undefined,
    },
    counters: {
      add(key, windowMs, amount = 1): CounterState {
        const now = Date.now()
        let window = windows.get(key)
        if (window === undefined || now >= window.resetAt) {
          windows.set(key, (window = { count: 0, resetAt: now + windowMs }))
        }
        window.count += amount
        return window
      },
    },
    cache: {
      get(key) {
        const entry = cache.get(key)
        return entry !== undefined && Date.now() < entry.until ? entry.value : undefined
      },
      set(key, value, ttlMs) {
        cache.set(key, { value, until: Date.now() + ttlMs })
      },
    },
    expressions: {
      compile() {
        throw new Error('give serve() a service that evaluates expressions')
      },
      finish: () => undefined,
    },
    plugins: { policy: () => undefined, condition: () => undefined, gatewayRoutes: undefined },
    events: {
      emit: (_level, code, message) => {
        events.push({ code, message })
      },
      diagnostic: (diagnostic) => {
        events.push({ code: diagnostic.code, message: diagnostic.message })
      },
    },
    metrics: { counter: () => () => undefined, histogram: () => () => undefined, gauge: () => undefined },
    now: () => Date.now(),
  }
}

function complete(part: Partial<Model>): Model {
  const model: Model = { ...emptyModel, ...part }
  if (model.listeners.length > 0) return model
  return {
    ...model,
    listeners: [{ id: 'test', address: '127.0.0.1', port: 0, protocol: 'http', origin }],
    routes: model.routes.map((route) => (route.listeners.length > 0 ? route : { ...route, listeners: ['test'] })),
  }
}
