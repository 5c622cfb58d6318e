/** Program and arguments → a running process that ends with this one, its output in a file. Effects only. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { missingTools } from './tools.ts'

export interface Program {
  readonly pid: number
  readonly log: string
  /** Resolves with a description when the process has ended, whoever ended it. */
  readonly ended: Promise<string>
  isRunning(): boolean
  signal(name: NodeJS.Signals): void
  /** SIGTERM, then SIGKILL after the grace; resolves when it is gone. */
  stop(grace?: number): Promise<void>
  /** The last lines of its output. */
  tail(lines?: number): string
}

const running = new Set<ChildProcess>()
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')))

export function startProgram(
  file: string,
  args: readonly string[],
  log: string,
  env: NodeJS.ProcessEnv = process.env,
): Program {
  const [command, ...rest] = endsWithParent([file, ...args])
  const output = openSync(log, 'a')
  const child = spawn(command!, rest, { stdio: ['ignore', output, output], env })
  closeSync(output)
  running.add(child)
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(signal ? `ended by ${signal}` : `ended with ${code}`))
  })
  void ended.then(() => running.delete(child))
  const isRunning = () => child.exitCode === null && child.signalCode === null && child.pid !== undefined
  return {
    pid: child.pid ?? -1,
    log,
    ended,
    isRunning,
    signal: (name) => void child.kill(name),
    async stop(grace = 5000) {
      if (!isRunning()) return
      child.kill('SIGTERM')
      child.kill('SIGCONT') // a stopped process takes no SIGTERM
      const force = setTimeout(() => child.kill('SIGKILL'), grace)
      await ended
      clearTimeout(force)
    },
    tail: (lines = 20) => readFileSync(log, 'utf8').trimEnd().split('\n').slice(-lines).join('\n'),
  }
}

/** The command line that runs a TypeScript file of this repository with the Node that runs us. */
export function typescript(file: string, args: readonly string[] = []): readonly string[] {
  const loader = createRequire(import.meta.url).resolve('tsx')
  return [process.execPath, '--import', pathToFileURL(loader).href, file, ...args]
}

/** Wraps a command so that the kernel kills it when the thread that starts it ends, even by SIGKILL. */
export function endsWithParent(command: readonly string[]): readonly string[] {
  const able = process.platform === 'linux' && missingTools(['setpriv']).length === 0
  return able ? ['setpriv', '--pdeathsig', 'KILL', '--', ...command] : command
}
