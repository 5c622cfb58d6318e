/**
 * Header lists of HTTP/2 ↔ heads of lib/http1. Pure. A list is written down as the text of a head and read by the same
 * parser, so that there is one reading of everything, whatever it came by (RFC 9113 §8.2–8.3).
 */
import type { Fields } from '../../../lib/http1/fields.ts'
import { HOP, TAG } from '../../../lib/http1/tags.ts'
import {
  parseTrailers,
  readRequestHead,
  readResponseHead,
  type RequestHead,
  type ResponseHead,
} from '../../../lib/http1/head.ts'
import { Refusal } from '../../../lib/http1/refusal.ts'
import type { HeaderList } from '../../../lib/http2/list.ts'

export interface HeadLimits {
  readonly headBytes: number
  readonly headerCount: number
  readonly targetBytes: number
}

const LONG_HEAD = Object.freeze(new Refusal(431, 'head-too-long'))
const BAD_PSEUDO = Object.freeze(new Refusal(400, 'pseudo-header'))
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
export function readAnswer(status: number, list: HeaderList): ResponseHead | Refusal {
  const text = `HTTP/1.1 ${status} \r\n${list.lines}\r\n`
  const { length } = text
  if (length > scratch.length) return LONG_HEAD
  return readResponseHead(scratch, 0, scratch.latin1Write(text, 0, length), ANSWER_LIMITS)
}

/** Field lines with their CRLF, of whoever sends a body. */
export function readTrailerLines(lines: string): Fields | Refusal {
  return parseTrailers(`${lines}\r\n`, ANSWER_LIMITS)
}

/** Fields that HTTP/2 has no place for, of one hop (RFC 9113 §8.2.2). */
export const ELSEWHERE = HOP | TAG.coding
