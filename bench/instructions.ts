/** `npm run bench:instructions`: how many instructions Gantry and nginx execute for a request, counted by callgrind: no neighbour can disturb them. */
import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Command } from 'commander'
import { ordinary, prepareMaterials } from './materials.ts'
import { startBackend } from './peers/backend.ts'
import { gantryPeers, nodeOfPeer, startGantry } from './peers/gantry.ts'
import { nginx, startNginx } from './peers/nginx.ts'
import { freePorts, type Place, type Started } from './peers/peer.ts'
import type { Under } from './peers/process.ts'
import { loadRows, type LoadRow } from './rows.ts'
import { machine, onStage, programOption, say, type Stage } from './stage.ts'
import type { Section } from './study.ts'
import { drawSection } from './table.ts'

const run = promisify(execFile)
const peerNames = ['nginx', 'gantry', 'gantry26'] as const
const options = new Command('bench:instructions')
  .description(
    'Instructions for a request in user mode, of nginx and of Gantry on Node 20 and 26, counted by valgrind (callgrind). What the kernel does is not counted.',
  )
  .option('--rows <NAMES>', 'comma separated, of those over HTTP/1.1 without TLS', 'plain,key,keylimit,hs256,all')
  .option('--peers <NAMES>', 'comma separated', peerNames.join(','))
  .option('--warm <N>', 'requests, not counted, before the first window of each row', '30000')
  .option('--requests <N>', 'in a window', '8000')
  .option('--json <FILE>', 'write every window')
  .addOption(programOption)
  .addHelpText('after', '\nExample:\n  npm run bench:instructions -- --rows plain --peers nginx,gantry')
  .parse()
  .opts<{ rows: string; peers: string; warm: string; requests: string; json?: string; program: string }>()

/** A code generator that runs under an interpreter takes its time: windows are counted until two in a row differ by less … */
const settled = 0.02
/** … or until there are so many. */
const most = 12

interface Counted {
  readonly row: string
  readonly peer: string
  /** For a request, of each window. */
  readonly windows: readonly number[]
}

interface Load {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

await onStage('instructions', options.program, main)

async function main({ folder, running }: Stage): Promise<void> {
  if (!(await hasValgrind())) {
    say('LEFT OUT: everything: valgrind is not there; apt-get install valgrind')
    process.exitCode = 1
    return
  }
  const { backend, h2c } = await freePorts(['backend', 'h2c'])
  running.push(await startBackend(join(folder, 'backend'), backend, { h2c }))
  const materials = prepareMaterials(join(folder, 'materials'))
  const rows = options.rows.split(',').map(rowOf)
  const counted: Counted[] = []
  for (const name of options.peers.split(',')) {
    const place = { folder: join(folder, name), backend, h2c, echo: 1, materials }
    const dumps = join(folder, `${name}.dumps`)
    for (const path of [place.folder, dumps]) mkdirSync(path)
    say(`starting ${name} under callgrind …`)
    const peer = await start(name, place, dumps)
    if (peer === undefined) continue
    running.push(peer)
    const [pid = 0] = peer.pids
    for (const row of rows) {
      // nginx verifies no tokens
      if (peer.origin(row.name) === undefined) continue
      const load = { url: `${peer.origin(row.name)}${row.path}`, headers: { ...ordinary, ...row.headers?.(materials) } }
      const windows = await count(pid, load, dumps)
      counted.push({ row: row.name, peer: name, windows })
      say(`${row.name}/${name}: ${windows.map((value) => value.toFixed(0)).join(', ')}`)
    }
    await running.pop()?.stop()
  }
  process.stdout.write(`${drawSection(sectionOf(rows, counted))}\n`)
  if (options.json !== undefined)
    writeFileSync(options.json, `${JSON.stringify({ ...machine(), counted }, undefined, 1)}\n`)
}

async function hasValgrind(): Promise<boolean> {
  return run('valgrind', ['--version']).then(
    () => true,
    () => false,
  )
}

function rowOf(name: string): LoadRow {
  const row = loadRows.find((candidate) => candidate.name === name)
  if (row !== undefined && [row.secure, row.websocket, row.script, row.streams].every((one) => one === undefined))
    return row
  throw new Error(`${name} is no row over HTTP/1.1 without TLS`)
}

/** Undefined: it cannot be started, which was said. Counting begins later: until then code runs ten times as fast. */
async function start(name: string, place: Place, dumps: string): Promise<Started | undefined> {
  const under: Under = [
    'valgrind',
    '--tool=callgrind',
    '--instr-atstart=no',
    // or nginx's worker, which is forked, cannot be spoken to
    '--trace-children=yes',
    `--callgrind-out-file=${join(dumps, '%p')}`,
  ]
  const peer = [nginx, ...gantryPeers(options.program, undefined)].find((candidate) => candidate.name === name)
  const why = peer === undefined ? `no such peer; there are ${peerNames.join(', ')}` : peer.missing()
  if (why !== undefined) {
    say(`LEFT OUT: ${name}: ${why}`)
    process.exitCode = 1
    return undefined
  }
  if (name === 'nginx') return startNginx(place, { under })
  return startGantry(place, { program: options.program, node: nodeOfPeer(name), under })
}

async function count(pid: number, load: Load, dumps: string): Promise<readonly number[]> {
  const control = (...words: readonly string[]): Promise<unknown> => run('vgdb', [`--pid=${pid}`, ...words])
  const each = Number(options.requests)
  await ask(load, Number(options.warm))
  await control('instrumentation', 'on')
  const windows: number[] = []
  while (windows.length < most && !agree(windows)) {
    await control('zero')
    await ask(load, each)
    await control('dump')
    windows.push(readDump(dumps) / each)
  }
  await control('instrumentation', 'off')
  return windows
}

/** So many on 64 connections. By number and not by time: the answers that are under way at the end of a short time are not few. */
async function ask({ url, headers }: Load, requests: number): Promise<void> {
  const shown = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const amount = ['--h1', '-t1', '-c64', `-n${requests}`]
  const { stdout } = await run('taskset', ['-c', '1', 'h2load', ...amount, ...shown, url])
  const answered = Number(/ (\d+) 2xx/.exec(stdout)?.[1] ?? 0)
  if (answered !== requests) throw new Error(`${url}: ${answered} of ${requests} answers were good: no measurement`)
}

/** Two alike that are far above an earlier one are a compiler at work, or code that waits for it. */
function agree(windows: readonly number[]): boolean {
  const [before, last] = windows.slice(-2)
  if (before === undefined || last === undefined || Math.abs(last - before) > settled * before) return false
  return last < Math.min(...windows) * 1.1
}

/** The instructions that the one dump in the folder counts. It is gone afterwards. */
function readDump(folder: string): number {
  const found = readdirSync(folder).flatMap((name) => {
    const file = join(folder, name)
    const total = /^(?:summary|totals): (\d+)/m.exec(readFileSync(file, 'utf8'))?.[1]
    rmSync(file)
    return total === undefined ? [] : [Number(total)]
  })
  if (found.length !== 1) throw new Error(`${found.length} dumps of callgrind, where there should be one`)
  return found[0] ?? 0
}

function sectionOf(rows: readonly LoadRow[], counted: readonly Counted[]): Section {
  const peers = peerNames.filter((name) => counted.some(({ peer }) => peer === name))
  const of = (row: string, peer: string): number => {
    const [before = Number.NaN, last = Number.NaN] =
      counted.find((one) => one.row === row && one.peer === peer)?.windows.slice(-2) ?? []
    return (before + last) / 2
  }
  const lines = rows.map(({ name }) => [
    name,
    ...peers.map((peer) => {
      const own = of(name, peer)
      if (Number.isNaN(own)) return '–'
      return peer === 'nginx' ? own.toFixed(0) : `${own.toFixed(0)} (${(own / of('plain', peer)).toFixed(2)})`
    }),
  ])
  return {
    name: 'instructions',
    title: 'Instructions for a request, in user mode',
    head: ['row', ...peers.map((peer) => (peer === 'nginx' ? peer : `${peer} (× its plain)`))],
    lines,
    notes: [
      'Counted by callgrind: the mean of two windows in a row that differ by less than 2 % (compiling code must have come to its end), or of the last two of twelve.',
      "What the kernel does is not counted. It is the same for all: two reads and two writes a request, which are more than half of a request's time.",
    ],
  }
}
