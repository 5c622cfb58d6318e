/**
 * Program: JSON of `MessageLoad` → JSON of `MessageResult`. Opens connections, and on each sends a message, waits until it
 * is back, and sends the next.
 */
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { createHistogram } from 'node:perf_hooks'

export interface MessageLoad {
  readonly port: number
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly connections: number
  /** Bytes of a message, at most 125. */
  readonly size: number
  readonly seconds: number
}

export interface MessageResult {
  readonly requests: number
  readonly bad: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
}

const load = JSON.parse(process.argv[2] ?? '') as MessageLoad
const histogram = createHistogram({ lowest: 1, highest: 60_000_000_000, figures: 3 })
const frame = message()
let [open, messages, bad] = [0, 0, 0]
let begun = 0
let stopping = false
const starters: (() => void)[] = []

for (let index = 0; index < load.connections; index++) connection()

function connection(): void {
  const socket = connect({ host: '127.0.0.1', port: load.port, noDelay: true })
  let shaken = false
  let sent = 0
  let missing = 0
  const send = (): void => {
    sent = performance.now()
    missing = load.size + 2
    socket.write(frame)
  }
  socket.once('connect', () => {
    const lines = Object.entries(load.headers).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.write(
      `GET ${load.path} HTTP/1.1\r\nHost: 127.0.0.1:${load.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n${lines.join('')}\r\n`,
    )
  })
  socket.on('data', (chunk: Buffer) => {
    if (!shaken) {
      shaken = true
      const head = chunk.toString('latin1')
      if (!head.startsWith('HTTP/1.1 101 ') || !head.endsWith('\r\n\r\n')) {
        bad++
        socket.destroy()
        return
      }
      starters.push(send)
      if (++open === load.connections) start()
      return
    }
    missing -= chunk.length
    if (missing > 0) return
    // more than was sent, or another message
    if (missing < 0 || chunk[chunk.length - 1] !== 0x78) bad++
    messages++
    histogram.record(Math.max(1, Math.round((performance.now() - sent) * 1e6)))
    if (!stopping) send()
  })
  socket.on('error', () => {
    if (!stopping) bad++
  })
  socket.on('close', () => {
    if (stopping) return
    bad++
    if (open < load.connections) finish()
  })
}

function start(): void {
  begun = performance.now()
  for (const send of starters) send()
  setTimeout(finish, load.seconds * 1000)
}

function finish(): void {
  stopping = true
  const result: MessageResult = {
    requests: messages,
    bad,
    seconds: begun === 0 ? load.seconds : (performance.now() - begun) / 1000,
    p50Ms: histogram.percentile(50) / 1e6,
    p99Ms: histogram.percentile(99) / 1e6,
  }
  process.stdout.write(JSON.stringify(result), () => process.exit(0))
}

/** Text, masked with zeros: what is masked is as it was. */
function message(): Buffer {
  const bytes = Buffer.alloc(6 + load.size, 'x')
  bytes.set([0x81, 0x80 | load.size, 0, 0, 0, 0])
  return bytes
}
