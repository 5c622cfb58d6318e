/**
 * Header fields over the text of a head: read in place, changed beside it, written back as runs of the original text.
 * A field that nobody touches is never copied on its own.
 */
import { isToken, isValue } from './characters.ts'
import { alike, nameBits, same, TAG, tagOf } from './tags.ts'

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

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09
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
