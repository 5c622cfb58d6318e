/** `npm run bench:leak`: a million requests with faults → what the gateway holds before and after. Exit code 1: something is left, or an answer was wrong. */
import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { prepareMaterials } from './materials.ts'
import type { FaultLoad, FaultResult } from './load/faults.ts'
import { startEcho } from './peers/backend.ts'
import { startGantry } from './peers/gantry.ts'
import { freePort } from './peers/peer.ts'
import { createProbe, type Held, mb, type Probe, socketKinds } from './probe.ts'
import { startProcess } from './peers/process.ts'
import { nodeOption, onStage, programOption, say, type Stage } from './stage.ts'

const run = promisify(execFile)
const command = new Command('bench:leak')
  .description(
    'A million requests, some with clients that go away and backends that die; what is held before and after.',
  )
  .option('--requests <N>', 'how many', '1000000')
  .option('--seed <N>', 'decides the order', '1')
  .addOption(nodeOption)
  .addOption(programOption)
  .addHelpText('after', '\nExample:\n  npm run bench:leak -- --requests 50000')
  .parse()
const options = command.opts<{ requests: string; seed: string; node: string; program: string }>()

/** A busy machine may be late by a few of them. */
const quietSeconds = 45
/** More than so much heap, in bytes, is a leak: caches are full after the first tenth. */
const heapMore = 6 << 20
/** The allocator keeps what it has had once; it must not go on growing. */
const rssMore = 48 << 20

await onStage('leak', options.program, main)

async function main({ folder: work, running }: Stage): Promise<void> {
  const [backend, echo] = [await freePort(), await freePort()]
  const faulty = fileURLToPath(new URL('load/faulty.ts', import.meta.url))
  const args = ['--import', 'tsx', faulty, String(backend)]
  running.push(await startProcess({ command: process.execPath, args, cores: '1', readyPort: backend }))
  running.push(await startEcho(echo))
  const folder = join(work, 'gantry')
  mkdirSync(folder, { recursive: true })
  const probe = createProbe(work)
  const gantry = await startGantry(
    { folder, backend, echo, materials: prepareMaterials(join(work, 'materials')) },
    {
      program: options.program,
      node: options.node,
      ...probe.options,
    },
  )
  running.push(gantry)
  const [pid = 0] = gantry.pids
  const requests = Number(options.requests)
  const { http, https } = gantry.ports
  const load = { http, https, seed: Number(options.seed) }

  // what is made once, is made now: caches, pools, compiled code
  await drive({ ...load, requests: Math.ceil(requests / 10) })
  const before = await settled(probe, pid)
  say(`before: ${line(before)}`)
  const result = await drive({ ...load, requests, seed: load.seed + 1 })
  const end = await probe.ask(pid)
  say(`at the end: ${line(end)}`)
  const after = await settled(probe, pid)
  say(`after: ${line(after)}`)

  for (const [what, count] of Object.entries(result.outcomes).toSorted(byName)) say(`  ${what}: ${count}`)
  const faults = [
    ...Object.entries(result.wrong).map(([what, count]) => `${count} times ${what}`),
    ...socketKinds
      .filter((kind) => after.sockets[kind] > before.sockets[kind])
      .map((kind) => `${after.sockets[kind] - before.sockets[kind]} sockets more: ${kind}`),
    // what waits for a request is given up when its time is over; nobody's is never
    ...(after.sockets.clients + after.sockets.backends > 0 ? ['connections that nobody has any more'] : []),
    ...Object.entries(after.resources)
      .filter(([name, count]) => count > (before.resources[name] ?? 0) + slack(name))
      .map(([name, count]) => `${count - (before.resources[name] ?? 0)} ${name} more`),
    ...more('heap', after.heapUsed - before.heapUsed, heapMore),
    ...more('buffers', after.arrayBuffers - before.arrayBuffers, heapMore),
    ...more('resident memory', after.rss - before.rss, rssMore),
  ]
  const rate = (result.requests / result.seconds).toFixed(0)
  const all = [before, end, after]
  const row = (what: string, of: (one: Held) => number | string): string =>
    `| ${[what, ...all.map(of)].join(' | ')} |\n`
  process.stdout.write(
    `| | before | at the end of ${result.requests} requests (${rate}/s) | ${quietSeconds} s later |\n|---|---:|---:|---:|\n` +
      row('connections of clients', ({ sockets }) => sockets.clients) +
      row('connections to backends', ({ sockets }) => sockets.backends) +
      row('other sockets', ({ sockets }) => sockets.listening + sockets.others) +
      row('handles and timers', sum) +
      row('heap, MB', ({ heapUsed }) => mb(heapUsed)) +
      row('buffers, MB', ({ arrayBuffers }) => mb(arrayBuffers)) +
      row('resident, MB', ({ rss }) => mb(rss)),
  )
  for (const fault of faults) say(`WRONG: ${fault}`)
  if (faults.length > 0) process.exitCode = 1
}

async function drive(load: FaultLoad): Promise<FaultResult> {
  const file = fileURLToPath(new URL('load/faults.ts', import.meta.url))
  const args = ['-c', '1', process.execPath, '--import', 'tsx', file, JSON.stringify(load)]
  const { stdout } = await run('taskset', args, { maxBuffer: 1 << 24 })
  return JSON.parse(stdout) as FaultResult
}

/** When whatever ends by itself has ended: a connection to a backend is kept for 30 seconds after its last request. */
async function settled(probe: Probe, pid: number): Promise<Held> {
  await sleep(quietSeconds * 1000)
  return probe.ask(pid)
}

/** Timers come and go with the clock; a handle does not. */
function slack(name: string): number {
  return name === 'Timeout' || name === 'Immediate' ? 3 : 0
}

function more(what: string, by: number, most: number): readonly string[] {
  return by > most ? [`${mb(by)} MB more ${what}`] : []
}

function sum({ resources }: Held): number {
  return Object.values(resources).reduce((total, count) => total + count, 0)
}

function line({ sockets, resources, heapUsed, arrayBuffers, rss }: Held): string {
  const kinds = socketKinds.map((kind) => `${kind} ${sockets[kind]}`).join(', ')
  return `sockets: ${kinds}; ${JSON.stringify(resources)}, heap ${mb(heapUsed)} MB, buffers ${mb(arrayBuffers)} MB, resident ${mb(rss)} MB`
}

function byName([one]: [string, unknown], [other]: [string, unknown]): number {
  return one < other ? -1 : 1
}
