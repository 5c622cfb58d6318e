/** Plugin wishes → loaded plugins: one immutable load, replaced whole by the next. */
import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import type { Diagnostic } from '../model/diagnostic.ts'
import type { CompiledCondition, Exchange, Outcome, Step } from '../policies/policy.ts'
import type { Events, Plugins } from '../policies/services.ts'
import type { PluginWish, Wishes } from '../sources/source.ts'
import { getCommonAuthCallback } from './auth-callback.ts'
import { createApp } from './express/express.ts'
import { knownPair, pairOf, type Surroundings } from './express/pair.ts'
import { blame, currentPlugin, guarded, type Report, runAs } from './guard.ts'
import { createLogger } from './logger.ts'
import { loadModule, moduleName, resolveModule } from './resolve.ts'
import { type Check, compileCheck, copy } from './schemas.ts'
import { installShim } from './shim.ts'
import type {
  ActionParams,
  ExpressApp,
  ExpressRequest,
  JsonSchema,
  Next,
  PluginCondition,
  PluginConfig,
  PluginContext,
  PluginManifest,
  PluginPolicy,
} from './types.ts'

export interface LoadedWorld extends Plugins {
  readonly diagnostics: readonly Diagnostic[]
  /** Names of the plugins that were loaded. */
  readonly names: readonly string[]
  readonly schemas: readonly PluginSchema[]
  /** Has a plugin mounted something on the admin API? */
  readonly adminApp: ExpressApp | undefined
  readonly config: PluginConfig
  emit(event: string, facts: unknown): void
  /** Nothing of this load is told anything any more. */
  dispose(): void
}

/** As the admin API lists them. */
export interface PluginSchema {
  readonly type: 'plugin' | 'policy' | 'condition'
  readonly name: string
  readonly schema: JsonSchema
}

export interface WorldOptions {
  readonly events: Events
  readonly services: PluginContext['services']
  readonly around: Omit<Surroundings, 'app' | 'note'>
  /** The server of this exchange, as plugins were given it by `http-ready` and `https-ready`. */
  serverOf(exchange: Exchange): EventEmitter | undefined
  readonly report: Report
}

const contractVersion = [1, 2, 0] as const

/** Loads each plugin and runs its `init`, in the order written. What fails is a diagnostic, and the others go on. */
export async function loadWorld(
  wishes: readonly PluginWish[],
  configuration: Wishes['expressGateway'],
  options: WorldOptions,
): Promise<LoadedWorld> {
  const diagnostics: Diagnostic[] = []
  const schemas: PluginSchema[] = []
  const names: string[] = []
  const policies = new Map<string, Registered<PluginPolicy>>()
  const conditions = new Map<string, Registered<PluginCondition>>()
  const gatewayRoutes: Registered<PluginContext['gatewayRoutes'][number]>[] = []
  const adminRoutes: Registered<PluginContext['adminRoutes'][number]>[] = []
  const bus = new PluginBus(options.report)
  const config = configOf(configuration)
  installShim({
    services: options.services,
    config,
    eventBus: bus,
    logger: (label) => createLogger(options.events, label),
  })

  for (const wish of wishes) {
    const name = moduleName(wish)
    // a warning, whatever happened: what needs the plugin fails closed on its own, and everything else is served
    const complain = (code: string, message: string, hint?: string): void => {
      const origin = {
        source: 'express-gateway',
        object: `plugin ${wish.name}`,
        file: 'system.config.yml',
        field: `plugins.${wish.name}`,
      }
      diagnostics.push({
        code: `plugins/${code}`,
        severity: 'warning',
        message,
        origin,
        ...(hint === undefined ? {} : { hint }),
      })
    }
    try {
      const file = resolveModule(wish)
      if (file === undefined) {
        const hint = name.startsWith('.') ? `no such file beside or above ${wish.from}` : `npm install ${name}`
        complain('not-found', `Failed to load plugin ${name}: there is no such module`, hint)
        continue
      }
      const manifest = manifestOf(await turn(wish.name, () => loadModule(file)))
      if (isNewer(manifest.version)) {
        complain(
          'newer',
          `plugin ${name} is for version ${manifest.version} of the contract; this is ${contractVersion.join('.')}`,
        )
      }
      const settings: Record<string, unknown> = {
        ...copy(wish.settings),
        ...(wish.package === undefined ? {} : { package: wish.package }),
      }
      const wrong = manifest.schema === undefined ? undefined : compileCheck(manifest.schema)(settings)
      if (wrong !== undefined) throw new Error(`its settings are wrong: ${wrong}`)
      const context = makeContext(wish.name, settings, config, bus, options)
      await turn(wish.name, () => manifest.init(context))
      // nothing is taken over before the whole of it is known to be right
      const own = {
        policies: context.policies.map((policy) => register(wish.name, 'policy', policy)),
        conditions: context.conditions.map((condition) => register(wish.name, 'condition', condition)),
      }
      for (const policy of own.policies) policies.set(policy.what.name, policy)
      for (const condition of own.conditions) conditions.set(condition.what.name, condition)
      gatewayRoutes.push(...context.gatewayRoutes.map((what) => ({ plugin: wish.name, what, check: undefined })))
      adminRoutes.push(...context.adminRoutes.map((what) => ({ plugin: wish.name, what, check: undefined })))
      if (manifest.schema !== undefined) schemas.push({ type: 'plugin', name: wish.name, schema: manifest.schema })
      for (const [type, list] of [
        ['policy', own.policies],
        ['condition', own.conditions],
      ] as const) {
        for (const { what } of list)
          if (what.schema !== undefined) schemas.push({ type, name: what.name, schema: what.schema })
      }
      names.push(wish.name)
      options.events.emit('info', 'plugins/loaded', `Loaded plugin ${wish.name} from package ${name}`, {
        plugin: wish.name,
        file,
      })
    } catch (error) {
      bus.forget(wish.name)
      complain('failed', `Failed to load plugin ${name}: ${messageOf(error)}`)
    }
  }

  const app = createApp()
  const mount = (target: ExpressApp, routes: typeof gatewayRoutes): boolean => {
    for (const { plugin, what } of routes) {
      try {
        mountAs(target, plugin, what)
      } catch (error) {
        diagnostics.push({
          code: 'plugins/routes',
          severity: 'warning',
          message: `plugin ${plugin} failed to add its routes: ${messageOf(error)}`,
          origin: { source: 'express-gateway', object: `plugin ${plugin}` },
        })
      }
    }
    return stackOf(target).length > 0
  }
  const around: Surroundings = { ...options.around, app, note: Symbol('plugins') }
  const gateway = mount(app, gatewayRoutes)
  const admin = adminRoutes.length > 0 ? createApp() : undefined
  const answer = laterPhases(around)
  return {
    diagnostics,
    names,
    schemas,
    config,
    adminApp: admin !== undefined && mount(admin, adminRoutes) ? admin : undefined,
    policy: (name) =>
      compiler(policies.get(name), (entry, parameters) => policyStep(entry, parameters, config, around, answer)),
    condition: (name) => compiler(conditions.get(name), (entry, parameters) => conditionOf(entry, parameters, around)),
    // who waits for the servers may want their upgrades
    gatewayRoutes:
      gateway || bus.listenerCount('http-ready') + bus.listenerCount('https-ready') > 0
        ? {
            ...answer,
            request: (exchange) => {
              if (exchange.request.upgrade !== undefined) {
                const taken = upgradeFor(exchange, around, options)
                if (taken !== undefined) return taken
              }
              if (!gateway) return undefined
              return pairOf(exchange, around).run('gateway routes', (req, res, next) => app(req, res, next))
            },
          }
        : undefined,
    emit: (event, facts) => bus.tell(event, facts),
    dispose: () => void bus.removeAllListeners(),
  }
}

// --- one plugin ------------------------------------------------------------------------------------------------------

interface Registered<What> {
  readonly plugin: string
  readonly what: What
  readonly check: Check | undefined
}

/**
 * In a turn of the event loop of its own, not in a promise's: plugins that wait by running the event loop themselves (deasync)
 * would wait for ever for promises that cannot go on.
 */
function turn<T>(plugin: string, code: () => T | Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(runAs(plugin, code))
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)))
      }
    })
  })
}

function manifestOf(exported: unknown): PluginManifest {
  const inner = (exported as { default?: unknown } | null)?.default
  const manifest = (isManifest(exported) ? exported : inner) as Partial<PluginManifest> | undefined
  if (typeof manifest !== 'object' || manifest === null) throw new Error('it exports no manifest')
  if (typeof manifest.init !== 'function') throw new Error('its manifest has no init function')
  if (typeof manifest.version !== 'string' || !/^\d+\.\d+\.\d+/.test(manifest.version)) {
    throw new Error('its manifest has no version such as 1.2.0')
  }
  return manifest as PluginManifest
}

function isManifest(exported: unknown): boolean {
  return typeof (exported as { init?: unknown } | null)?.init === 'function'
}

function isNewer(version: string): boolean {
  const parts = version.split('.').map((part) => Number.parseInt(part, 10))
  for (const [index, ours] of contractVersion.entries()) {
    const theirs = parts[index] ?? 0
    if (theirs !== ours) return theirs > ours
  }
  return false
}

function makeContext(
  plugin: string,
  settings: Record<string, unknown>,
  config: PluginConfig,
  eventBus: EventEmitter,
  options: WorldOptions,
): PluginContext {
  const context: PluginContext = {
    settings,
    config,
    services: options.services,
    logger: createLogger(options.events, plugin),
    eventBus,
    policies: [],
    conditions: [],
    gatewayRoutes: [],
    adminRoutes: [],
    cliExtensions: [],
    registerPolicy: (policy) => void context.policies.push(policy),
    registerCondition: (condition) => void context.conditions.push(condition),
    registerGatewayRoute: (route) => void context.gatewayRoutes.push(route),
    registerAdminRoute: (route) => void context.adminRoutes.push(route),
    registerCLIExtension: (extension) => void context.cliExtensions.push(extension),
  }
  return context
}

function register<What extends PluginPolicy | PluginCondition>(
  plugin: string,
  kind: 'policy' | 'condition',
  what: What,
): Registered<What> {
  if (typeof what !== 'object' || what === null || typeof what.name !== 'string' || what.name === '') {
    throw new Error(`it registers a ${kind} without a name`)
  }
  const code = kind === 'policy' ? (what as PluginPolicy).policy : (what as PluginCondition).handler
  if (typeof code !== 'function')
    throw new Error(`its ${kind} ${what.name} has no ${kind === 'policy' ? 'policy' : 'handler'} function`)
  return { plugin, what, check: what.schema === undefined ? undefined : compileCheck(what.schema) }
}

function configOf(configuration: Wishes['expressGateway']): PluginConfig {
  const { gatewayConfig = {}, systemConfig = {}, models = {}, folder } = configuration ?? {}
  return {
    gatewayConfig: copy(gatewayConfig),
    systemConfig: copy(systemConfig),
    models: copy(models),
    ...(folder === undefined
      ? {}
      : { gatewayConfigPath: `${folder}/gateway.config.yml`, systemConfigPath: `${folder}/system.config.yml` }),
  }
}

// --- policies and conditions -----------------------------------------------------------------------------------------

function compiler<Entry, Result>(
  entry: Entry | undefined,
  compile: (entry: Entry, parameters: Record<string, unknown>) => Result,
): { compile(parameters: Readonly<Record<string, unknown>>): Result } | undefined {
  return entry === undefined ? undefined : { compile: (parameters) => compile(entry, copy(parameters)) }
}

function policyStep(
  { plugin, what, check }: Registered<PluginPolicy>,
  parameters: Record<string, unknown>,
  config: PluginConfig,
  around: Surroundings,
  answer: Step,
): Step {
  const wrong = check?.(parameters)
  if (wrong !== undefined) throw new Error(`Policy ${what.name} params validation failed: ${wrong}`)
  const action = Object.assign(parameters, { getCommonAuthCallback }) as ActionParams
  const middleware = runAs(plugin, () => what.policy(action, config))
  if (typeof middleware !== 'function') throw new Error(`policy ${what.name} of plugin ${plugin} gives no middleware`)
  return { ...answer, request: (exchange) => pairOf(exchange, around).run(plugin, middleware) }
}

function conditionOf(
  { plugin, what, check }: Registered<PluginCondition>,
  parameters: Record<string, unknown>,
  around: Surroundings,
): CompiledCondition {
  const wrong = check?.(parameters)
  if (wrong !== undefined) throw new Error(`Condition ${what.name} params validation failed: ${wrong}`)
  const handler = what.handler as (...args: unknown[]) => unknown
  // two declared parameters say which of its two forms a handler has
  const made =
    handler.length === 2
      ? (request: ExpressRequest) => handler(request, parameters)
      : runAs(plugin, () => handler(parameters))
  const ask = (exchange: Exchange, predicate: unknown): boolean | Promise<boolean> => {
    if (typeof predicate !== 'function')
      throw new TypeError(`condition ${what.name} of plugin ${plugin} gives no predicate`)
    try {
      const result = pairOf(exchange, around).ask(plugin, predicate as (request: ExpressRequest) => unknown)
      return result instanceof Promise ? result.then(Boolean) : Boolean(result)
    } catch (error) {
      around.failed(plugin, 'error', error, exchange)
      throw error
    }
  }
  if (made instanceof Promise) {
    // told where it is used, not where it is made
    made.catch(() => undefined)
    return (exchange) => made.then((predicate: unknown) => ask(exchange, predicate))
  }
  return (exchange) => ask(exchange, made)
}

/** The phases after the request, for every step of ours; the pair sees to it that each happens once. */
function laterPhases(around: Surroundings): Step {
  return {
    response: (exchange) => knownPair(exchange, around)?.respond(),
    done: (exchange) => knownPair(exchange, around)?.finish(),
  }
}

// --- routes ----------------------------------------------------------------------------------------------------------

interface Layer {
  handle: (...args: unknown[]) => unknown
}

function stackOf(app: ExpressApp): Layer[] {
  return ((app as unknown as { _router?: { stack: Layer[] } })._router?.stack ?? []).slice(2)
}

/** Lets the plugin add its routes to the one app, and sees to it that they run under its name. */
function mountAs(app: ExpressApp, plugin: string, mount: (app: ExpressApp) => void): void {
  const before = stackOf(app).length
  runAs(plugin, () => mount(app))
  for (const layer of stackOf(app).slice(before)) {
    const { handle } = layer
    // Express tells handlers of errors by their four parameters
    layer.handle =
      handle.length > 3
        ? (error: unknown, req: unknown, res: unknown, next: unknown) =>
            runLayer(plugin, next, (go) => handle(error, req, res, go))
        : (req: unknown, res: unknown, next: unknown) => runLayer(plugin, next, (go) => handle(req, res, go))
  }
}

function runLayer(plugin: string, next: unknown, call: (next: Next) => unknown): unknown {
  const go: Next = (error) => {
    blame(plugin, error)
    ;(next as Next)(error)
  }
  try {
    return runAs(plugin, () => call(go))
  } catch (error) {
    blame(plugin, error)
    throw error
  }
}

/** As an `http.Server` does: with a listener for `upgrade` no such request goes another way. */
function upgradeFor(exchange: Exchange, around: Surroundings, { serverOf }: WorldOptions): Outcome | undefined {
  const server = serverOf(exchange)
  if (server === undefined || server.listenerCount('upgrade') === 0) return undefined
  const { request } = pairOf(exchange, around)
  return {
    kind: 'upgrade',
    timeout: around.timeout,
    take: (socket) => {
      const failed = (plugin: string, error: unknown): void => around.failed(plugin, 'error', error, exchange)
      socket.once('error', (error) => failed('upgrade', error))
      guarded(
        (plugin, error) => {
          failed(plugin, error)
          socket.destroy()
        },
        'upgrade',
        () => server.emit('upgrade', request, standIn(socket, request), Buffer.alloc(0)),
      )
    },
  }
}

/** The stream with what is asked of sockets. */
function standIn(socket: Duplex, { socket: facts }: ExpressRequest): Duplex {
  const { remoteAddress, remotePort, remoteFamily, localAddress, localPort } = facts
  return Object.assign(socket, {
    remoteAddress,
    remotePort,
    remoteFamily,
    localAddress,
    localPort,
    setTimeout: () => socket,
    setNoDelay: () => socket,
    setKeepAlive: () => socket,
    ref: () => socket,
    unref: () => socket,
  })
}

// --- events ----------------------------------------------------------------------------------------------------------

/** An EventEmitter for plugins that remembers whose listener is whose, and lets none of them hurt the others. */
class PluginBus extends EventEmitter {
  readonly #owners = new Map<unknown, string>()
  readonly #report: Report

  constructor(report: Report) {
    super()
    this.#report = report
    this.setMaxListeners(0)
    this.on('newListener', (_event: string, listener: unknown) => {
      this.#owners.set(listener, currentPlugin() ?? 'unknown')
    })
  }

  tell(event: string, facts: unknown): void {
    for (const listener of this.rawListeners(event)) {
      const inner = (listener as { listener?: unknown }).listener ?? listener
      guarded(this.#report, this.#owners.get(inner) ?? 'unknown', () =>
        (listener as (facts: unknown) => unknown).call(this, facts),
      )
    }
  }

  /** A plugin that failed while it was loaded hears nothing. */
  forget(plugin: string): void {
    for (const event of this.eventNames()) {
      if (event === 'newListener') continue
      for (const listener of this.listeners(event)) {
        if (this.#owners.get(listener) === plugin) this.off(event, listener as () => void)
      }
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
