/**
 * What both sides of an HTTP/2 connection do alike (RFC 9113): bytes → frames → streams, and how streams and connections
 * end. Strict: what the other side must not send ends its stream or the connection, and whoever costs more than it asks
 * for is told to be calm. `server.ts` and `client.ts` are the two sides.
 */
import { type BlockSink, BlockReader } from './blocks.ts'
import { Budget } from './budget.ts'
import { control } from './controls.ts'
import { Decoder } from './decoder.ts'
import {
  CONNECTION_ID,
  ERROR,
  FLAG,
  four,
  goawayFrame,
  resetFrame,
  SETTING,
  settingsFrame,
  TYPE,
  updateFrame,
  WINDOW_FIRST,
} from './frames.ts'
import { StreamIds } from './ids.ts'
import { Intake, WINDOW } from './intake.ts'
import { HeaderList } from './list.ts'
import { Output, type Transport } from './output.ts'
import { FrameReader, type FrameSink } from './reader.ts'
import type { Stream } from './stream.ts'

export interface SessionUser {
  /** For the metrics: the other side has sent what it must not. */
  onRefused(reason: string): void
  /** A stream has ended. */
  onLeft(): void
  /** No more streams are begun, or served: the connection may end with the last one. */
  onFarewell(): void
  /** Nothing is read any more, and GOAWAY is on its way; streams have been told. */
  onEnd(): void
}

export interface SessionLimits {
  /** Of a header list, bytes. */
  readonly headBytes: number
}

const SETTINGS_WAIT = 0
const OPEN = 1
const OVER = 2

export abstract class Session<User extends SessionUser = SessionUser> implements FrameSink, BlockSink {
  readonly streams = new Map<number, Stream>()
  /** Of the side that begins streams. */
  readonly ids = new StreamIds()
  readonly budget = new Budget((reason) => this.#end(ERROR.calm, reason))
  readonly output: Output
  readonly intake: Intake
  /** Heads and other frames that were read, a head as one. */
  frames = 0
  protected readonly user: User
  readonly #headBytes: number
  readonly #window: number
  readonly #reader = new FrameReader(this)
  readonly #blocks: BlockReader
  readonly #decoder = new Decoder()
  readonly #list = new HeaderList()
  #state = SETTINGS_WAIT

  /** `window`: bytes that we take of all bodies before somebody has used them. */
  constructor(user: User, transport: Transport, { headBytes }: SessionLimits, window: number) {
    this.user = user
    this.#headBytes = headBytes
    this.#blocks = new BlockReader(this, Math.max(65_536, headBytes * 2))
    this.output = new Output(transport, this.budget)
    this.intake = new Intake(this, window)
    this.#window = window
  }

  /** The first that we say; `settings` beside what we take of a stream. */
  protected greet(preface: string, settings: readonly (readonly [setting: number, value: number])[]): void {
    const frames = settingsFrame([...settings, [SETTING.window, WINDOW]])
    this.output.emit(preface + frames + updateFrame(CONNECTION_ID, this.#window - WINDOW_FIRST))
  }

  // --- what the user calls ---

  /** Bytes of the other side, from its first one on; nothing of `bytes` is kept. */
  receive(bytes: Buffer, from: number, end: number): void {
    this.#reader.feed(bytes, from, end)
  }

  /** Once in a while: what the other side may spend comes back. */
  refill(seconds: number): void {
    this.budget.refill(seconds)
  }

  get over(): boolean {
    return this.#state === OVER
  }

  /** Is the other side in the middle of a head, or of a frame that is no body? */
  get waits(): boolean {
    return this.#blocks.waits || this.#reader.waits
  }

  /** The connection has gone. */
  gone(): void {
    this.#state = OVER
    this.#reader.stop()
    this.output.drop()
    this.#dropStreams()
  }

  flush(): void {
    this.output.flush()
  }

  /** After a write has said false. */
  drained(): void {
    this.output.drained()
  }

  // --- what a side does its own way ---

  /** HEADERS of a stream that nobody has begun. */
  protected abstract onOpening(id: number, list: HeaderList, ends: boolean): void
  /** RST_STREAM of a stream that is open. */
  abstract onReset(stream: Stream, code: number): void
  /** The connection of a stream has ended. */
  protected abstract onGone(stream: Stream): void
  /** GOAWAY: streams of ours above `last` are not served. */
  abstract onAway(last: number): void
  /** One of SETTINGS that each side reads its own way; an error code, or none. */
  abstract onSetting(setting: number, value: number): number
  /** All of a frame of SETTINGS holds. */
  abstract onSettled(): void
  /** An answer to a PING of ours. */
  abstract onPong(payload: string): void
  /** The last stream of the other side that we have begun with. */
  protected abstract get lastOfTheirs(): number

  // --- frames ---

  onFrame(type: number, flags: number, id: number, bytes: Buffer, from: number, end: number): void {
    if (this.#blocks.waits) {
      this.#blocks.onNext(type, flags, id, bytes, from, end)
      return
    }
    this.frames++
    if (this.#state === SETTINGS_WAIT) {
      // RFC 9113 §3.4
      if (type !== TYPE.settings || (flags & FLAG.ack) !== 0) {
        this.fail(ERROR.protocol)
        return
      }
      this.#state = OPEN
    }
    if (type === TYPE.headers) this.#blocks.onHeaders(flags, id, bytes, from, end)
    else control(this, type, flags, id, bytes, from, end)
  }

  onData(flags: number, id: number, size: number, length: number): void {
    this.frames++
    if (this.#state !== OPEN || this.#blocks.waits || this.ids.isIdle(id)) this.fail(ERROR.protocol)
    else this.intake.begin(flags, id, size, length)
  }

  onPiece(bytes: Buffer, from: number, end: number): void {
    this.intake.piece(bytes, from, end)
  }

  onEndOfData(): void {
    this.intake.end()
  }

  onFault(code: number): void {
    this.fail(code)
  }

  onBlock(flags: number, id: number, block: Buffer, from: number, end: number): void {
    const list = this.#list
    const stream = this.streams.get(id)
    list.begin(stream === undefined ? 'request' : stream.awaitsHead ? 'answer' : 'trailers', this.#headBytes)
    // whatever becomes of it, the tables must stay the same on both sides
    if (!this.#decoder.decode(block, from, end, list)) {
      this.fail(ERROR.compression)
      return
    }
    const ends = (flags & FLAG.endStream) !== 0
    if (stream !== undefined) stream.receiveHead(list, ends)
    else if (id > this.ids.last) this.onOpening(id, list, ends)
    // what was sent before our RST_STREAM arrived
    else if (this.ids.wasEnded(id)) this.budget.idle(end - from)
    else this.fail(this.ids.wasSkipped(id) ? ERROR.protocol : ERROR.streamClosed)
  }

  // --- how streams end ---

  /** The other side has made a mistake that is one of this stream only. */
  fault(stream: Stream, code: number): void {
    this.user.onRefused('h2-malformed')
    this.reset(stream, code)
    stream.lost(code, 'fault')
  }

  reset(stream: Stream, code: number): void {
    this.emitReset(stream.id, code, stream.remoteEnded ? 0 : stream.receives)
    this.leave(stream)
  }

  /** It is over, both ways. */
  leave(stream: Stream): void {
    if (!this.streams.delete(stream.id)) return
    this.output.leave(stream)
    this.intake.leave(stream)
    this.user.onLeft()
  }

  /** `left`: what of its body may be on its way, bytes. */
  protected emitReset(id: number, code: number, left: number): void {
    this.ids.end(id, left)
    this.output.emit(resetFrame(four(id), code))
  }

  // --- how the connection ends ---

  /** The other side has broken a rule of the connection. */
  fail(code: number): void {
    this.#end(code, 'h2-protocol')
  }

  #end(code: number, reason: string): void {
    if (this.#state === OVER) return
    this.user.onRefused(reason)
    this.stop(code)
  }

  /** Nothing is read any more; `code` is the last that is said. */
  protected stop(code: number): void {
    this.#state = OVER
    this.#reader.stop()
    this.#blocks.stop()
    this.output.last(goawayFrame(this.lastOfTheirs, code))
    this.#dropStreams()
    this.user.onEnd()
  }

  #dropStreams(): void {
    for (const stream of this.streams.values()) {
      this.leave(stream)
      this.onGone(stream)
    }
  }
}
