/**
 * Header fields over the text of a head: read in place, changed beside it, written back as runs of the original text.
 * A field that nobody touches is never copied on its own.
 */
import { isToken, isValue } from './characters.ts'

/** What the framing layer must know about a field without comparing names again. A bit each, so that writers can skip by mask. */
export const TAG = {
  none: 0,
  /** Connection, Proxy-Connection, TE, Upgrade: of one connection only. Proxy: of none (CGI makes HTTP_PROXY of it). */
  hop: 1,
  host: 2,
  length: 4,
  /** Transfer-Encoding. */
  coding: 8,
  expect: 16,
  /** X-Forwarded-For, -Proto, -Host, -Port; also with `_` for `-`, which CGI takes for the same. */
  forwarded: 32,
  date: 64,
  trailer: 128,
  /** Keep-Alive: of one connection only, too. */
  alive: 256,
  dead: 1 << 20,
} as const

/** All fields of one connection only. */
export const HOP = TAG.hop | TAG.alive

const STRIDE = 5
const NAME_END = 1
const VALUE_START = 2
const VALUE_END = 3
const TAGS = 4

export class Fields {
  /** The head as latin1. */
  readonly text: string
  /** Where the first line begins, and where the line after the last one does. */
  readonly start: number
  readonly end: number
  /** Every tag that a field has, or has had. */
  tags: number
  /** Of the fields with tags: start of the line, start of the next line, tags. Enough to write all of them without the others. */
  readonly #marks: readonly number[]
  /** Of every field: start of the line, end of the name, start and end of the value, tags. Made when somebody asks. */
  #index: number[] | undefined
  #added: Added[] | undefined
  #looks = 0
  /** See nameBits: a name whose bits are not all in these is not there. */
  readonly #first: number
  readonly #last: number

  /** `text` from `start` to `end` holds good field lines; `marks` in their order; `first` and `last` of all their names. */
  constructor(
    text = '',
    start = 0,
    end = 0,
    marks: readonly number[] = NONE,
    tags = 0,
    first = end > start ? -1 : 0,
    last = first,
  ) {
    this.text = text
    this.#first = first
    this.#last = last
    this.start = start
    this.end = end
    this.#marks = marks
    this.tags = tags
  }

  /** Of every field that was read, five numbers: start of the line, end of the name, start and end of the value, tags. */
  get spans(): readonly number[] {
    return (this.#index ??= this.#makeIndex())
  }

  get(lowerName: string): string | undefined {
    let result = this.#mayHave(lowerName) ? this.#read(lowerName) : undefined
    const added = this.#added
    if (added !== undefined) {
      for (const { name, value } of added) {
        if (name.lower === lowerName) result = result === undefined ? value : result + separatorOf(lowerName) + value
      }
    }
    return result
  }

  all(lowerName: string): readonly string[] {
    const result: string[] = []
    const { text } = this
    const index = (this.#index ??= this.#makeIndex())
    for (let at = 0; at < index.length; at += STRIDE) {
      if (this.#is(index, at, lowerName)) result.push(text.slice(index[at + VALUE_START]!, index[at + VALUE_END]!))
    }
    for (const { name, value } of this.#added ?? []) if (name.lower === lowerName) result.push(value)
    return result
  }

  has(lowerName: string): boolean {
    if (this.#mayHave(lowerName) && this.#read(lowerName) !== undefined) return true
    const added = this.#added
    if (added !== undefined) for (const { name } of added) if (name.lower === lowerName) return true
    return false
  }

  /** Replaces all of that name. Throws a TypeError on a name or a value that cannot be written. */
  set(name: string, value: string): void {
    const known = nameOf(name)
    checkValue(name, value)
    this.#delete(known.lower)
    this.#add(known, value)
  }

  append(name: string, value: string): void {
    const known = nameOf(name)
    checkValue(name, value)
    this.#add(known, value)
  }

  delete(name: string): void {
    this.#delete(name.toLowerCase())
  }

  /** All that are of this name to a reader that takes `_` for `-`. */
  deleteAlike(lowerName: string): void {
    this.#delete(lowerName)
    if (!this.#mayHave(lowerName)) return
    const index = (this.#index ??= this.#makeIndex())
    for (let at = 0; at < index.length; at += STRIDE) {
      if (index[at + NAME_END]! - index[at]! === lowerName.length && alike(this.text, index[at]!, lowerName)) {
        index[at + TAGS] = index[at + TAGS]! | TAG.dead
        this.tags |= TAG.dead
      }
    }
  }

  #delete(lower: string): void {
    if (this.#mayHave(lower)) {
      const index = (this.#index ??= this.#makeIndex())
      for (let at = 0; at < index.length; at += STRIDE) {
        if (this.#is(index, at, lower)) {
          index[at + TAGS] = index[at + TAGS]! | TAG.dead
          this.tags |= TAG.dead
        }
      }
    }
    const added = this.#added
    if (added === undefined) return
    for (let at = added.length - 1; at >= 0; at--) if (added[at]!.name.lower === lower) added.splice(at, 1)
  }

  *[Symbol.iterator](): Iterator<readonly [name: string, value: string]> {
    const { text } = this
    const index = (this.#index ??= this.#makeIndex())
    for (let at = 0; at < index.length; at += STRIDE) {
      if ((index[at + TAGS]! & TAG.dead) !== 0) continue
      yield [text.slice(index[at], index[at + NAME_END]), text.slice(index[at + VALUE_START], index[at + VALUE_END])]
    }
    for (const { name, value } of this.#added ?? []) yield [name.name, value]
  }

  /** All lines with their CRLF, without the fields whose tags are in `skip`. */
  write(skip: number): string {
    const { text } = this
    const without = skip | TAG.dead
    let result = ''
    if ((this.tags & without) === 0) result = text.slice(this.start, this.end)
    else if (this.#index === undefined) {
      const marks = this.#marks
      let from = this.start
      for (let at = 0; at < marks.length; at += 3) {
        if ((marks[at + 2]! & without) === 0) continue
        if (marks[at]! > from) result += text.slice(from, marks[at])
        from = marks[at + 1]!
      }
      if (from < this.end) result += text.slice(from, this.end)
    } else {
      const index = this.#index
      let run = -1
      for (let at = 0; at < index.length; at += STRIDE) {
        if ((index[at + TAGS]! & without) === 0) {
          if (run < 0) run = index[at]!
        } else if (run >= 0) {
          result += text.slice(run, index[at])
          run = -1
        }
      }
      if (run >= 0) result += text.slice(run, this.end)
    }
    const added = this.#added
    if (added !== undefined) {
      for (const { name, value } of added) if ((name.tag & skip) === 0) result += `${name.start}${value}\r\n`
    }
    return result
  }

  /** The fields that were added, with their tags. */
  eachAdded(visit: (lowerName: string, value: string, tags: number) => void): void {
    for (const { name, value } of this.#added ?? []) visit(name.lower, value, name.tag)
  }

  /** Is a field with one of these tags alive? */
  tagged(tags: number): boolean {
    if ((this.tags & tags) === 0) return false
    const index = this.#index
    if (index === undefined) {
      const marks = this.#marks
      for (let at = 2; at < marks.length; at += 3) if ((marks[at]! & tags) !== 0) return true
    } else {
      for (let at = TAGS; at < index.length; at += STRIDE) {
        if ((index[at]! & tags) !== 0 && (index[at]! & TAG.dead) === 0) return true
      }
    }
    for (const { name } of this.#added ?? []) if ((name.tag & tags) !== 0) return true
    return false
  }

  #mayHave(lowerName: string): boolean {
    const size = lowerName.length
    return (
      (this.#first & nameBits(size, lowerName.charCodeAt(0))) !== 0 &&
      (this.#last & nameBits(size, lowerName.charCodeAt(size - 1))) !== 0
    )
  }

  /** Of the fields that were read. */
  #read(lowerName: string): string | undefined {
    // one look at the lines costs a quarter of an index; who asks often gets one
    if (this.#index === undefined && ++this.#looks < 4) return this.#look(lowerName)
    const { text } = this
    const index = (this.#index ??= this.#makeIndex())
    let result: string | undefined
    for (let at = 0; at < index.length; at += STRIDE) {
      if (index[at + NAME_END]! - index[at]! === lowerName.length && this.#is(index, at, lowerName)) {
        const value = text.slice(index[at + VALUE_START]!, index[at + VALUE_END]!)
        result = result === undefined ? value : result + separatorOf(lowerName) + value
      }
    }
    return result
  }

  #look(lowerName: string): string | undefined {
    const { text, end } = this
    const size = lowerName.length
    let result: string | undefined
    let at = this.start
    while (at < end) {
      const lineEnd = text.indexOf('\r', at)
      if (text.charCodeAt(at + size) === 0x3a && same(text, at, lowerName)) {
        let from = at + size + 1
        while (isSpace(text.charCodeAt(from))) from++
        let to = lineEnd
        while (to > from && isSpace(text.charCodeAt(to - 1))) to--
        const value = text.slice(from, to)
        result = result === undefined ? value : result + separatorOf(lowerName) + value
      }
      at = lineEnd + 2
    }
    return result
  }

  /** The lines are good: whoever made this has read them. */
  #makeIndex(): number[] {
    const { text, end } = this
    const index: number[] = []
    let at = this.start
    while (at < end) {
      const nameEnd = text.indexOf(':', at)
      const lineEnd = text.indexOf('\r', nameEnd)
      let from = nameEnd + 1
      while (isSpace(text.charCodeAt(from))) from++
      let to = lineEnd
      while (to > from && isSpace(text.charCodeAt(to - 1))) to--
      index.push(at, nameEnd, from, to, tagOf(text, at, nameEnd - at))
      at = lineEnd + 2
    }
    return index
  }

  #add(name: Name, value: string): void {
    this.tags |= name.tag
    ;(this.#added ??= []).push({ name, value })
  }

  #is(index: readonly number[], at: number, lowerName: string): boolean {
    const start = index[at]!
    if (index[at + NAME_END]! - start !== lowerName.length || (index[at + TAGS]! & TAG.dead) !== 0) return false
    return same(this.text, start, lowerName)
  }
}

const NONE: readonly number[] = Object.freeze([])

/**
 * One of 32 bits for a name's length and one of its letters, in any case. Two such sets, of first and of last letters,
 * say of most names that are not there that they are not, without a look at the lines.
 */
export function nameBits(size: number, letter: number): number {
  return 1 << ((size * 5 + (letter | 32)) & 31)
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09
}

/** All names that have tags. */
export const TAGGED: readonly string[] = [
  'te',
  'host',
  'date',
  'proxy',
  'expect',
  'upgrade',
  'trailer',
  'connection',
  'keep-alive',
  'content-length',
  'x-forwarded-for',
  'proxy-connection',
  'x-forwarded-host',
  'x-forwarded-port',
  'transfer-encoding',
  'x-forwarded-proto',
]

/** The tags of the name that stands in `text` from `start` for `length` characters. Any case. */
export function tagOf(text: string, start: number, length: number): number {
  switch (length) {
    case 2:
      return same(text, start, 'te') ? TAG.hop : 0
    case 4: {
      const first = text.charCodeAt(start) | 32
      if (first === 104) return same(text, start, 'host') ? TAG.host : 0
      return first === 100 && same(text, start, 'date') ? TAG.date : 0
    }
    case 5:
      return same(text, start, 'proxy') ? TAG.hop : 0
    case 6:
      return same(text, start, 'expect') ? TAG.expect : 0
    case 7:
      if (same(text, start, 'upgrade')) return TAG.hop
      return same(text, start, 'trailer') ? TAG.trailer : 0
    case 10:
      if (same(text, start, 'connection')) return TAG.hop
      return same(text, start, 'keep-alive') ? TAG.alive : 0
    case 14:
      return same(text, start, 'content-length') ? TAG.length : 0
    case 15:
      return alike(text, start, 'x-forwarded-for') ? TAG.forwarded : 0
    case 16:
      if (same(text, start, 'proxy-connection')) return TAG.hop
      return alike(text, start, 'x-forwarded-host') || alike(text, start, 'x-forwarded-port') ? TAG.forwarded : 0
    case 17:
      if (same(text, start, 'transfer-encoding')) return TAG.coding
      return alike(text, start, 'x-forwarded-proto') ? TAG.forwarded : 0
    default:
      return 0
  }
}

const CONNECTION = wordsOf('connection')
const CONTENT_LENGTH = wordsOf('content-length')
const [HOST] = wordsOf('host')
const [DATE] = wordsOf('date')

/** The same over bytes that are characters of a token; `first` is the first of them, `view` the same bytes. */
export function tagOfBytes(bytes: Uint8Array, view: DataView, start: number, length: number, first: number): number {
  // by length and first letter: most names are none of these
  switch (length) {
    case 2:
      return sameBytes(bytes, start, 'te') ? TAG.hop : 0
    case 4:
      if (first === 104 || first === 72) return (view.getInt32(start, true) | 0x20202020) === HOST ? TAG.host : 0
      if (first !== 100 && first !== 68) return 0
      return (view.getInt32(start, true) | 0x20202020) === DATE ? TAG.date : 0
    case 5:
      return (first === 112 || first === 80) && sameBytes(bytes, start, 'proxy') ? TAG.hop : 0
    case 6:
      return (first === 101 || first === 69) && sameBytes(bytes, start, 'expect') ? TAG.expect : 0
    case 7:
      if (first === 117 || first === 85) return sameBytes(bytes, start, 'upgrade') ? TAG.hop : 0
      return (first === 116 || first === 84) && sameBytes(bytes, start, 'trailer') ? TAG.trailer : 0
    case 10:
      if (first === 99 || first === 67) return sameWords(view, start, CONNECTION, 10) ? TAG.hop : 0
      return (first === 107 || first === 75) && sameBytes(bytes, start, 'keep-alive') ? TAG.alive : 0
    case 14:
      return (first === 99 || first === 67) && sameWords(view, start, CONTENT_LENGTH, 14) ? TAG.length : 0
    case 15:
      return (first === 120 || first === 88) && alikeBytes(bytes, start, 'x-forwarded-for') ? TAG.forwarded : 0
    case 16:
      if (first === 112 || first === 80) return sameBytes(bytes, start, 'proxy-connection') ? TAG.hop : 0
      if (first !== 120 && first !== 88) return 0
      return alikeBytes(bytes, start, 'x-forwarded-host') || alikeBytes(bytes, start, 'x-forwarded-port')
        ? TAG.forwarded
        : 0
    case 17:
      if (first === 116 || first === 84) return sameBytes(bytes, start, 'transfer-encoding') ? TAG.coding : 0
      return (first === 120 || first === 88) && alikeBytes(bytes, start, 'x-forwarded-proto') ? TAG.forwarded : 0
    default:
      return 0
  }
}

/** Latin1 text → words of four bytes, little-endian; the last one may begin within the one before it. None of less than four. */
export function wordsOf(text: string): readonly number[] {
  const bytes = Buffer.from(text, 'latin1')
  const words: number[] = []
  for (let at = 0; at + 4 <= bytes.length; at += 4) words.push(bytes.readInt32LE(at))
  if (bytes.length > 4 && bytes.length % 4 !== 0) words.push(bytes.readInt32LE(bytes.length - 4))
  return words
}

/**
 * Do `length` letters and dashes stand at `start`, in any case? `words`: of them in lower case. Among the bytes that may stand in
 * a value, no other becomes one of them by that bit.
 */
export function sameWords(view: DataView, start: number, words: readonly number[], length: number): boolean {
  const last = words.length - 1
  for (let at = 0; at < last; at++) if ((view.getInt32(start + at * 4, true) | 0x20202020) !== words[at]) return false
  return (view.getInt32(start + length - 4, true) | 0x20202020) === words[last]
}

export function sameBytes(bytes: Uint8Array, start: number, lower: string): boolean {
  for (let at = 0; at < lower.length; at++) {
    let code = bytes[start + at]!
    if (code >= 65 && code <= 90) code |= 32
    if (code !== lower.charCodeAt(at)) return false
  }
  return true
}

/** Does `lower` stand in `text` from `start`, in any case? */
function same(text: string, start: number, lower: string): boolean {
  for (let at = 0; at < lower.length; at++) {
    let code = text.charCodeAt(start + at)
    if (code >= 65 && code <= 90) code |= 32
    if (code !== lower.charCodeAt(at)) return false
  }
  return true
}

/** The same, `_` being as good as `-`. */
function alike(text: string, start: number, lower: string): boolean {
  for (let at = 0; at < lower.length; at++) {
    let code = text.charCodeAt(start + at)
    if (code === 0x5f) code = 0x2d
    else if (code >= 65 && code <= 90) code |= 32
    if (code !== lower.charCodeAt(at)) return false
  }
  return true
}

function alikeBytes(bytes: Uint8Array, start: number, lower: string): boolean {
  for (let at = 0; at < lower.length; at++) {
    let code = bytes[start + at]!
    if (code === 0x5f) code = 0x2d
    else if (code >= 65 && code <= 90) code |= 32
    if (code !== lower.charCodeAt(at)) return false
  }
  return true
}

interface Name {
  readonly name: string
  /** As a line begins with it. */
  readonly start: string
  readonly lower: string
  readonly tag: number
}

interface Added {
  readonly name: Name
  readonly value: string
}

/** Names that were set before: gateways set the same few. Some come from clients (templates), so there is an end to it. */
const names = new Map<string, Name>()
const REMEMBERED_NAMES = 1000

function nameOf(name: string): Name {
  let known = names.get(name)
  if (known !== undefined) return known
  if (!isToken(name)) throw new TypeError(`not a header name: ${JSON.stringify(name)}`)
  const lower = name.toLowerCase()
  known = { name, start: `${name}: `, lower, tag: tagOf(lower, 0, lower.length) }
  if (names.size >= REMEMBERED_NAMES) names.clear()
  names.set(name, known)
  return known
}

function checkValue(name: string, value: string): void {
  if (typeof value !== 'string' || !isValue(value)) {
    throw new TypeError(`not a value that header ${name} can have: ${JSON.stringify(value)}`)
  }
}

// RFC 9110 §5.3; Cookie is joined as RFC 6265 §5.4 writes it
function separatorOf(lowerName: string): string {
  return lowerName === 'cookie' ? '; ' : ', '
}
