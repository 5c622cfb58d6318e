/** The plugins of this process: what policies ask for, and what the runtime tells them. */
import type { Server } from 'node:http'
import { isDeepStrictEqual } from 'node:util'
import type { Handler } from '../lib/handler.ts'
import type { Diagnostic } from '../model/diagnostic.ts'
import type { Exchange } from '../policies/policy.ts'
import type { Events, Expressions, Metrics, Plugins } from '../policies/services.ts'
import type { PluginWish, Wishes } from '../sources/source.ts'
import { errorPage } from './express/error-page.ts'
import { catchLateErrors, culprit, runAs } from './guard.ts'
import { ServerFacade, type ServingListener } from './server-facade.ts'
import type { PluginContext } from './types.ts'
import { type LoadedWorld, loadWorld, type PluginSchema } from './world.ts'

export interface PluginHostOptions {
  readonly events: Events
  readonly metrics: Metrics
  readonly expressions: Expressions
  /** What plugins find under `pluginContext.services`. Asked for at each load. */
  services(): PluginContext['services']
  /** How long middleware may take to answer or to go on; milliseconds. Default 120 000. */
  readonly timeout?: number
  /** How much of a body that middleware has read is kept for the backend; bytes. Default 16 MiB. */
  readonly bodyLimit?: number
}

/** Delegates to the latest load; steps that were compiled belong to the load that compiled them. */
export interface PluginHost extends Plugins {
  /**
   * Loads what is wished for afresh, unless nothing has changed. A plugin that fails is a diagnostic and is left out.
   * Never rejects.
   */
  load(wishes: readonly PluginWish[], configuration: Wishes['expressGateway']): Promise<readonly Diagnostic[]>
  /** The gateway listens: plugins hear `http-ready` and `https-ready`, those of later loads at once. */
  serving(listeners: readonly ServingListener[]): void
  /** The admin API listens: `admin-ready`. */
  administering(server: Server): void
  /** Routes that plugins mounted on the admin API. */
  readonly adminHandler: Handler
  /** Settings, policies and conditions of plugins, as the admin API lists them. */
  readonly schemas: readonly PluginSchema[]
  /** Names of the plugins that are loaded. */
  readonly names: readonly string[]
  close(): void
}

export function createPlugins(options: PluginHostOptions): PluginHost {
  const { events } = options
  const failures = options.metrics.counter(
    'gantry_plugin_failures_total',
    'Requests that a plugin failed, and errors that plugins did not catch',
    ['plugin', 'kind'],
  )
  const failed = (plugin: string, kind: string, error: unknown, exchange?: Exchange): void => {
    failures([plugin, kind])
    const facts = { plugin, kind, ...(exchange === undefined ? {} : { exchange: exchange.id }), ...stackOf(error) }
    events.emit('error', 'plugins/failure', `plugin ${plugin} failed: ${messageOf(error)}`, facts)
  }
  const report = (plugin: string, error: unknown): void => failed(plugin, 'uncaught', error)

  let world: LoadedWorld | undefined
  let loadedFrom: readonly [readonly PluginWish[], Wishes['expressGateway']] | undefined
  let servers: readonly ServerFacade[] = []
  let listeners: readonly ServingListener[] = []
  let admin: Server | undefined
  let release: (() => void) | undefined

  const tellServers = (): void => {
    servers = listeners.map((listener) => new ServerFacade(listener))
    listeners.forEach((listener, index) => {
      const key = listener.scheme === 'https' ? 'httpsServer' : 'httpServer'
      // plugins read httpServer for either
      world?.emit(`${listener.scheme}-ready`, { httpServer: servers[index], [key]: servers[index] })
    })
  }

  const host: PluginHost = {
    load: async (wishes, configuration) => {
      if (wishes.length === 0 && world === undefined) {
        // a configuration of ten thousand routes is not compared for plugins that nobody has
        loadedFrom = [wishes, undefined]
        return []
      }
      if (loadedFrom !== undefined && isDeepStrictEqual(loadedFrom, [wishes, configuration]))
        return world?.diagnostics ?? []
      const reload = loadedFrom !== undefined
      loadedFrom = [wishes, configuration]
      release ??= catchLateErrors(report)
      const before = world
      world = await loadWorld(wishes, configuration, {
        events,
        services: options.services(),
        report,
        serverOf: (exchange) =>
          servers.find((server) => server.serves(exchange.connection.scheme, exchange.connection.localPort)),
        around: {
          expressions: options.expressions,
          timeout: options.timeout ?? 120_000,
          bodyLimit: options.bodyLimit ?? 16 * 1024 * 1024,
          failed,
        },
      })
      // those who go are told last, as listeners of the old process were
      if (reload) before?.emit('hot-reload', { type: 'gateway', config: world.config })
      for (const server of servers) server.emit('close')
      before?.dispose()
      if (listeners.length > 0) tellServers()
      if (admin !== undefined) world.emit('admin-ready', { adminServer: admin })
      return world.diagnostics
    },
    serving: (now) => {
      if (isDeepStrictEqual(now, listeners)) return
      listeners = now
      tellServers()
    },
    administering: (server) => {
      admin = server
      world?.emit('admin-ready', { adminServer: server })
    },
    get loaded() {
      return world
    },
    policy: (name) => world?.policy(name),
    condition: (name) => world?.condition(name),
    get gatewayRoutes() {
      return world?.gatewayRoutes
    },
    get schemas() {
      return world?.schemas ?? []
    },
    get names() {
      return world?.names ?? []
    },
    adminHandler: (request, response) => {
      const app = world?.adminApp
      if (app === undefined) return false
      return new Promise((resolve) => {
        const taken = (): void => resolve(true)
        response.once('close', taken)
        const next = (error?: unknown): void => {
          response.off('close', taken)
          if (error === undefined || error === null) return resolve(false)
          failed(culprit(error) ?? 'admin routes', 'error', error)
          if (response.headersSent) response.destroy()
          else {
            const page = errorPage(error)
            for (const [name, value] of page.headers ?? []) response.setHeader(name, value)
            response.writeHead(page.status).end(page.body)
          }
          resolve(true)
        }
        runAs('admin routes', () => app(request, response, next))
      })
    },
    close: () => {
      for (const server of servers) {
        server.listening = false
        server.emit('close')
      }
      world?.dispose()
      world = undefined
      release?.()
      release = undefined
    },
  }
  return host
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function stackOf(error: unknown): { readonly stack?: string } {
  return error instanceof Error && error.stack !== undefined ? { stack: error.stack } : {}
}
