/** Latency at constant rates that nginx and Gantry hold, with waiting counted. */
import { answerBody, ordinary } from '../materials.ts'
import { generate, generateAtRate, median, setRealtime } from '../measure.ts'
import type { RateResult } from '../load/open-loop.ts'
import type { Started } from '../peers/peer.ts'
import { type LoadRow, loadRows } from '../rows.ts'
import type { Bench, Cell, Section, Study } from '../study.ts'

const shares = [0.2, 0.5, 0.8]
const wanted = ['nginx', 'gantry', 'gantry26', 'envoy']
/** Who says what is held; everybody gets the same rates. */
const judges = ['nginx', 'gantry']
const rows = loadRows.filter(({ name }) => name === 'plain' || name === 'key')
const alone = 'backend alone'
/** A rate is held where almost all are answered, and 99 of 100 within so many milliseconds. */
const bound = 10
/** From one rate that is tried to the next. */
const first = 2000
const step = 1.25
const tryWarm = 0.5
const trySeconds = 1.5

export const latency: Study = {
  name: 'latency',
  summary: 'p50 and p99 at 20, 50 and 80 % of the rate that nginx and Gantry hold, open loop',

  async run(bench) {
    const peers: Peer[] = [{ name: alone, started: undefined }]
    try {
      for (const peer of bench.peers.filter(({ name }) => wanted.includes(name)))
        peers.push({ name: peer.name, started: await peer.start(bench.place(`latency-${peer.name}`)) })
      for (const { started } of peers) {
        if (started === undefined) continue
        for (const row of rows)
          await generate({ url: url(bench, row, started), headers: headers(bench, row) }, bench.warm)
      }
      // the generator shares a core with the backend, and polls: the backend comes first
      const realtime = setRealtime(bench.backendPids, 2)
      const held = new Map<string, number>()
      for (const peer of peers.filter(({ name }) => name === alone || judges.includes(name)))
        held.set(peer.name, await holds(bench, peer))
      const base = Math.min(...held.values())
      const results = new Map<string, RateResult[]>()
      for (let round = 0; round < bench.rounds; round++) {
        for (const row of rows) {
          for (const share of shares) {
            for (const peer of peers.filter(({ name }) => name !== alone || row.name === 'plain')) {
              const result = await ask(bench, row, peer, base * share, 1, bench.seconds)
              const id = `${row.name}, ${share * 100} %, ${peer.name}`
              results.set(id, [...(results.get(id) ?? []), result])
              bench.say(`latency: round ${round + 1}, ${id}: ${described(result)}`)
            }
          }
        }
      }
      const names = peers.map(({ name }) => name)
      return section(names, base, results, notes(names, held, results, realtime))
    } finally {
      setRealtime(bench.backendPids, 0)
      for (const { started } of peers.toReversed()) await started?.stop()
    }
  },
}

interface Peer {
  readonly name: string
  /** Undefined: the backend itself. */
  readonly started: Started | undefined
}

/** The highest of a ramp of rates that it holds, requests a second. One that fails is tried twice: the machine may have. */
async function holds(bench: Bench, peer: Peer): Promise<number> {
  const row = rows[0]!
  let held = 0
  for (let rate = first; ; rate *= step) {
    let good = false
    for (let turn = 0; turn < 2 && !good; turn++) {
      const result = await ask(bench, row, peer, rate, tryWarm, trySeconds)
      good = kept(result) && result.p99Ms <= bound
      bench.say(`latency: ${peer.name}, ${rate.toFixed(0)}/s ${good ? 'held' : 'not held'}: ${described(result)}`)
    }
    if (!good) break
    held = rate
  }
  if (held === 0) throw new Error(`${peer.name} does not hold ${first} requests a second: this machine is too busy`)
  return held
}

async function ask(
  bench: Bench,
  row: LoadRow,
  { started }: Peer,
  rate: number,
  warmSeconds: number,
  seconds: number,
): Promise<RateResult> {
  const { host, port, pathname } = new URL(url(bench, row, started))
  if (started !== undefined) setRealtime(started.pids, 1)
  try {
    return await generateAtRate(
      {
        port: Number(port),
        targets: [{ host, path: pathname }],
        headers: headers(bench, row),
        connections: 64,
        rate: Math.round(rate),
        warmSeconds,
        seconds,
        lastByte: answerBody.slice(-1),
      },
      { realtime: true },
    )
  } finally {
    if (started !== undefined) setRealtime(started.pids, 0)
  }
}

function url(bench: Bench, row: LoadRow, started: Started | undefined): string {
  return `${started?.origin(row.name) ?? `http://127.0.0.1:${bench.backend}`}${row.path}`
}

function headers({ materials }: Bench, row: LoadRow): Readonly<Record<string, string>> {
  return { ...ordinary, ...row.headers?.(materials) }
}

/** Were almost all answered in time? */
function kept({ requests, due }: RateResult): boolean {
  return requests >= due * 0.98
}

function described({ p50Ms, p99Ms, requests, due, lateMs, bad }: RateResult): string {
  const odd = Object.entries(bad).map(([what, count]) => `, ${count} × ${what}`)
  return `p50 ${p50Ms.toFixed(2)}, p99 ${p99Ms.toFixed(2)} ms, ${requests} of ${due}, late ${lateMs.toFixed(2)}${odd.join('')}`
}

function section(
  names: readonly string[],
  base: number,
  results: ReadonlyMap<string, readonly RateResult[]>,
  told: readonly string[],
): Section {
  const lines = rows.flatMap((row) =>
    shares.map((share): readonly Cell[] => {
      const of = (name: string): readonly RateResult[] => results.get(`${row.name}, ${share * 100} %, ${name}`) ?? []
      const cells = names.flatMap((name): readonly Cell[] => {
        const all = of(name)
        if (all.length === 0) return ['–', '–']
        const [p50, p99] = [median(all.map(({ p50Ms }) => p50Ms)), median(all.map(({ p99Ms }) => p99Ms))]
        return all.filter(kept).length * 2 > all.length ? [p50, p99] : ['not held', 'not held']
      })
      const late = median(names.flatMap(of).map(({ lateMs }) => lateMs))
      return [row.name, `${share * 100} %`, Math.round(base * share), ...cells, late]
    }),
  )
  return {
    name: 'latency',
    title: 'Latency at a constant rate, milliseconds',
    head: ['row', 'share', 'requests/s', ...names.flatMap((name) => [`${name} p50`, 'p99']), 'generator late, p99'],
    lines,
    notes: told,
  }
}

function notes(
  names: readonly string[],
  held: ReadonlyMap<string, number>,
  results: ReadonlyMap<string, readonly RateResult[]>,
  realtime: boolean,
): readonly string[] {
  const rates = [...held].map(([name, rate]) => `${name} ${rate.toFixed(0)}`)
  const odd = [...results].flatMap(([id, all]) =>
    all.flatMap(({ bad }) => Object.entries(bad).map(([what, count]) => `${id}: ${count} × ${what}`)),
  )
  return [
    `Held right before, in the same way (rates in steps of ${step}, 99 of 100 within ${bound} ms): ${rates.join(', ')} requests a second. The shares are of the lowest.`,
    '64 connections. A latency counts from the moment when its request was due. "not held": in most rounds, not all were answered in time.',
    `\`${names[0]}\` is what the load generator and the backend add, without a proxy; they share a core. "generator late": how long a request was due before it was sent, although a connection was free.`,
    realtime
      ? 'Proxy, backend and generator ran with real-time priority: other work of the machine was put off, for all alike.'
      : 'No right to real-time priority: other work of the machine is in these figures.',
    ...(odd.length > 0 ? [`Other ends than an answer of 200: ${odd.join('; ')}.`] : []),
  ]
}
