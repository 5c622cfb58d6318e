/** A command line → a process on given cores, ready when its port answers. Effects; everything started here ends with `stop`. */
import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Running {
  /** The processes whose CPU counts. */
  readonly pids: readonly number[]
  /** The end of what it has written so far. */
  printed(): string
  stop(): Promise<void>
}

/** As taskset reads it. The proxy under test has core 0; backend and load have core 1. */
export type Cores = '0' | '1' | '0,1'

export interface ProcessOptions {
  readonly command: string
  readonly args: readonly string[]
  readonly cores: Cores
  readonly readyPort: number
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly readyWithinMs?: number
}

/** A program that runs another one: its own name, then its arguments. Slowly, so it may take minutes until the port answers. */
export type Under = readonly [command: string, ...args: readonly string[]]

/** What `startProcess` needs to run a program, under another one where one is given. */
export function wrapped(
  under: Under | undefined,
  command: string,
  args: readonly string[],
): Pick<ProcessOptions, 'command' | 'args' | 'readyWithinMs'> {
  if (under === undefined) return { command, args }
  const [wrapper, ...before] = under
  return { command: wrapper, args: [...before, command, ...args], readyWithinMs: 300_000 }
}

const children = new Set<ChildProcess>()
// a bench that is interrupted leaves nothing behind
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

/** Rejects when the process ends first or the port does not answer in time, with what it had printed. */
export async function startProcess(options: ProcessOptions): Promise<Running> {
  const child = spawn('taskset', ['-c', options.cores, options.command, ...options.args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    cwd: options.cwd,
  })
  children.add(child)
  child.once('exit', () => children.delete(child))
  let printed = ''
  const keep = (chunk: Buffer): void => {
    printed = (printed + chunk.toString()).slice(-4000)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const failed = new Promise<never>((_, reject) => child.once('error', reject))
  failed.catch(() => undefined)
  const deadline = Date.now() + (options.readyWithinMs ?? 60_000)
  while (!(await Promise.race([answers(options.readyPort), failed]))) {
    if (child.exitCode !== null) throw new Error(`${options.command} ended with ${child.exitCode}:\n${printed}`)
    if (Date.now() > deadline) {
      await stopProcess(child)
      throw new Error(`${options.command} does not answer on ${options.readyPort}:\n${printed}`)
    }
    await sleep(50)
  }
  return { pids: [child.pid ?? 0], printed: () => printed, stop: () => stopProcess(child) }
}

/** Process ids of what a process has started. */
export function childrenOf(pid: number): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return text === '' ? [] : text.split(' ').map(Number)
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 3000)
  await ended
  clearTimeout(timer)
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
