/** A running proxy's pids + a load → CPU per request, requests per second, latencies. Effects: runs the load, reads /proc. */
import { execFile, execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import type { MessageLoad, MessageResult } from './load/websocket.ts'
import type { RateLoad, RateResult } from './load/open-loop.ts'
import type { Cores } from './peers/process.ts'

const run = promisify(execFile)
const ticks = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

export interface Load {
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly connections?: number
  /** A file for wrk, for bodies, for connections that are closed, for many targets. */
  readonly script?: string
  /** Streams at once on each connection: HTTP/2, by h2load. */
  readonly streams?: number
  /** Messages instead of requests. */
  readonly websocket?: true
  readonly threads?: number
  readonly cores?: Cores
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

/** What a load generator says at its end. */
export interface Outcome {
  readonly requests: number
  readonly bad: number
  /** Answers with another status, of `bad`. */
  readonly refused: number
  readonly bytesPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/**
 * Where the kernel shares the cores out by session, `nice` counts only inside one: the session gets what the process has.
 * Elsewhere, or without the right to it, nothing changes.
 */
export function followNice(): boolean {
  try {
    writeFileSync('/proc/self/autogroup', String(getPriority()))
    return true
  } catch {
    return false
  }
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

/** Runs the load on its own core for the given time and reads the proxy's CPU before and after. */
export async function measure(pids: readonly number[], load: Load, seconds: number): Promise<Sample> {
  const before = cpuSeconds(pids)
  const outcome = await generate(load, seconds)
  const cpu = cpuSeconds(pids) - before
  return {
    cpuUs: outcome.requests === 0 ? Number.NaN : (cpu / outcome.requests) * 1e6,
    requests: outcome.requests,
    rps: outcome.requests / seconds,
    bytesPerSecond: outcome.bytesPerSecond,
    p50Ms: outcome.p50Ms,
    p99Ms: outcome.p99Ms,
    bad: outcome.bad,
    rssMb: rssMb(pids),
    core: cpu / seconds,
  }
}

export function generate(load: Load, seconds: number): Promise<Outcome> {
  if (load.websocket !== undefined) return messages(load, seconds)
  return load.streams === undefined ? wrk(load, seconds) : h2load(load, load.streams, seconds)
}

/** HTTP/2 over TLS. */
async function h2load(load: Load, streams: number, seconds: number): Promise<Outcome> {
  const amount = ['-t1', `-c${load.connections ?? 16}`, `-m${streams}`, `-D${seconds}`]
  const output = await pinned(load, 'h2load', [...amount, ...headerArguments(load), load.url])
  const number = (pattern: RegExp): number => Number(pattern.exec(output)?.[1] ?? 0)
  const refused = number(/ (\d+) 4xx/) + number(/ (\d+) 5xx/)
  return {
    requests: number(/, (\d+) succeeded/),
    bad: number(/, (\d+) failed/) + refused,
    refused,
    bytesPerSecond: 0,
    // it tells no percentiles
    p50Ms: Number.NaN,
    p99Ms: Number.NaN,
  }
}

/** Keep-alive unless the script says otherwise. */
async function wrk(load: Load, seconds: number): Promise<Outcome> {
  const script = load.script === undefined ? [] : ['-s', load.script]
  const amount = [`-t${load.threads ?? 1}`, `-c${load.connections ?? 64}`, `-d${seconds}s`, '--latency']
  const args = [...amount, '--timeout', '10s', ...headerArguments(load), ...script, load.url]
  const output = await pinned(load, 'wrk', args)
  const number = (pattern: RegExp): number => Number(pattern.exec(output)?.[1] ?? 0)
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output)
  const refused = number(/Non-2xx or 3xx responses: (\d+)/)
  return {
    requests: number(/(\d+) requests in/),
    bad: refused + (errors === null ? 0 : errors.slice(1).reduce((sum, text) => sum + Number(text), 0)),
    refused,
    bytesPerSecond: bytes(/Transfer\/sec:\s+([\d.]+)(\w+)/.exec(output)),
    p50Ms: milliseconds(/\n\s+50%\s+([\d.]+)(us|ms|s)/.exec(output)),
    p99Ms: milliseconds(/\n\s+99%\s+([\d.]+)(us|ms|s)/.exec(output)),
  }
}

async function messages(load: Load, seconds: number): Promise<Outcome> {
  const url = new URL(load.url)
  const wanted: MessageLoad = {
    port: Number(url.port),
    path: url.pathname,
    headers: load.headers ?? {},
    connections: load.connections ?? 64,
    size: 64,
    seconds,
  }
  const result = JSON.parse(await program('websocket.ts', [JSON.stringify(wanted)])) as MessageResult
  return { ...result, refused: 0, bytesPerSecond: 0 }
}

/** At a constant rate: see load/open-loop.ts. `realtime`: before everything else on its core, where the system allows it. */
export async function generateAtRate(
  load: RateLoad,
  options: { readonly realtime?: boolean } = {},
): Promise<RateResult> {
  const first = options.realtime === true && realtimeAllowed() ? ['chrt', '-f', '1'] : []
  return JSON.parse(await program('open-loop.ts', ['-'], { first, input: JSON.stringify(load) })) as RateResult
}

/** Puts processes before everything else on their cores, or back. False: the system does not allow it. */
export function setRealtime(pids: readonly number[], priority: 0 | 1 | 2): boolean {
  if (!realtimeAllowed()) return false
  for (const pid of pids)
    execFileSync('chrt', ['-a', priority === 0 ? '-o' : '-f', '-p', String(priority), String(pid)], { stdio: 'ignore' })
  return true
}

let allowed: boolean | undefined
function realtimeAllowed(): boolean {
  if (allowed === undefined) {
    try {
      execFileSync('chrt', ['-f', '1', 'true'], { stdio: 'ignore' })
      allowed = true
    } catch {
      allowed = false
    }
  }
  return allowed
}

/** One of our own generators, on core 1. */
function program(
  name: string,
  args: readonly string[],
  options: { readonly first?: readonly string[]; readonly input?: string } = {},
): Promise<string> {
  const file = fileURLToPath(new URL(`load/${name}`, import.meta.url))
  const line = [...(options.first ?? []), process.execPath, '--import', 'tsx', file, ...args]
  const running = run('taskset', ['-c', '1', ...line], { maxBuffer: 1 << 24 })
  running.child.stdin?.end(options.input ?? '')
  return running.then(({ stdout }) => stdout)
}

async function pinned(load: Load, command: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run('taskset', ['-c', load.cores ?? '1', command, ...args], { maxBuffer: 1 << 24 })
  return stdout
}

function headerArguments(load: Load): readonly string[] {
  return Object.entries(load.headers ?? {}).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
}

function milliseconds(match: RegExpExecArray | null): number {
  const factor = { us: 0.001, ms: 1, s: 1000 }[match?.[2] ?? 'ms'] ?? 1
  return Number(match?.[1] ?? Number.NaN) * factor
}

function bytes(match: RegExpExecArray | null): number {
  const factor = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 }[match?.[2] ?? 'B'] ?? 1
  return Number(match?.[1] ?? 0) * factor
}

export const median = (values: readonly number[]): number => quantile(values, 0.5)

/** The value below which that share of them lies, between two of them where it must; NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).toSorted((left, right) => left - right)
  const place = (sorted.length - 1) * share
  const [low, high] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]]
  if (low === undefined || high === undefined) return Number.NaN
  return low + (high - low) * (place - Math.floor(place))
}
