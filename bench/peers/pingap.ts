/** Rows → pingap (Pingora), one thread. It is measured where somebody has built it: a build takes some ten minutes. */
import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { installedIn, shown } from '../cache.ts'
import { apiKey } from '../materials.ts'
import { freePort, type Peer } from './peer.ts'
import { startProcess } from './process.ts'

const version = '0.13.1'
const kept = installedIn(`pingap-${version}`)
const rows = ['plain', 'key', 'rate', 'keylimit', 'hs256', 'close', 'download', 'upload']

export const pingap: Peer = {
  name: 'pingap',
  missing: () =>
    program() === undefined
      ? `nobody has built it; apt-get install protobuf-compiler, then cargo install pingap@${version} --locked --root ${shown(kept)}`
      : undefined,

  async start({ folder, backend, materials }) {
    const port = await freePort()
    const file = join(folder, 'pingap.toml')
    writeFileSync(
      file,
      `[basic]
upstream_keepalive_pool_size = 256
[upstreams.backend]
addrs = ["127.0.0.1:${backend}"]
[plugins.key]
category = "key_auth"
header = "X-Api-Key"
keys = ["${apiKey}"]
[plugins.rate]
category = "limit"
type = "rate"
tag = "ip"
max = 100000000
interval = "60s"
[plugins.jwt]
category = "jwt"
header = "Authorization"
algorithm = "HS256"
secret = "${materials.hs256Secret}"
auth_path = "/login"
${location('plain', '/', [])}${location('key', '/key', ['key'])}${location('rate', '/rate', ['rate'])}${location('keylimit', '/keylimit', ['key', 'rate'])}${location('hs256', '/hs256', ['jwt'])}[servers.bench]
addr = "127.0.0.1:${port}"
locations = ["keylimit", "key", "rate", "hs256", "plain"]
threads = 1
`,
    )
    const running = await startProcess({ command: program() ?? '', args: ['-c', file], cores: '0', readyPort: port })
    return { ...running, origin: (row) => (rows.includes(row) ? `http://127.0.0.1:${port}` : undefined) }
  },
}

function location(name: string, path: string, plugins: readonly string[]): string {
  return `[locations.${name}]\nupstream = "backend"\npath = "${path}"\nplugins = ${JSON.stringify(plugins)}\n`
}

function program(): string | undefined {
  const own = join(kept, 'bin/pingap')
  if (existsSync(own)) return own
  const found = spawnSync('sh', ['-c', 'command -v pingap'], { encoding: 'utf8' }).stdout.trim()
  return found === '' ? undefined : found
}
