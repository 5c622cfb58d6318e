/** The fields of one block → the parts of a request's head, of an answer's, or of trailers, as text (RFC 9113 §8.1–8.3). */
import type { FieldSink } from './decoder.ts'
import { KIND, type Field } from './field.ts'

export class HeaderList implements FieldSink {
  /** Of the pseudo-headers; undefined where there was none. */
  method: string | undefined = undefined
  path: string | undefined = undefined
  scheme: string | undefined = undefined
  authority: string | undefined = undefined
  host: string | undefined = undefined
  /** Of an answer; 0: none that there is. */
  status = 0
  /** RFC 9113 §8.2.3: crumbs are one field for everybody else. */
  cookie: string | undefined = undefined
  /** All other fields, a line each. */
  lines = ''
  /** More bytes than wanted: it is not all here. */
  long = false
  /** RFC 9113 §8.1.1: nobody may take it for a message. */
  malformed = false
  #most = 0
  #bytes = 0
  #what: 'request' | 'answer' | 'trailers' = 'request'
  #regular = false

  /** Before a block is read. `most`: bytes of names and values that are kept. */
  begin(what: 'request' | 'answer' | 'trailers', most: number): void {
    this.method = this.path = this.scheme = this.authority = this.host = this.cookie = undefined
    this.lines = ''
    this.long = this.malformed = this.#regular = false
    this.status = 0
    this.#what = what
    this.#most = most
    this.#bytes = 0
  }

  field(field: Field): void {
    const { kind } = field
    // 28: what OVERHEAD is more than `: ` and CRLF
    if ((this.#bytes += field.size - 28) > this.#most) {
      this.long = true
      return
    }
    if (kind === KIND.plain || (this.#what === 'answer' && (kind === KIND.cookie || kind === KIND.host))) {
      this.#regular = true
      this.lines += field.line
      return
    }
    const { value } = field
    switch (kind) {
      case KIND.cookie:
        this.#regular = true
        this.cookie = this.cookie === undefined ? value : `${this.cookie}; ${value}`
        return
      case KIND.host:
        this.#regular = true
        // the second one makes it two hosts, which are one too many
        if (this.host !== undefined) this.malformed = true
        this.host = value
        return
      case KIND.bad:
        this.malformed = true
        return
      default:
        this.#pseudo(kind, value)
    }
  }

  /** A request must say all of these (RFC 9113 §8.3.1), CONNECT two of them (§8.5). */
  get complete(): boolean {
    if (this.malformed || this.method === undefined) return false
    if (this.method === 'CONNECT') {
      return this.path === undefined && this.scheme === undefined && this.authority !== undefined
    }
    return this.scheme !== undefined && this.path !== undefined && this.path !== ''
  }

  #pseudo(kind: number, value: string): void {
    if (this.#regular || this.#what !== (kind === KIND.status ? 'answer' : 'request')) this.malformed = true
    switch (kind) {
      case KIND.status:
        if (this.status !== 0) this.malformed = true
        this.status = statusOf(value)
        return
      case KIND.method:
        if (this.method !== undefined) this.malformed = true
        this.method = value
        return
      case KIND.path:
        if (this.path !== undefined) this.malformed = true
        this.path = value
        return
      case KIND.scheme:
        if (this.scheme !== undefined) this.malformed = true
        this.scheme = value
        return
      case KIND.authority:
        if (this.authority !== undefined) this.malformed = true
        this.authority = value
        return
    }
  }
}

/** RFC 9113 §8.3.2 and §8.6: three digits, and nothing changes to another protocol. 0: no such status. */
function statusOf(value: string): number {
  if (value === '200') return 200
  return /^[1-5]\d\d$/.test(value) && value !== '101' ? Number(value) : 0
}
