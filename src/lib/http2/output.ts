/** Heads, bodies and other frames of all streams → what the transport takes, within the windows of the other side. */
import { latin1 } from '../http1/latin1.ts'
import { type Budget, UNSENT } from './budget.ts'
import { Encoder } from './encoder.ts'
import { FLAG, FRAME_BYTES, frameHead, headersFrames, TYPE, WINDOW_FIRST, WINDOW_MOST } from './frames.ts'
import type { Stream } from './stream.ts'

/** Where bytes go. */
export interface Transport {
  /** Latin1. False: wait for `drained`. */
  write(text: string): boolean
  /** The same for texts and buffers in turn, which are used up when this returns. */
  writePieces(pieces: readonly (string | Buffer)[]): boolean
  /** Memory that stays as it is. */
  keep(piece: Buffer): Buffer
  /** There is something to send: call `flush` before the process waits. */
  schedule(): void
}

/** Buffers beside text make a write of their own from this size on. */
const JOIN = 4096

export class Output {
  /** What the other side takes of a stream that begins, bytes. */
  streamWindow = WINDOW_FIRST
  readonly #transport: Transport
  readonly #budget: Budget
  readonly #encoder = new Encoder()
  /** What it takes of all. */
  #window = WINDOW_FIRST
  /** Streams with something to send that only wait for the connection. */
  readonly #waiting = new Set<Stream>()
  #out = ''
  #pieces: (string | Buffer)[] | undefined
  #scheduled = false
  #stalled = false
  #ended = false

  constructor(transport: Transport, budget: Budget) {
    this.#transport = transport
    this.#budget = budget
  }

  /** Control frames and heads: they wait for nobody. */
  emit(frames: string): void {
    if (this.#ended) return
    this.#out += frames
    if (this.#stalled) {
      this.#budget.unsent(this.#out.length)
      return
    }
    if (this.#scheduled) return
    this.#scheduled = true
    this.#transport.schedule()
  }

  headers(stream: Stream, status: number, lines: string, flags: number): void {
    // in the order in which they are sent: the other side's table follows ours
    this.emit(headersFrames(stream.head, this.#encoder.encode(status, lines), flags))
  }

  /**
   * As much of `piece` from `at` on as the windows take, in no more than `frames`; with END_STREAM on its last byte where it
   * `ends`. Returns how far it came. A Buffer may lie in memory that is used again: what was taken has gone out by then.
   */
  data(stream: Stream, piece: string | Buffer, at: number, ends: boolean, frames: number): number {
    if (this.#stalled) return at
    let from = at
    for (let left = frames; left > 0 && from < piece.length; left--) {
      const size = Math.min(piece.length - from, FRAME_BYTES, stream.window, this.#window)
      if (size <= 0) break
      const last = from + size === piece.length
      this.#out += frameHead(size, TYPE.data, ends && last ? FLAG.endStream : 0, stream.head)
      if (typeof piece === 'string') this.#out += from === 0 && last ? piece : piece.slice(from, from + size)
      else if (size <= JOIN) this.#out += latin1(piece, from, from + size)
      else {
        ;(this.#pieces ??= []).push(this.#out, piece.subarray(from, from + size))
        this.#out = ''
      }
      this.#budget.sent()
      stream.window -= size
      this.#window -= size
      from += size
    }
    if (this.#pieces !== undefined || this.#out.length > FRAME_BYTES * 2) this.flush()
    else if (from > at) this.emit('')
    return from
  }

  /** Memory that stays as it is. */
  keep(piece: Buffer): Buffer {
    return this.#transport.keep(piece)
  }

  // --- streams that wait ---

  /** It has more to send than it may now. */
  wait(stream: Stream): void {
    if (stream.window > 0) this.#waiting.add(stream)
  }

  leave(stream: Stream): void {
    this.#waiting.delete(stream)
  }

  /** Everybody who waits may send a frame, in turn, until nothing can be sent any more. */
  pump(): void {
    while (this.#waiting.size > 0 && this.#window > 0 && !this.#stalled) {
      for (const stream of this.#waiting) {
        this.#waiting.delete(stream)
        stream.sendMore()
        break
      }
    }
  }

  // --- what the other side says ---

  /** It takes more of all. False: more than there can be. */
  widen(bytes: number): boolean {
    this.#window += bytes
    return this.#window <= WINDOW_MOST
  }

  /** It takes another amount of every stream (RFC 9113 §6.9.2). False: more than there can be. */
  resizeStreams(window: number, streams: Iterable<Stream>): boolean {
    const change = window - this.streamWindow
    this.streamWindow = window
    for (const stream of streams) {
      stream.window += change
      if (stream.window > WINDOW_MOST) return false
      if (stream.hasMore) this.wait(stream)
    }
    return true
  }

  /** So many bytes of heads it remembers. */
  resizeTable(bytes: number): void {
    this.#encoder.resize(bytes)
  }

  // --- the transport ---

  flush(): void {
    this.#scheduled = false
    if (this.#stalled) return
    const out = this.#out
    const pieces = this.#pieces
    if (pieces === undefined) {
      if (out === '') return
      this.#out = ''
      if (!this.#transport.write(out)) this.#stalled = true
      return
    }
    this.#out = ''
    this.#pieces = undefined
    if (out !== '') pieces.push(out)
    if (!this.#transport.writePieces(pieces)) this.#stalled = true
  }

  /** After a write has said false. */
  drained(): void {
    this.#stalled = false
    this.flush()
    this.pump()
  }

  /** Bytes that the transport does not take now. */
  get unsent(): number {
    return this.#stalled ? this.#out.length : 0
  }

  /** Nothing is said behind these; what nobody reads is not kept for them. */
  last(frames: string): void {
    if (this.#out.length > UNSENT) this.#out = ''
    this.emit(frames)
    this.#ended = true
  }

  /** Nobody is there any more. */
  drop(): void {
    this.#ended = true
    this.#out = ''
    this.#pieces = undefined
  }
}
