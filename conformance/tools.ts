/** Names of programs → nothing, when all can be run; installs Debian packages where it may, and says what is missing where not. */
import { execFile } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** What a cluster of processes calls, and the Debian package of each. */
export const labTools = {
  ip: 'iproute2',
  'iptables-restore': 'iptables',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  mount: 'mount',
  sysctl: 'procps',
} as const

/** Why a cluster of processes cannot run on this machine, or undefined. Never installs anything. */
export function whyNoLab(): string | undefined {
  if (process.platform !== 'linux') return `a cluster of processes needs Linux, this is ${process.platform}`
  if (process.getuid?.() !== 0) return 'a cluster of processes needs root, for namespaces, mounts and NAT'
  const missing = missingTools(Object.keys(labTools))
  return missing.length > 0
    ? `not on PATH: ${missing.join(', ')} (\`npm run conformance -- build\` installs them on Debian)`
    : undefined
}

/** Throws with the names of packages that a person has to install, when apt-get is not there or not allowed. */
export async function requireTools(
  tools: Readonly<Record<string, string>>,
  say: (line: string) => void,
): Promise<void> {
  const missing = missingTools(Object.keys(tools))
  if (missing.length === 0) return
  const packages = [...new Set(missing.map((tool) => tools[tool] ?? tool))]
  const wish = `missing programs: ${missing.join(', ')}; packages: ${packages.join(' ')}`
  if (process.getuid?.() !== 0 || missingTools(['apt-get']).length > 0) throw new Error(wish)
  say(`${wish}: installing them with apt-get`)
  const install = () =>
    execute('apt-get', ['install', '-y', '--no-install-recommends', ...packages], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
  await install().catch(async () => {
    await execute('apt-get', ['update'])
    await install()
  })
}

/** Root's own folders are searched too: a shell of an ordinary login may leave them out. */
export function missingTools(tools: readonly string[]): readonly string[] {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return tools.filter((tool) => !folders.some((folder) => isProgram(join(folder, tool))))
}

function isProgram(path: string): boolean {
  if (!existsSync(path)) return false
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
