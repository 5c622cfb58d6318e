/** A block of HPACK → its fields, one after the other (RFC 7541). Holds the dynamic table of one direction. */
import { latin1 } from '../http1/latin1.ts'
import { Field, kindOf } from './field.ts'
import { decodeHuffman } from './huffman.ts'
import { DYNAMIC, STATIC } from './static-table.ts'

export interface FieldSink {
  field(field: Field): void
}

/** What SETTINGS_HEADER_TABLE_SIZE is where nobody says otherwise, bytes. */
export const TABLE_BYTES = 4096

/** A field takes 32 bytes at least, so that no more than this many are in a table; a power of two. */
const MOST = TABLE_BYTES / 32

/** A text that was coded is written here before it is one; grows with the blocks that are allowed. */
let scratch = Buffer.allocUnsafeSlow(16_384)

export class Decoder {
  /** The newest is at `#newest`; older ones lie behind it. */
  readonly #ring: Field[] = []
  #newest = MOST - 1
  #count = 0
  #bytes = 0
  /** What the other side has chosen, at most TABLE_BYTES. */
  #limit = TABLE_BYTES
  // of the block that is being read
  #block: Buffer = NOTHING
  #at = 0
  #end = 0
  #text = ''

  /** bytes[from, end) is a whole block. False: it is none (COMPRESSION_ERROR), and the table is lost with it. */
  decode(block: Buffer, from: number, end: number, sink: FieldSink): boolean {
    this.#block = block
    this.#end = end
    let at = from
    let begun = false
    while (at < end) {
      const first = block[at]!
      if (first >= 0x80) {
        let index = first & 0x7f
        if (index === 0x7f) {
          this.#at = at + 1
          index = this.#integer(0x7f)
          if (index < 0) return false
          at = this.#at
        } else at++
        const field = this.#field(index)
        if (field === undefined) return false
        sink.field(field)
      } else if (first >= 0x20 && first < 0x40) {
        // RFC 7541 §4.2: only where a block begins
        if (begun) return false
        this.#at = at + 1
        const limit = (first & 0x1f) === 0x1f ? this.#integer(0x1f) : first & 0x1f
        if (limit < 0 || limit > TABLE_BYTES) return false
        at = this.#at
        this.#limit = limit
        this.#evict(limit)
        continue
      } else {
        const kept = first >= 0x40
        const mask = kept ? 0x3f : 0x0f
        this.#at = at + 1
        const index = (first & mask) === mask ? this.#integer(mask) : first & mask
        if (index < 0) return false
        let name: string
        let kind: number
        if (index === 0) {
          if (!this.#string()) return false
          name = this.#text
          kind = kindOf(name)
        } else {
          const known = this.#field(index)
          if (known === undefined) return false
          name = known.name
          kind = index < DYNAMIC ? known.kind : kindOf(name)
        }
        if (!this.#string()) return false
        const field = new Field(name, this.#text, kind)
        at = this.#at
        if (kept) this.#insert(field)
        sink.field(field)
      }
      begun = true
    }
    this.#block = NOTHING
    this.#text = ''
    return true
  }

  /** Bytes in the table, as RFC 7541 §4.1 counts. */
  get bytes(): number {
    return this.#bytes
  }

  #field(index: number): Field | undefined {
    if (index < DYNAMIC) return STATIC[index]
    const back = index - DYNAMIC
    return back < this.#count ? this.#ring[(this.#newest - back) & (MOST - 1)] : undefined
  }

  #insert(field: Field): void {
    const { size } = field
    // RFC 7541 §4.4: what is larger than the table empties it, and is no error
    if (size > this.#limit) {
      this.#evict(0)
      return
    }
    this.#evict(this.#limit - size)
    this.#newest = (this.#newest + 1) & (MOST - 1)
    this.#ring[this.#newest] = field
    this.#count++
    this.#bytes += size
  }

  #evict(most: number): void {
    while (this.#bytes > most) {
      const oldest = (this.#newest - this.#count + 1) & (MOST - 1)
      this.#bytes -= this.#ring[oldest]!.size
      this.#ring[oldest] = GONE
      this.#count--
    }
  }

  /** Behind a prefix that was full. -1: too long, or not all there. */
  #integer(full: number): number {
    let value = full
    for (let shift = 0; shift <= 21; shift += 7) {
      if (this.#at >= this.#end) return -1
      const byte = this.#block[this.#at++]!
      value += (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    return -1
  }

  /** To `#text`. False: it is not all there, or badly coded. */
  #string(): boolean {
    const block = this.#block
    if (this.#at >= this.#end) return false
    const first = block[this.#at++]!
    let length = first & 0x7f
    if (length === 0x7f) {
      length = this.#integer(0x7f)
      if (length < 0) return false
    }
    const from = this.#at
    const to = from + length
    if (to > this.#end) return false
    this.#at = to
    if (first < 0x80) {
      this.#text = length === 0 ? '' : latin1(block, from, to)
      return true
    }
    if (length * 2 > scratch.length) scratch = Buffer.allocUnsafeSlow(length * 2)
    const size = decodeHuffman(block, from, to, scratch, 0)
    if (size < 0) return false
    this.#text = size === 0 ? '' : latin1(scratch, 0, size)
    return true
  }
}

const NOTHING = Buffer.alloc(0)
const GONE = new Field('', '')
