/** The name of a field, as text or as bytes → its tags. Pure: tables, and comparisons in any case. */

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

/**
 * One of 32 bits for a name's length and one of its letters, in any case. Two such sets, of first and of last letters,
 * say of most names that are not there that they are not, without a look at the lines.
 */
export function nameBits(size: number, letter: number): number {
  return 1 << ((size * 5 + (letter | 32)) & 31)
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
export function same(text: string, start: number, lower: string): boolean {
  for (let at = 0; at < lower.length; at++) {
    let code = text.charCodeAt(start + at)
    if (code >= 65 && code <= 90) code |= 32
    if (code !== lower.charCodeAt(at)) return false
  }
  return true
}

/** The same, `_` being as good as `-`. */
export function alike(text: string, start: number, lower: string): boolean {
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
