/** The text of a head → its parts, or why it is refused (RFC 9112 §2–6). Pure. One reading or none. */
import { TARGET, TOKEN, VALUE } from './characters.ts'
import { Fields, same, TAG, tagOf } from './fields.ts'
import { hostOf, isPlainPath, splitAbsolute } from './target.ts'

export interface HeadLimits {
  readonly headerCount: number
  readonly targetBytes: number
}

/** Why a message is refused. `reason` is stable, for metrics and the log. */
export class Refusal {
  readonly kind = 'refusal'
  readonly status: number
  readonly reason: string

  constructor(status: number, reason: string) {
    this.status = status
    this.reason = reason
  }
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
}

const bad = (reason: string): Refusal => Object.freeze(new Refusal(400, reason))

const BAD_LINE = bad('request-line')
const BAD_TARGET = bad('target')
const BAD_PATH = bad('path')
const BAD_VERSION = bad('version')
const OTHER_VERSION = Object.freeze(new Refusal(505, 'version'))
const LONG_TARGET = Object.freeze(new Refusal(414, 'target-too-long'))
const MANY_FIELDS = Object.freeze(new Refusal(431, 'too-many-fields'))
const BAD_FIELD_NAME = bad('field-name')
const BAD_FIELD_VALUE = bad('field-value')
const FOLDED = bad('obs-fold')
const DISGUISED = bad('disguised-framing-field')
const BAD_LENGTH = bad('content-length')
const BAD_CODING = bad('transfer-encoding')
const OTHER_CODING = Object.freeze(new Refusal(501, 'transfer-encoding'))
const TWO_LENGTHS = bad('length-and-chunked')
const NO_HOST = bad('no-host')
const BAD_HOST = bad('host')
const HOSTS_DIFFER = bad('host-and-target-differ')
const BAD_CONNECTION = bad('connection')
const BAD_EXPECT = Object.freeze(new Refusal(417, 'expect'))
const CONNECT = Object.freeze(new Refusal(405, 'connect'))
const BAD_STATUS = bad('status-line')
/** The first line of an HTTP/2 connection with prior knowledge; the caller may hand the connection over. */
export const PREFACE = Object.freeze(new Refusal(505, 'http2-preface'))

/** `text`: latin1, from the first byte of the request line to the CRLF CRLF, included. */
export function parseRequestHead(text: string, limits: HeadLimits): RequestHead | Refusal {
  let at = 0
  let code = 0
  while (TOKEN[(code = text.charCodeAt(at))] === 1) at++
  if (code !== 0x20 || at === 0 || at > 32) return BAD_LINE
  const method = text.slice(0, at)
  const targetStart = ++at
  while (TARGET[(code = text.charCodeAt(at))] === 1) at++
  if (code !== 0x20 || at === targetStart) return BAD_TARGET
  if (at - targetStart > limits.targetBytes) return LONG_TARGET
  const originalTarget = text.slice(targetStart, at)
  // " HTTP/1.x" CRLF
  const lineEnd = at + 9
  if (text.charCodeAt(lineEnd) !== 13 || text.charCodeAt(lineEnd + 1) !== 10) return BAD_VERSION
  const minor = text.charCodeAt(lineEnd - 1) - 48
  if (!text.startsWith(' HTTP/1.', at) || (minor !== 0 && minor !== 1)) {
    if (text.startsWith('PRI * HTTP/2.0\r\n')) return PREFACE
    return /^ HTTP\/\d\.\d$/.test(text.slice(at, lineEnd)) ? OTHER_VERSION : BAD_VERSION
  }

  const framing = parseFields(text, lineEnd + 2, limits.headerCount, minor)
  if (framing instanceof Refusal) return framing

  let target = originalTarget
  let authority = framing.host
  if (framing.hosts > 1 || (framing.hosts === 0 && minor === 1)) return NO_HOST
  let host = ''
  if (authority !== undefined) {
    const name = hostOf(authority)
    if (name === undefined) return BAD_HOST
    host = name
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
  }
}

/** `text`: latin1, from the first byte of the status line to the CRLF CRLF, included. Refusals have status 400; callers say 502. */
export function parseResponseHead(text: string, limits: { readonly headerCount: number }): ResponseHead | Refusal {
  const minor = text.charCodeAt(7) - 48
  if (!text.startsWith('HTTP/1.') || (minor !== 0 && minor !== 1) || text.charCodeAt(8) !== 0x20) return BAD_STATUS
  const hundreds = text.charCodeAt(9) - 48
  const tens = text.charCodeAt(10) - 48
  const ones = text.charCodeAt(11) - 48
  if (hundreds < 1 || hundreds > 5 || tens < 0 || tens > 9 || !(ones >= 0 && ones <= 9)) return BAD_STATUS
  let at = 12
  let reason = ''
  if (text.charCodeAt(12) === 0x20) {
    at = 13
    while (VALUE[text.charCodeAt(at)] === 1) at++
    reason = text.slice(13, at)
  }
  if (text.charCodeAt(at) !== 13 || text.charCodeAt(at + 1) !== 10) return BAD_STATUS
  const framing = parseFields(text, at + 2, limits.headerCount, minor)
  if (framing instanceof Refusal) return framing
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
  }
}

/** The trailer section with its last CRLF. Fields that would frame, route or authorise are refused (RFC 9110 §6.5.1). */
export function parseTrailers(text: string, limits: { readonly headerCount: number }): Fields | Refusal {
  const framing = parseFields(text, 0, limits.headerCount, 1)
  if (framing instanceof Refusal) return framing
  if (framing.fields.tagged(TAG.hop | TAG.host | TAG.length | TAG.coding | TAG.expect | TAG.trailer | TAG.forwarded)) {
    return BAD_TRAILER
  }
  for (const name of FORBIDDEN_TRAILERS) if (framing.fields.has(name)) return BAD_TRAILER
  return framing.fields
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

interface Framing {
  fields: Fields
  length: number
  chunked: boolean
  host: string | undefined
  hosts: number
  close: boolean
  keepAlive: boolean
  upgrading: boolean
  expects: number
  expect: string
  trailers: boolean
}

function parseFields(text: string, start: number, most: number, minor: number): Framing | Refusal {
  const spans: number[] = []
  let at = start
  let count = 0
  let length = -1
  let codings = 0
  let host: string | undefined
  let hosts = 0
  let close = false
  let keepAlive = false
  let upgrading = false
  let options: string[] | undefined
  let expects = 0
  let expect = ''
  let trailers = false
  let tags = 0
  for (;;) {
    const first = text.charCodeAt(at)
    if (first === 13) break
    const nameStart = at
    while (TOKEN[text.charCodeAt(at)] === 1) at++
    if (text.charCodeAt(at) !== 0x3a || at === nameStart) {
      return first === 0x20 || first === 0x09 ? FOLDED : BAD_FIELD_NAME
    }
    if (++count > most) return MANY_FIELDS
    const nameEnd = at++
    let code = text.charCodeAt(at)
    while (code === 0x20 || code === 0x09) code = text.charCodeAt(++at)
    const valueStart = at
    while (VALUE[code] === 1) code = text.charCodeAt(++at)
    if (code !== 13 || text.charCodeAt(at + 1) !== 10) return BAD_FIELD_VALUE
    let valueEnd = at
    while (valueEnd > valueStart && ((code = text.charCodeAt(valueEnd - 1)) === 0x20 || code === 0x09)) valueEnd--
    at += 2
    const size = nameEnd - nameStart
    const tag = tagOf(text, nameStart, size)
    spans.push(nameStart, nameEnd, valueStart, valueEnd, tag)
    if (tag === 0) {
      // a CGI-like backend would read these as the framing fields
      if ((size === 14 || size === 17) && isDisguised(text, nameStart, size)) return DISGUISED
      continue
    }
    tags |= tag
    switch (tag) {
      case TAG.length: {
        if (length >= 0) return BAD_LENGTH
        length = digits(text, valueStart, valueEnd)
        // llhttp takes no tab behind a length or a coding, others do
        if (length < 0 || tabBetween(text, valueEnd, at)) return BAD_LENGTH
        break
      }
      case TAG.coding: {
        if (++codings > 1) return BAD_CODING
        if (valueEnd - valueStart !== 7 || !same(text, valueStart, 'chunked') || tabBetween(text, valueEnd, at)) {
          return valueEnd === valueStart || /chunked|^identity$/i.test(text.slice(valueStart, valueEnd))
            ? BAD_CODING
            : OTHER_CODING
        }
        break
      }
      case TAG.host:
        hosts++
        host = text.slice(valueStart, valueEnd)
        break
      case TAG.expect:
        expects++
        expect = text.slice(valueStart, valueEnd)
        break
      case TAG.hop:
        if (size === 10 && (text.charCodeAt(nameStart) | 32) === 99) {
          const valueSize = valueEnd - valueStart
          if (valueSize === 10 && same(text, valueStart, 'keep-alive')) keepAlive = true
          else if (valueSize === 5 && same(text, valueStart, 'close')) close = true
          else (options ??= []).push(text.slice(valueStart, valueEnd))
        } else if (size === 2) {
          trailers ||= /(?:^|,)[ \t]*trailers[ \t]*(?:,|;|$)/i.test(text.slice(valueStart, valueEnd))
        }
        break
    }
  }
  if (text.charCodeAt(at + 1) !== 10 || at + 2 !== text.length) return BAD_FIELD_NAME
  if (codings > 0) {
    if (length >= 0) return TWO_LENGTHS
    // RFC 9112 §6.1: chunked in a message of 1.0 means that somebody on the way did not understand it
    if (minor === 0) return BAD_CODING
  }
  const fields = new Fields(text, spans, at, tags)
  if (options !== undefined) {
    for (const option of options.join(',').split(',')) {
      const name = option.replaceAll(/^[ \t]+|[ \t]+$/g, '').toLowerCase()
      if (name === '') continue
      if (name === 'close') close = true
      else if (name === 'keep-alive') keepAlive = true
      else if (name === 'upgrade') upgrading = true
      else if (!isOption(name)) return BAD_CONNECTION
      else if (name !== 'te') fields.delete(name)
    }
  }
  return {
    fields,
    length,
    chunked: codings > 0,
    host,
    hosts,
    close,
    keepAlive,
    upgrading,
    expects,
    expect,
    trailers,
  }
}

function tabBetween(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (text.charCodeAt(at) === 0x09) return true
  return false
}

/** 1 to 15 digits and nothing else; -1 otherwise. */
function digits(text: string, start: number, end: number): number {
  if (end === start || end - start > 15) return -1
  let value = 0
  for (let at = start; at < end; at++) {
    const digit = text.charCodeAt(at) - 48
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return value
}

function isDisguised(text: string, start: number, size: number): boolean {
  const name = text.slice(start, start + size).toLowerCase()
  return name === 'content_length' || name === 'transfer_encoding'
}

/** A token that does not name a field without which the message would mean something else. */
function isOption(name: string): boolean {
  for (let at = 0; at < name.length; at++) if (TOKEN[name.charCodeAt(at)] !== 1) return false
  return tagOf(name, 0, name.length) === 0 || name === 'keep-alive' || name === 'te' || name === 'proxy-connection'
}
