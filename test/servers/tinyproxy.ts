/** Nothing → a real forward proxy (Debian's tinyproxy), on a port of its own. For tests only. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './port.ts'

export interface ForwardProxyServer {
  readonly port: number
  /** What it has done, a line a request: `CONNECT (file descriptor 6): GET http://… HTTP/1.1`. */
  log(): string
  close(): Promise<void>
}

/** `account`: who may use it; absent: everybody. Installs Debian's package when there is none. */
export async function startProxy(account?: {
  readonly user: string
  readonly password: string
}): Promise<ForwardProxyServer> {
  install()
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'gantry-tinyproxy-'))
  const log = join(folder, 'log')
  writeFileSync(log, '')
  const lines = [
    `Port ${port}`,
    'Listen 127.0.0.1',
    'Allow 127.0.0.1',
    'Timeout 60',
    'MaxClients 50',
    `LogFile "${log}"`,
    'LogLevel Connect',
    ...(account === undefined ? [] : [`BasicAuth ${account.user} ${account.password}`]),
  ]
  writeFileSync(join(folder, 'tinyproxy.conf'), `${lines.join('\n')}\n`)
  const child = spawn('tinyproxy', ['-d', '-c', join(folder, 'tinyproxy.conf')], { stdio: 'ignore' })
  for (let tries = 0; !(await opens(port)); tries++) {
    if (tries > 400 || child.exitCode !== null) throw new Error(`tinyproxy did not start on port ${port}`)
    await sleep(25)
  }
  return {
    port,
    log: () => readFileSync(log, 'utf8'),
    close: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function install(): void {
  if (spawnSync('tinyproxy', ['-v']).status === 0) return
  const words =
    'tinyproxy -v || { apt-get update && DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y --no-install-recommends tinyproxy-bin; }'
  const asRoot = process.getuid?.() === 0 ? [] : ['sudo', '-n']
  const [command, ...rest] = [...asRoot, 'flock', join(tmpdir(), 'gantry-tinyproxy-install.lock'), 'sh', '-c', words]
  const done = spawnSync(command, rest, { stdio: ['ignore', 'ignore', 'inherit'] })
  if (done.status !== 0) throw new Error('tinyproxy is missing, and `apt-get install tinyproxy-bin` failed')
}

function opens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => (socket.destroy(), resolve(true)))
    socket.once('error', () => resolve(false))
  })
}
