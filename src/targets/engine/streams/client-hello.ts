/**
 * The first bytes of a TLS connection → the name it asks for, or why that is no ClientHello (RFC 8446 §4.1.2, RFC 6066
 * §3). Pure. Strict: what is not exactly a ClientHello of TLS 1.0 or later is refused, and every length must fit.
 */

export interface ClientHello {
  readonly kind: 'hello'
  /** Lower case, without a trailing dot; undefined where none is said. */
  readonly serverName: string | undefined
  readonly protocols: readonly string[]
}

export type ClientHelloResult =
  ClientHello | { readonly kind: 'more' } | { readonly kind: 'refused'; readonly reason: string }

/** What a hello may take, with everything post-quantum in it; bytes. */
export const HELLO_MOST = 32_768

const MORE = Object.freeze({ kind: 'more' as const })
const HEADER = 5

export function readClientHello(bytes: Buffer): ClientHelloResult {
  const body = joinRecords(bytes)
  if ('kind' in body) return body
  const reader = new Reader(body)
  reader.skip(4)
  // legacy_version, random
  if (reader.number(2) < 0x0301) return refused('version')
  reader.skip(32)
  const session = reader.number(1)
  if (session > 32) return refused('session-id')
  reader.skip(session)
  const ciphers = reader.number(2)
  if (ciphers < 2 || ciphers % 2 !== 0) return refused('cipher-suites')
  reader.skip(ciphers)
  const compressions = reader.number(1)
  if (compressions < 1) return refused('compression')
  reader.skip(compressions)
  if (reader.failed) return refused('length')
  if (reader.left === 0) return { kind: 'hello', serverName: undefined, protocols: [] }
  const extensions = reader.number(2)
  if (reader.failed || extensions !== reader.left) return refused('extensions')
  let serverName: string | undefined
  let protocols: readonly string[] = []
  const seen = new Set<number>()
  while (reader.left > 0) {
    const type = reader.number(2)
    const part = reader.part(reader.number(2))
    if (reader.failed) return refused('extension')
    // RFC 8446 §4.2: no more than one of a type
    if (seen.has(type)) return refused('repeated-extension')
    seen.add(type)
    if (type === 0) {
      const name = readServerName(part)
      if (name === undefined) return refused('server-name')
      serverName = name
    } else if (type === 16) {
      const list = readProtocols(part)
      if (list === undefined) return refused('alpn')
      protocols = list
    }
  }
  return { kind: 'hello', serverName, protocols }
}

function refused(reason: string): { readonly kind: 'refused'; readonly reason: string } {
  return { kind: 'refused', reason }
}

/** A handshake message may come in several records. The message with its header, once it is whole. */
function joinRecords(bytes: Buffer): Buffer | Exclude<ClientHelloResult, ClientHello> {
  const parts: Buffer[] = []
  let have = 0
  let at = 0
  for (;;) {
    if (bytes.length > at && bytes[at] !== 22) return refused('not-a-handshake')
    if (bytes.length > at + 1 && bytes[at + 1] !== 3) return refused('version')
    if (bytes.length < at + HEADER) return bytes.length > HELLO_MOST ? refused('too-long') : MORE
    const length = bytes.readUInt16BE(at + 3)
    if (length === 0 || length > 16_384) return refused('record-length')
    const part = bytes.subarray(at + HEADER, Math.min(bytes.length, at + HEADER + length))
    parts.push(part)
    have += part.length
    if (parts[0]!.length > 0 && parts[0]![0] !== 1) return refused('not-a-client-hello')
    if (have >= 4) {
      const all = parts.length === 1 ? part : Buffer.concat(parts)
      const wanted = 4 + all.readUIntBE(1, 3)
      if (wanted > HELLO_MOST) return refused('too-long')
      if (have > wanted) return refused('length')
      if (have === wanted) return all
    }
    at += HEADER + length
    if (at >= bytes.length) return bytes.length > HELLO_MOST ? refused('too-long') : MORE
  }
}

/** One name of type host_name; undefined where it is something else. */
function readServerName(part: Buffer): string | undefined {
  const reader = new Reader(part)
  const list = reader.number(2)
  if (reader.failed || list !== reader.left) return undefined
  const type = reader.number(1)
  const name = reader.part(reader.number(2))
  if (reader.failed || type !== 0 || reader.left !== 0 || name.length === 0 || name.length > 255) return undefined
  const text = name.toString('latin1').toLowerCase().replace(/\.$/, '')
  return /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/.test(text) ? text : undefined
}

function readProtocols(part: Buffer): string[] | undefined {
  const reader = new Reader(part)
  const list = reader.number(2)
  if (reader.failed || list !== reader.left || list === 0) return undefined
  const protocols: string[] = []
  while (reader.left > 0) {
    const name = reader.part(reader.number(1))
    if (reader.failed || name.length === 0) return undefined
    protocols.push(name.toString('latin1'))
  }
  return protocols
}

/** Reads past the end as zeros, and remembers that it did. */
class Reader {
  failed = false
  #at = 0
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  number(size: 1 | 2): number {
    if (this.left < size) {
      this.failed = true
      return 0
    }
    const value = this.#bytes.readUIntBE(this.#at, size)
    this.#at += size
    return value
  }

  skip(size: number): void {
    if (this.left < size) this.failed = true
    else this.#at += size
  }

  part(size: number): Buffer {
    const start = this.#at
    this.skip(size)
    return this.#bytes.subarray(start, this.#at)
  }
}
