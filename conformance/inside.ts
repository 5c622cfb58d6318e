/** Running lab → our controller in it, the official suite against it, its report and table, and an exit status that tells. */
import { spawn } from 'node:child_process'
import { createWriteStream, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { type Program, startProgram } from './program.ts'
import { builtSuite, suites } from './programs.ts'
import {
  claimOf,
  flagsOf,
  judge,
  judgeOne,
  ownerOfLines,
  printCounts,
  printTable,
  readReport,
  type Result,
  resultOf,
} from './suite.ts'

const shape = z.strictObject({
  suite: z.enum(suites),
  channel: z.enum(['standard', 'experimental']),
  folder: z.string(),
  /** What brings the implementation into the cluster; all of them optional, none when it is there already. */
  manifests: z.array(z.string()),
  install: z.string().optional(),
  controller: z.string().optional(),
  gatewayClass: z.string(),
  controllerName: z.string(),
  /** Seconds that the class may take to be accepted before the suite is not even started. */
  acceptWithin: z.number(),
  test: z.string().optional(),
  parallel: z.number(),
  report: z.string().optional(),
  verbose: z.boolean(),
  implementation: z.strictObject({
    organization: z.string(),
    project: z.string(),
    url: z.string(),
    version: z.string(),
    contact: z.string(),
  }),
})
export type RunOptions = z.infer<typeof shape>

const options = shape.parse(JSON.parse(process.argv[2] ?? ''))
async function run(): Promise<boolean> {
  const controller = await bringImplementation()
  const why = await whyNotAccepted(controller)
  if (why) {
    console.error(`conformance: ${why}; the suite was not started`)
    await explain(controller)
    return false
  }
  const began = Date.now()
  const { results, exit, tails } = await runSuite(controller)
  const complaints = verdict(results, exit)
  for (const { test, outcome } of results)
    if (outcome === 'fail') console.log(`\n${test}\n${(tails.get(test) ?? []).join('\n')}`)
  console.log(
    `\nsuite ${options.suite}, ${options.channel} channel, ${Math.round((Date.now() - began) / 1000)} s, whole output in ${options.folder}/suite.log`,
  )
  if (!options.test) console.log(printCounts(results))
  for (const complaint of complaints) console.log(`not conformant: ${complaint}`)
  if (complaints.length > 0) await explain(controller)
  else
    console.log(options.test ? `${options.test}: passed` : 'conformant: every profile, every feature, nothing skipped')
  return complaints.length === 0
}

async function bringImplementation(): Promise<Program | undefined> {
  for (const path of options.manifests)
    console.log((await output('kubectl', ['apply', '--server-side', '-f', path])).trimEnd())
  if (options.install) console.log((await output('sh', ['-c', options.install])).trimEnd())
  const controller = options.controller
    ? startProgram('sh', ['-c', `exec ${options.controller}`], `${options.folder}/controller.log`)
    : undefined
  if (controller) await createClass()
  return controller
}

/** A controller that runs outside the cluster has no manifests that name its class. */
async function createClass(): Promise<void> {
  const { gatewayClass: name, controllerName } = options
  const object = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'GatewayClass',
    metadata: { name },
    spec: { controllerName },
  }
  writeFileSync(`${options.folder}/class.json`, JSON.stringify(object))
  await output('kubectl', ['apply', '--server-side', '-f', `${options.folder}/class.json`])
}

/** The suite would wait three minutes for a class that nobody accepts. */
async function whyNotAccepted(controller: Program | undefined): Promise<string | undefined> {
  const path = '{.status.conditions[?(@.type=="Accepted")].status} {.status.conditions[?(@.type=="Accepted")].message}'
  let last = ''
  for (const end = Date.now() + options.acceptWithin * 1000; Date.now() < end; await sleep(200)) {
    if (controller && !controller.isRunning()) return `the controller ${await controller.ended}`
    last = (
      await output('kubectl', ['get', 'gatewayclass', options.gatewayClass, '-o', `jsonpath=${path}`]).catch(
        (error: Error) => error.message,
      )
    ).trim()
    if (last.startsWith('True')) return undefined
  }
  return `GatewayClass ${options.gatewayClass} was not accepted within ${options.acceptWithin} s: ${last || 'no Accepted condition'}`
}

interface SuiteRun {
  readonly results: readonly Result[]
  readonly exit: number
  /** The last lines of each test. */
  readonly tails: ReadonlyMap<string, readonly string[]>
}

async function runSuite(controller: Program | undefined): Promise<SuiteRun> {
  const programs = builtSuite(options.suite)
  if (!programs) throw new Error(`the suite ${options.suite} is not built: \`npm run conformance -- build\``)
  rmSync(reportFile(), { force: true })
  const test = options.test ? { test: options.test } : {}
  const { gatewayClass, implementation, parallel } = options
  const flags = flagsOf(claimOf(options.suite, options.channel), {
    gatewayClass,
    implementation,
    parallel,
    report: reportFile(),
    ...test,
  })

  const child = spawn(programs.test, flags, { cwd: options.folder, stdio: ['ignore', 'pipe', 'pipe'] })
  const log = createWriteStream(`${options.folder}/suite.log`)
  const results: Result[] = []
  const tails = new Map<string, string[]>()
  const owner = ownerOfLines()
  const take = (marked: string) => {
    const line = marked.replaceAll('\x16', '')
    log.write(`${line}\n`)
    if (options.verbose) console.log(line)
    const result = resultOf(line)
    if (result) {
      results.push(result)
      if (result.outcome !== 'skip')
        console.log(`${result.outcome}  ${result.seconds.toFixed(2).padStart(7)} s  ${result.test}`)
    }
    const of = owner(line)
    if (of) tails.set(of, [...(tails.get(of) ?? []), line].slice(-30))
    // what belongs to no test is the suite's own trouble: base resources, definitions, panics
    else if (/^panic:|^\s+(?:Error|Error Trace|Messages):/.test(line)) console.log(line)
  }
  createInterface({ input: child.stdout }).on('line', take)
  createInterface({ input: child.stderr }).on('line', take)
  void controller?.ended.then((how) => console.error(`conformance: the controller ${how}`))
  const exit = await new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? 1))
  })
  await new Promise<void>((done) => log.end(done))
  return { results, exit, tails }
}

const reportFile = () => `${options.folder}/report.yaml`

function verdict(results: readonly Result[], exit: number): readonly string[] {
  if (options.test) return judgeOne(options.test, results, exit)
  const text = existsSync(reportFile()) ? readFileSync(reportFile(), 'utf8') : undefined
  if (options.report) {
    mkdirSync(dirname(options.report), { recursive: true })
    if (text) writeFileSync(options.report, text)
    writeFileSync(options.report.replace(/(\.ya?ml)?$/, '.tests.tsv'), printTable(results))
    console.log(`written: ${options.report} and its table of tests`)
  }
  return judge(claimOf(options.suite, options.channel), results, text ? readReport(text) : undefined, exit)
}

/** What a person would ask first. */
async function explain(controller: Program | undefined): Promise<void> {
  const pods = await output('kubectl', ['get', 'pods', '-A', '-o', 'wide', '--no-headers']).catch(
    (error: Error) => error.message,
  )
  const unready = pods.split('\n').filter((row) => row !== '' && !/ (\d+)\/\1 +Running /.test(row))
  if (unready.length > 0) console.error(`\nPods that are not ready:\n${unready.join('\n')}`)
  if (controller) console.error(`\nlast lines of the controller (${controller.log}):\n${controller.tail(20)}`)
  console.error(`\nlogs of all Pods: ${options.folder}/logs/NAMESPACE/POD/CONTAINER.log`)
}

function output(file: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const out: Buffer[] = []
    const complaints: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk))
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0) resolve(Buffer.concat(out).toString())
      else
        reject(
          new Error(
            `${file} ${args.join(' ')} ended with ${code}: ${Buffer.concat([...out, ...complaints])
              .toString()
              .trim()}`,
          ),
        )
    })
  })
}

process.exit((await run()) ? 0 : 1)
