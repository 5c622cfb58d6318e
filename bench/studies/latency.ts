/** Latency at a constant rate, 20, 50 and 80 % of what one core can hold, with waiting counted. */
import { answerBody, ordinary } from '../materials.ts'
import { generateAtRate, measure, median, setRealtime } from '../measure.ts'
import type { RateResult } from '../load/open-loop.ts'
import type { Peer, Started } from '../peers/peer.ts'
import type { Cell, Study } from '../study.ts'

const shares = [0.2, 0.5, 0.8]
const wanted = ['nginx', 'envoy', 'gantry', 'gantry26']

export const latency: Study = {
  name: 'latency',
  summary: 'p50 and p99 at 20, 50 and 80 % of the rate one core can hold, open loop',

  async run(bench) {
    const running: { name: string; port: number; started: Started | undefined }[] = []
    running.push({ name: 'backend alone', port: bench.backend, started: undefined })
    try {
      for (const peer of bench.peers.filter(({ name }) => wanted.includes(name))) running.push(await begin(peer))
      const base = running.find(({ name }) => name.startsWith('gantry'))
      if (base?.started === undefined)
        throw new Error('the rates are shares of what Gantry holds: it must be among the peers')
      const load = { url: `http://127.0.0.1:${base.port}/plain`, headers: ordinary }
      await measure(base.started.pids, load, bench.warm)
      const capacity = 1e6 / (await measure(base.started.pids, load, bench.seconds)).cpuUs
      bench.say(`latency: one core of ${base.name} holds ${capacity.toFixed(0)} requests a second`)
      for (const { started } of running) {
        if (started !== undefined) await measure(started.pids, { ...load, url: `${started.origin('plain')}/plain` }, 2)
      }

      const results = new Map<string, RateResult[]>()
      // the generator shares a core with the backend, and polls: the backend comes first
      let realtime = setRealtime(bench.backendPids, 2)
      for (let round = 0; round < bench.rounds; round++) {
        for (const share of shares) {
          for (const { name, port, started } of running) {
            if (started !== undefined) realtime = setRealtime(started.pids, 1) && realtime
            const result = await generateAtRate(
              {
                port,
                targets: [{ host: `127.0.0.1:${port}`, path: '/plain' }],
                headers: ordinary,
                connections: 64,
                rate: Math.round(capacity * share),
                warmSeconds: 1,
                seconds: bench.seconds,
                lastByte: answerBody.slice(-1),
              },
              { realtime: true },
            )
            if (started !== undefined) setRealtime(started.pids, 0)
            const id = `${share}/${name}`
            results.set(id, [...(results.get(id) ?? []), result])
            bench.say(
              `latency: round ${round + 1}, ${share * 100} %, ${name}: p50 ${result.p50Ms.toFixed(2)}, p99 ${result.p99Ms.toFixed(2)} ms, ${result.requests} of ${result.due}, late ${result.lateMs.toFixed(2)}`,
            )
          }
        }
      }
      const lines = shares.map((share): readonly Cell[] => [
        `${share * 100} %`,
        Math.round(capacity * share),
        ...running.flatMap(({ name }) => {
          const all = results.get(`${share}/${name}`) ?? []
          const of = (field: 'p50Ms' | 'p99Ms'): number => median(all.map((result) => result[field]))
          const lost = all.some(({ requests, due }) => requests < due * 0.98)
          return [of('p50Ms'), lost ? `${of('p99Ms').toFixed(2)} (too much)` : of('p99Ms')]
        }),
      ])
      const odd = [...results].filter(([, all]) => all.some(({ bad }) => Object.keys(bad).length > 0)).map(([id]) => id)
      return {
        name: 'latency',
        title: 'Latency at a constant rate, milliseconds',
        head: ['share', 'requests/s', ...running.flatMap(({ name }) => [`${name} p50`, 'p99'])],
        lines,
        notes: [
          `The shares are of ${capacity.toFixed(0)} requests a second, which is what one core of ${base.name} holds; every peer gets the same rates, so nginx has more to spare.`,
          '64 connections. A latency counts from the moment when its request was due. "too much": not all were answered in time.',
          '`backend alone` is what the load generator and the backend add, without a proxy.',
          realtime
            ? 'Proxy, backend and generator ran with real-time priority: other work of the machine was put off, for all alike.'
            : 'No right to real-time priority: other work of the machine is in these figures.',
          ...(odd.length > 0 ? [`Other answers than 200 in: ${odd.join(', ')}.`] : []),
        ],
      }
    } finally {
      setRealtime(bench.backendPids, 0)
      for (const { started } of running.toReversed()) await started?.stop()
    }

    async function begin(peer: Peer): Promise<{ name: string; port: number; started: Started }> {
      const started = await peer.start(bench.place(`latency-${peer.name}`))
      return { name: peer.name, port: Number(new URL(started.origin('plain') ?? '').port), started }
    }
  },
}
