/** The field lines of a head → its fields, and where its body ends (RFC 9112 §5, §6). Pure. */
import { TOKEN } from './characters.ts'
import { Fields } from './fields.ts'
import { latin1, viewOf } from './latin1.ts'
import { bad, Refusal } from './refusal.ts'
import { nameBits, sameBytes, sameWords, TAG, TAGGED, tagOf, tagOfBytes, wordsOf } from './tags.ts'

const MANY_FIELDS = Object.freeze(new Refusal(431, 'too-many-fields'))
export const BAD_FIELD_NAME = bad('field-name')
const BAD_FIELD_VALUE = bad('field-value')
const FOLDED = bad('obs-fold')
const DISGUISED = bad('disguised-framing-field')
const BAD_LENGTH = bad('content-length')
const BAD_CODING = bad('transfer-encoding')
const OTHER_CODING = Object.freeze(new Refusal(501, 'transfer-encoding'))
const TWO_LENGTHS = bad('length-and-chunked')
const BAD_CONNECTION = bad('connection')

interface Framing {
  readonly kind: 'framing'
  fields: Fields
  length: number
  chunked: boolean
  /** Of the last Host, from the first byte of the head. */
  hostStart: number
  hostEnd: number
  hosts: number
  close: boolean
  keepAlive: boolean
  upgrading: boolean
  expects: number
  expect: string
  trailers: boolean
}

/** One for all heads: what is read from it is copied before the next one is read. */
const read: Framing = {
  kind: 'framing',
  fields: new Fields(),
  length: -1,
  chunked: false,
  hostStart: 0,
  hostEnd: 0,
  hosts: 0,
  close: false,
  keepAlive: false,
  upgrading: false,
  expects: 0,
  expect: '',
  trailers: false,
}

/** Field lines from bytes[start] to the empty line, which ends at `end` or before; the head begins at `from`. */
export function readFields(
  bytes: Buffer,
  from: number,
  start: number,
  end: number,
  most: number,
  minor: number,
): Framing | Refusal {
  const marks: number[] = []
  let at = start
  let count = 0
  let length = -1
  let codings = 0
  let options: string[] | undefined
  let tags = 0
  let firsts = 0
  let lasts = 0
  read.hosts = 0
  read.close = false
  read.keepAlive = false
  read.upgrading = false
  read.expects = 0
  read.expect = ''
  read.trailers = false
  const view = viewOf(bytes)
  const words = end - 4
  const token = TOKEN
  for (;;) {
    const first = bytes[at]!
    if (first === 13) break
    const nameStart = at
    // are these four bytes letters and dashes? Exact: below 0x80 no sum reaches into the next byte
    while (at <= words) {
      const word = view.getInt32(at, true)
      const lower = word | 0x20202020
      const letters = (lower + 0x1f1f1f1f) & ~(lower + 0x05050505)
      const dashes = ~((word ^ 0x2d2d2d2d) + 0x7f7f7f7f)
      if (((letters | dashes) & ~word & 0x80808080) !== -0x7f7f7f80) break
      at += 4
    }
    let code = bytes[at]!
    for (;;) {
      // letters and dashes first: the table is for what is rarer
      const lower = code | 0x20
      if ((lower < 0x61 || lower > 0x7a) && code !== 0x2d && token[code] !== 1) break
      code = bytes[++at]!
    }
    if (code !== 0x3a || at === nameStart) return first === 0x20 || first === 0x09 ? FOLDED : BAD_FIELD_NAME
    if (++count > most) return MANY_FIELDS
    const size = at - nameStart
    const last = bytes[at - 1]!
    code = bytes[++at]!
    while (code === 0x20 || code === 0x09) code = bytes[++at]!
    const valueStart = at
    // is none of these four bytes a control character? The test of all at once finds whether there is one, not which
    while (at <= words) {
      const word = view.getInt32(at, true)
      const deleted = word ^ 0x7f7f7f7f
      if (((((word - 0x20202020) & ~word) | ((deleted - 0x01010101) & ~deleted)) & 0x80808080) !== 0) break
      at += 4
    }
    code = bytes[at]!
    while (code > 0x1f ? code !== 0x7f : code === 0x09) code = bytes[++at]!
    if (code !== 13 || bytes[at + 1] !== 10) return BAD_FIELD_VALUE
    const lineEnd = at
    at += 2
    const firstBit = nameBits(size, first)
    const lastBit = nameBits(size, last)
    firsts |= firstBit
    lasts |= lastBit
    if ((firstBit & TAGGED_FIRST) === 0 || (lastBit & TAGGED_LAST) === 0) continue
    const tag = tagOfBytes(bytes, view, nameStart, size, first)
    if (tag === 0) {
      // a CGI-like backend would read these as the framing fields
      if ((size === 14 || size === 17) && isDisguised(bytes, nameStart, size, first)) return DISGUISED
      continue
    }
    marks.push(nameStart - from, at - from, tag)
    tags |= tag
    if (tag === TAG.date || tag === TAG.forwarded || tag === TAG.trailer || tag === TAG.alive) continue
    let valueEnd = lineEnd
    while (valueEnd > valueStart && ((code = bytes[valueEnd - 1]!) === 0x20 || code === 0x09)) valueEnd--
    switch (tag) {
      case TAG.length: {
        if (length >= 0) return BAD_LENGTH
        length = digits(bytes, valueStart, valueEnd)
        // llhttp takes no tab behind a length or a coding, others do
        if (length < 0 || tabBetween(bytes, valueEnd, lineEnd)) return BAD_LENGTH
        break
      }
      case TAG.coding: {
        if (++codings > 1) return BAD_CODING
        const value = latin1(bytes, valueStart, valueEnd)
        if (value.toLowerCase() !== 'chunked' || tabBetween(bytes, valueEnd, lineEnd)) {
          return value === '' || /chunked|^identity$/i.test(value) ? BAD_CODING : OTHER_CODING
        }
        break
      }
      case TAG.host:
        read.hosts++
        read.hostStart = valueStart - from
        read.hostEnd = valueEnd - from
        break
      case TAG.expect:
        read.expects++
        read.expect = latin1(bytes, valueStart, valueEnd)
        break
      case TAG.hop:
        if (size === 10) {
          const valueSize = valueEnd - valueStart
          if (valueSize === 10 && sameWords(view, valueStart, KEEP_ALIVE, 10)) read.keepAlive = true
          else if (valueSize === 5 && sameBytes(bytes, valueStart, 'close')) read.close = true
          else (options ??= []).push(latin1(bytes, valueStart, valueEnd))
        } else if (size === 2) {
          read.trailers ||= TRAILERS.test(latin1(bytes, valueStart, valueEnd))
        }
        break
    }
  }
  if (bytes[at + 1] !== 10 || at + 2 > end) return BAD_FIELD_NAME
  if (codings > 0) {
    if (length >= 0) return TWO_LENGTHS
    // RFC 9112 §6.1: chunked in a message of 1.0 means that somebody on the way did not understand it
    if (minor === 0) return BAD_CODING
  }
  const text = latin1(bytes, from, at + 2)
  const fields = new Fields(text, start - from, at - from, marks, tags, firsts, lasts)
  if (options !== undefined) {
    for (const option of options.join(',').split(',')) {
      const name = option.replaceAll(/^[ \t]+|[ \t]+$/g, '').toLowerCase()
      if (name === '') continue
      if (name === 'close') read.close = true
      else if (name === 'keep-alive') read.keepAlive = true
      else if (name === 'upgrade') read.upgrading = true
      else if (!isOption(name)) return BAD_CONNECTION
      else if (name !== 'te') fields.delete(name)
    }
  }
  read.fields = fields
  read.length = length
  read.chunked = codings > 0
  return read
}

/** See nameBits: a name whose bits are not in these has no tag, and is not disguised as one that has: `_` is neither first nor last. */
const TAGGED_FIRST = TAGGED.reduce((bits, name) => bits | nameBits(name.length, name.charCodeAt(0)), 0)
const TAGGED_LAST = TAGGED.reduce((bits, name) => bits | nameBits(name.length, name.charCodeAt(name.length - 1)), 0)
const KEEP_ALIVE = wordsOf('keep-alive')
const TRAILERS = /(?:^|,)[ \t]*trailers[ \t]*(?:,|;|$)/i

function tabBetween(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] === 0x09) return true
  return false
}

/** 1 to 15 digits and nothing else; -1 otherwise. */
function digits(bytes: Buffer, start: number, end: number): number {
  if (end === start || end - start > 15) return -1
  let value = 0
  for (let at = start; at < end; at++) {
    const digit = bytes[at]! - 48
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return value
}

function isDisguised(bytes: Buffer, start: number, size: number, first: number): boolean {
  if ((first | 0x20) !== (size === 14 ? 0x63 : 0x74)) return false
  return size === 14 ? sameBytes(bytes, start, 'content_length') : sameBytes(bytes, start, 'transfer_encoding')
}

/** A token that does not name a field without which the message would mean something else. */
function isOption(name: string): boolean {
  for (let at = 0; at < name.length; at++) if (TOKEN[name.charCodeAt(at)] !== 1) return false
  return tagOf(name, 0, name.length) === 0 || name === 'keep-alive' || name === 'te' || name === 'proxy-connection'
}
