/** Pieces of a body that comes while nobody takes it → as few Buffers as hold it, in the same order. */

/** What small pieces are joined in, bytes: a frame of one byte costs a byte. */
const BLOCK = 16_384

export class Held {
  readonly #blocks: Buffer[] = []
  /** Of the last block: what of it is filled. */
  #filled = 0

  /** All in all. */
  bytes = 0

  get empty(): boolean {
    return this.#blocks.length === 0
  }

  /** bytes[from, end) are copied. */
  push(bytes: Buffer, from: number, end: number): void {
    this.bytes += end - from
    let at = from
    const last = this.#blocks.at(-1)
    if (last !== undefined && this.#filled < last.length) {
      at += bytes.copy(last, this.#filled, at, end)
      this.#filled += at - from
    }
    if (at === end) return
    // most bodies that wait are one piece: it gets the room it needs
    const block = Buffer.allocUnsafe(last === undefined ? end - at : Math.max(BLOCK, end - at))
    this.#blocks.push(block)
    this.#filled = bytes.copy(block, 0, at, end)
  }

  /** The first that came; undefined: there is nothing. */
  shift(): Buffer | undefined {
    const block = this.#blocks.shift()
    if (block === undefined) return undefined
    const piece = this.empty ? block.subarray(0, this.#filled) : block
    this.bytes -= piece.length
    return piece
  }
}
