/** 10,000 connections that are kept open and silent: what each costs in memory. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { median, rssMb } from '../measure.ts'
import type { Peer } from '../peers/peer.ts'
import type { Bench, Cell, Study } from '../study.ts'

const many = 10_000
/** Express Gateway shows what the same language cost before; HAProxy wants two descriptors for each, which is more than a process may have here. */
const asked = ['nginx', 'gantry', 'gantry26', 'envoy', 'express-gateway']
/** To open them all. */
const openWithinMs = 120_000

export const idle: Study = {
  name: 'idle',
  summary: '10,000 idle connections: memory of each',

  async run(bench) {
    const lines: (readonly Cell[])[] = []
    for (const peer of bench.peers.filter(({ name }) => asked.includes(name))) lines.push(await hold(bench, peer))
    return {
      name: 'idle',
      title: '10,000 idle connections',
      head: ['peer', 'MB before', 'MB with them', 'KB each', 'MB after they left'],
      lines,
      notes: [
        'Resident memory of the processes. Each connection has had one request answered. Median of three such crowds.',
      ],
    }
  },
}

async function hold(bench: Bench, peer: Peer): Promise<readonly Cell[]> {
  const started = await peer.start(bench.place(`idle-${peer.name}`))
  try {
    const port = new URL(started.origin('plain') ?? '').port
    const samples: { before: number; held: number; after: number }[] = []
    for (let round = 0; round < 3; round++) {
      const before = rssMb(started.pids)
      const crowd = await open(port)
      await sleep(1500)
      const held = rssMb(started.pids)
      crowd.leave()
      await sleep(1500)
      const sample = { before, held, after: rssMb(started.pids) }
      bench.say(`idle: ${peer.name}: ${JSON.stringify(sample)}`)
      samples.push(sample)
    }
    const first = samples[0]
    const held = median(samples.map((sample) => sample.held))
    // a process keeps what it has had: the first crowd says what having one costs
    const before = first?.before ?? Number.NaN
    return [peer.name, before, held, ((held - before) * 1024) / many, median(samples.map(({ after }) => after))]
  } finally {
    await started.stop()
  }
}

async function open(port: string): Promise<{ leave(): void }> {
  const file = fileURLToPath(new URL('../load/idle.ts', import.meta.url))
  const args = ['-c', '1', process.execPath, '--import', 'tsx', file, port, '/plain', String(many)]
  const child = spawn('taskset', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const timer = setTimeout(() => child.kill('SIGKILL'), openWithinMs)
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve())
    child.once('exit', (code) => reject(new Error(`the ${many} connections could not be held (${code ?? 'in time'})`)))
  })
  clearTimeout(timer)
  return { leave: () => void child.kill('SIGKILL') }
}
