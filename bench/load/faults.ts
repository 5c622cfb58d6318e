/**
 * Program: JSON of `FaultLoad` → JSON of `FaultResult`. Requests of many kinds, most of them ordinary, in an order that
 * the seed decides; clients that go away in the middle, and backends that do. Every answer is judged.
 */
import http2 from 'node:http2'
import { connect, type Socket } from 'node:net'
import tls from 'node:tls'
import { answerBody } from '../materials.ts'

export interface FaultLoad {
  readonly http: number
  readonly https: number
  readonly requests: number
  readonly seed: number
}

export interface FaultResult {
  readonly requests: number
  readonly seconds: number
  /** By protocol, kind and what came of it. */
  readonly outcomes: Readonly<Record<string, number>>
  /** Outcomes that must not be. */
  readonly wrong: Readonly<Record<string, number>>
}

/** What a request ends in: the whole answer with its status, or an end before that. */
type Outcome = 'right' | 'cut' | 'left' | `status ${number}` | 'other body'

interface Kind {
  readonly name: string
  readonly weight: number
  readonly fault?: string
  /** The client ends its connection (or stream) so many milliseconds after the request. */
  readonly leaveMs?: number
  /** Bytes of body announced, and sent. */
  readonly body?: readonly [announced: number, sent: number]
  readonly upgrade?: true
  readonly may: readonly Outcome[]
}

const dead: readonly Outcome[] = ['cut', 'status 502', 'status 503', 'status 504']
const kinds: readonly Kind[] = [
  { name: 'ordinary', weight: 900, may: ['right'] },
  { name: 'upload', weight: 20, body: [20_000, 20_000], may: ['right'] },
  { name: 'big', weight: 3, fault: 'big', may: ['right'] },
  { name: 'slow', weight: 5, fault: 'slow', may: ['right'] },
  { name: 'client leaves before the answer', weight: 10, fault: 'slow', leaveMs: 5, may: ['left'] },
  { name: 'client leaves in the answer', weight: 5, fault: 'big', leaveMs: 2, may: ['left', 'right'] },
  { name: 'client leaves in its body', weight: 10, body: [20_000, 5000], leaveMs: 2, may: ['left'] },
  { name: 'client leaves an upgrade', weight: 5, upgrade: true, leaveMs: 5, may: ['left'] },
  { name: 'backend ends in silence', weight: 8, fault: 'silent-end', may: dead },
  { name: 'backend resets', weight: 8, fault: 'reset', may: dead },
  { name: 'backend ends in its head', weight: 6, fault: 'half-head', may: dead },
  { name: 'backend ends in its body', weight: 8, fault: 'half-body', may: dead },
  { name: 'backend ends in a chunk', weight: 8, fault: 'half-chunk', may: dead },
  { name: 'backend ends in the upload', weight: 2, fault: 'mid-upload', body: [20_000, 20_000], may: dead },
  { name: 'backend speaks no HTTP', weight: 2, fault: 'no-http', may: dead },
]
const total = kinds.reduce((sum, { weight }) => sum + weight, 0)
const load = JSON.parse(process.argv[2] ?? '') as FaultLoad
const body = Buffer.alloc(20_000, 'b')
const outcomes: Record<string, number> = {}
const wrong: Record<string, number> = {}
const random = mulberry32(load.seed)
let asked = 0
const begun = performance.now()

interface Slot {
  ask(kind: Kind): Promise<Outcome>
  end(): void
}

async function work(protocol: string, slot: Slot): Promise<void> {
  while (asked < load.requests) {
    asked++
    const kind = pick()
    const outcome = await slot.ask(protocol === 'h2' && kind.upgrade === true ? kinds[0]! : kind)
    const text = `${protocol}, ${kind.name}: ${outcome}`
    outcomes[text] = (outcomes[text] ?? 0) + 1
    const may = protocol === 'h2' && kind.upgrade === true ? kinds[0]!.may : kind.may
    if (!may.includes(outcome)) wrong[text] = (wrong[text] ?? 0) + 1
  }
  slot.end()
}

class Http1 implements Slot {
  readonly #secure: boolean
  #socket: Socket | undefined

  constructor(secure: boolean) {
    this.#secure = secure
  }

  async ask(kind: Kind): Promise<Outcome> {
    const socket = (this.#socket ??= await this.#open())
    return new Promise((resolve) => {
      let head = ''
      let left = -1
      let seen = Buffer.alloc(0)
      let chunked = false
      const timers: NodeJS.Timeout[] = []
      const done = (outcome: Outcome, keep: 'kept' | 'gone'): void => {
        for (const timer of timers) clearTimeout(timer)
        socket.removeAllListeners('data').removeAllListeners('close')
        if (keep === 'gone') {
          socket.destroy()
          this.#socket = undefined
        }
        resolve(outcome)
      }
      const finish = (): void => {
        const status = Number(head.slice(9, 12))
        const closes = /\r\nconnection: *close/i.test(head)
        const right = kind.fault === 'big' ? 'right' : seen.toString() === answerBody ? 'right' : 'other body'
        done(status === 200 ? right : `status ${status}`, closes || status !== 200 ? 'gone' : 'kept')
      }
      socket.on('data', (chunk: Buffer) => {
        if (left < 0 && !chunked) {
          seen = Buffer.concat([seen, chunk])
          const end = seen.indexOf('\r\n\r\n')
          if (end < 0) return
          head = seen.subarray(0, end).toString('latin1')
          if (head.startsWith('HTTP/1.1 101')) return
          chunked = /\r\ntransfer-encoding: *chunked/i.test(head)
          seen = Buffer.from(seen.subarray(end + 4))
          left = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0) - seen.length
        } else {
          if (seen.length < 4096 || chunked) seen = Buffer.concat([seen, chunk])
          left -= chunk.length
        }
        if (chunked ? seen.toString('latin1').endsWith('0\r\n\r\n') : left <= 0) finish()
      })
      socket.on('close', () => done('cut', 'gone'))
      if (kind.leaveMs !== undefined) timers.push(setTimeout(() => done('left', 'gone'), kind.leaveMs))
      // nothing that is answered takes so long: it hangs
      timers.push(setTimeout(() => done('status 0', 'gone'), 20_000))
      const fault = kind.fault === undefined ? '' : `x-fault: ${kind.fault}\r\n`
      if (kind.upgrade === true) {
        socket.write(
          'GET /ws HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
        )
      } else if (kind.body === undefined) {
        socket.write(`GET /plain HTTP/1.1\r\nHost: bench\r\n${fault}\r\n`)
      } else {
        const [announced, sent] = kind.body
        socket.write(`POST /plain HTTP/1.1\r\nHost: bench\r\nContent-Length: ${announced}\r\n${fault}\r\n`)
        socket.write(body.subarray(0, sent))
      }
    })
  }

  end(): void {
    this.#socket?.destroy()
  }

  #open(): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const host = '127.0.0.1'
      const socket = this.#secure
        ? tls.connect({ host, port: load.https, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
        : connect({ host, port: load.http, noDelay: true })
      socket.once(this.#secure ? 'secureConnect' : 'connect', () => resolve(socket))
      // 'close' says what has to be said; before that, nobody may be refused
      socket.once('error', reject)
      socket.on('error', () => undefined)
    })
  }
}

class Http2 implements Slot {
  #session: http2.ClientHttp2Session | undefined
  #used = 0

  ask(kind: Kind): Promise<Outcome> {
    // now and then a whole session goes
    if (++this.#used % 500 === 0) this.end()
    const session = (this.#session ??= this.#open())
    return new Promise((resolve) => {
      const headers = { ':path': '/plain', ...(kind.fault === undefined ? {} : { 'x-fault': kind.fault }) }
      const stream = session.request(
        kind.body === undefined ? headers : { ...headers, ':method': 'POST', 'content-length': kind.body[0] },
        { endStream: kind.body === undefined },
      )
      let status = 0
      const parts: Buffer[] = []
      let ended = false
      const timers: NodeJS.Timeout[] = []
      const done = (outcome: Outcome): void => {
        for (const timer of timers) clearTimeout(timer)
        resolve(outcome)
      }
      stream.on('response', (answer) => {
        status = Number(answer[':status'])
      })
      stream.on('data', (chunk: Buffer) => {
        if (kind.fault !== 'big' || parts.length === 0) parts.push(chunk)
      })
      stream.on('end', () => {
        ended = true
      })
      stream.on('error', () => undefined)
      stream.once('close', () => {
        if (!ended || stream.rstCode !== 0) done('cut')
        else if (status !== 200) done(`status ${status}`)
        else done(kind.fault === 'big' || Buffer.concat(parts).toString() === answerBody ? 'right' : 'other body')
      })
      if (kind.body !== undefined) {
        const [announced, sent] = kind.body
        if (announced === sent) stream.end(body.subarray(0, sent))
        else stream.write(body.subarray(0, sent))
      }
      if (kind.leaveMs !== undefined) {
        timers.push(
          setTimeout(() => {
            stream.removeAllListeners('close')
            stream.close(http2.constants.NGHTTP2_CANCEL)
            done('left')
          }, kind.leaveMs),
        )
      }
      timers.push(setTimeout(() => done('status 0'), 20_000))
    })
  }

  end(): void {
    this.#session?.destroy()
    this.#session = undefined
  }

  #open(): http2.ClientHttp2Session {
    const session = http2.connect(`https://127.0.0.1:${load.https}`, { rejectUnauthorized: false })
    session.on('error', () => undefined)
    session.once('close', () => {
      if (this.#session === session) this.#session = undefined
    })
    return session
  }
}

function pick(): Kind {
  let at = random() * total
  for (const kind of kinds) {
    at -= kind.weight
    if (at < 0) return kind
  }
  return kinds[0]!
}

/** Tommy Ettinger's generator: the same numbers for the same seed. */
function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const slots = [
  ...Array.from({ length: 44 }, () => ['http', () => new Http1(false)] as const),
  ...Array.from({ length: 12 }, () => ['https', () => new Http1(true)] as const),
  ...Array.from({ length: 8 }, () => ['h2', () => new Http2()] as const),
]
await Promise.all(slots.map(([name, make]) => work(name, make())))
const result: FaultResult = { requests: asked, seconds: (performance.now() - begun) / 1000, outcomes, wrong }
process.stdout.write(JSON.stringify(result), () => process.exit(0))
