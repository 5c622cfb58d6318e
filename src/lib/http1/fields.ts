/**
 * Header fields over the text of a head: read in place, changed beside it, written back as runs of the original text.
 * A field that nobody touches is never copied on its own.
 */
import { isToken, isValue } from './characters.ts'

/** What the framing layer must know about a field without comparing names again. A bit each, so that writers can skip by mask. */
export const TAG = {
  none: 0,
  /** Connection, Keep-Alive, Proxy-Connection, TE, Upgrade: of one connection only. */
  hop: 1,
  host: 2,
  length: 4,
  /** Transfer-Encoding. */
  coding: 8,
  expect: 16,
  /** X-Forwarded-For, -Proto, -Host, -Port. */
  forwarded: 32,
  date: 64,
  trailer: 128,
  dead: 1 << 20,
} as const

const STRIDE = 5
const NAME_END = 1
const VALUE_START = 2
const VALUE_END = 3
const TAGS = 4

export class Fields {
  /** The head as latin1. */
  readonly text: string
  /** Five numbers a field: start of the line, end of the name, start and end of the value, tags. */
  readonly spans: number[]
  /** Where the line after the last field begins. */
  readonly end: number
  /** Every tag that a field has, or has had. */
  tags: number
  #added: string[] | undefined

  constructor(text = '', spans: number[] = [], end = 0, tags = 0) {
    this.text = text
    this.spans = spans
    this.end = end
    this.tags = tags
  }

  get(lowerName: string): string | undefined {
    const { spans, text } = this
    let result: string | undefined
    for (let at = 0; at < spans.length; at += STRIDE) {
      if (spans[at + NAME_END]! - spans[at]! === lowerName.length && this.#is(at, lowerName)) {
        const value = text.slice(spans[at + VALUE_START]!, spans[at + VALUE_END]!)
        result = result === undefined ? value : result + separatorOf(lowerName) + value
      }
    }
    const added = this.#added
    if (added !== undefined) {
      for (let at = 0; at < added.length; at += 3) {
        if (added[at] === lowerName) {
          const value = added[at + 2]!
          result = result === undefined ? value : result + separatorOf(lowerName) + value
        }
      }
    }
    return result
  }

  all(lowerName: string): readonly string[] {
    const result: string[] = []
    const { spans, text } = this
    for (let at = 0; at < spans.length; at += STRIDE) {
      if (this.#is(at, lowerName)) result.push(text.slice(spans[at + VALUE_START]!, spans[at + VALUE_END]!))
    }
    const added = this.#added
    if (added !== undefined) {
      for (let at = 0; at < added.length; at += 3) if (added[at] === lowerName) result.push(added[at + 2]!)
    }
    return result
  }

  has(lowerName: string): boolean {
    const { spans } = this
    for (let at = 0; at < spans.length; at += STRIDE) if (this.#is(at, lowerName)) return true
    const added = this.#added
    if (added !== undefined) {
      for (let at = 0; at < added.length; at += 3) if (added[at] === lowerName) return true
    }
    return false
  }

  /** Replaces all of that name. Throws a TypeError on a name or a value that cannot be written. */
  set(name: string, value: string): void {
    check(name, value)
    this.delete(name)
    this.#add(name, value)
  }

  append(name: string, value: string): void {
    check(name, value)
    this.#add(name, value)
  }

  delete(name: string): void {
    const lower = name.toLowerCase()
    const { spans } = this
    for (let at = 0; at < spans.length; at += STRIDE) {
      if (this.#is(at, lower)) {
        spans[at + TAGS] = spans[at + TAGS]! | TAG.dead
        this.tags |= TAG.dead
      }
    }
    const added = this.#added
    if (added === undefined) return
    for (let at = added.length - 3; at >= 0; at -= 3) if (added[at] === lower) added.splice(at, 3)
  }

  *[Symbol.iterator](): Iterator<readonly [name: string, value: string]> {
    const { spans, text } = this
    for (let at = 0; at < spans.length; at += STRIDE) {
      if ((spans[at + TAGS]! & TAG.dead) !== 0) continue
      yield [text.slice(spans[at], spans[at + NAME_END]), text.slice(spans[at + VALUE_START], spans[at + VALUE_END])]
    }
    const added = this.#added ?? []
    for (let at = 0; at < added.length; at += 3) yield [added[at + 1]!, added[at + 2]!]
  }

  /** All lines with their CRLF, without the fields whose tags are in `skip`; tags of added fields are computed. */
  write(skip: number): string {
    const { spans, text } = this
    const without = skip | TAG.dead
    let result = ''
    let run = -1
    if ((this.tags & without) === 0) result = spans.length === 0 ? '' : text.slice(spans[0], this.end)
    else
      for (let at = 0; at < spans.length; at += STRIDE) {
        if ((spans[at + TAGS]! & without) === 0) {
          if (run < 0) run = spans[at]!
        } else if (run >= 0) {
          result += text.slice(run, spans[at])
          run = -1
        }
      }
    if (run >= 0) result += text.slice(run, this.end)
    const added = this.#added
    if (added !== undefined) {
      for (let at = 0; at < added.length; at += 3) {
        const lower = added[at]!
        if ((tagOf(lower, 0, lower.length) & skip) === 0) result += `${added[at + 1]}: ${added[at + 2]}\r\n`
      }
    }
    return result
  }

  /** Is a field with one of these tags alive? */
  tagged(tags: number): boolean {
    const { spans } = this
    if ((this.tags & tags) === 0) return false
    for (let at = TAGS; at < spans.length; at += STRIDE) {
      if ((spans[at]! & tags) !== 0 && (spans[at]! & TAG.dead) === 0) return true
    }
    const added = this.#added
    if (added === undefined) return false
    for (let at = 0; at < added.length; at += 3) {
      const lower = added[at]!
      if ((tagOf(lower, 0, lower.length) & tags) !== 0) return true
    }
    return false
  }

  #add(name: string, value: string): void {
    const lower = name.toLowerCase()
    this.tags |= tagOf(lower, 0, lower.length)
    ;(this.#added ??= []).push(lower, name, value)
  }

  #is(at: number, lowerName: string): boolean {
    const { spans, text } = this
    const start = spans[at]!
    if (spans[at + NAME_END]! - start !== lowerName.length || (spans[at + TAGS]! & TAG.dead) !== 0) return false
    for (let index = 0; index < lowerName.length; index++) {
      let code = text.charCodeAt(start + index)
      if (code >= 65 && code <= 90) code |= 32
      if (code !== lowerName.charCodeAt(index)) return false
    }
    return true
  }
}

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
    case 6:
      return same(text, start, 'expect') ? TAG.expect : 0
    case 7:
      if (same(text, start, 'upgrade')) return TAG.hop
      return same(text, start, 'trailer') ? TAG.trailer : 0
    case 10:
      return same(text, start, 'connection') || same(text, start, 'keep-alive') ? TAG.hop : 0
    case 14:
      return same(text, start, 'content-length') ? TAG.length : 0
    case 15:
      return same(text, start, 'x-forwarded-for') ? TAG.forwarded : 0
    case 16:
      if (same(text, start, 'proxy-connection')) return TAG.hop
      return same(text, start, 'x-forwarded-host') || same(text, start, 'x-forwarded-port') ? TAG.forwarded : 0
    case 17:
      if (same(text, start, 'transfer-encoding')) return TAG.coding
      return same(text, start, 'x-forwarded-proto') ? TAG.forwarded : 0
    default:
      return 0
  }
}

/** Does `lower` stand in `text` from `start`, in any case? */
export function same(text: string, start: number, lower: string): boolean {
  for (let at = 0; at < lower.length; at++) {
    let code = text.charCodeAt(start + at)
    if (code >= 65 && code <= 90) code |= 32
    if (code !== lower.charCodeAt(at)) return false
  }
  return true
}

function check(name: string, value: string): void {
  if (!isToken(name)) throw new TypeError(`not a header name: ${JSON.stringify(name)}`)
  if (typeof value !== 'string' || !isValue(value)) {
    throw new TypeError(`not a value that header ${name} can have: ${JSON.stringify(value)}`)
  }
}

// RFC 9110 §5.3; Cookie is joined as RFC 6265 §5.4 writes it
function separatorOf(lowerName: string): string {
  return lowerName === 'cookie' ? '; ' : ', '
}
