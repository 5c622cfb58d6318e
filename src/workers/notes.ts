/** One addition to a counter ↔ bytes: what stands in a ledger. Pure. */
import { createHash } from 'node:crypto'

export interface Note {
  /** Who wrote it, above 0; 0: a window that is carried over from an earlier page. */
  readonly writer: number
  /** Of that writer, 32 bits: no two of its notes in one page have the same. */
  readonly turn: number
  /** Milliseconds since the epoch; of a window that is carried over: when it ends. */
  readonly time: number
  readonly windowMs: number
  readonly amount: number
}

/** Bytes before the key: size, writer, turn, letters of the key, and three doubles; and after it: a mark of writer and turn. */
const HEAD = 40
const TAIL = 4
const LONGEST_KEY = 256
/** No note has more bytes. */
export const LONGEST = HEAD + 2 * LONGEST_KEY + TAIL

interface Latin1 {
  latin1Write(text: string, at: number): number
  latin1Slice(from: number, to: number): string
}

/** Bytes of one length, with notes in them. */
export class NoteBytes {
  readonly bytes: Buffer
  readonly #view: DataView
  /** In every Node; its types leave them out. */
  readonly #text: Latin1

  constructor(length: number) {
    this.bytes = Buffer.allocUnsafeSlow(length)
    this.#view = new DataView(this.bytes.buffer)
    this.#text = this.bytes as Buffer & Latin1
  }

  /** Bytes that were written at `at`; LONGEST of them must be free. A key is as `keyOfNote` makes it. */
  write(at: number, note: Note, key: string): number {
    const view = this.#view
    const wide = beyondLatin1.test(key)
    const length = wide ? this.bytes.write(key, at + HEAD, 'utf16le') : this.#text.latin1Write(key, at + HEAD)
    const size = HEAD + length + TAIL
    view.setUint32(at, size, true)
    view.setUint32(at + 4, note.writer, true)
    view.setUint32(at + 8, note.turn, true)
    view.setUint32(at + 12, wide ? 1 : 0, true)
    view.setFloat64(at + 16, note.time, true)
    view.setFloat64(at + 24, note.windowMs, true)
    view.setFloat64(at + 32, note.amount, true)
    view.setUint32(at + HEAD + length, markOf(note.writer, note.turn), true)
    return size
  }

  /** Bytes of the note at `at`, of which `there` are here; 0: there are not enough of them; -1: it is none. */
  sizeAt(at: number, there: number): number {
    if (there < HEAD + TAIL) return 0
    const size = this.#view.getUint32(at, true)
    if (size < HEAD + TAIL || size > LONGEST) return -1
    if (size > there) return 0
    const mark = markOf(this.#view.getUint32(at + 4, true), this.#view.getUint32(at + 8, true))
    // else: half a note, and others behind it
    return this.#view.getUint32(at + size - TAIL, true) === mark ? size : -1
  }

  isOf(at: number, writer: number, turn: number): boolean {
    return this.#view.getUint32(at + 4, true) === writer && this.#view.getUint32(at + 8, true) === turn
  }

  keyAt(at: number, size: number): string {
    const end = at + size - TAIL
    const wide = this.#view.getUint32(at + 12, true) === 1
    return wide ? this.bytes.toString('utf16le', at + HEAD, end) : this.#text.latin1Slice(at + HEAD, end)
  }

  timeAt = (at: number): number => this.#view.getFloat64(at + 16, true)
  windowAt = (at: number): number => this.#view.getFloat64(at + 24, true)
  amountAt = (at: number): number => this.#view.getFloat64(at + 32, true)
}

function markOf(writer: number, turn: number): number {
  return (Math.imul(writer, 0x9e37_79b1) ^ turn ^ 0x6b8f_3a5d) >>> 0
}

// oxlint-disable-next-line no-control-regex -- all 256 of them
const beyondLatin1 = /[^\x00-\xff]/

/** Clients choose some keys, and may choose long ones: those are their digest. */
export function keyOfNote(key: string): string {
  if (key.length <= LONGEST_KEY) return key
  return `sha256 ${createHash('sha256').update(key, 'utf16le').digest('base64')}`
}
