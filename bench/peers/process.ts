/** A command line → a process pinned to a core, ready when its port answers. Effects; everything started here ends with `stop`. */
import { spawn, type ChildProcess } from 'node:child_process'
import { createConnection } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Running {
  /** The processes whose CPU counts. */
  readonly pids: readonly number[]
  stop(): Promise<void>
}

export interface ProcessOptions {
  readonly command: string
  readonly args: readonly string[]
  /** 0: the proxy under test; 1: backend and load. */
  readonly core: 0 | 1
  readonly readyPort: number
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly readyWithinMs?: number
}

/** Rejects when the process ends first or the port does not answer in time, with what it had printed. */
export async function startProcess(options: ProcessOptions): Promise<Running> {
  const child = spawn('taskset', ['-c', String(options.core), options.command, ...options.args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    cwd: options.cwd,
  })
  let printed = ''
  const keep = (chunk: Buffer): void => {
    printed = (printed + chunk.toString()).slice(-4000)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const deadline = Date.now() + (options.readyWithinMs ?? 60_000)
  while (!(await answers(options.readyPort))) {
    if (child.exitCode !== null) throw new Error(`${options.command} ended with ${child.exitCode}:\n${printed}`)
    if (Date.now() > deadline) {
      await stopProcess(child)
      throw new Error(`${options.command} does not answer on ${options.readyPort}:\n${printed}`)
    }
    await sleep(50)
  }
  return { pids: [child.pid ?? 0], stop: () => stopProcess(child) }
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 3000)
  await ended
  clearTimeout(timer)
}

export function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
