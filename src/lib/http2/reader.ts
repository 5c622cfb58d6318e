/** Bytes → frames (RFC 9113 §4). Bodies pass in pieces, as they come; all other frames whole. */
import { ERROR, FLAG, FRAME_BYTES, HEAD_BYTES, TYPE } from './frames.ts'

export interface FrameSink {
  /** Any frame but DATA; its payload is bytes[from, end) until this returns. */
  onFrame(type: number, flags: number, id: number, bytes: Buffer, from: number, end: number): void
  /** A frame of DATA begins. `size`: what it counts for the windows; `length`: bytes of body in it. */
  onData(flags: number, id: number, size: number, length: number): void
  onPiece(bytes: Buffer, from: number, end: number): void
  onEndOfData(): void
  /** These are no frames; nothing is read any more. */
  onFault(code: number): void
}

export class FrameReader {
  readonly #sink: FrameSink
  /** The beginning of a frame that is not all there. */
  #held: Buffer | undefined
  #heldBytes = 0
  /** Of the frame of DATA that is being read: body and padding to come; -1: none is. */
  #left = -1
  #padding = 0
  #stopped = false

  constructor(sink: FrameSink) {
    this.#sink = sink
  }

  /** Takes nothing from here on. */
  stop(): void {
    this.#stopped = true
    this.#held = undefined
  }

  /** Is the beginning of a frame there, and not the rest? */
  get waits(): boolean {
    return this.#held !== undefined
  }

  /** All of bytes[from, end); nothing of it is kept. */
  feed(bytes: Buffer, from: number, end: number): void {
    let at = from
    while (at < end && !this.#stopped) {
      if (this.#left >= 0) at = this.#data(bytes, at, end)
      else if (this.#held !== undefined) at = this.#complete(bytes, at, end)
      else {
        const need = needs(bytes, at, end)
        if (need > end - at) {
          // whole frames are hardly longer than this; a longer one gets the room it needs
          this.#held = Buffer.allocUnsafeSlow(Math.max(64, need < 0 ? 0 : need))
          this.#heldBytes = bytes.copy(this.#held, 0, at, end)
          return
        }
        at = this.#frame(bytes, at, need)
      }
    }
  }

  /** More of a frame whose beginning is held. */
  #complete(bytes: Buffer, from: number, end: number): number {
    let held = this.#held!
    let at = from
    for (;;) {
      const need = needs(held, 0, this.#heldBytes)
      if (need <= this.#heldBytes) {
        this.#held = undefined
        this.#frame(held, 0, need)
        return at
      }
      if (at === end) return at
      if (need > held.length) {
        const larger = Buffer.allocUnsafeSlow(need)
        held.copy(larger, 0, 0, this.#heldBytes)
        this.#held = held = larger
      }
      const taken = bytes.copy(held, this.#heldBytes, at, Math.min(end, at + need - this.#heldBytes))
      this.#heldBytes += taken
      at += taken
    }
  }

  /** `need` bytes of a frame are there: all of it, or of DATA what stands before the body. Where it goes on. */
  #frame(bytes: Buffer, at: number, need: number): number {
    const sink = this.#sink
    const size = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!
    const type = bytes[at + 3]!
    const flags = bytes[at + 4]!
    const id = ((bytes[at + 5]! & 0x7f) << 24) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 8) | bytes[at + 8]!
    if (size > FRAME_BYTES) {
      this.stop()
      sink.onFault(ERROR.frameSize)
      return at + need
    }
    if (type !== TYPE.data) {
      sink.onFrame(type, flags, id, bytes, at + HEAD_BYTES, at + need)
      return at + need
    }
    let length = size
    let padding = 0
    if ((flags & FLAG.padded) !== 0) {
      padding = size === 0 ? 0 : bytes[at + HEAD_BYTES]!
      length = size - 1 - padding
      if (length < 0) {
        this.stop()
        sink.onFault(size === 0 ? ERROR.frameSize : ERROR.protocol)
        return at + need
      }
    }
    this.#left = length
    this.#padding = padding
    sink.onData(flags, id, size, length)
    if (!this.#stopped && length + padding === 0) this.#endOfData()
    return at + need
  }

  #data(bytes: Buffer, from: number, end: number): number {
    let at = from
    if (this.#left > 0) {
      const to = Math.min(end, at + this.#left)
      this.#left -= to - at
      this.#sink.onPiece(bytes, at, to)
      at = to
    }
    if (this.#left === 0) {
      const skipped = Math.min(this.#padding, end - at)
      this.#padding -= skipped
      at += skipped
      if (this.#padding === 0 && !this.#stopped) this.#endOfData()
    }
    return at
  }

  #endOfData(): void {
    this.#left = -1
    this.#sink.onEndOfData()
  }
}

/** How many bytes from `at` on must be there before a frame can be looked at. */
function needs(bytes: Buffer, at: number, end: number): number {
  if (end - at < HEAD_BYTES) return HEAD_BYTES
  const size = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!
  // one that is too long is refused for its head
  if (size > FRAME_BYTES) return HEAD_BYTES
  if (bytes[at + 3] !== TYPE.data) return HEAD_BYTES + size
  return (bytes[at + 4]! & FLAG.padded) !== 0 && size > 0 ? HEAD_BYTES + 1 : HEAD_BYTES
}
