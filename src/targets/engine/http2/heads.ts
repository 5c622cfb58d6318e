/**
 * Header lists of HTTP/2 ↔ heads of lib/http1. Pure. A list is written down as the text of a head and read by the same
 * parser, so that there is one reading of everything, whatever it came by (RFC 9113 §8.2–8.3).
 */
import type { OutgoingHttpHeaders } from 'node:http2'
import { Fields, HOP, TAG } from '../../../lib/http1/fields.ts'
import {
  parseResponseHead,
  parseTrailers,
  readRequestHead,
  Refusal,
  type RequestHead,
  type ResponseHead,
} from '../../../lib/http1/head.ts'
import type { HeaderList } from '../../../lib/http2/list.ts'

export interface HeadLimits {
  readonly headBytes: number
  readonly headerCount: number
  readonly targetBytes: number
}

const LONG_HEAD = Object.freeze(new Refusal(431, 'head-too-long'))
const BAD_PSEUDO = Object.freeze(new Refusal(400, 'pseudo-header'))
const BAD_FIELD = Object.freeze(new Refusal(400, 'field-value'))
const BAD_TARGET = Object.freeze(new Refusal(400, 'target'))
const HOSTS_DIFFER = Object.freeze(new Refusal(400, 'host-and-target-differ'))
const CONNECT = Object.freeze(new Refusal(405, 'connect'))

/** The list of a request. */
export function readRequest(list: HeaderList, limits: HeadLimits): RequestHead | Refusal {
  if (list.long) return LONG_HEAD
  const { method, host, path = '', scheme } = list
  if (method === 'CONNECT') return CONNECT
  if (scheme !== 'http' && scheme !== 'https') return BAD_PSEUDO
  let authority = list.authority ?? ''
  if (authority === '') authority = host ?? ''
  else if (host !== undefined && host.toLowerCase() !== authority.toLowerCase()) return HOSTS_DIFFER
  if (path.charCodeAt(0) !== 0x2f && path !== '*') return BAD_TARGET
  const crumbs = list.cookie === undefined ? '' : `cookie: ${list.cookie}\r\n`
  const text = `${method} ${path} HTTP/1.1\r\nhost: ${authority}\r\n${list.lines}${crumbs}\r\n`
  const { length } = text
  if (length > limits.headBytes || length > scratch.length) return LONG_HEAD
  return readRequestHead(scratch, 0, scratch.latin1Write(text, 0, length), limits)
}

/** Heads are written here to be read; nothing of it is kept. */
const scratch = Buffer.allocUnsafeSlow(262_144) as Buffer & {
  latin1Write(text: string, at: number, most: number): number
}

const ANSWER_LIMITS = { headerCount: 200 }

/** A final or informational answer of a backend. */
export function readAnswer(status: number, raw: readonly string[]): ResponseHead | Refusal {
  const lines = readLines(raw)
  return lines === undefined ? BAD_FIELD : parseResponseHead(`HTTP/1.1 ${status} \r\n${lines}\r\n`, ANSWER_LIMITS)
}

/** Field lines with their CRLF, of a client. */
export function readTrailerLines(lines: string): Fields | Refusal {
  return parseTrailers(`${lines}\r\n`, ANSWER_LIMITS)
}

export function readTrailers(raw: readonly string[]): Fields | Refusal {
  const lines = readLines(raw)
  return lines === undefined ? BAD_FIELD : parseTrailers(`${lines}\r\n`, ANSWER_LIMITS)
}

function readLines(raw: readonly string[]): string | undefined {
  let text = ''
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at]!
    const value = raw[at + 1]!
    if (name.charCodeAt(0) === 0x3a) continue
    if (value.includes('\n')) return undefined
    text += `${name}: ${value}\r\n`
  }
  return text
}

/** Five numbers a field. */
const STRIDE = 5

/** Fields that HTTP/2 has no place for, of one hop, are left out (RFC 9113 §8.2.2). Added to `into`. */
export function writeFields(fields: Fields, into: OutgoingHttpHeaders, skip: number): void {
  const without = skip | HOP | TAG.coding | TAG.dead
  const { spans, text } = fields
  for (let at = 0; at < spans.length; at += STRIDE) {
    if ((spans[at + 4]! & without) !== 0) continue
    const name = lowered(text.slice(spans[at], spans[at + 1]))
    put(into, name, text.slice(spans[at + 2], spans[at + 3]))
  }
  fields.eachAdded((lower, value, tag) => {
    if ((tag & without) === 0) put(into, lower, value)
  })
}

function put(into: OutgoingHttpHeaders, name: string, value: string): void {
  const before = into[name]
  if (before === undefined) into[name] = value
  // the second of what may be there only once is what nobody would have read
  else if (SINGLE.has(name)) return
  else if (typeof before === 'string') into[name] = [before, value]
  else if (Array.isArray(before)) before.push(value)
}

/** node:http2 writes these once or throws. */
const SINGLE = new Set(
  `access-control-allow-credentials access-control-max-age access-control-request-method age authorization
  content-encoding content-language content-length content-location content-md5 content-range content-type date dnt
  etag expires from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location
  max-forwards proxy-authorization range referer retry-after tk upgrade-insecure-requests user-agent
  x-content-type-options`.split(/\s+/),
)

const known = new Map<string, string>()

/** Names repeat: an answer's are the same each time. */
function lowered(name: string): string {
  let lower = known.get(name)
  if (lower === undefined) {
    lower = name.toLowerCase()
    // names are the backends' to invent
    if (known.size > 1000) known.clear()
    known.set(name, lower)
  }
  return lower
}
