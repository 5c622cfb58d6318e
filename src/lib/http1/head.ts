/** The text of a head → its parts, or why it is refused (RFC 9112 §2–6). Pure. One reading or none. */
import { TARGET, TOKEN, VALUE } from './characters.ts'
import type { Fields } from './fields.ts'
import { BAD_FIELD_NAME, readFields } from './framing.ts'
import { latin1, viewOf } from './latin1.ts'
import { bad, Refusal } from './refusal.ts'
import { HOP, TAG, wordsOf } from './tags.ts'
import { hostOf, isPlainPath, splitAbsolute } from './target.ts'

export interface HeadLimits {
  readonly headerCount: number
  readonly targetBytes: number
}

export interface RequestHead {
  readonly kind: 'request'
  readonly method: string
  /** Origin form or `*`. */
  readonly target: string
  /** As the client wrote it. */
  readonly originalTarget: string
  /** Where '?' stands in `target`; its length where there is none. */
  readonly pathEnd: number
  readonly minor: 0 | 1
  readonly fields: Fields
  /** As written: with its port, in its case; undefined where an HTTP/1.0 client sent none. */
  readonly authority: string | undefined
  /** Lower case, no port; '' where there is none. */
  readonly host: string
  /** Bytes; -1 where there is no Content-Length. */
  readonly length: number
  readonly chunked: boolean
  readonly keepAlive: boolean
  readonly expectContinue: boolean
  /** The Upgrade field, where Connection asks for it; undefined otherwise. */
  readonly upgrade: string | undefined
  /** Does the client take trailers (TE: trailers)? */
  readonly trailers: boolean
  /** Bytes, from the first line to the empty line, included. */
  readonly size: number
}

export interface ResponseHead {
  readonly kind: 'response'
  readonly status: number
  readonly reason: string
  readonly minor: 0 | 1
  readonly fields: Fields
  readonly length: number
  readonly chunked: boolean
  readonly keepAlive: boolean
  readonly upgrade: string | undefined
  /** As of a request. */
  readonly size: number
}

const BAD_LINE = bad('request-line')
const BAD_TARGET = bad('target')
const BAD_PATH = bad('path')
const BAD_VERSION = bad('version')
const OTHER_VERSION = Object.freeze(new Refusal(505, 'version'))
const LONG_TARGET = Object.freeze(new Refusal(414, 'target-too-long'))
const NO_HOST = bad('no-host')
const BAD_HOST = bad('host')
const HOSTS_DIFFER = bad('host-and-target-differ')
const BAD_EXPECT = Object.freeze(new Refusal(417, 'expect'))
const CONNECT = Object.freeze(new Refusal(405, 'connect'))
const BAD_STATUS = bad('status-line')
/** The first line of an HTTP/2 connection with prior knowledge; the caller may hand the connection over. */
export const PREFACE = Object.freeze(new Refusal(505, 'http2-preface'))

/** `text`: latin1, from the first byte of the request line to the CRLF CRLF, included. */
export function parseRequestHead(text: string, limits: HeadLimits): RequestHead | Refusal {
  const bytes = Buffer.from(text, 'latin1')
  return readRequestHead(bytes, 0, bytes.length, limits)
}

/** The same for bytes[from, end). Nothing of what is in `bytes` is kept. */
export function readRequestHead(bytes: Buffer, from: number, end: number, limits: HeadLimits): RequestHead | Refusal {
  return allOf(readNextRequestHead(bytes, from, end, limits), end - from)
}

/** Bytes behind a head that should be all there is are a line that is none. */
function allOf<Head extends RequestHead | ResponseHead>(head: Head | Refusal, size: number): Head | Refusal {
  return head.kind !== 'refusal' && head.size !== size ? BAD_FIELD_NAME : head
}

/**
 * The same for a head that begins at `from` and ends at `end` or before. What is not whole is refused, too, and where something
 * is wrong the reason may be another one: then `endOfHead` says what there is, and `readRequestHead` why it is refused.
 */
export function readNextRequestHead(
  bytes: Buffer,
  from: number,
  end: number,
  limits: HeadLimits,
): RequestHead | Refusal {
  let at = from
  let code = 0
  while (TOKEN[(code = bytes[at]!)] === 1) at++
  if (code !== 0x20 || at === from || at - from > 32) return BAD_LINE
  const methodSize = at - from
  const targetStart = ++at
  while (TARGET[(code = bytes[at]!)] === 1) at++
  if (code !== 0x20 || at === targetStart) return BAD_TARGET
  if (at - targetStart > limits.targetBytes) return LONG_TARGET
  // " HTTP/1.x" CRLF
  const lineEnd = at + 9
  if (bytes[lineEnd] !== 13 || bytes[lineEnd + 1] !== 10) return BAD_VERSION
  const minor = bytes[lineEnd - 1]! - 48
  if (!isVersion1(bytes, at + 1) || (minor !== 0 && minor !== 1)) {
    const line = latin1(bytes, from, lineEnd)
    if (line === 'PRI * HTTP/2.0') return PREFACE
    return /^ HTTP\/\d\.\d$/.test(line.slice(at - from)) ? OTHER_VERSION : BAD_VERSION
  }

  const framing = readFields(bytes, from, lineEnd + 2, end, limits.headerCount, minor)
  if (framing.kind === 'refusal') return framing
  const { text } = framing.fields
  const method = isGet(bytes, from) ? 'GET' : text.slice(0, methodSize)
  const originalTarget =
    at - targetStart === 1 && bytes[targetStart] === 0x2f ? '/' : text.slice(methodSize + 1, at - from)

  let target = originalTarget
  let authority: string | undefined
  if (framing.hosts > 1 || (framing.hosts === 0 && minor === 1)) return NO_HOST
  let host = ''
  if (framing.hosts === 1) {
    const { hostStart, hostEnd } = framing
    if (isLastAuthority(bytes, from + hostStart, hostEnd - hostStart)) {
      authority = lastAuthority
      host = lastHost
    } else {
      authority = text.slice(hostStart, hostEnd)
      const name = hostOf(authority)
      if (name === undefined) return BAD_HOST
      lastAuthority = authority
      lastWords = wordsOf(authority)
      lastHost = name
      host = name
    }
  }
  let pathEnd: number
  if (originalTarget.charCodeAt(0) === 0x2f) {
    pathEnd = originalTarget.indexOf('?')
    if (pathEnd < 0) pathEnd = originalTarget.length
    if (!isPlainPath(originalTarget, pathEnd)) return BAD_PATH
  } else if (originalTarget === '*') {
    if (method !== 'OPTIONS') return BAD_TARGET
    pathEnd = 1
  } else {
    if (method === 'CONNECT') return CONNECT
    const absolute = splitAbsolute(originalTarget)
    if (absolute === undefined) return BAD_TARGET
    const name = hostOf(absolute.authority)
    if (name === undefined) return BAD_HOST
    // RFC 9112 §3.2.2 lets the target win; two readers could still disagree, so both must say the same
    if (authority !== undefined && authority.toLowerCase() !== absolute.authority.toLowerCase()) return HOSTS_DIFFER
    authority = absolute.authority
    host = name
    target = absolute.rest
    pathEnd = target.indexOf('?')
    if (pathEnd < 0) pathEnd = target.length
    if (!isPlainPath(target, pathEnd)) return BAD_PATH
  }
  if (method === 'CONNECT') return CONNECT

  if (framing.expects > 0) {
    if (framing.expects > 1 || framing.expect.toLowerCase() !== '100-continue') return BAD_EXPECT
  }
  return {
    kind: 'request',
    method,
    target,
    originalTarget,
    pathEnd,
    minor,
    fields: framing.fields,
    authority,
    host,
    length: framing.length,
    chunked: framing.chunked,
    keepAlive: framing.close ? false : minor === 1 || framing.keepAlive,
    expectContinue: framing.expects > 0 && minor === 1 && (framing.chunked || framing.length > 0),
    upgrade: framing.upgrading && minor === 1 ? framing.fields.get('upgrade') : undefined,
    trailers: framing.trailers,
    size: text.length,
  }
}

/** The host that came last, read: most requests are for the one before's. */
let lastAuthority = ''
let lastHost = ''
/** Its bytes, four at a time; none where it is shorter. */
let lastWords: readonly number[] = []

/** Without making a text of it. */
function isLastAuthority(bytes: Buffer, start: number, size: number): boolean {
  if (size !== lastAuthority.length || size < 4) return false
  const view = viewOf(bytes)
  const last = lastWords.length - 1
  for (let at = 0; at < last; at++) if (view.getInt32(start + at * 4, true) !== lastWords[at]) return false
  return view.getInt32(start + size - 4, true) === lastWords[last]
}

function isVersion1(bytes: Buffer, at: number): boolean {
  return (
    bytes[at] === 72 &&
    bytes[at + 1] === 84 &&
    bytes[at + 2] === 84 &&
    bytes[at + 3] === 80 &&
    bytes[at + 4] === 47 &&
    bytes[at + 5] === 49 &&
    bytes[at + 6] === 46
  )
}

function isGet(bytes: Buffer, at: number): boolean {
  return bytes[at] === 71 && bytes[at + 1] === 69 && bytes[at + 2] === 84 && bytes[at + 3] === 32
}

/** `text`: latin1, from the first byte of the status line to the CRLF CRLF, included. Refusals have status 400; callers say 502. */
export function parseResponseHead(text: string, limits: { readonly headerCount: number }): ResponseHead | Refusal {
  const bytes = Buffer.from(text, 'latin1')
  return readResponseHead(bytes, 0, bytes.length, limits)
}

/** The same for bytes[from, end). Nothing of what is in `bytes` is kept. */
export function readResponseHead(
  bytes: Buffer,
  from: number,
  end: number,
  limits: { readonly headerCount: number },
): ResponseHead | Refusal {
  return allOf(readNextResponseHead(bytes, from, end, limits), end - from)
}

/** The same for a head that ends at `end` or before: see readNextRequestHead. */
export function readNextResponseHead(
  bytes: Buffer,
  from: number,
  end: number,
  limits: { readonly headerCount: number },
): ResponseHead | Refusal {
  const minor = bytes[from + 7]! - 48
  if (!isVersion1(bytes, from) || (minor !== 0 && minor !== 1) || bytes[from + 8] !== 0x20) return BAD_STATUS
  const hundreds = bytes[from + 9]! - 48
  const tens = bytes[from + 10]! - 48
  const ones = bytes[from + 11]! - 48
  if (!(hundreds >= 1 && hundreds <= 5 && tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9)) return BAD_STATUS
  let at = from + 12
  let reason = ''
  if (bytes[at] === 0x20) {
    at++
    while (VALUE[bytes[at]!] === 1) at++
    reason = at - from === 15 && bytes[at - 2] === 79 && bytes[at - 1] === 75 ? 'OK' : latin1(bytes, from + 13, at)
  }
  if (bytes[at] !== 13 || bytes[at + 1] !== 10) return BAD_STATUS
  const framing = readFields(bytes, from, at + 2, end, limits.headerCount, minor)
  if (framing.kind === 'refusal') return framing
  return {
    kind: 'response',
    status: hundreds * 100 + tens * 10 + ones,
    reason,
    minor,
    fields: framing.fields,
    length: framing.length,
    chunked: framing.chunked,
    keepAlive: framing.close ? false : minor === 1 || framing.keepAlive,
    upgrade: framing.upgrading ? framing.fields.get('upgrade') : undefined,
    size: framing.fields.text.length,
  }
}

/** The trailer section with its last CRLF. Fields that would frame, route or authorise are refused (RFC 9110 §6.5.1). */
export function parseTrailers(text: string, limits: { readonly headerCount: number }): Fields | Refusal {
  const bytes = Buffer.from(text, 'latin1')
  const framing = readFields(bytes, 0, 0, bytes.length, limits.headerCount, 1)
  if (framing.kind === 'refusal') return framing
  const { fields } = framing
  if (fields.text.length !== bytes.length) return BAD_FIELD_NAME
  if (fields.tagged(HOP | TAG.host | TAG.length | TAG.coding | TAG.expect | TAG.trailer | TAG.forwarded)) {
    return BAD_TRAILER
  }
  for (const name of FORBIDDEN_TRAILERS) if (fields.has(name)) return BAD_TRAILER
  return fields
}

const BAD_TRAILER = bad('trailer')
const FORBIDDEN_TRAILERS = [
  'authorization',
  'set-cookie',
  'cookie',
  'content-type',
  'content-encoding',
  'content-range',
]
