/** 10,000 routes on 1,000 hosts: CPU beside one route, what a change costs, what a route weighs. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import { ordinary } from '../materials.ts'
import { generate, generateAtRate, measure, median, rssMb } from '../measure.ts'
import { configuration, nodeOfPeer, startGantry } from '../peers/gantry.ts'
import { startNginx } from '../peers/nginx.ts'
import type { Place, Started } from '../peers/peer.ts'
import type { PlanFigures } from '../load/plan.ts'
import type { Bench, Cell, Section, Study } from '../study.ts'
import { gatewayConfig, nginxServers, targetsOf, wrkScript } from './many.ts'

const run = promisify(execFile)
const targets = targetsOf(1000)
const asked = ['nginx', 'gantry', 'gantry26']

export const routes: Study = {
  name: 'routes',
  summary: '10,000 routes on 1,000 hosts: CPU, compile and swap times, longest stall, memory',

  async run(bench) {
    const names = bench.peers.map(({ name }) => name).filter((name) => asked.includes(name))
    const lines: (readonly Cell[])[] = []
    const plans: (readonly [string, PlanFigures, Reload])[] = []
    for (const name of names) {
      const { one, many } = await cpuOf(bench, name)
      lines.push([
        name,
        one.cpu,
        many.cpu,
        many.cpu / one.cpu,
        one.rss,
        many.rss,
        ...(await figuresOf(bench, name, plans)),
      ])
    }
    return section(lines, plans)
  },
}

async function figuresOf(
  bench: Bench,
  name: string,
  plans: (readonly [string, PlanFigures, Reload])[],
): Promise<readonly Cell[]> {
  if (name === 'nginx') return ['–', '–', '–', '–', '–']
  const folder = bench.place(`plan-${name}`).folder
  prepareFolder(folder, gatewayConfig(targets))
  const file = fileURLToPath(new URL('../load/plan.ts', import.meta.url))
  const args = ['--expose-gc', '--import', 'tsx', file, join(dirname(bench.program), '..'), folder]
  const env = { ...process.env, BENCH_PORT: '0', BENCH_BACKEND_PORT: String(bench.backend) }
  const { stdout } = await run('taskset', ['-c', '0', nodeOfPeer(name), ...args], { env })
  const figures = JSON.parse(stdout) as PlanFigures
  const reload = await reloadOf(bench, name)
  plans.push([name, figures, reload])
  bench.say(`routes: ${name}: ${JSON.stringify({ figures, reload })}`)
  return [
    figures.compile,
    figures.again.apply,
    figures.applyStall,
    Math.round(figures.modelBytes + figures.engineBytes),
    reload.longestMs,
  ]
}

interface Weight {
  /** Microseconds a request, and megabytes. */
  readonly cpu: number
  readonly rss: number
}

/** The same mixed requests to one route for everything and to 10,000, in turn. */
async function cpuOf(bench: Bench, name: string): Promise<Readonly<Record<'one' | 'many', Weight>>> {
  const kinds = [undefined, targets]
  const started: Started[] = []
  try {
    for (const kind of kinds) started.push(await startWith(bench, name, kind))
    const script = join(bench.place(`script-${name}`).folder, 'many.lua')
    writeFileSync(script, wrkScript(targets, ordinary))
    const samples = kinds.map((): number[] => [])
    for (let round = 0; round < bench.rounds; round++) {
      for (const [at, one] of started.entries()) {
        const load = { url: `${one.origin('plain')}/`, script }
        await generate(load, round === 0 ? bench.warm : 1)
        const sample = await measure(one.pids, load, bench.seconds)
        if (sample.bad > 0)
          throw new Error(`${name} with ${at === 0 ? 'one route' : 'all routes'}: ${sample.bad} bad answers`)
        samples[at]?.push(sample.cpuUs)
        bench.say(`routes: round ${round + 1}, ${name}, ${at === 0 ? 'one' : '10,000'}: ${sample.cpuUs.toFixed(1)} µs`)
      }
    }
    const of = (at: 0 | 1): Weight => ({ cpu: median(samples[at] ?? []), rss: rssMb(started[at]?.pids ?? []) })
    return { one: of(0), many: of(1) }
  } finally {
    for (const one of started) await one.stop()
  }
}

function startWith(bench: Bench, name: string, kind: typeof targets | undefined): Promise<Started> {
  const place = bench.place(`${kind === undefined ? 'one' : 'many'}-${name}`)
  if (name === 'nginx') return startNginx(place, { servers: nginxServers(kind) })
  return startMany(bench, name, place, kind, 'off')
}

async function startMany(
  bench: Bench,
  name: string,
  place: Place,
  kind: typeof targets | undefined,
  watch: 'on' | 'off',
): Promise<Started> {
  prepareFolder(place.folder, gatewayConfig(kind))
  return startGantry(place, { program: bench.program, node: nodeOfPeer(name), prepared: true, watch })
}

interface Reload {
  /** Until the new route answers, milliseconds. */
  readonly tookMs: number
  /** Longest wait of a client that asked 1,000 times a second meanwhile. */
  readonly longestMs: number
  readonly bad: number
}

/** The whole way: a file is changed under load, one route of 10,000 becomes another one. */
async function reloadOf(bench: Bench, name: string): Promise<Reload> {
  const place = bench.place(`reload-${name}`)
  const started = await startMany(bench, name, place, targets, 'on')
  try {
    const origin = started.origin('plain') ?? ''
    const load = generateAtRate({
      port: Number(new URL(origin).port),
      targets: targets.filter((_, at) => at % 100 === 1),
      headers: ordinary,
      connections: 16,
      rate: 1000,
      warmSeconds: 1,
      seconds: 14,
      lastByte: '}',
    })
    await new Promise((resolve) => setTimeout(resolve, 3000))
    const begun = performance.now()
    writeFileSync(join(place.folder, 'gateway.config.yml'), gatewayConfig(targets).replace("'/service0'", "'/changed'"))
    let tookMs = Number.NaN
    while (performance.now() - begun < 12_000) {
      const status = await statusOf(`${origin}/changed`, targets[0]?.host ?? '')
      if (status === 200) {
        tookMs = performance.now() - begun
        break
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const result = await load
    return { tookMs, longestMs: result.maxMs, bad: Object.values(result.bad).reduce((sum, count) => sum + count, 0) }
  } finally {
    await started.stop()
  }
}

async function statusOf(url: string, host: string): Promise<number> {
  const { stdout } = await run('curl', ['-s', '-o', '/dev/null', '-w', '%{http_code}', '-H', `Host: ${host}`, url])
  return Number(stdout)
}

function prepareFolder(folder: string, text: string): void {
  configuration(folder)
  writeFileSync(join(folder, 'gateway.config.yml'), text)
}

function section(
  lines: readonly (readonly Cell[])[],
  plans: readonly (readonly [string, PlanFigures, Reload])[],
): Section {
  return {
    name: 'routes',
    title: '10,000 routes on 1,000 hosts',
    head: [
      'peer',
      'one route, µs/request',
      '10,000 routes',
      '×',
      'MB with one',
      'MB with 10,000',
      'compile, ms',
      'swap, ms',
      'longest stall, ms',
      'bytes a route',
      'longest wait at a reload, ms',
    ],
    lines,
    notes: [
      'The same requests to all hosts and paths in turn. `swap` is `apply` with one route changed, `longest stall` what the event loop stood still in nine such changes, from the first turn of compiling to 200 ms after the swap, less the time in which the system let others run.',
      '`longest wait at a reload`: of clients that ask 1,000 times a second while the one process reads the changed file, translates, compiles and swaps.',
      ...plans.map(
        ([name, { translate, prepare, compile, again, applyStallMedian }, reload]) =>
          `${name}: the longest stall of the change in the middle was ${applyStallMedian.toFixed(1)} ms. From nothing, translating took ${translate.toFixed(0)} ms, merging and checking ${prepare.toFixed(0)}, compiling ${compile.toFixed(0)}; with one route changed ${again.translate.toFixed(0)}, ${again.prepare.toFixed(0)} and ${again.compile.toFixed(0)}. A changed file was served after ${reload.tookMs.toFixed(0)} ms, with ${reload.bad} bad answers.`,
      ),
    ],
  }
}
