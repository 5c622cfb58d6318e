/**
 * The server's side of one HTTP/2 connection (RFC 9113): bytes of the client → requests, answers → bytes. Strict: what
 * the client must not send ends its stream or the connection, and whoever costs more than it asks for is told to be calm.
 */
import { latin1 } from '../http1/latin1.ts'
import { Decoder } from './decoder.ts'
import { Encoder } from './encoder.ts'
import {
  CONNECTION_ID,
  ERROR,
  FLAG,
  four,
  FRAME_BYTES,
  frameHead,
  goawayFrame,
  headersFrames,
  pingFrame,
  PREFACE,
  resetFrame,
  SETTING,
  settingsFrame,
  SETTINGS_ACK,
  TYPE,
  updateFrame,
  WINDOW_FIRST,
  WINDOW_MOST,
} from './frames.ts'
import { HeaderList } from './list.ts'
import { FrameReader, type FrameSink } from './reader.ts'
import { Stream } from './stream.ts'

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
/** What we take of one body before somebody has used it, and of all of a connection, bytes. */
export const WINDOW = 262_144
const CONNECTION_WINDOW = 4_194_304
/** Requests taken back before they were answered, and other mistakes of one stream: so many at once, then so many a second. (CVE-2023-44487, CVE-2025-8671) */
const RESETS = 200
const RESETS_PER_SECOND = 50
/** Frames that only cost us something, PING and SETTINGS: so many at once, then so many a second, and two for every request. */
const CONTROLS = 1000
const CONTROLS_PER_SECOND = 100
/** Bytes that were neither heads nor bodies, a second; WINDOW_UPDATE, PRIORITY and empty frames are such. */
const IDLE_BYTES = 1_048_576
/** What any frame costs besides its bytes, and what may follow a request or a frame of ours. */
const IDLE_FRAME = 32
const IDLE_PER_REQUEST = 512
const IDLE_PER_FRAME = 128
/** A head comes in one frame, or a few (CVE-2024-27316 and its kind). */
const CONTINUATIONS = 16
/** Streams that were ended by us: what the client had sent by then is still on its way. */
const REMEMBERED = 1000
/** Unsent bytes of a client that does not read what it asks for. */
const UNSENT = 1_048_576
/** Buffers beside text make a write of their own from this size on. */
const JOIN = 4096

const PREFACE_WAITS = 0
const SETTINGS_WAIT = 1
const OPEN = 2
const OVER = 3

export class Session implements FrameSink {
  readonly streams = new Map<number, Stream>()
  /** Heads and other frames that were read, a head as one. */
  frames = 0
  readonly #user: SessionUser
  readonly #transport: Transport
  readonly #limits: Limits
  readonly #reader = new FrameReader(this)
  readonly #decoder = new Decoder()
  readonly #encoder = new Encoder()
  readonly #list = new HeaderList()
  #state = PREFACE_WAITS
  #prefaceAt = 0
  /** The highest stream that the client has begun, and the last that is served once we have said GOAWAY. */
  #last = 0
  #lastServed = WINDOW_MOST
  /** Streams below `#last` that were never begun: first and last of each run. */
  readonly #skipped: number[] = []
  readonly #ended = new Set<number>()
  // --- a head in more than one frame
  #headId = 0
  #headFlags = 0
  #headPieces: Buffer[] | undefined
  #headBytes = 0
  // --- windows
  /** What the client takes: of all, and of a stream that begins. */
  #window = WINDOW_FIRST
  #streamWindow = WINDOW_FIRST
  /** What we take of all, and what was used of it since we said so. */
  #receives = CONNECTION_WINDOW
  #used = 0
  #data: Stream | undefined
  #dataEnds = false
  /** Streams with something to send that only wait for the connection. */
  readonly #waiting = new Set<Stream>()
  // --- output
  #out = ''
  #pieces: (string | Buffer)[] | undefined
  #scheduled = false
  #stalled = false
  // --- what the client may still spend
  #resets = RESETS
  #controls = CONTROLS
  #idle = 0

  constructor(user: SessionUser, transport: Transport, limits: Limits) {
    this.#user = user
    this.#transport = transport
    this.#limits = limits
    this.emit(
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
          this.#fail(ERROR.protocol)
          return
        }
      }
      if (this.#prefaceAt < PREFACE.length) return
      this.#state = SETTINGS_WAIT
    }
    if (this.#state !== OVER) this.#reader.feed(bytes, at, end)
  }

  /** Once in a while: what may be spent comes back. */
  refill(seconds: number): void {
    this.#resets = Math.min(RESETS, this.#resets + RESETS_PER_SECOND * seconds)
    this.#controls = Math.min(CONTROLS, this.#controls + CONTROLS_PER_SECOND * seconds)
    this.#idle = Math.max(0, this.#idle - IDLE_BYTES * seconds)
  }

  get over(): boolean {
    return this.#state === OVER
  }

  /** Is the client in the middle of a head, or of a frame that is no body? */
  get waits(): boolean {
    return this.#state === PREFACE_WAITS || this.#headPieces !== undefined || this.#reader.waits
  }

  /** RFC 9113 §6.8: no new streams, please; those on their way are still served. */
  warn(): void {
    if (this.#state === OVER) return
    this.emit(goawayFrame(WINDOW_MOST, ERROR.none) + pingFrame(WARNED, 0))
  }

  /** From here on nothing new is served. */
  close(): void {
    if (this.#state === OVER || this.#lastServed !== WINDOW_MOST) return
    this.#lastServed = this.#last
    this.emit(goawayFrame(this.#last, ERROR.none))
    this.#user.onFarewell()
  }

  /** The connection has gone. */
  gone(): void {
    this.#state = OVER
    this.#reader.stop()
    this.#out = ''
    this.#pieces = undefined
    this.#dropStreams()
  }

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
    this.#pump()
  }

  // --- what streams call ---

  /** Control frames and heads: they wait for nobody. */
  emit(frames: string): void {
    this.#out += frames
    if (this.#stalled) {
      if (this.#out.length > UNSENT) this.#calm('h2-unread')
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
      this.#idle = Math.max(0, this.#idle - IDLE_PER_FRAME)
      stream.window -= size
      this.#window -= size
      from += size
    }
    if (this.#pieces !== undefined || this.#out.length > FRAME_BYTES * 2) this.flush()
    else if (from > at) this.emit('')
    return from
  }

  /** A stream has more to send than it may now. */
  wait(stream: Stream): void {
    if (stream.window > 0) this.#waiting.add(stream)
  }

  /** Bytes of a body were used. `stream`: undefined where it has nothing more to receive. */
  use(stream: Stream | undefined, bytes: number): void {
    this.#used += bytes
    if (this.#used >= CONNECTION_WINDOW / 2) {
      this.#receives += this.#used
      this.emit(updateFrame(CONNECTION_ID, this.#used))
      this.#used = 0
    }
    if (stream === undefined) return
    stream.used += bytes
    if (stream.used >= WINDOW / 2) {
      stream.receives += stream.used
      this.emit(updateFrame(stream.head, stream.used))
      stream.used = 0
    }
  }

  reset(stream: Stream, code: number): void {
    this.#emitReset(stream.id, code)
    this.leave(stream)
  }

  /** A stream is over, both ways. */
  leave(stream: Stream): void {
    if (!this.streams.delete(stream.id)) return
    this.#waiting.delete(stream)
    if (this.#data === stream) this.#data = undefined
    this.#user.onLeft()
  }

  // --- frames ---

  onFrame(type: number, flags: number, id: number, bytes: Buffer, from: number, end: number): void {
    if (this.#headPieces !== undefined) {
      if (type === TYPE.continuation && id === this.#headId) this.#onContinuation(flags, bytes, from, end)
      else this.#fail(ERROR.protocol)
      return
    }
    this.frames++
    if (this.#state === SETTINGS_WAIT) {
      // RFC 9113 §3.4
      if (type !== TYPE.settings || (flags & FLAG.ack) !== 0) {
        this.#fail(ERROR.protocol)
        return
      }
      this.#state = OPEN
    }
    switch (type) {
      case TYPE.headers:
        this.#onHeaders(flags, id, bytes, from, end)
        return
      case TYPE.priority:
        this.#onPriority(id, bytes, from, end)
        return
      case TYPE.reset:
        this.#onReset(id, bytes, from, end)
        return
      case TYPE.settings:
        this.#onSettings(flags, id, bytes, from, end)
        return
      case TYPE.ping:
        this.#onPing(flags, id, bytes, from, end)
        return
      case TYPE.goaway:
        if (id !== 0) this.#fail(ERROR.protocol)
        else if (end - from < 8) this.#fail(ERROR.frameSize)
        else {
          this.#cost(end - from)
          this.#user.onFarewell()
        }
        return
      case TYPE.update:
        this.#onUpdate(id, bytes, from, end)
        return
      case TYPE.push:
      case TYPE.continuation:
        this.#fail(ERROR.protocol)
        return
      default:
        // RFC 9113 §5.5: unknown, and ignored
        this.#cost(end - from)
    }
  }

  onFault(code: number): void {
    this.#fail(code)
  }

  // --- heads ---

  #onHeaders(flags: number, id: number, bytes: Buffer, from: number, end: number): void {
    let start = from
    let to = end
    if ((flags & FLAG.padded) !== 0) {
      if (end === from) {
        this.#fail(ERROR.frameSize)
        return
      }
      to -= bytes[start++]!
    }
    if ((flags & FLAG.priority) !== 0) {
      if (to - start < 5) {
        this.#fail(end - start < 5 ? ERROR.frameSize : ERROR.protocol)
        return
      }
      if (dependency(bytes, start) === id) {
        this.#fail(ERROR.protocol)
        return
      }
      start += 5
    }
    if (to < start || (id & 1) === 0) {
      this.#fail(ERROR.protocol)
      return
    }
    if ((flags & FLAG.endHeaders) !== 0) {
      this.#onBlock(flags, id, bytes, start, to)
      return
    }
    this.#headId = id
    this.#headFlags = flags
    this.#headPieces = [Buffer.from(bytes.subarray(start, to))]
    this.#headBytes = to - start
  }

  #onContinuation(flags: number, bytes: Buffer, from: number, end: number): void {
    const pieces = this.#headPieces!
    this.#headBytes += end - from
    if (pieces.length > CONTINUATIONS || this.#headBytes > Math.max(65_536, this.#limits.headBytes * 2)) {
      this.#fail(ERROR.calm)
      return
    }
    pieces.push(Buffer.from(bytes.subarray(from, end)))
    if ((flags & FLAG.endHeaders) === 0) return
    this.#headPieces = undefined
    const block = Buffer.concat(pieces)
    this.#onBlock(this.#headFlags, this.#headId, block, 0, block.length)
  }

  #onBlock(flags: number, id: number, block: Buffer, from: number, end: number): void {
    const list = this.#list
    const stream = this.streams.get(id)
    list.begin(stream === undefined ? 'request' : 'trailers', this.#limits.headBytes)
    // whatever becomes of it, the tables must stay the same on both sides
    if (!this.#decoder.decode(block, from, end, list)) {
      this.#fail(ERROR.compression)
      return
    }
    const ends = (flags & FLAG.endStream) !== 0
    if (stream !== undefined) this.#onTrailers(stream, list, ends)
    else if (id > this.#last) this.#onRequest(id, list, ends)
    // what was sent before our RST_STREAM arrived
    else if (this.#ended.has(id)) this.#cost(end - from)
    else this.#fail(this.#wasSkipped(id) ? ERROR.protocol : ERROR.streamClosed)
  }

  #onRequest(id: number, list: HeaderList, ends: boolean): void {
    if (id > this.#last + 2) this.#skip(this.#last + 2, id - 2)
    this.#last = id
    if (this.#controls < CONTROLS) this.#controls += 2
    this.#idle = Math.max(0, this.#idle - IDLE_PER_REQUEST)
    if (id > this.#lastServed) {
      this.#emitReset(id, ERROR.refused)
    } else if (this.streams.size >= STREAMS) {
      this.#emitReset(id, ERROR.refused)
      this.#spendReset()
    } else if (!list.long && !list.complete) {
      this.#emitReset(id, ERROR.protocol)
      this.#user.onRefused('h2-malformed')
      this.#spendReset()
    } else {
      const stream = new Stream(this, id, this.#streamWindow, WINDOW, ends)
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

  /** The client has made a mistake that is one of this stream only. */
  fault(stream: Stream, code: number): void {
    this.#user.onRefused('h2-malformed')
    this.#emitReset(stream.id, code)
    this.leave(stream)
    stream.lost(code)
    this.#spendReset()
  }

  #emitReset(id: number, code: number): void {
    this.#ended.add(id)
    if (this.#ended.size > REMEMBERED) {
      for (const oldest of this.#ended) {
        this.#ended.delete(oldest)
        break
      }
    }
    this.emit(resetFrame(four(id), code))
  }

  #skip(first: number, last: number): void {
    this.#skipped.push(first, last)
    if (this.#skipped.length > 64) this.#skipped.splice(0, 2)
  }

  #wasSkipped(id: number): boolean {
    const skipped = this.#skipped
    for (let at = 0; at < skipped.length; at += 2) if (id >= skipped[at]! && id <= skipped[at + 1]!) return true
    return false
  }

  /** Is it a stream that nobody has begun? */
  #isIdle(id: number): boolean {
    return id > this.#last || (id & 1) === 0 || this.#wasSkipped(id)
  }

  // --- bodies ---

  onData(flags: number, id: number, size: number, length: number): void {
    this.#data = undefined
    this.frames++
    if (this.#state !== OPEN || this.#headPieces !== undefined || this.#isIdle(id)) {
      this.#fail(ERROR.protocol)
      return
    }
    this.#receives -= size
    if (this.#receives < 0) {
      this.#fail(ERROR.flowControl)
      return
    }
    const stream = this.streams.get(id)
    const ends = (flags & FLAG.endStream) !== 0
    if (length === 0 && !ends) this.#cost(size)
    // nobody uses padding
    if (size > length) this.use(undefined, size - length)
    if (stream === undefined) {
      if (this.#ended.has(id)) this.#cost(size)
      else this.#fail(ERROR.streamClosed)
      return
    }
    if (stream.remoteEnded) {
      this.fault(stream, ERROR.streamClosed)
      return
    }
    stream.receives -= size
    stream.used += size - length
    if (stream.receives < 0) {
      this.fault(stream, ERROR.flowControl)
      return
    }
    // RFC 9113 §8.1.1: what comes is what was announced
    if (stream.expected >= 0) {
      stream.expected -= length
      if (stream.expected < 0 || (ends && stream.expected > 0)) {
        this.fault(stream, ERROR.protocol)
        return
      }
    }
    if (ends) stream.remoteEnds = true
    this.#data = stream
    this.#dataEnds = ends
  }

  onPiece(bytes: Buffer, from: number, end: number): void {
    if (this.#data === undefined) this.use(undefined, end - from)
    else this.#data.receive(bytes, from, end)
  }

  onEndOfData(): void {
    const stream = this.#data
    this.#data = undefined
    if (stream !== undefined && this.#dataEnds) stream.receiveEnd(undefined)
  }

  keep(piece: Buffer): Buffer {
    return this.#transport.keep(piece)
  }

  // --- the others ---

  #onPriority(id: number, bytes: Buffer, from: number, end: number): void {
    if (id === 0) this.#fail(ERROR.protocol)
    else if (end - from !== 5) {
      const stream = this.streams.get(id)
      if (stream === undefined) this.#fail(ERROR.frameSize)
      else this.fault(stream, ERROR.frameSize)
    } else if (dependency(bytes, from) === id) this.#fail(ERROR.protocol)
    else this.#cost(5)
  }

  #onReset(id: number, bytes: Buffer, from: number, end: number): void {
    if (end - from !== 4) {
      this.#fail(ERROR.frameSize)
      return
    }
    if (this.#isIdle(id)) {
      this.#fail(ERROR.protocol)
      return
    }
    this.#cost(4)
    const stream = this.streams.get(id)
    if (stream === undefined) return
    const code = number(bytes, from)
    // what was on its way to the client has no reader any more
    const answered = stream.localEnds
    this.leave(stream)
    stream.lost(code)
    if (!answered) this.#spendReset()
  }

  #onSettings(flags: number, id: number, bytes: Buffer, from: number, end: number): void {
    const size = end - from
    if (id !== 0) {
      this.#fail(ERROR.protocol)
      return
    }
    if (size % 6 !== 0 || ((flags & FLAG.ack) !== 0 && size !== 0)) {
      this.#fail(ERROR.frameSize)
      return
    }
    if ((flags & FLAG.ack) !== 0) {
      this.#cost(0)
      return
    }
    for (let at = from; at < end; at += 6) {
      const code = this.#onSetting((bytes[at]! << 8) | bytes[at + 1]!, number(bytes, at + 2))
      if (code !== ERROR.none) {
        this.#fail(code)
        return
      }
    }
    if (!this.#spendControl(1 + (size >> 7))) return
    this.emit(SETTINGS_ACK)
    this.#pump()
  }

  #onSetting(setting: number, value: number): number {
    switch (setting) {
      case SETTING.tableBytes:
        this.#encoder.resize(value)
        return ERROR.none
      case SETTING.push:
      case SETTING.noPriorities:
        return value > 1 ? ERROR.protocol : ERROR.none
      case SETTING.window: {
        if (value > WINDOW_MOST) return ERROR.flowControl
        const change = value - this.#streamWindow
        this.#streamWindow = value
        for (const stream of this.streams.values()) {
          stream.window += change
          if (stream.window > WINDOW_MOST) return ERROR.flowControl
          if (stream.hasMore && stream.window > 0) this.#waiting.add(stream)
        }
        return ERROR.none
      }
      case SETTING.frameBytes:
        return value < FRAME_BYTES || value > 0xff_ffff ? ERROR.protocol : ERROR.none
      default:
        return ERROR.none
    }
  }

  #onPing(flags: number, id: number, bytes: Buffer, from: number, end: number): void {
    if (id !== 0) this.#fail(ERROR.protocol)
    else if (end - from !== 8) this.#fail(ERROR.frameSize)
    else if ((flags & FLAG.ack) !== 0) {
      this.#cost(8)
      // the client has read our warning, and whatever it had begun before is here
      if (latin1(bytes, from, end) === WARNED) this.close()
    } else if (this.#spendControl(1)) this.emit(pingFrame(latin1(bytes, from, end), FLAG.ack))
  }

  #onUpdate(id: number, bytes: Buffer, from: number, end: number): void {
    if (end - from !== 4) {
      this.#fail(ERROR.frameSize)
      return
    }
    const increment = number(bytes, from) & 0x7fff_ffff
    this.#cost(4)
    if (id === 0) {
      this.#window += increment
      if (increment === 0) this.#fail(ERROR.protocol)
      else if (this.#window > WINDOW_MOST) this.#fail(ERROR.flowControl)
      else this.#pump()
      return
    }
    if (this.#isIdle(id)) {
      this.#fail(ERROR.protocol)
      return
    }
    const stream = this.streams.get(id)
    if (stream === undefined) return
    stream.window += increment
    if (increment === 0) this.fault(stream, ERROR.protocol)
    else if (stream.window > WINDOW_MOST) this.fault(stream, ERROR.flowControl)
    else if (stream.hasMore) {
      this.wait(stream)
      this.#pump()
    }
  }

  /** Everybody who waits may send a frame, in turn, until nothing can be sent any more. */
  #pump(): void {
    while (this.#waiting.size > 0 && this.#window > 0 && !this.#stalled) {
      for (const stream of this.#waiting) {
        this.#waiting.delete(stream)
        stream.sendMore()
        break
      }
    }
  }

  // --- the end, and what leads to it ---

  #spendReset(): void {
    if (--this.#resets < 0) this.#calm('h2-rapid-reset')
  }

  #spendControl(cost: number): boolean {
    this.#controls -= cost
    if (this.#controls >= 0) return true
    this.#calm('h2-control-flood')
    return false
  }

  /** A frame that says nothing. */
  #cost(bytes: number): void {
    if ((this.#idle += bytes + IDLE_FRAME) > IDLE_BYTES) this.#calm('h2-idle-frames')
  }

  #calm(reason: string): void {
    if (this.#state === OVER) return
    this.#user.onRefused(reason)
    this.#end(ERROR.calm)
  }

  #fail(code: number): void {
    if (this.#state === OVER) return
    this.#user.onRefused('h2-protocol')
    this.#end(code)
  }

  #end(code: number): void {
    this.#state = OVER
    this.#reader.stop()
    this.#headPieces = undefined
    if (this.#out.length > UNSENT) this.#out = ''
    this.emit(goawayFrame(this.#last, code))
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

const WARNED = 'goodbye!'

function dependency(bytes: Buffer, at: number): number {
  return number(bytes, at) & 0x7fff_ffff
}

/** Four bytes, unsigned. */
function number(bytes: Buffer, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}
