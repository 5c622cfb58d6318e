/** Everything that must hold before a change is done: types, lint, format, dead code, direction of imports, tests. */
import { spawnSync } from 'node:child_process'

const quick = process.argv.includes('--quick')
const steps = [
  ['types', 'tsc', ['--noEmit', '-p', '.']],
  ['lint', 'oxlint', ['--type-aware', '--deny-warnings', 'src', 'test', 'scripts', 'conformance', 'bench']],
  ['format', 'prettier', ['--check', '--log-level', 'warn', '.']],
  ['dead code', 'knip', []],
  ['direction', 'vitest', ['run', 'test/architecture.test.ts']],
  ...(quick ? [] : [['tests', 'vitest', ['run']]]),
]

const failed = []
for (const [name, program, args] of steps) {
  console.log(`\n== ${name}`)
  const { status } = spawnSync('npx', ['--no-install', program, ...args], { stdio: 'inherit' })
  if (status !== 0) failed.push(name)
}
console.log(failed.length === 0 ? '\ncheck: all good' : `\ncheck: failed: ${failed.join(', ')}`)
process.exitCode = failed.length === 0 ? 0 : 1
