/** Settings → an engine with everything around it: consumers, plugins, expressions, access log. Effects begin here. */
import { createWriteStream, mkdtempSync, rmSync, type WriteStream } from 'node:fs'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createKargo, kargoPlugin } from './kargo/kargo.ts'
import type { Handler } from './lib/handler.ts'
import type { Diagnostic } from './model/diagnostic.ts'
import type { Plan } from './pipeline/plan.ts'
import type { Counters, Expressions, Services } from './policies/services.ts'
import { createPlugins } from './plugins/host.ts'
import { pluginServices } from './plugins/services.ts'
import type { Wishes } from './sources/source.ts'
import { createAccessLog } from './targets/engine/access-log.ts'
import type { Engine, EngineOptions } from './targets/engine/engine.ts'
import type { AdminContext } from './runtime/admin-context.ts'
import { consumersDoor } from './runtime/consumers-door.ts'
import { exposeCounts } from './targets/engine/prometheus.ts'
import { createEvents, type EventLog } from './runtime/events.ts'
import { createLiveServices } from './runtime/live-services.ts'
import { createMetrics, type MetricsRegistry } from './runtime/metrics.ts'
import { settle, type Settings } from './runtime/settings.ts'
import type { Target } from './targets/target.ts'
import { startWorkers } from './workers/primary.ts'
import { serveAsWorker } from './workers/worker.ts'

export interface MachineParts {
  /** The file that runs a worker, when there are several. */
  readonly program: string
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
  readonly target: Target<unknown>
  readonly services: Services
  grant(wishes: readonly Wishes[]): Promise<readonly Diagnostic[]>
  addresses(): readonly { readonly listener: string; readonly url: string }[]
  readonly adminHandlers: readonly Handler[]
  announce(admin: Server | undefined): void
  close(): Promise<void>
}

export async function startMachine(options: MachineOptions, parts: MachineParts): Promise<EngineMachine> {
  const { settings, folder, events, metrics } = options
  const shared = settings.workers > 1 ? mkdtempSync(join(tmpdir(), 'gantry-memory-')) : undefined
  let populateAgain: (() => Promise<unknown>) | undefined
  const core = await createCore({ ...options, shared, emptied: () => void populateAgain?.() }, parts)
  const { engine, door, plugins, services } = core
  const kargo = createKargo({ events, metrics })
  const workers =
    shared === undefined
      ? undefined
      : await startWorkers({
          count: settings.workers,
          program: parts.program,
          environment: { [workerVariable]: JSON.stringify({ settings, folder, shared } satisfies WorkerOrders) },
          compile: (plan) => engine.compile(plan),
          compileInTurns: (plan) => engine.compileInTurns(plan),
          folder: shared,
          events,
        }).catch((error: unknown) => {
          rmSync(shared, { recursive: true, force: true })
          throw error
        })
  if (workers !== undefined) metrics.join(() => workers.metrics())
  const target: Target<unknown> = workers ?? (engine as Target<unknown>)
  const listening = (): ReadonlyMap<string, AddressInfo> => (workers ?? engine).addresses()
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
      configuration = wishes.find((wish) => wish.expressGateway !== undefined)?.expressGateway
      const diagnostics = await core.grant(wishes)
      const wished = wishes.flatMap((wish) => wish.plugins ?? [])
      const load = () => kargo.load(wished, configuration?.folder ?? folder, door.consumers)
      const builtIn = await load()
      populateAgain = async () => {
        for (const diagnostic of (await load()).diagnostics) events.diagnostic(diagnostic)
      }
      return [...diagnostics, ...builtIn.diagnostics, ...((await workers?.grant(ofWorkers(wishes))) ?? [])]
    },
    addresses: () =>
      [...listening()].map(([listener, { address, port, family }]) => ({
        listener,
        url: urlOf(listener, address, port, family),
      })),
    adminHandlers: [plugins.adminHandler, kargo.adminHandler, admin],
    announce: (server) => {
      plugins.serving(
        [...listening()].map(([listener, { address, port, family }]) => ({
          scheme: urlOf(listener, address, port, family).startsWith('https:') ? 'https' : 'http',
          address,
          port,
        })),
      )
      if (server !== undefined && server !== announced) plugins.administering(server)
      announced = server
    },
    close: async () => {
      await core.close()
      if (shared !== undefined) rmSync(shared, { recursive: true, force: true })
    },
  }
}

/** The configuration itself is for plugins, and may be as long as a file: without plugins it stays here. */
function ofWorkers(wishes: readonly Wishes[]): readonly Wishes[] {
  const others = wishes.flatMap((wish) => wish.plugins ?? []).some((wish) => kargoPlugin(wish) === undefined)
  return others ? wishes : wishes.map(({ expressGateway: _configuration, ...rest }) => rest)
}

/** A plan and its wishes → what an engine and plugins say of them, with consumers in memory, no port open and nothing logged. */
export async function checkWithMachine(
  plan: Plan,
  wishes: readonly Wishes[],
  folder: string,
  parts: MachineParts,
): Promise<readonly Diagnostic[]> {
  const defaults = settle({ flags: {}, environment: {} }).settings
  const settings: Settings = { ...defaults, store: { kind: 'memory' } }
  const events = createEvents({ level: 'silent', format: 'json' })
  const metrics = createMetrics()
  const core = await createCore({ settings, folder, events, metrics, shared: undefined }, parts)
  try {
    const granted = await core.grant(wishes)
    const configuration = wishes.find((wish) => wish.expressGateway !== undefined)?.expressGateway
    const wished = wishes.flatMap((wish) => wish.plugins ?? [])
    const kargo = await createKargo({ events, metrics }).load(
      wished,
      configuration?.folder ?? folder,
      core.door.consumers,
    )
    return [...granted, ...kargo.diagnostics, ...core.engine.compile(plan).diagnostics]
  } finally {
    await core.engine.stop(0)
    await core.close()
  }
}

/** What a worker is told when it starts, in a variable of its environment. */
interface WorkerOrders {
  readonly settings: Settings
  readonly folder: string
  readonly shared: string | undefined
}

const workerVariable = 'GANTRY_WORKER_ORDERS'

/** The process is one of several that serve: plans and wishes come from the primary. Resolves when it has stopped. */
export function serveWorker(parts: MachineParts): Promise<void> {
  const { settings, folder, shared }: WorkerOrders = JSON.parse(process.env[workerVariable] ?? '')
  return serveAsWorker(async (counters) => {
    const format = settings.log.format === 'text' ? 'text' : 'json'
    const events = createEvents({ level: settings.log.level, format })
    const metrics = createMetrics()
    const core = await createCore({ settings, folder, events, metrics, shared, counters }, parts)
    return {
      engine: core.engine,
      grant: (wishes) => core.grant(wishes as readonly Wishes[]),
      metrics: () => metrics.registry.getMetricsAsJSON(),
      close: () => core.close(),
    }
  })
}

interface CoreOptions extends Omit<MachineOptions, 'settled'> {
  /** Stands for memory where several processes serve. */
  readonly shared: string | undefined
  /** The store has come back without what was in it. */
  emptied?(): void
  /** Exact across processes; absent: those of the store. */
  readonly counters?: Counters
}

/** What every process that serves has: an engine, consumers, plugins, expressions, an access log. */
async function createCore(options: CoreOptions, parts: MachineParts) {
  const { settings, folder, events, metrics } = options
  const expressions = await parts.createExpressions()
  const services = createLiveServices({ expressions, events, metrics, folder })
  const door = consumersDoor(settings, folder, events, { shared: options.shared, emptied: options.emptied })
  const plugins = createPlugins({ events, metrics, expressions, services: () => pluginServices(door.consumers) })
  services.replace({ plugins })
  const access = accessLog(settings.log.access)
  const engine = parts.createEngine({
    services,
    ...(access === undefined ? {} : { onDone: (exchange) => access.log.record(exchange) }),
  })
  exposeCounts(metrics.registry, engine)
  return {
    engine,
    services,
    door,
    plugins,
    grant: async (wishes: readonly Wishes[]): Promise<readonly Diagnostic[]> => {
      const diagnostics = await door.move(wishes)
      const { consumers } = door
      if (consumers !== undefined) {
        const { identities, cache, authorizations } = consumers
        // a Redis counts for every process there is; any other store only for its own
        const counters =
          consumers.store.kind === 'redis' ? consumers.counters : (options.counters ?? consumers.counters)
        services.replace({ identities, counters, cache, authorizations })
      }
      const configuration = wishes.find((wish) => wish.expressGateway !== undefined)?.expressGateway
      const others = wishes.flatMap((wish) => wish.plugins ?? []).filter((wish) => kargoPlugin(wish) === undefined)
      return [...diagnostics, ...(await plugins.load(others, configuration))]
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
