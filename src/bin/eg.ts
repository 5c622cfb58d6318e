#!/usr/bin/env node
/** The program `eg`: Express Gateway's command line. A project's own copy of Gantry comes before a global one. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { projectRoot } from '../cli/eg/config.ts'
import { runEg } from '../cli/eg/program.ts'
import { letReadersLeave } from '../cli/print.ts'

const words = process.argv.slice(2)
const local = process.env['EG_LOCAL_EXEC'] === undefined ? localCopy() : undefined
if (local === undefined) {
  letReadersLeave()
  process.exitCode = await runEg(words, { refusals: 'zero' })
} else {
  const environment = { ...process.env, EG_LOCAL_EXEC: 'true' }
  process.exitCode = spawnSync(process.execPath, [local, ...words], { stdio: 'inherit', env: environment }).status ?? 1
}

/** Of Gantry only: the eg of another package would not know our gateway. */
function localCopy(): string | undefined {
  const link = join(projectRoot(), 'node_modules', '.bin', 'eg')
  if (!existsSync(link)) return undefined
  const path = realpathSync(link)
  if (path === realpathSync(fileURLToPath(import.meta.url))) return undefined
  const manifest = join(dirname(path), '..', '..', 'package.json')
  if (!existsSync(manifest)) return undefined
  const { name } = JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string }
  return name === 'gantry' ? path : undefined
}
