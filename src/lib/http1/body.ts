/** Bytes after a head → pieces of the body and its end, by length, by chunks or until the connection ends (RFC 9112 §6–7). */
import { VALUE } from './characters.ts'
import type { Fields } from './fields.ts'
import { parseTrailers } from './head.ts'
import { Refusal } from './refusal.ts'
import { latin1 } from './latin1.ts'

export interface BodySink {
  /** bytes[start, end) of what was just read: copy what is kept. */
  onPiece(bytes: Buffer, start: number, end: number): void
  onEnd(trailers: Fields | undefined): void
  onRefusal(refusal: Refusal): void
}

/** Extensions carry nothing that anybody uses; a long one is an attack. Bytes of a chunk's first line. */
const CHUNK_LINE = 256
/** RFC 9112 §7.1.1 without whitespace and without escapes. */
const CHUNK_EXTENSION =
  /^(?:;[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"[\t \x21\x23-\x5b\x5d-\x7e]*"))?)+$/
const TRAILER_BYTES = 8192

const BAD_CHUNK_SIZE = Object.freeze(new Refusal(400, 'chunk-size'))
const BAD_CHUNK_EXTENSION = Object.freeze(new Refusal(400, 'chunk-extension'))
const BAD_CHUNK_END = Object.freeze(new Refusal(400, 'chunk-end'))
const LONG_TRAILERS = Object.freeze(new Refusal(431, 'trailers-too-long'))

const DONE = 0
const LENGTH = 1
const UNTIL_CLOSE = 2
const SIZE = 3
const EXTENSION = 4
const SIZE_LF = 5
const DATA = 6
const DATA_CR = 7
const DATA_LF = 8
const TRAILER = 9

export class BodyReader {
  #state = DONE
  #left = 0
  #digits = 0
  #extension = ''
  #trailers = ''
  #limits: { readonly headerCount: number } = { headerCount: 100 }

  /** `length` in bytes, or `chunked`, or `close`. A length of 0 is done at once, and says no `onEnd`. */
  start(framing: number | 'chunked' | 'close', limits: { readonly headerCount: number }): void {
    this.#limits = limits
    if (framing === 'chunked') {
      this.#state = SIZE
      this.#left = 0
      this.#digits = 0
      this.#trailers = ''
    } else if (framing === 'close') {
      this.#state = UNTIL_CLOSE
    } else {
      this.#state = framing === 0 ? DONE : LENGTH
      this.#left = framing
    }
  }

  get done(): boolean {
    return this.#state === DONE
  }

  /** Bytes still to come where the length is known; Infinity otherwise. */
  get left(): number {
    if (this.#state === DONE) return 0
    return this.#state === LENGTH ? this.#left : Number.POSITIVE_INFINITY
  }

  /** Takes bytes from `at` up to `end`, and says where the message ended (or `end`). Stops after a refusal. */
  feed(buffer: Buffer, from: number, end: number, sink: BodySink): number {
    let at = from
    while (at < end) {
      switch (this.#state) {
        case DONE:
          return at
        case LENGTH: {
          const size = Math.min(this.#left, end - at)
          this.#left -= size
          if (this.#left === 0) this.#state = DONE
          sink.onPiece(buffer, at, at + size)
          at += size
          if (this.#left === 0) {
            sink.onEnd(undefined)
            return at
          }
          break
        }
        case UNTIL_CLOSE:
          sink.onPiece(buffer, at, end)
          return end
        case SIZE: {
          const code = buffer[at]!
          const digit = hexDigit(code)
          if (digit >= 0) {
            // 13 digits are more than any body, and still exact in a double
            if (++this.#digits > 13) return this.#refuse(BAD_CHUNK_SIZE, sink, end)
            this.#left = this.#left * 16 + digit
          } else if (this.#digits === 0) return this.#refuse(BAD_CHUNK_SIZE, sink, end)
          else if (code === 13) this.#state = SIZE_LF
          else if (code === 0x3b) {
            this.#state = EXTENSION
            this.#extension = ';'
          } else return this.#refuse(BAD_CHUNK_SIZE, sink, end)
          at++
          break
        }
        case EXTENSION: {
          const code = buffer[at]!
          if (code === 13) {
            if (!CHUNK_EXTENSION.test(this.#extension)) return this.#refuse(BAD_CHUNK_EXTENSION, sink, end)
            this.#state = SIZE_LF
          } else if (VALUE[code] === 0 || this.#extension.length >= CHUNK_LINE) {
            return this.#refuse(BAD_CHUNK_EXTENSION, sink, end)
          } else this.#extension += String.fromCharCode(code)
          at++
          break
        }
        case SIZE_LF:
          if (buffer[at] !== 10) return this.#refuse(BAD_CHUNK_END, sink, end)
          this.#state = this.#left === 0 ? TRAILER : DATA
          this.#digits = 0
          at++
          break
        case DATA: {
          const size = Math.min(this.#left, end - at)
          this.#left -= size
          if (this.#left === 0) this.#state = DATA_CR
          sink.onPiece(buffer, at, at + size)
          at += size
          break
        }
        case DATA_CR:
          if (buffer[at] !== 13) return this.#refuse(BAD_CHUNK_END, sink, end)
          this.#state = DATA_LF
          at++
          break
        case DATA_LF:
          if (buffer[at] !== 10) return this.#refuse(BAD_CHUNK_END, sink, end)
          this.#state = SIZE
          at++
          break
        case TRAILER: {
          at = this.#trailer(buffer, at, end, sink)
          if (this.done) return at
          break
        }
      }
    }
    return at
  }

  /** The connection has ended: is the body whole? */
  close(): boolean {
    const whole = this.#state === DONE || this.#state === UNTIL_CLOSE
    this.#state = DONE
    return whole
  }

  #trailer(buffer: Buffer, from: number, end: number, sink: BodySink): number {
    let at = from
    while (at < end) {
      const lf = buffer.indexOf(10, at)
      const stop = lf < 0 || lf >= end ? end : lf + 1
      this.#trailers += latin1(buffer, at, stop)
      at = stop
      if (this.#trailers.length > TRAILER_BYTES) return this.#refuse(LONG_TRAILERS, sink, end)
      if (lf < 0 || lf >= end) return at
      if (!this.#trailers.endsWith('\r\n')) return this.#refuse(BAD_CHUNK_END, sink, end)
      if (this.#trailers === '\r\n') {
        this.#state = DONE
        sink.onEnd(undefined)
        return at
      }
      if (this.#trailers.endsWith('\r\n\r\n')) {
        const trailers = parseTrailers(this.#trailers, this.#limits)
        if (trailers instanceof Refusal) return this.#refuse(trailers, sink, end)
        this.#state = DONE
        sink.onEnd(trailers)
        return at
      }
    }
    return at
  }

  #refuse(refusal: Refusal, sink: BodySink, end: number): number {
    this.#state = DONE
    sink.onRefusal(refusal)
    return end
  }
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48
  const lower = code | 32
  return lower >= 97 && lower <= 102 ? lower - 87 : -1
}
