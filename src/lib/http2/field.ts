/** A field of a header list: name, value, what it is in HTTP/2, and how it stands in the text of a head. */
import { TOKEN } from '../http1/characters.ts'

/** What a head or a trailer section may make of a field (RFC 9113 §8.2–8.3). */
export const KIND = {
  plain: 0,
  cookie: 1,
  host: 2,
  method: 3,
  path: 4,
  scheme: 5,
  authority: 6,
  /** Nobody may send it: bad characters, of one connection only, a pseudo-header that is none. */
  bad: 7,
  status: 8,
} as const

const KINDS: ReadonlyMap<string, number> = new Map([
  ['cookie', KIND.cookie],
  ['host', KIND.host],
  [':method', KIND.method],
  [':path', KIND.path],
  [':scheme', KIND.scheme],
  [':authority', KIND.authority],
  [':status', KIND.status],
  ['connection', KIND.bad],
  ['keep-alive', KIND.bad],
  ['proxy-connection', KIND.bad],
  ['transfer-encoding', KIND.bad],
  ['upgrade', KIND.bad],
])

/** Immutable. RFC 7541 §4.1: what a field counts for in a table, beyond its letters. */
export const OVERHEAD = 32

export class Field {
  readonly name: string
  readonly value: string
  readonly size: number
  readonly kind: number
  /** With CRLF; only of good ones. */
  readonly line: string

  /** Latin1. `nameKind`: what kindOf has said of the name. */
  constructor(name: string, value: string, nameKind: number = kindOf(name)) {
    this.name = name
    this.value = value
    this.size = name.length + value.length + OVERHEAD
    this.kind = isGood(value) && (name !== 'te' || value === 'trailers') ? nameKind : KIND.bad
    this.line = `${name}: ${value}\r\n`
  }
}

export function kindOf(name: string): number {
  const known = KINDS.get(name)
  if (known !== undefined) return known
  if (name.length === 0) return KIND.bad
  for (let at = 0; at < name.length; at++) {
    const code = name.charCodeAt(at)
    // RFC 9113 §8.2.1: no capitals; a colon is no token, which takes all other pseudo-headers
    if (TOKEN[code] === 0 || (code >= 65 && code <= 90)) return KIND.bad
  }
  return KIND.plain
}

/** RFC 9113 §8.2.1: what would end a line, and white space around. The rest lib/http1 looks at. */
function isGood(value: string): boolean {
  const { length } = value
  if (length === 0) return true
  for (let at = 0; at < length; at++) {
    const code = value.charCodeAt(at)
    if (code === 13 || code === 10 || code === 0) return false
  }
  return !isSpace(value.charCodeAt(0)) && !isSpace(value.charCodeAt(length - 1))
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09
}
