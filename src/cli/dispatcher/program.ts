/** `dispatcher`: environment variables → routing of Pods, served; outside of a cluster printed. Words → exit code. */
import { parseArgs } from 'node:util'
import { gantryAdmin } from '../../admin/gantry.ts'
import { openAdmin, type AdminServer } from '../../admin/server.ts'
import { hasErrors, type Diagnostic } from '../../model/diagnostic.ts'
import { printModel } from '../../model/text.ts'
import type { Plan } from '../../pipeline/plan.ts'
import { prepare } from '../../pipeline/run.ts'
import { draftHere } from '../../runtime/drafts.ts'
import { createEvents, type EventLog } from '../../runtime/events.ts'
import { exposeStale, startLoop } from '../../runtime/loop.ts'
import { createMetrics, type MetricsRegistry } from '../../runtime/metrics.ts'
import type { Place, Source, Translation } from '../../sources/source.ts'
import type { Target } from '../../targets/target.ts'
import { whyNoFolder } from '../folder.ts'
import { writeError } from '../print.ts'
import { batched } from './batch.ts'
import { type OwnSettings, ownVariables, readOwnVariables } from './own-variables.ts'

export interface DispatcherParts {
  readonly version: string
  readonly variables: readonly { readonly name: string; readonly standard: string; readonly summary: string }[]
  readonly source: Source<unknown, unknown>
  /** What is wrong with the environment; none: nothing. */
  check(environment: Environment): readonly Diagnostic[]
  isInCluster(): boolean
  /** Undefined: one is named; whether it answers is another question. */
  whyNoCluster(kubeconfig: string | undefined): Promise<string | undefined>
  /** Did reading fail because this machine names no cluster at all? */
  isNoCluster(error: unknown): boolean
  /** A world without Pods. */
  empty(environment: Environment): unknown
  start(
    kind: TargetKind,
    around: Around,
  ): Promise<{
    readonly target: Target<unknown>
    addresses(): readonly { readonly listener: string; readonly url: string }[]
    /** Who serves each route, where another target stands in front of the engine. */
    served?(): readonly { readonly route: string; readonly by: string; readonly why?: string }[]
  }>
  writeNginx(
    plan: Plan,
    environment: Environment,
  ): Promise<{ readonly text: string; readonly diagnostics: readonly Diagnostic[] }>
}

export interface Around {
  readonly environment: Environment
  readonly events: EventLog
  readonly metrics: MetricsRegistry
}

export type TargetKind = 'engine' | 'nginx'
export type Environment = Readonly<Record<string, string | undefined>>

/** As long as the original gathered events before it reloaded, milliseconds. */
const BATCH = 2000
/** After which a target that has refused a plan is asked again, at first, milliseconds. */
const RETRY = 1000
/** How long a process outside of a cluster waits for one to print, milliseconds. */
const PATIENCE = 10_000

export async function runDispatcher(
  words: readonly string[],
  parts: DispatcherParts,
  environment: Environment = process.env,
): Promise<number> {
  const asked = ask(words)
  if (typeof asked === 'string') {
    writeError(`dispatcher: ${asked}\nhint: dispatcher --help\n`)
    return 2
  }
  if (asked.help) {
    process.stdout.write(help(parts))
    return 0
  }
  if (asked.version) {
    process.stdout.write(`${parts.version}\n`)
    return 0
  }
  const own = readOwnVariables(environment)
  const complaints = parts.check(environment).filter(({ severity }) => severity === 'error')
  if (!('level' in own) || complaints.length > 0) {
    for (const { message, hint } of [...complaints, ...('level' in own ? [] : own)])
      writeError(`invalid configuration: ${message}.${hint === undefined ? '' : `\nhint: ${hint}`}\n`)
    return 1
  }
  const why = asked.folder === undefined ? undefined : await whyNoFolder(asked.folder)
  if (why !== undefined) {
    writeError(`dispatcher: ${why.message}\nhint: the folder that holds Namespaces and Pods in YAML\n`)
    return 2
  }
  const place: Place =
    asked.folder === undefined
      ? { kind: 'cluster', environment, ...(asked.kubeconfig === undefined ? {} : { kubeconfig: asked.kubeconfig }) }
      : { kind: 'folder', path: asked.folder, environment }
  if (asked.serve || (parts.isInCluster() && asked.folder === undefined)) {
    if (asked.target === 'model') {
      writeError('dispatcher: --target model prints, and does not serve\nhint: --target engine or --target nginx\n')
      return 2
    }
    const lacking = place.kind === 'cluster' ? await parts.whyNoCluster(asked.kubeconfig) : undefined
    if (lacking !== undefined) return sayNoCluster(lacking)
    return serve(asked.target, place, parts, { environment, own })
  }
  return print(asked.target === 'engine' ? 'model' : asked.target, place, parts, environment)
}

/** Effect on nothing but the two outputs. */
async function print(
  what: 'model' | 'nginx',
  place: Place,
  parts: DispatcherParts,
  environment: Environment,
): Promise<number> {
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort(), PATIENCE)
  try {
    for await (const world of parts.source.read(place, abort.signal))
      return await show(what, parts.source.translate(world), parts, environment)
    writeError(`warning: no cluster has answered within ${PATIENCE / 1000} s: nothing to print\n`)
    return 0
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    if (parts.isNoCluster(error)) {
      writeError(`warning: ${message}; printing the configuration of no Pods\n`)
      return await show(what, parts.source.translate(parts.empty(environment)), parts, environment)
    }
    return sayNoCluster(message)
  } finally {
    clearTimeout(timer)
    abort.abort()
  }
}

/** Effect on the two outputs. */
async function show(
  what: 'model' | 'nginx',
  translation: Translation<unknown>,
  parts: DispatcherParts,
  environment: Environment,
): Promise<number> {
  const { plan, diagnostics } = prepare([translation])
  const written =
    what === 'nginx'
      ? await parts.writeNginx(plan, environment)
      : { text: printModel(plan.model, { secrets: 'redact' }), diagnostics: [] }
  for (const one of [...translation.diagnostics, ...diagnostics, ...written.diagnostics])
    writeError(`${one.severity}: ${one.message}\n`)
  process.stdout.write(written.text)
  return 0
}

function sayNoCluster(why: string): number {
  writeError(`dispatcher: there is no cluster to read: ${why}\nhint: --kubeconfig FILE, or a folder with YAML files\n`)
  return 1
}

async function serve(
  kind: TargetKind,
  place: Place,
  parts: DispatcherParts,
  { environment, own }: { readonly environment: Environment; readonly own: OwnSettings },
): Promise<number> {
  const events = createEvents({ level: own.level, format: process.stderr.isTTY ? 'text' : 'json' })
  const metrics = createMetrics()
  const { target, addresses, served } = await parts.start(kind, { environment, events, metrics })
  const loop = startLoop({
    drafts: draftHere({
      feeds: [{ source: kind === 'nginx' ? batched(parts.source, BATCH) : parts.source, place }],
      prepare,
      events,
      // gathered already, or nothing that has to be gathered
      settleMs: 1,
    }),
    target,
    grant: () => Promise.resolve([]),
    events,
    retryMs: RETRY,
  })
  exposeStale(metrics, loop)
  const admin = await openDoor(own.admin, events, [
    gantryAdmin({
      version: parts.version,
      state: () => loop.state(),
      events,
      metrics,
      addresses,
      startedAt: Date.now(),
      ...(served === undefined ? {} : { served }),
    }),
  ])
  const signal = signalled()
  const first = await Promise.race([loop.first, signal])
  if (first !== 'signal') {
    if (first.plan === undefined && hasErrors(first.diagnostics))
      events.emit('error', 'dispatcher/not-serving', 'nothing is served yet; the next change is tried')
    else events.emit('info', 'dispatcher/serving', `serving with ${kind}`)
    process.send?.({ kind: 'ready', addresses: addresses(), admin: admin?.url })
    await signal
  }
  events.emit('info', 'dispatcher/stopping', 'stopping: what is under way may finish')
  process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(130))
  await loop.stop()
  await target.stop(25_000)
  await admin?.close()
  return 0
}

/** Health, metrics, status and explain, on loopback. That it cannot be opened is no reason not to route. */
async function openDoor(
  admin: OwnSettings['admin'],
  events: EventLog,
  handlers: Parameters<typeof openAdmin>[0]['handlers'],
): Promise<AdminServer | undefined> {
  if (admin === undefined) return undefined
  try {
    return await openAdmin({ ...admin, handlers })
  } catch (error) {
    events.emit(
      'warn',
      'dispatcher/admin-port',
      `the admin API cannot listen on port ${admin.port}: ${error instanceof Error ? error.message : String(error)}`,
    )
    return undefined
  }
}

function signalled(): Promise<'signal'> {
  return new Promise((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => resolve('signal'))
  })
}

interface Asked {
  readonly help: boolean
  readonly version: boolean
  readonly serve: boolean
  readonly target: TargetKind | 'model'
  readonly kubeconfig: string | undefined
  readonly folder: string | undefined
}

/** A text says what cannot be. */
function ask(words: readonly string[]): Asked | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        version: { type: 'boolean', short: 'V', default: false },
        serve: { type: 'boolean', default: false },
        target: { type: 'string', default: 'engine' },
        kubeconfig: { type: 'string' },
      },
    })
    const { target, help: wanted, version, serve: staying, kubeconfig } = values
    if (target !== 'engine' && target !== 'nginx' && target !== 'model')
      return `there is no target ${target}: engine, nginx or model`
    if (positionals.length > 1) return 'one folder at a time'
    return { help: wanted, version, serve: staying, target, kubeconfig, folder: positionals[0] }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function help({ variables: ofRouting, version }: DispatcherParts): string {
  const variables = [...ofRouting, ...ownVariables]
  const width = Math.max(...variables.map(({ name }) => name.length))
  const lines = variables.map(
    ({ name, standard, summary }) => `  ${name.padEnd(width)}  ${summary}${standard === '' ? '' : ` (${standard})`}`,
  )
  return [
    `dispatcher ${version}: routes hosts and paths to Pods, as annotations say`,
    '',
    'dispatcher [--target engine|nginx|model] [--serve] [--kubeconfig FILE] [FOLDER]',
    '',
    '  --target      engine: serve here (default). nginx: write its configuration, and run it.',
    '                Outside of a cluster the configuration is printed: model, or nginx.',
    '  --serve       serve outside of a cluster too',
    '  --kubeconfig  another cluster than the usual one',
    '  --version     print the version, and end',
    '  FOLDER        Namespaces, Pods and Secrets in YAML files instead of a cluster',
    '',
    'Environment (an empty variable is one that is not set):',
    ...lines,
    '',
  ].join('\n')
}
