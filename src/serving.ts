/** What a process is made of that serves and reads no configuration itself: a data plane, a worker. Small, since many start at once. */
import cluster from 'node:cluster'
import { readFileSync } from 'node:fs'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Parts } from './cli/parts.ts'
import { runProgram } from './cli/program.ts'
import { createExpressions } from './lib/expression/expressions.ts'
import { serveWorker, startMachine, type MachineParts } from './machine.ts'
import { compileCondition } from './policies/conditions.ts'
import { policies } from './policies/list.ts'
import { createEngine } from './targets/engine/engine.ts'

/** The engine with its policies, and no Admin API of anybody. */
export const servingParts: MachineParts = {
  // the same program again: from source it has the ending of a source
  program: fileURLToPath(new URL(`./bin/gantry${extname(import.meta.url)}`, import.meta.url)),
  createEngine: (given) => createEngine({ ...given, policies, conditions: compileCondition }),
  createExpressions,
  createAdmin: () => () => false,
}

export const version = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { readonly version: string }
).version

/** `gantry data-plane`, or a worker, who is told by its primary what to do. */
export async function main(words: readonly string[]): Promise<number> {
  if (!cluster.isWorker) return runProgram(parts, words)
  await serveWorker(servingParts)
  return 0
}

/** Commands of other processes; bin/gantry.ts sends them elsewhere. */
const nobody = (): Promise<never> => Promise.reject(new Error('this process only serves'))

const parts: Parts = {
  version,
  sources: [],
  writers: [],
  templates: [],
  programs: [],
  controller: nobody,
  check: nobody,
  read: () => {
    throw new Error('this process only serves')
  },
  start: (options) => startMachine(options, servingParts),
}
