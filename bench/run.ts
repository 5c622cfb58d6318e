/** `npm run bench`: Gantry beside its peers, each pinned to one core, in alternation → tables with ratios, JSON and a picture. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { compare, join as joinSamples, type RoundSample, type Samples } from './compare.ts'
import { ordinary, prepareMaterials } from './materials.ts'
import { generate, measure, type Load } from './measure.ts'
import { startBackend, startEcho } from './peers/backend.ts'
import { envoy } from './peers/envoy.ts'
import { expressGateway } from './peers/express-gateway.ts'
import { gantryPeers } from './peers/gantry.ts'
import { haproxy } from './peers/haproxy.ts'
import { nginx } from './peers/nginx.ts'
import { freePorts, type Peer, type Place, type Started } from './peers/peer.ts'
import { pingap } from './peers/pingap.ts'
import { summarise } from './profile.ts'
import { loadRows, type LoadRow } from './rows.ts'
import { machine, onStage, programOption, say, type Stage } from './stage.ts'
import { idle } from './studies/idle.ts'
import { latency } from './studies/latency.ts'
import { routes } from './studies/routes.ts'
import { workers } from './studies/workers.ts'
import type { Bench, Section, Study } from './study.ts'
import { drawPicture, drawQuiet, drawSection, drawTable, drawThroughput, type Row } from './table.ts'

const studies: readonly Study[] = [latency, routes, idle, workers]
const rowNames = [...loadRows, ...studies].map(({ name }) => name)
const peerNames = ['nginx', 'gantry', 'gantry26', 'envoy', 'haproxy', 'pingap', 'express-gateway']

const command = new Command('bench')
  .description(
    'CPU per request, throughput and latency of Gantry beside nginx, Envoy, HAProxy, pingap and Express Gateway.',
  )
  .option('--rows <NAMES>', 'comma separated; see below', rowNames.join(','))
  .option('--peers <NAMES>', 'comma separated', peerNames.join(','))
  .option('--warm <N>', 'seconds of load before the first measurement of each', '4')
  .option('--rounds <N>', 'alternations', '12')
  .option('--seconds <N>', 'length of one measurement', '1')
  .option('--others <N>', 'peers other than nginx and Gantry take part in every Nth round', '4')
  .option('--with <FILE>', 'what an earlier run wrote: its samples and sections count, too')
  .option('--json <FILE>', 'write every sample')
  .option('--svg <FILE>', 'write the table as a picture')
  .option('--profile <FOLDER>', "write Gantry's CPU profiles there, one for each row")
  .addOption(programOption)
  .addHelpText(
    'after',
    `\nRows:\n${[...loadRows, ...studies].map(({ name, summary }) => `  ${name.padEnd(12)}${summary}`).join('\n')}

Examples:
  npm run bench -- --rows plain,key --rounds 5
  npm run bench -- --rows h2 --peers nginx,gantry --profile /tmp/profiles
  npm run bench:swap
  npm run bench:leak`,
  )
  .parse()
const options = command.opts<{
  rows: string
  peers: string
  rounds: string
  warm: string
  seconds: string
  others: string
  with?: string
  json?: string
  svg?: string
  profile?: string
  program: string
}>()
const rowsAsked = chosen('row', options.rows, rowNames)
const peersAsked = chosen('peer', options.peers, peerNames)
const { program } = options
const [seconds, rounds, warm] = [Number(options.seconds), Number(options.rounds), Number(options.warm)]
const every = Number(options.others)
const earlier = options.with === undefined ? undefined : readResults(options.with)

/** What `--json` writes, as far as a later run reads it. */
interface Results {
  readonly samples: Samples
  readonly sections: readonly Section[]
  readonly runs: readonly unknown[]
}

await onStage('bench', program, main)

async function main({ folder: work, running }: Stage): Promise<void> {
  const absent: { readonly peer: string; readonly why: string }[] = []
  const all: readonly Peer[] = [nginx, ...gantryPeers(program, undefined), envoy, haproxy, pingap, expressGateway]
  const peers = all.filter((peer) => {
    if (!peersAsked.includes(peer.name)) return false
    const why = peer.missing()
    if (why !== undefined) absent.push({ peer: peer.name, why })
    return why === undefined
  })
  for (const { peer, why } of absent) say(`LEFT OUT: ${peer}: ${why}`)
  const materials = prepareMaterials(join(work, 'materials'))
  const { backend, h2c, echo } = await freePorts(['backend', 'h2c', 'echo'])
  const serving = await startBackend(join(work, 'backend'), backend, { h2c })
  running.push(serving, await startEcho(echo))
  const place = (name: string): Place => {
    const folder = join(work, name)
    mkdirSync(folder, { recursive: true })
    return { folder, backend, h2c, echo, materials }
  }
  const bench: Bench = {
    materials,
    backend,
    echo,
    backendPids: serving.pids,
    peers,
    program,
    seconds,
    rounds,
    warm,
    place,
    say,
  }
  const before = loadavg()

  const asked = loadRows.filter(({ name }) => rowsAsked.includes(name))
  const measured = asked.length === 0 ? {} : await measureRows(bench, asked, running)
  const samples = earlier === undefined ? measured : joinSamples(earlier.samples, measured)
  const rows = rowsOf(samples)
  if (asked.length > 0) {
    const names = peerNames.filter((name) => rows.some(({ cells }) => cells.some(({ peer }) => peer === name)))
    process.stdout.write(`${drawTable(rows, names)}\n${drawQuiet(rows, names)}\n${drawThroughput(rows, names)}\n`)
  }
  const sections: Section[] = []
  for (const study of studies.filter(({ name }) => rowsAsked.includes(name))) {
    const section = await study.run(bench)
    sections.push(section)
    process.stdout.write(`${drawSection(section)}\n`)
  }
  const kept = (earlier?.sections ?? []).filter(({ name }) => !sections.some((section) => section.name === name))
  if (options.profile !== undefined) await writeProfiles(bench, asked, options.profile)

  if (options.svg !== undefined) writeFileSync(options.svg, drawPicture(rows))
  if (options.json !== undefined) {
    const run = { ...machine(), rows: options.rows, load: { before, after: loadavg() } }
    const runs = [...(earlier?.runs ?? []), run]
    const written = { runs, absent, rows, samples, sections: [...sections, ...kept] }
    writeFileSync(options.json, `${JSON.stringify(written, undefined, 1)}\n`)
  }
  for (const { peer, why } of absent) say(`LEFT OUT: ${peer}: ${why}`)
}

async function measureRows(bench: Bench, asked: readonly LoadRow[], running: Stage['running']): Promise<Samples> {
  const started: { readonly name: string; readonly peer: Started }[] = []
  for (const peer of bench.peers) {
    say(`starting ${peer.name} …`)
    const one = await peer.start(bench.place(peer.name))
    running.push(one)
    started.push({ name: peer.name, peer: one })
  }
  const samples: Record<string, RoundSample[]> = {}
  for (let round = 1; round <= rounds; round++) {
    const taking = started.filter(({ name }) => (round - 1) % every === 0 || /^(nginx|gantry\d*)$/.test(name))
    for (const row of asked) {
      for (const { name, peer } of taking) {
        const load = loadOf(bench, row, peer) ?? (name === 'nginx' ? loadBeside(bench, row, peer) : undefined)
        if (load === undefined) continue
        if (round === 1) await generate(load, warm)
        const sample = await measure(peer.pids, load, seconds)
        const id = `${row.name}/${name}`
        ;(samples[id] ??= []).push({ ...sample, round })
        const bad = sample.bad > 0 ? `, ${sample.bad} BAD` : ''
        say(
          `round ${round} ${id}: ${sample.cpuUs.toFixed(1)} µs, ${sample.rps.toFixed(0)}/s, p99 ${sample.p99Ms.toFixed(2)} ms${bad}`,
        )
      }
    }
  }
  const bad = Object.entries(samples).filter(([, all]) => all.some((sample) => sample.bad > 0))
  if (bad.length > 0) {
    say(`not measurements, because of bad answers: ${bad.map(([id]) => id).join(', ')}`)
    process.exitCode = 1
  }
  while (started.length > 0) await started.pop()?.peer.stop()
  return samples
}

function rowsOf(samples: Samples): readonly Row[] {
  return loadRows.flatMap(({ name, summary, aim }) => {
    const base = samples[`${name}/nginx`] ?? []
    const cells = peerNames.flatMap((peer) => {
      const own = samples[`${name}/${peer}`]
      return own === undefined ? [] : [compare(peer, own, base)]
    })
    return cells.length === 0 ? [] : [{ name, summary, aim, cells }]
  })
}

/** Each row alone, in a process of its own: what is in the profile is that row. */
async function writeProfiles(bench: Bench, asked: readonly LoadRow[], folder: string): Promise<void> {
  for (const row of asked) {
    const into = join(folder, row.name)
    mkdirSync(into, { recursive: true })
    for (const peer of gantryPeers(program, into).filter(({ name }) => bench.peers.some((one) => one.name === name))) {
      const one = await peer.start(bench.place(`profile-${row.name}-${peer.name}`))
      try {
        const load = loadOf(bench, row, one)
        if (load !== undefined) await generate(load, warm + seconds)
      } finally {
        await one.stop()
      }
    }
    for (const file of readdirSync(into).filter(isMainThread)) {
      const most = summarise(join(into, file), seconds).slice(0, 8)
      say(`${row.name}, ${join(into, file)}:`)
      for (const { where, share } of most) say(`  ${(share * 100).toFixed(1).padStart(5)} % ${where}`)
    }
  }
}

/** Node writes one a thread: CPU.DATE.TIME.PROCESS.THREAD.NUMBER.cpuprofile. The one that reads serves nobody. */
function isMainThread(file: string): boolean {
  return /^CPU\.\d+\.\d+\.\d+\.0\.\d+\.cpuprofile$/.test(file)
}

function loadOf(bench: Bench, row: LoadRow, peer: Started): Load | undefined {
  const origin = peer.origin(row.name)
  if (origin === undefined) return undefined
  return {
    url: `${origin}${row.path}`,
    headers: { ...ordinary, ...row.headers?.(bench.materials) },
    ...(row.connections === undefined ? {} : { connections: row.connections }),
    ...(row.streams === undefined ? {} : { streams: row.streams }),
    ...(row.websocket === undefined ? {} : { websocket: row.websocket }),
    ...(row.script === undefined ? {} : { script: script(bench, row.name, row.script) }),
  }
}

/** For nginx, of a row that it cannot do. */
function loadBeside(bench: Bench, { beside }: LoadRow, peer: Started): Load | undefined {
  const row = loadRows.find(({ name }) => name === beside)
  return row === undefined ? undefined : loadOf(bench, row, peer)
}

function script(bench: Bench, name: string, text: string): string {
  const file = join(bench.place('scripts').folder, `${name}.lua`)
  writeFileSync(file, text)
  return file
}

function readResults(file: string): Results {
  // what is not a number is written as null
  return JSON.parse(readFileSync(file, 'utf8'), (_, value: unknown) => value ?? Number.NaN) as Results
}

function chosen(what: string, list: string, known: readonly string[]): readonly string[] {
  const names = list.split(',')
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) command.error(`there is no ${what} ${unknown}; there are ${known.join(', ')}`)
  return names
}
