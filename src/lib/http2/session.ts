/**
 * The server's side of one HTTP/2 connection (RFC 9113): bytes of the client → requests, answers → bytes. Strict: what
 * the client must not send ends its stream or the connection, and whoever costs more than it asks for is told to be calm.
 */
import { type BlockSink, BlockReader } from './blocks.ts'
import { Budget } from './budget.ts'
import { control, WARNED } from './controls.ts'
import { Decoder } from './decoder.ts'
import {
  CONNECTION_ID,
  ERROR,
  FLAG,
  four,
  goawayFrame,
  pingFrame,
  PREFACE,
  resetFrame,
  SETTING,
  settingsFrame,
  TYPE,
  updateFrame,
  WINDOW_FIRST,
  WINDOW_MOST,
} from './frames.ts'
import { StreamIds } from './ids.ts'
import { CONNECTION_WINDOW, Intake, WINDOW } from './intake.ts'
import { HeaderList } from './list.ts'
import { Output, type Transport } from './output.ts'
import { FrameReader, type FrameSink } from './reader.ts'
import { Stream } from './stream.ts'

export interface SessionUser {
  /** A request whose list is complete; sets the stream's user, or answers at once. `list` holds until this returns. */
  onRequest(stream: Stream, list: HeaderList): void
  /** For the metrics: the client has sent what it must not. */
  onRefused(reason: string): void
  /** A stream has ended. */
  onLeft(): void
  /** No more streams are begun, or served: the connection may end with the last one. */
  onFarewell(): void
  /** Nothing is read any more, and GOAWAY is on its way; streams have been told. */
  onEnd(): void
}

interface Limits {
  /** Of a request's list, bytes. */
  readonly headBytes: number
}

/** At once on one connection; browsers use 100 at most. */
const STREAMS = 128

const PREFACE_WAITS = 0
const SETTINGS_WAIT = 1
const OPEN = 2
const OVER = 3

export class Session implements FrameSink, BlockSink {
  readonly streams = new Map<number, Stream>()
  readonly ids = new StreamIds()
  readonly budget = new Budget((reason) => this.#end(ERROR.calm, reason))
  readonly output: Output
  readonly intake = new Intake(this)
  /** Heads and other frames that were read, a head as one. */
  frames = 0
  readonly #user: SessionUser
  readonly #limits: Limits
  readonly #reader = new FrameReader(this)
  readonly #blocks: BlockReader
  readonly #decoder = new Decoder()
  readonly #list = new HeaderList()
  #state = PREFACE_WAITS
  #prefaceAt = 0
  /** The last stream that is served once we have said GOAWAY. */
  #lastServed = WINDOW_MOST

  constructor(user: SessionUser, transport: Transport, limits: Limits) {
    this.#user = user
    this.#limits = limits
    this.#blocks = new BlockReader(this, Math.max(65_536, limits.headBytes * 2))
    this.output = new Output(transport, this.budget)
    this.output.emit(
      settingsFrame([
        [SETTING.streams, STREAMS],
        [SETTING.window, WINDOW],
        [SETTING.listBytes, Math.min(65_535, limits.headBytes * 2)],
        [SETTING.noPriorities, 1],
      ]) + updateFrame(CONNECTION_ID, CONNECTION_WINDOW - WINDOW_FIRST),
    )
  }

  // --- what the user calls ---

  /** Bytes of the client, from the preface on; nothing of `bytes` is kept. */
  receive(bytes: Buffer, from: number, end: number): void {
    let at = from
    if (this.#state === PREFACE_WAITS) {
      while (at < end && this.#prefaceAt < PREFACE.length) {
        if (bytes[at++] !== PREFACE.charCodeAt(this.#prefaceAt++)) {
          this.fail(ERROR.protocol)
          return
        }
      }
      if (this.#prefaceAt < PREFACE.length) return
      this.#state = SETTINGS_WAIT
    }
    if (this.#state !== OVER) this.#reader.feed(bytes, at, end)
  }

  /** Once in a while: what the client may spend comes back. */
  refill(seconds: number): void {
    this.budget.refill(seconds)
  }

  get over(): boolean {
    return this.#state === OVER
  }

  /** Is the client in the middle of a head, or of a frame that is no body? */
  get waits(): boolean {
    return this.#state === PREFACE_WAITS || this.#blocks.waits || this.#reader.waits
  }

  /** RFC 9113 §6.8: no new streams, please; those on their way are still served. */
  warn(): void {
    if (this.#state === OVER) return
    this.output.emit(goawayFrame(WINDOW_MOST, ERROR.none) + pingFrame(WARNED, 0))
  }

  /** From here on nothing new is served. */
  close(): void {
    if (this.#state === OVER || this.#lastServed !== WINDOW_MOST) return
    this.#lastServed = this.ids.last
    this.output.emit(goawayFrame(this.ids.last, ERROR.none))
    this.farewell()
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

  // --- heads ---

  onBlock(flags: number, id: number, block: Buffer, from: number, end: number): void {
    const list = this.#list
    const stream = this.streams.get(id)
    list.begin(stream === undefined ? 'request' : 'trailers', this.#limits.headBytes)
    // whatever becomes of it, the tables must stay the same on both sides
    if (!this.#decoder.decode(block, from, end, list)) {
      this.fail(ERROR.compression)
      return
    }
    const ends = (flags & FLAG.endStream) !== 0
    if (stream !== undefined) this.#onTrailers(stream, list, ends)
    else if (id > this.ids.last) this.#onRequest(id, list, ends)
    // what was sent before our RST_STREAM arrived
    else if (this.ids.wasEnded(id)) this.budget.idle(end - from)
    else this.fail(this.ids.wasSkipped(id) ? ERROR.protocol : ERROR.streamClosed)
  }

  #onRequest(id: number, list: HeaderList, ends: boolean): void {
    this.ids.begin(id)
    this.budget.request()
    if (id > this.#lastServed) {
      this.#emitReset(id, ERROR.refused)
    } else if (this.streams.size >= STREAMS) {
      this.#emitReset(id, ERROR.refused)
      this.budget.reset()
    } else if (!list.long && !list.complete) {
      this.#emitReset(id, ERROR.protocol)
      this.#user.onRefused('h2-malformed')
      this.budget.reset()
    } else {
      const stream = new Stream(this, id, this.output.streamWindow, WINDOW, ends)
      this.streams.set(id, stream)
      this.#user.onRequest(stream, list)
    }
  }

  #onTrailers(stream: Stream, list: HeaderList, ends: boolean): void {
    if (stream.remoteEnded) this.fault(stream, ERROR.streamClosed)
    else if (!ends || list.malformed || list.long) this.fault(stream, ERROR.protocol)
    else {
      const crumbs = list.cookie === undefined ? '' : `cookie: ${list.cookie}\r\n`
      stream.receiveEnd(list.lines + crumbs + (list.host === undefined ? '' : `host: ${list.host}\r\n`))
    }
  }

  // --- how streams end ---

  /** The client has made a mistake that is one of this stream only. */
  fault(stream: Stream, code: number): void {
    this.#user.onRefused('h2-malformed')
    this.reset(stream, code)
    stream.lost(code)
    this.budget.reset()
  }

  reset(stream: Stream, code: number): void {
    this.#emitReset(stream.id, code)
    this.leave(stream)
  }

  /** It is over, both ways. */
  leave(stream: Stream): void {
    if (!this.streams.delete(stream.id)) return
    this.output.leave(stream)
    this.intake.leave(stream)
    this.#user.onLeft()
  }

  #emitReset(id: number, code: number): void {
    this.ids.end(id)
    this.output.emit(resetFrame(four(id), code))
  }

  // --- how the connection ends ---

  /** No more streams are begun. */
  farewell(): void {
    this.#user.onFarewell()
  }

  /** The client has broken a rule of the connection. */
  fail(code: number): void {
    this.#end(code, 'h2-protocol')
  }

  #end(code: number, reason: string): void {
    if (this.#state === OVER) return
    this.#user.onRefused(reason)
    this.#state = OVER
    this.#reader.stop()
    this.#blocks.stop()
    this.output.last()
    this.output.emit(goawayFrame(this.ids.last, code))
    this.#dropStreams()
    this.#user.onEnd()
  }

  #dropStreams(): void {
    for (const stream of this.streams.values()) {
      this.leave(stream)
      stream.lost(ERROR.cancel)
    }
  }
}
