/** An exchange that a policy wants to take over → a stream that stands for the client's connection. What it writes first is the head of the answer. */
import { Duplex } from 'node:stream'
import { readResponseHead, type ResponseHead } from '../../lib/http1/head.ts'
import { endOfHead } from '../../lib/http1/latin1.ts'
import type { Reply } from '../../policies/policy.ts'
import { STAGE, type EngineExchange, type Outbound, type TunnelEnd } from './exchange.ts'

const HEAD_BYTES = 65_536
const HEAD_LIMITS = { headerCount: 200 }
/** Of an answer other than 101. */
const BODY_BYTES = 1_048_576

type Done = (error?: Error | null) => void

/**
 * With 101 both sides are bytes from there on. Any other status, and what is written behind its head, is an answer like
 * another, sent when the stream ends or is destroyed. A stream that is destroyed before it has said anything cuts the
 * connection, as a socket would.
 */
export function handOver(exchange: EngineExchange, timeout: number, answer: (answer: Reply) => void): Duplex {
  return new Handed(exchange, timeout, answer).stream
}

class Handed implements TunnelEnd, Outbound {
  readonly address = ''
  readonly stream: Duplex
  readonly #exchange: EngineExchange
  readonly #answer: (answer: Reply) => void
  #far: TunnelEnd | undefined
  #head: ResponseHead | undefined
  #held: Buffer = Buffer.alloc(0)
  #waiting: Done | undefined
  #over = false
  readonly #timer: NodeJS.Timeout

  constructor(exchange: EngineExchange, timeout: number, answer: (answer: Reply) => void) {
    this.#exchange = exchange
    this.#answer = answer
    exchange.stage = STAGE.forwarding
    exchange.outbound = this
    this.stream = new Duplex({
      allowHalfOpen: true,
      read: () => this.#far?.resume(),
      write: (chunk: Buffer, _encoding, done) => this.#write(chunk, done),
      final: (done) => {
        if (this.#far === undefined) this.#end()
        else this.#far.finish()
        done()
      },
      destroy: (error, done) => this.#destroyed(error, done),
    })
    this.#timer = setTimeout(() => this.stream.destroy(new Error(`no answer within ${timeout} ms`)), timeout).unref()
    // whoever was given the stream hears of it, too
    this.stream.on('error', () => undefined)
  }

  // --- what the owner of the stream does ---

  #write(chunk: Buffer, done: Done): void {
    if (this.#far !== undefined) {
      if (this.#far.send(chunk)) done()
      else this.#waiting = done
      return
    }
    this.#held = Buffer.concat([this.#held, chunk])
    if (this.#held.length > BODY_BYTES) return done(new Error('the answer is too long'))
    done(this.#head === undefined ? this.#readHead() : undefined)
  }

  #readHead(): Error | undefined {
    const end = endOfHead(this.#held, 0, this.#held.length)
    if (end < 0) return this.#held.length > HEAD_BYTES ? new Error('the head of the answer has no end') : undefined
    const head = readResponseHead(this.#held, 0, end, HEAD_LIMITS)
    this.#held = this.#held.subarray(end)
    if (head.kind === 'refusal') return new Error(`the head of the answer: ${head.reason}`)
    this.#head = head
    clearTimeout(this.#timer)
    return head.status === 101 ? this.#open(head) : undefined
  }

  #open(head: ResponseHead): Error | undefined {
    const exchange = this.#exchange
    const first = this.#held.length === 0 ? undefined : this.#held
    this.#held = Buffer.alloc(0)
    exchange.response.begin(101, '', head.fields, 'gateway', 0)
    const far = exchange.inbound.tunnel(exchange, this, first)
    if (far === undefined) return new Error('this connection cannot be handed over')
    this.#over = true
    this.#far = far
    return undefined
  }

  #destroyed(error: Error | null, done: Done): void {
    clearTimeout(this.#timer)
    const far = this.#far
    this.#far = undefined
    if (far === undefined) this.#end()
    else far.destroy()
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.(error ?? new Error('the connection is closed'))
    done(error)
  }

  /** Nothing more comes: what there is, is the answer. */
  #end(): void {
    if (this.#over) return
    this.#over = true
    const exchange = this.#exchange
    exchange.outbound = undefined
    if (exchange.stage !== STAGE.forwarding) return
    const head = this.#head
    if (head === undefined || head.status < 200) {
      exchange.failure ??= 'handed-over'
      exchange.inbound.abort()
      return
    }
    const { status, reason, fields } = head
    this.#answer({ kind: 'reply', status, reason, headers: [...fields], body: this.#held })
  }

  // --- what the client does ---

  send(piece: Buffer): boolean {
    return this.stream.push(Buffer.from(piece))
  }

  finish(): void {
    this.stream.push(null)
  }

  destroy(): void {
    this.#far = undefined
    this.#over = true
    this.stream.destroy()
  }

  cancel(): void {
    this.destroy()
  }

  /** Nothing to hold back: writes wait for the client one by one. */
  pause(): void {}

  resume(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.()
  }
}
