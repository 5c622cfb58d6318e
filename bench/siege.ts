/** `npm run bench:siege`: thousands of idle and slow clients at once → memory, what others wait, and who is sent away. Exit code 1: others got no answer, or a kind was not sent away, or not counted. */
import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import type { Crowd, CrowdResult, Ended, Group } from './load/crowd.ts'
import type { RateResult } from './load/open-loop.ts'
import { answerBody, ordinary, prepareMaterials } from './materials.ts'
import { generate, generateAtRate, rssMb } from './measure.ts'
import { startBackend } from './peers/backend.ts'
import { startGantry } from './peers/gantry.ts'
import { freePort } from './peers/peer.ts'
import { createProbe, mb } from './probe.ts'
import { nodeOption, onStage, programOption, say, type Stage } from './stage.ts'

const options = new Command('bench:siege')
  .description(
    'Idle connections over TLS and slow clients (heads, bodies, readers) at once, for a while, beside ordinary requests: memory, latency, and what the limits count.',
  )
  .option('--idle <N>', 'connections over TLS that ask for nothing more', '5000')
  .option('--slow <N>', 'slow clients, a quarter of each kind', '2000')
  .option('--rate <N>', 'ordinary requests a second', '500')
  .option(
    '--seconds <N>',
    'how long the crowd stands; bodies and drips are given up after 60, readers 60 after the last byte that went to them',
    '110',
  )
  .addOption(nodeOption)
  .addOption(programOption)
  .addHelpText('after', '\nExample:\n  npm run bench:siege -- --idle 1000 --slow 400')
  .parse()
  .opts<{ idle: string; slow: string; rate: string; seconds: string; node: string; program: string }>()

const groups: readonly Group[] = ['idle', 'heads', 'bodies', 'drips', 'reads']
/** How each kind of slow client must be sent away, and how it is counted; beside those the clock has not come for. */
const limits = [
  { group: 'heads', reason: 'head-timeout', afterMs: 10_000 },
  { group: 'bodies', reason: 'body-timeout', afterMs: 60_000 },
  { group: 'drips', reason: 'body-rate', afterMs: 60_000 },
  // later: the system takes something for them for some seconds
  { group: 'reads', reason: 'unread', afterMs: 85_000 },
] as const

/** Seconds: of handshakes and of answers that fill the system's buffers; until which only slow heads are sent away. */
const arrival = 20
const quiet = 50

await onStage('siege', options.program, main)

async function main({ folder, running }: Stage): Promise<void> {
  const backend = await freePort()
  running.push(await startBackend(join(folder, 'backend'), backend))
  const place = join(folder, 'gantry')
  const probe = createProbe(folder)
  mkdirSync(place, { recursive: true })
  const gantry = await startGantry(
    { folder: place, backend, echo: 0, materials: prepareMaterials(join(folder, 'materials')) },
    { program: options.program, node: options.node, ...probe.options },
  )
  running.push(gantry)
  const { http, https, admin } = gantry.ports
  await generate({ url: `${gantry.origin('plain')}/plain`, headers: ordinary }, 3)

  const [pid = 0] = gantry.pids
  const measured: Measured[] = []
  const watched = async (what: string, seconds: number): Promise<RateResult> => {
    let peak = 0
    const watch = setInterval(() => (peak = Math.max(peak, rssMb(gantry.pids))), 500)
    const result = await others(http, seconds)
    clearInterval(watch)
    measured.push({ what, result, peak })
    say(`${what}: ${described(result)}, ${peak.toFixed(0)} MB`)
    return result
  }
  await watched('before', 10)
  const before = await metricsOf(admin)
  const slow = Math.floor(Number(options.slow) / 4)
  const many = { idle: Number(options.idle), heads: slow, bodies: slow, drips: slow, reads: slow }
  const arriving = watched('the crowd arrives', arrival)
  const crowd = await gather({ http, https, many })
  running.push({ pids: [], printed: () => '', stop: crowd.stop })
  const standing = await metricsOf(admin)
  const under = [
    await arriving,
    await watched('the crowd stands', quiet - arrival),
    await watched('limits send it away', Number(options.seconds) - quiet),
  ]
  const during = await metricsOf(admin)
  const { ended, held } = await crowd.leave()
  await sleep(5000)
  const after = await metricsOf(admin)
  const rest = await probe.ask(pid)

  const counted = (name: string): number => (during.get(name) ?? 0) - (before.get(name) ?? 0)
  const connections = [before, standing, during, after].map((metrics) => metrics.get('gantry_connections') ?? 0)
  const left = connections.at(-1) ?? 0
  process.stdout.write(
    `| ordinary requests, ${options.rate}/s | p50 ms | p99 ms | longest ms | others than 200 | resident MB |\n|---|---:|---:|---:|---:|---:|\n` +
      `${measured.map(requestLine).join('')}| 5 s after, collected |  |  |  |  | ${mb(rest.rss)} (heap ${mb(rest.heapUsed)}) |\n\n` +
      `| clients | at once | sent away: how often, after how long | held at the end |\n|---|---:|---|---:|\n` +
      groups.map((group) => `| ${group} | ${many[group]} | ${endings(ended[group])} | ${held[group]} |\n`).join('') +
      `\n${[...during.keys()]
        .filter((name) => /refused|gone/.test(name) && counted(name) > 0)
        .map((name) => `${name} ${counted(name)}\n`)
        .join('')}gantry_connections before, when the crowd stands, at its end, 5 s after: ${connections.join(', ')}\n`,
  )
  const faults = [
    ...under
      .filter(({ requests, due }) => requests < due * 0.99)
      .map(({ requests, due }) => `${due - requests} ordinary requests had no answer`),
    ...limits
      .filter(({ afterMs }) => Number(options.seconds) * 1000 > afterMs * 1.2)
      .flatMap(({ group, reason }) => {
        const name = `gantry_refused_requests_total{reason="${reason}"}`
        const away = Object.values(ended[group]).reduce((sum, { count }) => sum + count, 0)
        return [
          ...(away < many[group] ? [`${group}: ${away} of ${many[group]} were sent away`] : []),
          ...(counted(name) < many[group] ? [`${group}: ${counted(name)} of ${many[group]} in ${name}`] : []),
        ]
      }),
    ...(left > 10 ? [`${left} connections are still counted`] : []),
  ]
  for (const fault of faults) say(`WRONG: ${fault}`)
  if (faults.length > 0) process.exitCode = 1
}

interface Measured {
  readonly what: string
  readonly result: RateResult
  /** Most of resident memory, megabytes. */
  readonly peak: number
}

/** Ordinary clients. */
function others(port: number, seconds: number): Promise<RateResult> {
  return generateAtRate({
    port,
    targets: [{ host: 'bench', path: '/plain' }],
    headers: ordinary,
    connections: 64,
    rate: Number(options.rate),
    warmSeconds: 1,
    seconds,
    lastByte: answerBody.slice(-1),
  })
}

async function gather(crowd: Crowd): Promise<{ leave(): Promise<CrowdResult>; stop(): Promise<void> }> {
  const file = fileURLToPath(new URL('load/crowd.ts', import.meta.url))
  const args = ['-c', '1', process.execPath, '--import', 'tsx', file, JSON.stringify(crowd)]
  const child = spawn('taskset', args, { stdio: ['pipe', 'pipe', 'inherit'] })
  let printed = ''
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      printed += chunk.toString()
      if (printed.includes('\n')) resolve()
    })
    child.once('exit', (code) => reject(new Error(`the crowd could not gather (${code})`)))
  })
  return {
    stop: async () => void child.kill('SIGKILL'),
    leave: async () => {
      child.stdin.end()
      await exited
      return JSON.parse(printed.slice(printed.indexOf('\n') + 1)) as CrowdResult
    },
  }
}

/** Series by name with labels. */
async function metricsOf(admin: number): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${admin}/metrics`, { headers: { accept: 'text/plain' } })).text()
  return new Map(
    text.split('\n').flatMap((line) => {
      const parts = /^(\w+(?:\{.*\})?) (\S+)$/.exec(line)
      return parts === null ? [] : [[parts[1] ?? '', Number(parts[2])] as const]
    }),
  )
}

function requestLine({ what, result: { p50Ms, p99Ms, maxMs, bad }, peak }: Measured): string {
  const odd = Object.entries(bad).map(([why, count]) => `${count} × ${why}`)
  const figures = [p50Ms, p99Ms, maxMs].map((ms) => ms.toFixed(2))
  return `| ${what} | ${figures.join(' | ')} | ${odd.length === 0 ? '0' : odd.join(', ')} | ${peak.toFixed(0)} |\n`
}

function endings(ended: Readonly<Record<string, Ended>>): string {
  const parts = Object.entries(ended).map(
    ([what, { count, shortestMs, longestMs }]) =>
      `${count} × ${what}${longestMs === 0 ? '' : `, ${(shortestMs / 1000).toFixed(1)}–${(longestMs / 1000).toFixed(1)} s`}`,
  )
  return parts.length === 0 ? 'none' : parts.join('; ')
}

function described({ p50Ms, p99Ms, requests, due }: RateResult): string {
  return `p50 ${p50Ms.toFixed(2)}, p99 ${p99Ms.toFixed(2)} ms, ${requests} of ${due}`
}
