/** A running proxy's pids + a load → CPU per request, requests per second, latencies. Effects: runs the load, reads /proc. */
import { execFile, execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'

const run = promisify(execFile)
const ticks = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

export interface Load {
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly connections?: number
  /** A wrk script, for bodies and for connections that are closed. */
  readonly script?: string
  /** Streams at once on each connection: HTTP/2, by h2load. */
  readonly streams?: number
}

export interface Sample {
  /** CPU of the proxy's processes for one request, microseconds. */
  readonly cpuUs: number
  readonly requests: number
  readonly rps: number
  readonly bytesPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Answers other than 2xx and 3xx, and socket errors: a row with any is not a measurement. */
  readonly bad: number
  readonly rssMb: number
  /** Share of one core that the proxy had. */
  readonly core: number
}

/** utime + stime of the processes, seconds. */
export function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return sum + (Number(fields[11]) + Number(fields[12])) / ticks
  }, 0)
}

export function rssMb(pids: readonly number[]): number {
  return pids.reduce(
    (sum, pid) => sum + Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024,
    0,
  )
}

/** Runs wrk on its own core for the given time and reads the proxy's CPU before and after. */
export async function measure(pids: readonly number[], load: Load, seconds: number): Promise<Sample> {
  const before = cpuSeconds(pids)
  const started = process.hrtime.bigint()
  const output = await generate(load, seconds)
  const elapsed = Number(process.hrtime.bigint() - started) / 1e9
  const cpu = cpuSeconds(pids) - before
  const number = (pattern: RegExp): number => Number(pattern.exec(output)?.[1] ?? 0)
  const requests = load.streams === undefined ? number(/(\d+) requests in/) : number(/, (\d+) succeeded/)
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output)
  return {
    cpuUs: requests === 0 ? Number.NaN : (cpu / requests) * 1e6,
    requests,
    rps: requests / elapsed,
    bytesPerSecond: bytes(/Transfer\/sec:\s+([\d.]+)(\w+)/.exec(output)),
    p50Ms: milliseconds(/\n\s+50%\s+([\d.]+)(us|ms|s)/.exec(output)),
    p99Ms: milliseconds(/\n\s+99%\s+([\d.]+)(us|ms|s)/.exec(output)),
    bad:
      number(/Non-2xx or 3xx responses: (\d+)/) +
      number(/, (\d+) failed/) +
      number(/ (\d+) 4xx/) +
      number(/ (\d+) 5xx/) +
      (errors === null ? 0 : errors.slice(1).reduce((sum, text) => sum + Number(text), 0)),
    rssMb: rssMb(pids),
    core: cpu / elapsed,
  }
}

/** HTTP/2 over TLS where streams are said, else HTTP/1.1. */
export function generate(load: Load, seconds: number): Promise<string> {
  return load.streams === undefined ? wrk(load, seconds) : h2load(load, seconds)
}

async function h2load(load: Load, seconds: number): Promise<string> {
  const headers = Object.entries(load.headers ?? {}).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const amount = ['-t1', `-c${load.connections ?? 16}`, `-m${load.streams ?? 1}`, `-D${seconds}`]
  const { stdout } = await run('taskset', ['-c', '1', 'h2load', ...amount, ...headers, load.url], {
    maxBuffer: 1 << 24,
  })
  return stdout
}

/** One thread, pinned to core 1, keep-alive unless the script says otherwise. */
async function wrk(load: Load, seconds: number): Promise<string> {
  const headers = Object.entries(load.headers ?? {}).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const script = load.script === undefined ? [] : ['-s', load.script]
  const args = [
    '-c',
    '1',
    'wrk',
    '-t1',
    `-c${load.connections ?? 64}`,
    `-d${seconds}s`,
    '--latency',
    '--timeout',
    '10s',
    ...headers,
    ...script,
    load.url,
  ]
  const { stdout } = await run('taskset', args, { maxBuffer: 1 << 24 })
  return stdout
}

function milliseconds(match: RegExpExecArray | null): number {
  const factor = { us: 0.001, ms: 1, s: 1000 }[match?.[2] ?? 'ms'] ?? 1
  return Number(match?.[1] ?? Number.NaN) * factor
}

function bytes(match: RegExpExecArray | null): number {
  const factor = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 }[match?.[2] ?? 'B'] ?? 1
  return Number(match?.[1] ?? 0) * factor
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
