/** `npm run bench:gateway-api`: a cluster of processes, an implementation in it → how fast, how quietly and in how much memory it follows. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { LabOptions } from '../../conformance/kubelet/main.ts'
import { inNamespaces } from '../../conformance/kubelet/namespaces.ts'
import { typescript } from '../../conformance/program.ts'
import { buildCluster, buildSuite } from '../../conformance/programs.ts'
import { labTools, requireTools, whyNoLab } from '../../conformance/tools.ts'
import { buildMissing, machine, ownBuild } from '../stage.ts'
import { type InsideOptions, type PeerName, peerNames } from './options.ts'
import { envoyGateway } from './peers/envoy-gateway/peer.ts'
import { drawResults, missed, type Result, rowNames, type RowName } from './rows.ts'

interface Flags {
  readonly peers: readonly PeerName[]
  readonly rows: readonly RowName[]
  readonly attach: number
  readonly add: number
  readonly change: number
  readonly churn: number
  readonly churnSeconds: number
  readonly json?: string
  readonly keep: boolean
}

const here = import.meta.dirname
const checkout = resolve(here, '../..')
const say = (line: string): void => console.error(`bench: ${line}`)

const flags = new Command('bench:gateway-api')
  .description(
    'How a controller and its data planes follow a cluster of processes: attachment and status writes of many routes, time from POST to 200, changes under load, memory under endpoint churn. Exit status 1: a target was missed by gantry.',
  )
  .addOption(
    new Option('--peers <NAMES>', `comma separated: ${peerNames.join(',')}`)
      .argParser(listOf(peerNames))
      .default(['gantry']),
  )
  .addOption(
    new Option('--rows <NAMES>', `comma separated: ${rowNames.join(',')}`)
      .argParser(listOf(rowNames))
      .default([...rowNames]),
  )
  .option('--attach <N>', 'routes that are attached at once', whole, 1000)
  .option('--add <N>', 'routes that are added one by one', whole, 3000)
  .option('--change <N>', 'route changes under 500 requests a second', whole, 20)
  .option('--churn <N>', 'routes beside which endpoints change', whole, 5000)
  .option('--churn-seconds <N>', 'how long they change', whole, 60)
  .option('--json <FILE>', 'write every figure')
  .option('--keep', 'leave the folder of the lab with its logs', false)
  .parse()
  .opts<Flags>()

if (process.getuid?.() === 0) await requireTools(labTools, say)
const why = whyNoLab()
if (why !== undefined) throw new Error(why)
await buildCluster(say)
await buildSuite('v1.7.0', say)
if (flags.peers.includes('gantry')) buildMissing(ownBuild)

const results: Result[] = []
for (const peer of flags.peers) {
  const result = await measure(peer)
  if (result !== undefined) results.push(result)
}
console.log(drawResults(results))
if (flags.json !== undefined) {
  const here = { ...machine(), load: loadavg() }
  writeFileSync(flags.json, `${JSON.stringify({ machine: here, results }, undefined, 2)}\n`)
}
const own = results.find(({ peer }) => peer === 'gantry')
if (results.length < flags.peers.length || own?.figures.some(missed)) process.exitCode = 1

async function measure(peer: PeerName): Promise<Result | undefined> {
  const given =
    peer === 'gantry'
      ? { images: [], manifests: [join(checkout, 'deploy/kubernetes')], gatewayClass: 'gantry' }
      : await envoyGateway(say)
  if (typeof given === 'string') {
    say(`left out: ${peer}: ${given}`)
    return undefined
  }
  const folder = mkdtempSync(join(tmpdir(), 'gantry-bench-'))
  const lab: LabOptions = {
    folder,
    images: [join(checkout, 'conformance/images.json'), ...given.images],
    suite: 'v1.7.0',
    channel: 'standard',
    stay: false,
  }
  const { rows, attach, add, change, churn, churnSeconds } = flags
  const options: InsideOptions = {
    peer,
    rows: [...rows],
    attach,
    add,
    change,
    churn,
    churnSeconds,
    manifests: given.manifests,
    ...('install' in given ? { install: given.install } : {}),
    gatewayClass: given.gatewayClass,
    folder,
    result: join(folder, 'result.json'),
  }
  say(`${peer}: the lab starts, its logs are in ${folder}`)
  const inside = typescript(join(here, 'inside.ts'), [JSON.stringify(options)])
  const child = inNamespaces(
    typescript(join(checkout, 'conformance/kubelet/main.ts'), [JSON.stringify(lab), ...inside]),
    process.env,
  )
  const interrupt = (): void => void child.kill('SIGKILL')
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  const code = await new Promise<number>((done, reject) => {
    child.once('error', reject)
    child.once('exit', (status) => done(status ?? 1))
  })
  process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  const result = existsSync(options.result) ? (JSON.parse(readFileSync(options.result, 'utf8')) as Result) : undefined
  if (code !== 0) say(`${peer}: it ended with ${code}; logs stay in ${folder}`)
  else if (flags.keep) say(`${peer}: logs stay in ${folder}`)
  else rmSync(folder, { recursive: true, force: true })
  return result
}

function listOf<Name extends string>(names: readonly Name[]): (text: string) => readonly Name[] {
  return (text) =>
    text.split(',').map((word) => {
      const name = names.find((each) => each === word)
      if (name === undefined) throw new InvalidArgumentError(`one of ${names.join(', ')}`)
      return name
    })
}

function whole(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a whole number, 1 or more')
  return value
}
