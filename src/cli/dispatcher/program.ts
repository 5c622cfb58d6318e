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
import { startLoop } from '../../runtime/loop.ts'
import { createMetrics, type MetricsRegistry } from '../../runtime/metrics.ts'
import type { Place, Source } from '../../sources/source.ts'
import type { Target } from '../../targets/target.ts'
import { writeError } from '../print.ts'
import { batched } from './batch.ts'

export interface DispatcherParts {
  readonly version: string
  readonly variables: readonly { readonly name: string; readonly standard: string; readonly summary: string }[]
  readonly source: Source<unknown, unknown>
  /** What is wrong with the environment; none: nothing. */
  check(environment: Environment): readonly Diagnostic[]
  isInCluster(): boolean
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
  const complaints = parts.check(environment)
  const refusal = complaints.find(({ severity }) => severity === 'error')
  if (refusal !== undefined) {
    const all = complaints.filter(({ severity }) => severity === 'error')
    for (const { message, hint } of all)
      writeError(`invalid configuration: ${message}.${hint === undefined ? '' : `\nhint: ${hint}`}\n`)
    return 1
  }
  const place: Place =
    asked.folder === undefined
      ? { kind: 'cluster', environment, ...(asked.kubeconfig === undefined ? {} : { kubeconfig: asked.kubeconfig }) }
      : { kind: 'folder', path: asked.folder, environment }
  if (asked.serve || (parts.isInCluster() && asked.folder === undefined)) {
    if (asked.target !== 'model') return serve(asked.target, place, parts, environment)
    writeError('dispatcher: --target model prints, and does not serve\nhint: --target engine or --target nginx\n')
    return 2
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
    for await (const world of parts.source.read(place, abort.signal)) {
      const translation = parts.source.translate(world)
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
    writeError(`warning: no cluster has answered within ${PATIENCE / 1000} s: nothing to print\n`)
    return 0
  } catch (error) {
    writeError(
      `dispatcher: there is no cluster to read: ${error instanceof Error ? error.message : String(error)}\nhint: --kubeconfig FILE, or a folder with YAML files\n`,
    )
    return 1
  } finally {
    clearTimeout(timer)
    abort.abort()
  }
}

async function serve(
  kind: TargetKind,
  place: Place,
  parts: DispatcherParts,
  environment: Environment,
): Promise<number> {
  const events = createEvents({
    level: environment['GANTRY_LOG_LEVEL'] ?? 'info',
    format: process.stderr.isTTY ? 'text' : 'json',
  })
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
  metrics.gauge('gantry_configuration_stale', '1 while what is served may be older than what is meant', () =>
    loop.state().stale ? 1 : 0,
  )
  const admin = await openDoor(environment, events, [
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
  environment: Environment,
  events: EventLog,
  handlers: Parameters<typeof openAdmin>[0]['handlers'],
): Promise<AdminServer | undefined> {
  const given = environment['GANTRY_ADMIN_PORT'] ?? ''
  if (given === 'off') return undefined
  const port = given === '' ? 9876 : Number(given)
  try {
    const token = environment['GANTRY_ADMIN_TOKEN']
    const address =
      token === undefined || token === '' ? '127.0.0.1' : (environment['GANTRY_ADMIN_ADDRESS'] ?? '127.0.0.1')
    return await openAdmin({ address, port, handlers, ...(token === undefined || token === '' ? {} : { token }) })
  } catch (error) {
    events.emit(
      'warn',
      'dispatcher/admin-port',
      `the admin API cannot listen on port ${given || '9876'}: ${error instanceof Error ? error.message : String(error)}`,
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
        serve: { type: 'boolean', default: false },
        target: { type: 'string', default: 'engine' },
        kubeconfig: { type: 'string' },
      },
    })
    const { target, help: wanted, serve: staying, kubeconfig } = values
    if (target !== 'engine' && target !== 'nginx' && target !== 'model')
      return `there is no target ${target}: engine, nginx or model`
    if (positionals.length > 1) return 'one folder at a time'
    return { help: wanted, serve: staying, target, kubeconfig, folder: positionals[0] }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function help({ variables, version }: DispatcherParts): string {
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
    '  FOLDER        Namespaces, Pods and Secrets in YAML files instead of a cluster',
    '',
    'Environment (an empty variable is one that is not set):',
    ...lines,
    '',
  ].join('\n')
}
