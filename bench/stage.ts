/** What the programs of the bench begin and end with: which build and which Node, a folder, and an end that leaves nothing behind. Effects. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { InvalidArgumentError, Option } from 'commander'
import { followNice } from './measure.ts'
import { nodeOf } from './peers/gantry.ts'
import type { Running } from './peers/process.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
export const ownBuild = join(root, 'dist/bin/gantry.js')

/** `program`: a path, of our own build where nothing else is said. */
export const programOption = new Option('--program <FILE>', 'another build of gantry.js').default(
  ownBuild,
  'dist/bin/gantry.js, built where it is missing',
)

/** `node`: the path of the program. */
export const nodeOption = new Option('--node <20|26>', 'which Node serves')
  .default(process.execPath, '20')
  .argParser((text) => {
    if (text !== '20' && text !== '26') throw new InvalidArgumentError('20 or 26')
    return nodeOf(text)
  })

export interface Stage {
  /** Of this run alone. */
  readonly folder: string
  /** What is put here is stopped at the end, the last first. */
  readonly running: Running[]
}

/** However `play` ends, its processes end, and its folder goes. */
export async function onStage(name: string, program: string, play: (stage: Stage) => Promise<void>): Promise<void> {
  followNice()
  buildMissing(program)
  const stage: Stage = { folder: mkdtempSync(join(tmpdir(), `gantry-${name}-`)), running: [] }
  try {
    await play(stage)
  } finally {
    for (const one of stage.running.toReversed()) await one.stop()
    rmSync(stage.folder, { recursive: true, force: true })
  }
}

export function buildMissing(program: string): void {
  if (!existsSync(program)) execFileSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' })
}

interface Machine {
  readonly date: string
  readonly node: string
  readonly cores: number
  readonly cpu: string | undefined
  readonly kernel: string
}

/** What figures must be published with. */
export function machine(): Machine {
  return {
    date: new Date().toISOString(),
    node: process.version,
    cores: cpus().length,
    cpu: cpus()[0]?.model,
    kernel: execFileSync('uname', ['-sr'], { encoding: 'utf8' }).trim(),
  }
}

/** Progress, for a person who waits. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
