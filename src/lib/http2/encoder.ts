/** The lines of a head → a block of HPACK, as latin1 (RFC 7541). Holds the dynamic table of one direction. */
import { OVERHEAD } from './field.ts'
import { encodeHuffman, huffmanSize } from './huffman.ts'
import { TABLE_BYTES } from './decoder.ts'
import { DYNAMIC, STATIC, STATIC_NAMES } from './static-table.ts'

export class Encoder {
  /** Where a line is in the table, as the number of its insertion. */
  readonly #places = new Map<Line, number>()
  /** Those in the table, the oldest first. */
  #lines: Line[] = []
  #inserted = 0
  #bytes = 0
  #limit = TABLE_BYTES
  /** The lowest limit since the last block; -1: it has not changed. */
  #lowest = -1
  /** Did the block have a line that gets a place when it comes again? */
  #fresh = false
  /** The last head whose block is the same whenever it comes. */
  #lastText = ''
  #lastStatus = 0
  #lastBlock = ''

  /** The other side's SETTINGS_HEADER_TABLE_SIZE. */
  resize(bytes: number): void {
    const limit = Math.min(bytes, TABLE_BYTES)
    if (limit === this.#limit && this.#lowest < 0) return
    this.#limit = limit
    this.#lowest = this.#lowest < 0 ? limit : Math.min(this.#lowest, limit)
    this.#evict(this.#lowest)
    this.#lastStatus = -1
  }

  /** `text`: lines with their CRLF, in any case, those of pseudo-headers first; 0: no `:status`. What is of one connection must not be in it. */
  encode(status: number, text: string): string {
    if (status === this.#lastStatus && text === this.#lastText) return this.#lastBlock
    const resized = this.#resized()
    const before = this.#inserted
    this.#fresh = false
    let block = resized + (status === 0 ? '' : statusOf(status))
    let at = 0
    while (at < text.length) {
      const end = text.indexOf('\r\n', at)
      block += this.#encode(lineOf(text.slice(at, end)))
      at = end + 2
    }
    if (resized === '' && before === this.#inserted && !this.#fresh) {
      this.#lastText = text
      this.#lastStatus = status
      this.#lastBlock = block
    } else this.#lastStatus = -1
    return block
  }

  /** What the other side must be told before the next field. */
  #resized(): string {
    if (this.#lowest < 0) return ''
    const said = this.#lowest < this.#limit ? integer(0x20, 0x1f, this.#lowest) : ''
    this.#lowest = -1
    return said + integer(0x20, 0x1f, this.#limit)
  }

  #encode(line: Line): string {
    const place = this.#places.get(line)
    if (place !== undefined) return integer(0x80, 0x7f, DYNAMIC + this.#inserted - 1 - place)
    if (line.known > 0) return String.fromCharCode(0x80 | line.known)
    if (line.indexed === '' || line.size > this.#limit / 4) return line.literal
    // a line that came once may never come again: only the second time it takes the place of others
    if (line.sightings < 2) {
      this.#fresh = true
      return line.literal
    }
    this.#evict(this.#limit - line.size)
    this.#places.set(line, this.#inserted++)
    this.#lines.push(line)
    this.#bytes += line.size
    return line.indexed
  }

  #evict(most: number): void {
    let gone = 0
    while (this.#bytes > most) {
      const line = this.#lines[gone++]!
      this.#bytes -= line.size
      this.#places.delete(line)
    }
    if (gone > 0) this.#lines = this.#lines.slice(gone)
  }
}

interface Line {
  /** Static index of the whole field; 0: none. */
  readonly known: number
  readonly size: number
  /** With and without a place in the table. */
  readonly literal: string
  readonly indexed: string
  sightings: number
}

/** Lines that were seen: answers repeat. Backends invent them, so there is an end to it. */
const seen = new Map<string, Line>()
const REMEMBERED = 2000

function lineOf(text: string): Line {
  const line = seen.get(text)
  if (line !== undefined) {
    if (line.sightings < 2 && line.indexed !== '') line.sightings++
    return line
  }
  const made = makeLine(text)
  if (seen.size >= REMEMBERED) seen.clear()
  seen.set(text, made)
  return made
}

/** RFC 7541 §7.1.3: not for anybody's table on the way. */
const PRIVATE = new Set(['set-cookie', 'cookie', 'authorization', 'proxy-authorization'])

function makeLine(text: string): Line {
  // that of a pseudo-header begins its name
  const colon = text.indexOf(':', 1)
  const name = text.slice(0, colon).toLowerCase()
  const value = trimmed(text, colon + 1)
  const index = STATIC_NAMES.get(name) ?? 0
  const nameText = index === 0 ? string(name) : ''
  const rest = nameText + string(value)
  const secret = PRIVATE.has(name)
  let known = index
  while (known > 0 && STATIC[known]?.name === name && STATIC[known]?.value !== value) known++
  return {
    known: known > 0 && STATIC[known]?.name === name ? known : 0,
    size: name.length + value.length + OVERHEAD,
    literal: integer(secret ? 0x10 : 0, 0x0f, index) + rest,
    indexed: secret ? '' : integer(0x40, 0x3f, index) + rest,
    sightings: 1,
  }
}

function trimmed(text: string, from: number): string {
  let start = from
  let end = text.length
  while (start < end && isSpace(text.charCodeAt(start))) start++
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09
}

const statuses = new Map<number, string>()

function statusOf(status: number): string {
  let block = statuses.get(status)
  if (block === undefined) {
    const index = STATIC.findIndex((field) => field?.name === ':status' && field.value === String(status))
    block = index > 0 ? String.fromCharCode(0x80 | index) : `\x08${string(String(status))}`
    statuses.set(status, block)
  }
  return block
}

/** RFC 7541 §5.1. */
function integer(prefix: number, full: number, value: number): string {
  if (value < full) return String.fromCharCode(prefix | value)
  let text = String.fromCharCode(prefix | full)
  let rest = value - full
  for (; rest >= 0x80; rest >>>= 7) text += String.fromCharCode((rest & 0x7f) | 0x80)
  return text + String.fromCharCode(rest)
}

/** RFC 7541 §5.2: coded where that is shorter. */
function string(text: string): string {
  const size = huffmanSize(text)
  return size < text.length ? integer(0x80, 0x7f, size) + encodeHuffman(text) : integer(0, 0x7f, text.length) + text
}
