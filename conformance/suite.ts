/** Claim and options → flags of the official suite; its output and report → results, table and verdict. Pure. */
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { z } from 'zod'
import { type Channel, type Suite, suites } from './programs.ts'

const release = z.strictObject({ tests: z.number(), all: z.array(z.string()), experimental: z.array(z.string()) })
const claimFile = z.strictObject({ profiles: z.array(z.string()), 'v1.7.0': release, 'v1.6.3': release })

export interface Claim {
  readonly suite: Suite
  readonly channel: Channel
  readonly profiles: readonly string[]
  readonly features: readonly string[]
  /** Features that the release knows and this channel cannot have. */
  readonly impossible: readonly string[]
  /** How many tests outside the mesh have to pass. */
  readonly tests: number
}

/** `features.yaml` → everything that can be claimed for a release on a channel. */
export function claimOf(
  suite: Suite,
  channel: Channel,
  text = readFileSync(`${import.meta.dirname}/features.yaml`, 'utf8'),
): Claim {
  const file = claimFile.parse(parse(text))
  const { tests, all, experimental } = file[suite]
  return channel === 'experimental'
    ? { suite, channel, profiles: file.profiles, features: [...all, ...experimental], impossible: [], tests }
    : { suite, channel, profiles: file.profiles, features: all, impossible: experimental, tests }
}

export interface Implementation {
  readonly organization: string
  readonly project: string
  readonly url: string
  readonly version: string
  readonly contact: string
}

const manifest = z.looseObject({
  name: z.string(),
  version: z.string(),
  homepage: z.string().optional(),
  repository: z.union([z.string(), z.looseObject({ url: z.string() })]).optional(),
  bugs: z.union([z.string(), z.looseObject({ url: z.string().optional(), email: z.string().optional() })]).optional(),
})

/** Who says it is conformant, from package.json. `homeless`: it names no address, so the report's is one that leads nowhere. */
export function identityOf(packageJson: string): {
  readonly implementation: Implementation
  readonly homeless: boolean
} {
  const { name, version, homepage, repository, bugs } = manifest.parse(JSON.parse(packageJson))
  const home = [typeof repository === 'string' ? repository : repository?.url, homepage]
    .map((each) => each?.replace(/^git\+/, '').replace(/\.git$/, ''))
    .find((each) => each !== undefined && /^https?:\/\/[^/]/.test(each))
  const contact = typeof bugs === 'string' ? bugs : (bugs?.url ?? bugs?.email)
  return {
    // the suite wants an absolute address and writes no report without one; `.invalid` never leads anywhere (RFC 2606)
    implementation: {
      organization: name,
      project: name,
      url: home ?? `https://${name}.invalid`,
      version,
      contact: contact ?? home ?? 'CONTRIBUTING.md of the repository',
    },
    homeless: home === undefined,
  }
}

export interface SuiteOptions {
  readonly gatewayClass: string
  readonly implementation: Implementation
  /** Only this test, without a report. */
  readonly test?: string
  /** Tests that run at the same time, of those that allow it. */
  readonly parallel: number
  readonly report: string
}

/** No time limit is loosened and nothing exempted: of the suite's own flags only those that say who and where we are. */
export function flagsOf(claim: Claim, options: SuiteOptions): readonly string[] {
  const { organization, project, url, version, contact } = options.implementation
  const report = [
    `--organization=${organization}`,
    `--project=${project}`,
    `--url=${url}`,
    `--version=${version}`,
    `--contact=${contact}`,
    `--report-output=${options.report}`,
  ]
  return [
    '-test.run=TestConformance',
    // plain -test.v holds back what parts of a test have to say until all is over; this one marks headings with \x16
    '-test.v=test2json',
    // Go's own limit for all tests together; it only has to be longer than every test at its limit
    '-test.timeout=75m',
    `-test.parallel=${options.parallel}`,
    `--gateway-class=${options.gatewayClass}`,
    `--supported-features=${claim.features.join(',')}`,
    `--conformance-profiles=${claim.profiles.join(',')}`,
    // an address of the load balancer's range, and one that nobody has (RFC 5737)
    '--usable-address=10.97.9.9',
    '--unusable-address=192.0.2.1',
    // the lab ends anyway, and a lab that stays is faster with them
    '--cleanup-base-resources=false',
    ...(options.test ? [`--run-test=${options.test}`] : report),
  ]
}

export interface Result {
  readonly test: string
  readonly outcome: 'pass' | 'fail' | 'skip'
  readonly seconds: number
}

/** A line of `go test -v` → the result of a whole test of the suite; its parts are not results of their own. */
export function resultOf(line: string): Result | undefined {
  const [, outcome, test, seconds] =
    /^\s*--- (PASS|FAIL|SKIP): TestConformance\/([^/\s]+) \(([\d.]+)s\)$/.exec(line) ?? []
  if (!outcome || !test) return undefined
  return { test, outcome: outcome === 'PASS' ? 'pass' : outcome === 'FAIL' ? 'fail' : 'skip', seconds: Number(seconds) }
}

/** Lines of `go test -v` → for each, the test of the suite that it belongs to. Holds what the last heading said. */
export function ownerOfLines(): (line: string) => string | undefined {
  let owner: string | undefined
  return (line) => {
    const heading = /^\s*(?:=== (?:RUN|CONT|NAME|PAUSE) +|--- (?:PASS|FAIL|SKIP): )(\S+)/.exec(line)?.[1]
    if (heading) owner = /^TestConformance\/([^/]+)/.exec(heading)?.[1]
    return owner
  }
}

const statistics = z.looseObject({ Passed: z.number(), Failed: z.number(), Skipped: z.number() })
const half = z.looseObject({
  result: z.string(),
  statistics,
  failedTests: z.array(z.string()).optional(),
  skippedTests: z.array(z.string()).optional(),
  supportedFeatures: z.array(z.string()).optional(),
  unsupportedFeatures: z.array(z.string()).optional(),
})
const reportShape = z.looseObject({
  gatewayAPIVersion: z.string(),
  gatewayAPIChannel: z.string(),
  profiles: z.array(z.looseObject({ name: z.string(), core: half.optional(), extended: half.optional() })).optional(),
})
export type Report = z.infer<typeof reportShape>

/** Text of a ConformanceReport; throws when it is none. */
export const readReport = (text: string): Report => reportShape.parse(parse(text))

/** Results, report and exit status of a whole run → what stands against success; an empty list is success. */
export function judge(
  claim: Claim,
  results: readonly Result[],
  report: Report | undefined,
  exit: number,
): readonly string[] {
  const complaints: string[] = []
  const own = results.filter(({ test }) => !test.startsWith('Mesh'))
  for (const { test, outcome } of own)
    if (outcome !== 'pass') complaints.push(`${test}: ${outcome === 'fail' ? 'failed' : 'skipped'}`)
  const passed = own.filter(({ outcome }) => outcome === 'pass').length
  if (passed !== claim.tests)
    complaints.push(`${passed} tests passed of the ${claim.tests} that suite ${claim.suite} has`)
  if (exit !== 0) complaints.push(`the suite ended with ${exit}`)
  return report ? [...complaints, ...judgeReport(claim, report)] : [...complaints, 'the suite wrote no report']
}

function judgeReport(claim: Claim, report: Report): readonly string[] {
  const complaints: string[] = []
  if (report.gatewayAPIVersion !== claim.suite)
    complaints.push(`report: version ${report.gatewayAPIVersion}, not ${claim.suite}`)
  if (report.gatewayAPIChannel !== claim.channel)
    complaints.push(`report: channel ${report.gatewayAPIChannel}, not ${claim.channel}`)
  for (const name of claim.profiles) {
    const profile = report.profiles?.find((it) => it.name === name)
    for (const part of ['core', 'extended'] as const) {
      const { result = 'absent', unsupportedFeatures = [] } = profile?.[part] ?? {}
      if (result !== 'success') complaints.push(`report: ${name} ${part}: ${result}`)
      const unclaimed = unsupportedFeatures.filter((feature) => !claim.impossible.includes(feature))
      if (unclaimed.length > 0) complaints.push(`report: ${name} does not claim ${unclaimed.join(', ')}`)
    }
  }
  return complaints
}

/** Verdict on a run with `--test`. */
export function judgeOne(test: string, results: readonly Result[], exit: number): readonly string[] {
  const result = results.find((it) => it.test === test)
  if (!result) return [`${test}: the suite ended with ${exit} and did not run it; is the name right?`]
  if (result.outcome !== 'pass') return [`${test}: ${result.outcome === 'fail' ? 'failed' : 'skipped'}`]
  return exit === 0 ? [] : [`the suite ended with ${exit}`]
}

/** Results → a table with tabs, slowest first, mesh left out; it ends with a line that counts. */
export function printTable(results: readonly Result[]): string {
  const own = results.filter(({ test }) => !test.startsWith('Mesh'))
  const rows = [...own].sort((a, b) => b.seconds - a.seconds || a.test.localeCompare(b.test))
  return [
    'test\toutcome\tseconds',
    ...rows.map(({ test, outcome, seconds }) => `${test}\t${outcome}\t${seconds.toFixed(2)}`),
    '',
  ].join('\n')
}

/** Results → `N passed, N failed, N skipped`. */
export function printCounts(results: readonly Result[]): string {
  const own = results.filter(({ test }) => !test.startsWith('Mesh'))
  const count = (outcome: Result['outcome']) => own.filter((it) => it.outcome === outcome).length
  return `${count('pass')} passed, ${count('fail')} failed, ${count('skip')} skipped`
}

export const isSuite = (text: string): text is Suite => (suites as readonly string[]).includes(text)
