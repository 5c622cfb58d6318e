/** Packages from npm → a folder that has them, for tests that try what others wrote. */
import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Fails loudly where npm cannot install them: a test that is skipped proves nothing. */
export async function npmInstall(folder: string, packages: readonly string[]): Promise<void> {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "name": "gateway", "private": true }\n')
  const words = [
    'install',
    '--no-audit',
    '--no-fund',
    '--no-save',
    '--ignore-scripts',
    '--legacy-peer-deps',
    ...packages,
  ]
  await promisify(execFile)('npm', words, { cwd: folder, maxBuffer: 1 << 24 })
}
