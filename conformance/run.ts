/** Command line → the official Gateway API suite against Gantry, in a cluster of processes; also the parts of that for a person. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { RunOptions } from './inside.ts'
import type { LabOptions } from './kubelet/main.ts'
import { inNamespaces } from './kubelet/namespaces.ts'
import { startApiServer } from './lab.ts'
import { typescript } from './program.ts'
import {
  buildCluster,
  buildHelm,
  buildSuite,
  builtCluster,
  cacheFolder,
  type Channel,
  type Suite,
  suites,
} from './programs.ts'
import { identityOf } from './suite.ts'
import { labTools, requireTools, whyNoLab } from './tools.ts'

interface Flags {
  readonly suite: Suite
  readonly channel: Channel | 'none'
  readonly test?: string
  readonly controller?: string
  readonly install?: string
  readonly manifests?: readonly string[]
  readonly gatewayClass: string
  readonly controllerName: string
  readonly acceptWithin: number
  readonly images: readonly string[]
  readonly parallel: number
  readonly report?: string
  readonly verbose: boolean
  readonly keep: boolean
  readonly into?: string
}

const here = import.meta.dirname
const checkout = resolve(here, '..')
const say = (line: string) => console.error(`conformance: ${line}`)

const suiteOption = () => new Option('--suite <version>', 'release of the suite').choices(suites).default('v1.7.0')
const imagesOption = () =>
  new Option('--images <file>', 'image map laid over conformance/images.json; may be repeated')
    .argParser(collect)
    .default([] as string[])
const channelOption = (choices: readonly string[]) =>
  new Option('--channel <channel>', 'resource definitions').choices(choices).default('standard')

const program = new Command('conformance')
  .enablePositionalOptions()
  .description(
    'Runs the official Gateway API conformance suite against Gantry, every feature claimed, in a cluster of processes. Exit status 0: conformant.',
  )
  .addOption(suiteOption())
  .addOption(channelOption(['standard', 'experimental']))
  .option('--test <name>', 'run this test only, by its short name; writes no report')
  .option(
    '--manifests <path>',
    'what to apply to the cluster, file or folder; may be repeated (default: deploy/kubernetes)',
    collect,
  )
  .option(
    '--install <command>',
    'run this shell command in the lab instead of applying manifests; it has to end with 0',
  )
  .option(
    '--controller <command>',
    'run this shell command beside the cluster as controller, instead of manifests; KUBECONFIG is an administrator’s',
  )
  .addOption(imagesOption())
  .option('--gateway-class <name>', 'the GatewayClass under test', 'gantry')
  .option(
    '--controller-name <name>',
    'controllerName of the class that --controller gets',
    'gantry.dev/gateway-controller',
  )
  .option('--accept-within <seconds>', 'give up when the class is not accepted by then', seconds, 30)
  .option('--parallel <tests>', 'how many parallel tests run at a time', seconds, 4)
  .option(
    '--report <file>',
    'where the report goes (default: conformance/report.yaml, for other suites and channels reports/SUITE-CHANNEL.yaml)',
  )
  .option('--verbose', 'print all that the suite prints', false)
  .option('--keep', 'leave the lab running afterwards, for --into', false)
  .option('--into <folder>', 'run in the lab that --keep left, whose folder it printed; installs nothing again')
  .action(async (flags: Flags) => process.exit(await conformance(flags)))

program
  .command('build')
  .description(`build what is not in ${cacheFolder()} yet: control plane, suites, Helm`)
  .addOption(new Option('--suite <version>', 'this suite only (default: all of them)').choices(suites))
  .action(async ({ suite }: Partial<Flags>) => {
    await requireTools(labTools, say)
    await buildCluster(say)
    for (const each of suite === undefined ? suites : [suite]) await buildSuite(each, say)
    await buildHelm(say)
  })

program
  .command('up')
  .description('a real Kubernetes API on loopback, without Pods, until interrupted')
  .addOption(suiteOption())
  .addOption(channelOption(['standard', 'experimental', 'none']))
  .action(async ({ suite, channel }: Flags) => {
    await buildCluster(say)
    await buildSuite(suite, say)
    const server = await startApiServer({ crds: channel, suite })
    console.log(`export KUBECONFIG=${server.kubeconfig}`)
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => void server.stop().then(() => process.exit(0)))
  })

program
  .command('lab')
  .description('a cluster of processes with Pods and Services; runs a command in it, or stays until interrupted')
  .argument('[command...]', 'after --')
  .addOption(suiteOption())
  .addOption(channelOption(['standard', 'experimental', 'none']))
  .addOption(imagesOption())
  .action(async (command: string[], { suite, channel, images }: Flags) => {
    await prepare(suite)
    const folder = mkdtempSync(join(tmpdir(), 'gantry-lab-'))
    const lab = startLab({ folder, images: imageMaps(images), suite, channel, stay: false }, command)
    say(`to get in: nsenter -t ${lab.pid} -n -m, KUBECONFIG=${folder}/kubeconfig`)
    const status = await ended(lab)
    rmSync(folder, { recursive: true, force: true })
    process.exit(status)
  })

async function conformance(flags: Flags): Promise<number> {
  const { suite, channel } = flags
  if (channel === 'none') throw new Error('the suite needs resource definitions')
  const underTest = flags.into ? { manifests: [] } : implementationOf(flags)
  if (typeof underTest === 'string') return fail(underTest)
  await prepare(suite)

  const { implementation, homeless } = identityOf(readFileSync(join(checkout, 'package.json'), 'utf8'))
  if (homeless && !flags.test)
    say(`package.json has no repository: the report will name ${implementation.url}, which leads nowhere`)
  const folder = flags.into ?? mkdtempSync(join(tmpdir(), 'gantry-lab-'))
  const options: RunOptions = {
    suite,
    channel,
    folder,
    ...underTest,
    gatewayClass: flags.gatewayClass,
    controllerName: flags.controllerName,
    acceptWithin: flags.acceptWithin,
    ...(flags.test && { test: flags.test }),
    parallel: flags.parallel,
    ...(!flags.test && { report: resolve(flags.report ?? defaultReport(suite, channel)) }),
    verbose: flags.verbose,
    implementation,
  }
  const inside = typescript(`${here}/inside.ts`, [JSON.stringify(options)])
  if (flags.into) return ended(enter(flags.into, inside))
  const lab = startLab({ folder, images: imageMaps(flags.images), suite, channel, stay: flags.keep }, inside)
  writeFileSync(`${folder}/lab.json`, JSON.stringify({ pid: lab.pid }))
  if (flags.keep)
    say(`the lab stays; run a test in it with --into ${folder} --test NAME, get in with nsenter -t ${lab.pid} -n -m`)
  const status = await ended(lab)
  if (status === 0) rmSync(folder, { recursive: true, force: true })
  else say(`logs stay in ${folder}`)
  return status
}

/** What is under test, or what is missing. */
function implementationOf(flags: Flags): Pick<RunOptions, 'manifests' | 'install' | 'controller'> | string {
  if (flags.install || flags.controller) {
    return {
      manifests: [...(flags.manifests ?? [])],
      ...(flags.install && { install: flags.install }),
      ...(flags.controller && { controller: flags.controller }),
    }
  }
  const manifests = (flags.manifests ?? [join(checkout, 'deploy/kubernetes')]).map((path) => resolve(path))
  const absent = manifests.find((path) => !existsSync(path))
  if (absent) return `nothing to test: ${absent} does not exist; see --manifests, --install and --controller`
  if (!existsSync(join(checkout, 'dist/bin/gantry.js')) && flags.images.length === 0)
    return 'the image gantry runs dist/bin/gantry.js: `npm run build` first'
  return { manifests }
}

async function prepare(suite: Suite): Promise<void> {
  // says what apt-get could not help with: another system, no root
  if (process.getuid?.() === 0) await requireTools(labTools, say)
  const why = whyNoLab()
  if (why) throw new Error(why)
  await buildCluster(say)
  await buildSuite(suite, say)
}

function startLab(options: LabOptions, command: readonly string[]): ChildProcess {
  return inNamespaces(typescript(`${here}/kubelet/main.ts`, [JSON.stringify(options), ...command]), process.env)
}

function enter(folder: string, command: readonly string[]): ChildProcess {
  const { pid } = JSON.parse(readFileSync(`${folder}/lab.json`, 'utf8')) as { pid: number }
  const kubectl = builtCluster()?.kubectl ?? ''
  const env = { ...process.env, KUBECONFIG: `${folder}/kubeconfig`, PATH: `${dirname(kubectl)}:${process.env['PATH']}` }
  return spawn('nsenter', ['-t', String(pid), '-n', '-m', '--', ...command], {
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
}

/** Waits for a lab; interrupting us ends it, since all its processes end with ours. */
function ended(child: ChildProcess): Promise<number> {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      child.kill('SIGKILL')
      process.exit(130)
    })
  }
  return new Promise((done, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => done(code ?? 1))
  })
}

const imageMaps = (more: readonly string[]): string[] => [`${here}/images.json`, ...more.map((file) => resolve(file))]

const defaultReport = (suite: Suite, channel: Channel): string =>
  join(here, suite === 'v1.7.0' && channel === 'standard' ? 'report.yaml' : `reports/${suite}-${channel}.yaml`)

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}

function seconds(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a whole number, 1 or more')
  return value
}

function fail(why: string): number {
  say(why)
  return 2
}

await program.parseAsync()
