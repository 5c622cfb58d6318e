/** Two workers on two cores beside one on one: how much more is served, and what exact limits across them cost. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ordinary } from '../materials.ts'
import { cpuSeconds, generate, measure, median } from '../measure.ts'
import { startBackend } from '../peers/backend.ts'
import { configuration, nodeOfPeer, startGantry } from '../peers/gantry.ts'
import { startNginx } from '../peers/nginx.ts'
import { freePort, type Place, type Started } from '../peers/peer.ts'
import type { Cores } from '../peers/process.ts'
import type { Bench, Cell, Study } from '../study.ts'

const asked = ['nginx', 'gantry', 'gantry26']
const allowed = 5000

export const workers: Study = {
  name: 'workers',
  summary: 'two workers on two cores beside one on one; limits across workers, exactness and cost',

  async run(bench) {
    const names = bench.peers.map(({ name }) => name).filter((name) => asked.includes(name))
    const lines: (readonly Cell[])[] = []
    const notes: string[] = []
    for (const name of names) {
      const rps = { one: [] as number[], two: [] as number[] }
      for (let round = 0; round < bench.rounds; round++) {
        rps.one.push(await throughput(bench, name, 1))
        rps.two.push(await throughput(bench, name, 2))
        bench.say(
          `workers: round ${round + 1}, ${name}: ${rps.one.at(-1)?.toFixed(0)} and ${rps.two.at(-1)?.toFixed(0)} requests/s`,
        )
      }
      const [one, two] = [median(rps.one), median(rps.two)]
      const limits = name === 'nginx' ? ['–', '–', '–', '–'] : await limitsOf(bench, name, notes)
      lines.push([name, one, two, two / one, ...limits])
    }
    return {
      name: 'workers',
      title: 'Two workers on two cores',
      head: [
        'peer',
        'one, requests/s',
        'two, requests/s',
        '×',
        'limit, one process, µs',
        'limit, two workers, µs',
        'of it in the primary',
        `let through of ${allowed}`,
      ],
      lines,
      notes: [
        'There are two cores and four programs: so everything (load, backend, gateway) shares one core with one worker, and two cores with two, where load and backend have twice the threads, processes and connections. The factor is that of the whole.',
        'The limits: CPU per request of a route with one counter, less that of the same route without, on core 0 with 64 connections; of all processes of the gateway.',
        ...notes,
      ],
    }
  },
}

/** Requests a second of the whole machine of one or two cores. */
async function throughput(bench: Bench, name: string, count: 1 | 2): Promise<number> {
  const cores: Cores = count === 1 ? '0' : '0,1'
  const port = await freePort()
  const backend = await startBackend(bench.place(`backend-${name}-${count}`).folder, port, { cores, processes: count })
  const place = { ...bench.place(`workers-${name}-${count}`), backend: port }
  let started: Started | undefined
  try {
    started = await startOn(bench, name, place, count, cores)
    const load = {
      url: `${started.origin('plain')}/plain`,
      headers: ordinary,
      connections: 64 * count,
      threads: count,
      cores,
    }
    await generate(load, bench.warm)
    const sample = await measure(started.pids, load, bench.seconds)
    if (sample.bad > 0) throw new Error(`${name} with ${count}: ${sample.bad} bad answers`)
    return sample.rps
  } finally {
    await started?.stop()
    await backend.stop()
  }
}

function startOn(bench: Bench, name: string, place: Place, count: number, cores: Cores): Promise<Started> {
  if (name === 'nginx') return startNginx(place, { processes: count, cores })
  return startGantry(place, { program: bench.program, node: nodeOfPeer(name), workers: count, cores })
}

/** What counting costs, without and with a primary that counts; and whether exactly as many pass as may. */
async function limitsOf(bench: Bench, name: string, notes: string[]): Promise<readonly Cell[]> {
  const costs: number[] = []
  let primary = Number.NaN
  for (const count of [1, 2]) {
    const place = bench.place(`limits-${name}-${count}`)
    const started = await startGantry(place, {
      program: bench.program,
      node: nodeOfPeer(name),
      workers: count,
      cores: '0',
    })
    try {
      const samples: Record<'plain' | 'rate', number[]> = { plain: [], rate: [] }
      const ofPrimary: number[] = []
      for (let round = 0; round < bench.rounds; round++) {
        for (const row of ['plain', 'rate'] as const) {
          const load = { url: `${started.origin(row)}/${row}`, headers: ordinary }
          await generate(load, round === 0 ? bench.warm : 1)
          const [first = 0] = started.pids
          const before = cpuSeconds([first])
          const sample = await measure(started.pids, load, bench.seconds)
          if (sample.bad > 0) throw new Error(`${name} ${row} with ${count}: ${sample.bad} bad answers`)
          samples[row].push(sample.cpuUs)
          if (row === 'rate') ofPrimary.push(((cpuSeconds([first]) - before) / sample.requests) * 1e6)
        }
      }
      const [plain, rate] = [median(samples.plain), median(samples.rate)]
      costs.push(rate - plain)
      if (count === 2) primary = median(ofPrimary)
      notes.push(
        `${name}, ${count === 1 ? 'one process' : 'two workers and a primary'}: ${plain.toFixed(1)} µs without, ${rate.toFixed(1)} with the counter.`,
      )
    } finally {
      await started.stop()
    }
  }
  return [costs[0] ?? Number.NaN, costs[1] ?? Number.NaN, primary, await passed(bench, name)]
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
