/** Settings → an engine with everything around it: consumers, plugins, expressions, access log. Effects begin here. */
import { createWriteStream, type WriteStream } from 'node:fs'
import type { Server } from 'node:http'
import { createKargo } from './kargo/kargo.ts'
import type { Handler } from './lib/handler.ts'
import type { Diagnostic } from './model/diagnostic.ts'
import type { Expressions, Services } from './policies/services.ts'
import { createPlugins } from './plugins/host.ts'
import { pluginServices } from './plugins/services.ts'
import type { Wishes } from './sources/source.ts'
import { createAccessLog } from './targets/engine/access-log.ts'
import type { Engine, EngineOptions } from './targets/engine/engine.ts'
import type { AdminContext } from './runtime/admin-context.ts'
import { consumersDoor } from './runtime/consumers-door.ts'
import { exposeCounts } from './targets/engine/prometheus.ts'
import type { EventLog } from './runtime/events.ts'
import { createLiveServices } from './runtime/live-services.ts'
import type { MetricsRegistry } from './runtime/metrics.ts'
import type { Settings } from './runtime/settings.ts'

export interface MachineParts {
  /** The engine itself comes from main.ts, with its policies. */
  createEngine(options: Pick<EngineOptions, 'services' | 'onDone'>): Engine
  createExpressions(): Promise<Expressions>
  /** Express Gateway's Admin API, mounted behind ours; called again when consumers change. */
  createAdmin(context: AdminContext): Handler
}

export interface MachineOptions {
  readonly settings: Settings
  readonly folder: string
  readonly events: EventLog
  readonly metrics: MetricsRegistry
  /** As the loop says it. */
  settled(): Promise<void>
}

export interface EngineMachine {
  readonly target: Engine
  readonly services: Services
  grant(wishes: readonly Wishes[]): Promise<readonly Diagnostic[]>
  addresses(): readonly { readonly listener: string; readonly url: string }[]
  readonly adminHandlers: readonly Handler[]
  announce(admin: Server | undefined): void
  close(): Promise<void>
}

export async function startMachine(options: MachineOptions, parts: MachineParts): Promise<EngineMachine> {
  const { settings, folder, events, metrics } = options
  const expressions = await parts.createExpressions()
  const services = createLiveServices({ expressions, events, metrics })
  const door = consumersDoor(settings, folder, events)
  const plugins = createPlugins({ events, metrics, expressions, services: () => pluginServices(door.consumers) })
  const kargo = createKargo({ events, registry: metrics.registry })
  services.replace({ plugins })
  const access = accessLog(settings.log.access)
  const target = parts.createEngine({
    services,
    ...(access === undefined ? {} : { onDone: (exchange) => access.log.record(exchange) }),
  })
  exposeCounts(metrics.registry, target)
  let configuration: Wishes['expressGateway']
  let announced: Server | undefined
  const admin = parts.createAdmin({
    consumers: () => door.consumers,
    plugins,
    configuration: () => configuration,
    folder,
    settings,
    settled: () => options.settled(),
  })
  return {
    target,
    services,
    grant: async (wishes) => {
      const diagnostics = await door.move(wishes)
      const { consumers } = door
      if (consumers !== undefined) {
        const { identities, counters, cache, authorizations } = consumers
        services.replace({ identities, counters, cache, authorizations })
      }
      configuration = wishes.find((wish) => wish.expressGateway !== undefined)?.expressGateway
      const wished = wishes.flatMap((wish) => wish.plugins ?? [])
      const builtIn = await kargo.load(wished, configuration?.folder ?? folder, consumers)
      return [...diagnostics, ...builtIn.diagnostics, ...(await plugins.load(builtIn.others, configuration))]
    },
    addresses: () =>
      [...target.addresses()].map(([listener, { address, port, family }]) => ({
        listener,
        url: urlOf(listener, address, port, family),
      })),
    adminHandlers: [plugins.adminHandler, kargo.adminHandler, admin],
    announce: (server) => {
      plugins.serving(
        [...target.addresses()].map(([listener, { address, port, family }]) => ({
          scheme: urlOf(listener, address, port, family).startsWith('https:') ? 'https' : 'http',
          address,
          port,
        })),
      )
      if (server !== undefined && server !== announced) plugins.administering(server)
      announced = server
    },
    close: async () => {
      plugins.close()
      await door.close()
      await access?.close()
    },
  }
}

/** Scheme by the listener's own name would be a guess; the plan is asked by whoever needs more than this. */
function urlOf(listener: string, address: string, port: number, family: string): string {
  const scheme = listener.endsWith('/https') || /^.*\/https\b/.test(listener) ? 'https' : 'http'
  const any = address === '0.0.0.0' || address === '::'
  const host = any ? 'localhost' : family === 'IPv6' ? `[${address}]` : address
  return `${scheme}://${host}:${port}`
}

function accessLog(
  where: string,
): { readonly log: ReturnType<typeof createAccessLog>; close(): Promise<void> } | undefined {
  if (where === 'off') return undefined
  const stream: NodeJS.WritableStream =
    where === 'stdout' ? process.stdout : createWriteStream(where, { flags: 'a', mode: 0o640 })
  const log = createAccessLog((lines) => void stream.write(lines))
  return {
    log,
    close: () =>
      new Promise((resolve) => {
        log.flush()
        if (where === 'stdout') resolve()
        else (stream as WriteStream).end(() => resolve())
      }),
  }
}
