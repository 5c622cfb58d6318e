/** Frames of HEADERS and CONTINUATION → head blocks, each whole (RFC 9113 §6.2, §6.10). */
import { ERROR, FLAG, number, TYPE } from './frames.ts'

/** A head comes in one frame, or a few (CVE-2024-27316 and its kind). */
const CONTINUATIONS = 16

export interface BlockSink {
  /** `flags` of the first frame; the block is bytes[from, end) until this returns. */
  onBlock(flags: number, id: number, bytes: Buffer, from: number, end: number): void
  /** The connection cannot go on. */
  fail(code: number): void
}

export class BlockReader {
  readonly #sink: BlockSink
  readonly #most: number
  #id = 0
  #flags = 0
  #pieces: Buffer[] | undefined
  #bytes = 0

  /** `most`: bytes of a block that comes in pieces. */
  constructor(sink: BlockSink, most: number) {
    this.#sink = sink
    this.#most = most
  }

  /** Is the beginning of a block there? Then nothing but the rest may come. */
  get waits(): boolean {
    return this.#pieces !== undefined
  }

  stop(): void {
    this.#pieces = undefined
  }

  onHeaders(flags: number, id: number, bytes: Buffer, from: number, end: number): void {
    let start = from
    let to = end
    if ((flags & FLAG.padded) !== 0) {
      if (end === from) {
        this.#sink.fail(ERROR.frameSize)
        return
      }
      to -= bytes[start++]!
    }
    if ((flags & FLAG.priority) !== 0) {
      if (to - start < 5) {
        this.#sink.fail(end - start < 5 ? ERROR.frameSize : ERROR.protocol)
        return
      }
      if (dependency(bytes, start) === id) {
        this.#sink.fail(ERROR.protocol)
        return
      }
      start += 5
    }
    if (to < start || (id & 1) === 0) {
      this.#sink.fail(ERROR.protocol)
      return
    }
    if ((flags & FLAG.endHeaders) !== 0) {
      this.#sink.onBlock(flags, id, bytes, start, to)
      return
    }
    this.#id = id
    this.#flags = flags
    this.#pieces = [Buffer.from(bytes.subarray(start, to))]
    this.#bytes = to - start
  }

  /** Whatever frame comes while the block `waits`. */
  onNext(type: number, flags: number, id: number, bytes: Buffer, from: number, end: number): void {
    const pieces = this.#pieces
    if (pieces === undefined || type !== TYPE.continuation || id !== this.#id) {
      this.#sink.fail(ERROR.protocol)
      return
    }
    this.#bytes += end - from
    if (pieces.length > CONTINUATIONS || this.#bytes > this.#most) {
      this.#sink.fail(ERROR.calm)
      return
    }
    pieces.push(Buffer.from(bytes.subarray(from, end)))
    if ((flags & FLAG.endHeaders) === 0) return
    this.#pieces = undefined
    const block = Buffer.concat(pieces)
    this.#sink.onBlock(this.#flags, this.#id, block, 0, block.length)
  }
}

/** The stream that a priority names (RFC 9113 §5.3.2 keeps the field, and nobody follows it). */
export function dependency(bytes: Buffer, at: number): number {
  return number(bytes, at) & 0x7fff_ffff
}
