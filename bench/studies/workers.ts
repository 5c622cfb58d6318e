/** Two workers beside one: what a request costs the gateway, how much more is served, and what exact limits across them cost. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ordinary } from '../materials.ts'
import { cpuSeconds, generate, measure, median, quantile } from '../measure.ts'
import { startBackend } from '../peers/backend.ts'
import { configuration, nodeOfPeer, startGantry } from '../peers/gantry.ts'
import { startNginx } from '../peers/nginx.ts'
import { freePort, type Place, type Started } from '../peers/peer.ts'
import type { Cores } from '../peers/process.ts'
import type { Bench, Cell, Study } from '../study.ts'

const asked = ['nginx', 'gantry', 'gantry26']
const allowed = 5000
/** One second each, in turn: on a machine with neighbours two that lie further apart are not comparable. */
const PIECE = 1

export const workers: Study = {
  name: 'workers',
  summary: 'two workers beside one: CPU per request, throughput; limits across workers, exactness and cost',

  async run(bench) {
    const names = bench.peers.map(({ name }) => name).filter((name) => asked.includes(name))
    const lines: (readonly Cell[])[] = []
    const notes: string[] = []
    for (const name of names) {
      const { plain, limit, note } = await costs(bench, name)
      const rps = await throughput(bench, name)
      lines.push([name, ...plain, ...rps, ...limit, name === 'nginx' ? '–' : await passed(bench, name)])
      notes.push(`${name}: ${note}.`)
    }
    return {
      name: 'workers',
      title: 'Two workers beside one',
      head: [
        'peer',
        'one, µs/request',
        'two, µs/request',
        'two cores hold ×',
        'one, requests/s',
        'two, requests/s',
        'whole machine ×',
        'limit, one process, µs',
        'limit, two workers, µs',
        'of it in the primary',
        `let through of ${allowed}`,
      ],
      lines,
      notes: [
        'µs: CPU of all processes of the gateway for a request. The gateway with one worker, the one with two and their primary, and both again with a limit share core 0 at the same time, each with 64 connections from core 1; medians. What two cores hold follows: 2 × one / two.',
        'The whole machine: there are two cores and four programs, so load, backend and gateway share one core with one worker, and two cores with two, where load and backend have twice the threads, processes and connections. This factor is of everything, not of the gateway.',
        'The limits: the same route with one counter, less without, in the same seconds; medians.',
        ...notes,
      ],
    }
  },
}

type Arrangement = 1 | 2
const arrangements: readonly Arrangement[] = [1, 2]

interface Samples {
  readonly all: number[]
  readonly primary: number[]
}

/** Of gateways that share one core at the same time, each with its own load: what the machine does meanwhile meets all of them. */
async function costs(
  bench: Bench,
  name: string,
): Promise<{ readonly plain: readonly Cell[]; readonly limit: readonly Cell[]; readonly note: string }> {
  const rows = name === 'nginx' ? (['plain'] as const) : (['plain', 'rate'] as const)
  const wanted = rows.flatMap((row) => arrangements.map((count) => ({ row, count, key: `${row} ${count}` as const })))
  const started = new Map<string, Started>()
  const of: Record<`${'plain' | 'rate'} ${Arrangement}`, Samples> = {
    'plain 1': { all: [], primary: [] },
    'plain 2': { all: [], primary: [] },
    'rate 1': { all: [], primary: [] },
    'rate 2': { all: [], primary: [] },
  }
  try {
    for (const { key, count } of wanted)
      started.set(key, await startOn(bench, name, bench.place(`costs-${name}-${key.replace(' ', '-')}`), count, '0'))
    for (let round = 0; round <= bench.rounds; round++) {
      const together = wanted.map(async ({ row, key }) => {
        const { pids, origin } = started.get(key)!
        const [first = 0] = pids
        const before = cpuSeconds([first])
        const load = { url: `${origin(row)}/${row}`, headers: ordinary }
        const sample = await measure(pids, load, round === 0 ? bench.warm : bench.seconds)
        if (sample.bad > 0) throw new Error(`${name}, ${key}: ${sample.bad} bad answers`)
        if (round === 0) return
        of[key].all.push(sample.cpuUs)
        of[key].primary.push(((cpuSeconds([first]) - before) / sample.requests) * 1e6)
      })
      await Promise.all(together)
      bench.say(`workers: round ${round}, ${name}: ${JSON.stringify(of)}`)
    }
  } finally {
    for (const one of started.values()) await one.stop()
  }
  const factors = of['plain 1'].all.map((one, at) => (2 * one) / of['plain 2'].all[at]!)
  const counter = (count: Arrangement, whose: keyof Samples): number =>
    median(of[`rate ${count}`][whose].map((us, at) => us - of[`plain ${count}`][whose][at]!))
  return {
    plain: [median(of['plain 1'].all), median(of['plain 2'].all), median(factors)],
    limit: name === 'nginx' ? ['–', '–', '–'] : [counter(1, 'all'), counter(2, 'all'), counter(2, 'primary')],
    note: `two cores hold ${quartiles(factors)} times what one does (quartiles of ${factors.length} rounds)`,
  }
}

function quartiles(values: readonly number[]): string {
  return `${quantile(values, 0.25).toFixed(2)} to ${quantile(values, 0.75).toFixed(2)}`
}

/** Requests a second of the whole machine: of one core with one worker, of two with two. */
async function throughput(bench: Bench, name: string): Promise<readonly number[]> {
  const running: { stop(): Promise<void> }[] = []
  const rps: Record<Arrangement, number[]> = { 1: [], 2: [] }
  try {
    const loads = new Map<Arrangement, (seconds: number) => Promise<void>>()
    for (const count of arrangements) {
      const cores: Cores = count === 1 ? '0' : '0,1'
      const port = await freePort()
      running.push(
        await startBackend(bench.place(`backend-${name}-${count}`).folder, port, { cores, processes: count }),
      )
      const started = await startOn(
        bench,
        name,
        { ...bench.place(`rps-${name}-${count}`), backend: port },
        count,
        cores,
      )
      running.push(started)
      const url = `${started.origin('plain')}/plain`
      const load = { url, headers: ordinary, connections: 64 * count, threads: count, cores }
      loads.set(count, async (seconds) => {
        const sample = await measure(started.pids, load, seconds)
        if (sample.bad > 0) throw new Error(`${name} with ${count}: ${sample.bad} bad answers`)
        rps[count].push(sample.rps)
      })
    }
    for (const load of loads.values()) await load(bench.warm)
    rps[1] = []
    rps[2] = []
    for (let piece = 0; piece < bench.rounds * bench.seconds; piece++)
      for (const load of loads.values()) await load(PIECE)
  } finally {
    for (const one of running.toReversed()) await one.stop()
  }
  return [median(rps[1]), median(rps[2]), median(rps[1].map((one, at) => rps[2][at]! / one))]
}

function startOn(bench: Bench, name: string, place: Place, count: number, cores: Cores): Promise<Started> {
  if (name === 'nginx') return startNginx(place, { processes: count, cores })
  return startGantry(place, { program: bench.program, node: nodeOfPeer(name), workers: count, cores })
}

/** Far more is asked of two workers than the limit allows: how many are let through. */
async function passed(bench: Bench, name: string): Promise<number> {
  const place = bench.place(`exact-${name}`)
  configuration(place.folder)
  const config = `http: { port: \${BENCH_PORT}, hostname: 127.0.0.1 }
apiEndpoints: { all: { host: '*', paths: ['/*'] } }
serviceEndpoints: { backend: { url: 'http://127.0.0.1:\${BENCH_BACKEND_PORT}' } }
policies: [proxy, rate-limit]
pipelines:
  all:
    apiEndpoints: [all]
    policies:
      - rate-limit: { action: { max: ${allowed}, windowMs: 3600000, delayMs: 0, delayAfter: 0, rateLimitBy: 'all' } }
      - proxy: { action: { serviceEndpoint: backend } }
`
  writeFileSync(join(place.folder, 'gateway.config.yml'), config)
  const options = { program: bench.program, node: nodeOfPeer(name), workers: 2, prepared: true, cores: '0,1' } as const
  const started = await startGantry(place, options)
  try {
    const { requests, refused } = await generate({ url: `${started.origin('plain')}/`, headers: ordinary }, 3)
    if (refused === 0) throw new Error(`only ${requests} were asked: that says nothing about a limit of ${allowed}`)
    return requests - refused
  } finally {
    await started.stop()
  }
}
