/** A folder with a configuration → a running nginx that is started again when it ends. Effect. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import http from 'node:http'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

export interface NginxProcessOptions {
  /** Name or path. */
  readonly program: string
  readonly folder: string
  /** A line of its error log. */
  readonly onLine: (line: string) => void
  /** It ended though nobody asked it to; it is started again after so many milliseconds. */
  readonly onEnd: (how: string, pauseMs: number) => void
}

/** How long nginx may take until it serves what it was given, milliseconds. */
const PATIENCE = 10_000

/** The program is not there, or may not be started. */
export class ProgramError extends Error {}

export class NginxProcess {
  readonly #options: NginxProcessOptions
  #child: ChildProcess | undefined
  #stopping = false
  #pause = 100
  #timer: NodeJS.Timeout | undefined

  constructor(options: NginxProcessOptions) {
    this.#options = options
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Undefined: good. Else what nginx says about the file. Rejects with a ProgramError where it cannot be started. */
  async test(file: string): Promise<string | undefined> {
    const { program, folder } = this.#options
    return await new Promise((resolve, reject) => {
      const arguments_ = ['-t', '-q', '-e', 'stderr', '-p', folder, '-c', file]
      execFile(program, arguments_, { timeout: 30_000 }, (error, _, complaint) => {
        if (error === null) resolve(undefined)
        else if (typeof error.code === 'string' && error.syscall?.startsWith('spawn') === true)
          reject(new ProgramError(`${program} cannot be started: ${error.message}`))
        else resolve(complaint.trim() === '' ? error.message : complaint.trim())
      })
    })
  }

  /** Starts it, or lets it read its configuration again. Resolves when it serves this digest; false where it does not, or is stopped. */
  async serve(digest: string): Promise<boolean> {
    if (this.#child?.pid === undefined) {
      await this.#endOlder()
      // one that is started now would outlive this process
      if (this.#stopping) return false
      this.#start()
    } else this.#child.kill('SIGHUP')
    const until = Date.now() + PATIENCE
    while (!this.#stopping && Date.now() < until) {
      if ((await this.#state()) === digest) {
        this.#pause = 100
        return true
      }
      await sleep(20)
    }
    return false
  }

  /** What is under way may finish. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#timer)
    const child = this.#child
    if (child?.pid === undefined) return
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill(graceMs > 0 ? 'SIGQUIT' : 'SIGTERM')
    const timer = setTimeout(() => killGroup(child.pid), Math.max(graceMs, 1000))
    await ended
    clearTimeout(timer)
  }

  #start(): void {
    const { program, folder, onLine } = this.#options
    // one that was killed leaves its socket behind, and the next could not open it
    rmSync(`${folder}/state.sock`, { force: true })
    // a group of its own: when the master is killed, its workers must not keep the ports
    const child = spawn(program, ['-e', 'stderr', '-p', folder, '-c', 'nginx.conf', '-g', 'daemon off;'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    })
    this.#child = child
    createInterface({ input: child.stderr }).on('line', onLine)
    const ended = (how: string): void => {
      if (this.#child !== child) return
      killGroup(child.pid)
      this.#child = undefined
      if (this.#stopping) return
      const pause = this.#pause
      this.#pause = Math.min(pause * 2, 10_000)
      this.#options.onEnd(how, pause)
      this.#timer = setTimeout(() => {
        if (!this.#stopping && this.#child === undefined) this.#start()
      }, pause)
    }
    child.on('exit', (code, signal) => ended(signal ?? `exit code ${code}`))
    child.on('error', (error) => ended(error.message))
  }

  /** The nginx that an earlier process of ours left behind serves on until here. */
  async #endOlder(): Promise<void> {
    const { folder } = this.#options
    const pid = readPid(`${folder}/nginx.pid`)
    if (pid === undefined || !isOurs(pid, folder)) return
    process.kill(pid, 'SIGQUIT')
    for (let waited = 0; waited < 5000 && isOurs(pid, folder); waited += 50) await sleep(50)
    if (isOurs(pid, folder)) killGroup(pid)
  }

  async #state(): Promise<string | undefined> {
    return await new Promise((resolve) => {
      const asked = http.get(
        { socketPath: `${this.#options.folder}/state.sock`, path: '/', timeout: 1000, agent: false },
        (answer) => {
          let text = ''
          answer.setEncoding('utf8')
          answer.on('data', (chunk: string) => (text += chunk))
          answer.on('end', () => resolve(text))
          answer.on('error', () => resolve(undefined))
        },
      )
      asked.on('timeout', () => asked.destroy())
      asked.on('error', () => resolve(undefined))
    })
  }
}

function readPid(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, 'utf8').trim())
    return Number.isInteger(pid) && pid > 1 ? pid : undefined
  } catch {
    return undefined
  }
}

/** A number may belong to somebody else by now. */
function isOurs(pid: number, folder: string): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
    return words.includes('nginx') && words.includes(folder)
  } catch {
    return false
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // nobody of it is left
  }
}
