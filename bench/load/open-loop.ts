/**
 * Program: JSON of `RateLoad` → JSON of `RateResult`. Requests become due at a constant rate whether or not earlier ones
 * have been answered, and a latency counts from the moment when its request was due: waiting is not left out.
 * (Known as coordinated omission when it is; see HdrHistogram's and wrk2's documentation.)
 */
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { createHistogram } from 'node:perf_hooks'
import tls from 'node:tls'

export interface RateLoad {
  readonly port: number
  /** TLS with no check of the certificate. */
  readonly secure?: boolean
  /** Taken in turn: targets with their Host. */
  readonly targets: readonly { readonly host: string; readonly path: string }[]
  readonly headers: Readonly<Record<string, string>>
  readonly connections: number
  /** Requests a second. */
  readonly rate: number
  /** Not recorded at the beginning. */
  readonly warmSeconds: number
  readonly seconds: number
  /** Answers end with this byte of text. */
  readonly lastByte: string
}

export interface RateResult {
  /** Answered with 200 within the time, of `due`. */
  readonly requests: number
  readonly due: number
  /** Other answers, by status or by what happened to the connection. */
  readonly bad: Readonly<Record<string, number>>
  readonly p50Ms: number
  readonly p90Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** How late this program itself was with sending, although a connection was free: 99th percentile. */
  readonly lateMs: number
}

const load = JSON.parse(process.argv[2] === '-' ? readFileSync(0, 'utf8') : (process.argv[2] ?? '')) as RateLoad
const requests = load.targets.map(({ host, path }) => {
  const lines = Object.entries(load.headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${lines.join('')}\r\n`, 'latin1')
})
const shape = { lowest: 1, highest: 600_000_000_000, figures: 3 }
const latencies = createHistogram(shape)
const lateness = createHistogram(shape)
const lastByte = load.lastByte.charCodeAt(0)
const free: Client[] = []
const bad: Record<string, number> = {}
const spacing = 1000 / load.rate
const cell = new Int32Array(new SharedArrayBuffer(4))
let [next, counted, opened] = [0, 0, 0]
let begun = 0
let recordFrom = 0
let end = 0
let waited = false

class Client {
  #socket: Socket
  #due = 0
  #busy = false

  constructor() {
    this.#socket = this.#open()
  }

  send(due: number, request: Buffer): void {
    this.#due = due
    this.#busy = true
    this.#socket.write(request)
  }

  #open(): Socket {
    const host = '127.0.0.1'
    // into one buffer: nothing is kept of an answer
    const onread = {
      buffer: Buffer.allocUnsafe(65_536),
      callback: (count: number, bytes: Uint8Array) => this.#read(count, bytes),
    }
    const socket =
      load.secure === true
        ? tls.connect({ host, port: load.port, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
        : connect({ host, port: load.port, noDelay: true, onread })
    if (load.secure === true) socket.on('data', (chunk: Buffer) => this.#read(chunk.length, chunk))
    socket.once(load.secure === true ? 'secureConnect' : 'connect', () => {
      free.push(this)
      if (++opened === load.connections) start()
    })
    let reason = 'closed'
    socket.on('error', (error: NodeJS.ErrnoException) => {
      reason = error.code ?? error.message
    })
    socket.once('close', () => {
      if (begun === 0) {
        process.stderr.write(`no connection: ${reason}\n`)
        process.exit(1)
      }
      if (performance.now() >= end) return
      const what = this.#busy ? `${reason} before the answer` : `${reason} while idle`
      bad[what] = (bad[what] ?? 0) + 1
      this.#busy = false
      const at = free.indexOf(this)
      if (at >= 0) free.splice(at, 1)
      this.#socket = this.#open()
    })
    return socket
  }

  #read(count: number, bytes: Uint8Array): boolean {
    if (bytes[count - 1] !== lastByte) return true
    const now = performance.now()
    this.#busy = false
    const status = String.fromCharCode(bytes[9] ?? 0, bytes[10] ?? 0, bytes[11] ?? 0)
    if (status !== '200') bad[status] = (bad[status] ?? 0) + 1
    else if (this.#due >= recordFrom && now < end) {
      counted++
      latencies.record(Math.max(1, Math.round((now - this.#due) * 1e6)))
    }
    free.push(this)
    return true
  }
}

for (let index = 0; index < load.connections; index++) new Client()

function start(): void {
  if (begun !== 0) return
  begun = performance.now() + 20
  recordFrom = begun + load.warmSeconds * 1000
  end = recordFrom + load.seconds * 1000
  setImmediate(turn)
}

/** Polls rather than sleeps, but for instants in which nothing is due: a timer of a millisecond would send in bursts. */
function turn(): void {
  const now = performance.now()
  if (now >= end) {
    finish()
    return
  }
  let due = begun + next * spacing
  while (due <= now) {
    const client = free.pop()
    if (client === undefined) {
      waited = true
      break
    }
    if (!waited && due >= recordFrom) lateness.record(Math.max(1, Math.round((now - due) * 1e6)))
    client.send(due, requests[next % requests.length]!)
    due = begun + ++next * spacing
  }
  if (due > now) waited = false
  // this core is the backend's, too, and real-time priority ends where somebody never sleeps; answers are seen so much later at most
  const spare = Math.min(due - now - 0.01, 0.04)
  if (free.length > 0 && spare > 0.005) Atomics.wait(cell, 0, 0, spare)
  setImmediate(turn)
}

function finish(): void {
  const milliseconds = (percentile: number): number => latencies.percentile(percentile) / 1e6
  const result: RateResult = {
    requests: counted,
    due: Math.floor(load.rate * load.seconds),
    bad,
    p50Ms: milliseconds(50),
    p90Ms: milliseconds(90),
    p99Ms: milliseconds(99),
    maxMs: latencies.max / 1e6,
    lateMs: lateness.percentile(99) / 1e6,
  }
  process.stdout.write(JSON.stringify(result), () => process.exit(0))
}
