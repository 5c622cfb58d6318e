/** Nothing → a real Redis of one's own: own port, own folder, stopped and started again at will. For tests only. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './port.ts'

export interface RedisServer {
  readonly port: number
  /** Kills it at once; what was not saved is lost. */
  stop(): Promise<void>
  /** On the same port, empty. */
  start(): Promise<void>
  close(): Promise<void>
}

/** Installs Debian's redis-server when there is none. Extra arguments as on its command line. */
export async function startRedis(...extra: readonly string[]): Promise<RedisServer> {
  const program = installed()
  const port = await freePort()
  let child: ChildProcess | undefined
  let folder: string | undefined
  const start = async (): Promise<void> => {
    folder = mkdtempSync(join(tmpdir(), 'gantry-redis-'))
    const own = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder]
    const started = spawn(program, [...own, ...extra], { stdio: 'ignore' })
    child = started
    for (let tries = 0; !(await answers(port)); tries++) {
      if (tries > 200 || started.exitCode !== null) throw new Error(`redis-server did not start on port ${port}`)
      await sleep(25)
    }
  }
  const stop = async (): Promise<void> => {
    const running = child
    child = undefined
    if (running !== undefined && running.exitCode === null) {
      const ended = new Promise((resolve) => running.once('exit', resolve))
      running.kill('SIGKILL')
      await ended
    }
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  }
  await start()
  return { port, start, stop, close: stop }
}

function installed(): string {
  if (spawnSync('redis-server', ['--version']).status === 0) return 'redis-server'
  // several test files may come here at once: one installs, the others wait for it
  const install =
    'redis-server --version || (apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends redis-server)'
  const asRoot = process.getuid?.() === 0 ? [] : ['sudo', '-n']
  const [command, ...rest] = [
    ...asRoot,
    'flock',
    join(tmpdir(), 'gantry-redis-install.lock'),
    'sh',
    '-c',
    `RUNLEVEL=1; ${install}`,
  ]
  const done = spawnSync(command ?? 'flock', rest, { stdio: ['ignore', 'ignore', 'inherit'] })
  if (done.status !== 0) throw new Error('redis-server is missing, and `apt-get install redis-server` failed')
  return 'redis-server'
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
    socket.once('data', () => (socket.destroy(), resolve(true)))
    socket.once('error', () => resolve(false))
  })
}
