/**
 * Mutated messages, read here and by the parser of node:http. What we accept, it must accept and read in the same way:
 * method, target, fields, body, and the byte where the message ends. FUZZ_RUNS says how many.
 */
import { createRequire } from 'node:module'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BodyReader } from './body.ts'
import { parseRequestHead, parseResponseHead, type RequestHead, type ResponseHead } from './head.ts'
import { Refusal } from './refusal.ts'

const runs = Number(process.env['FUZZ_RUNS'] ?? 4000)
const limits = { headerCount: 100, targetBytes: 8192 }

interface Read {
  readonly first: string
  readonly fields: readonly (readonly [string, string])[]
  body: string
}

interface Parser {
  initialize(kind: number, resource: object): void
  execute(bytes: Buffer): number | Error
  finish(): number | Error | undefined
  [callback: number]: (...given: never[]) => unknown
}

const { HTTPParser, methods } = createRequire(import.meta.url)('_http_common') as {
  HTTPParser: {
    new (): Parser
    readonly REQUEST: number
    readonly RESPONSE: number
    readonly kOnHeaders: number
    readonly kOnHeadersComplete: number
    readonly kOnBody: number
    readonly kOnMessageComplete: number
  }
  methods: readonly string[]
}

/** All whole messages of these bytes as node:http reads them; undefined where it refuses them. */
function readByNode(bytes: Buffer, kind: 'request' | 'response', count: number): Read[] | undefined {
  const parser = new HTTPParser()
  parser.initialize(kind === 'request' ? HTTPParser.REQUEST : HTTPParser.RESPONSE, {})
  const done: Read[] = []
  let current: Read | undefined
  let early: string[] = []
  parser[HTTPParser.kOnHeaders] = (headers: string[]) => {
    early.push(...headers)
  }
  parser[HTTPParser.kOnHeadersComplete] = (
    _major: number,
    _minor: number,
    headers: string[] | undefined,
    method: number,
    url: string,
    status: number,
  ) => {
    const flat = [...early, ...(headers ?? [])]
    early = []
    const fields: [string, string][] = []
    for (let at = 0; at < flat.length; at += 2) fields.push([flat[at]!, flat[at + 1]!])
    current = { first: kind === 'request' ? `${methods[method]} ${url}` : String(status), fields, body: '' }
    return 0
  }
  parser[HTTPParser.kOnBody] = (piece: Buffer) => {
    current!.body += piece.toString('latin1')
  }
  parser[HTTPParser.kOnMessageComplete] = () => {
    done.push(current!)
    early = []
  }
  const result = parser.execute(bytes)
  // an error after the messages that we have read whole is about what follows them
  if (result instanceof Error && done.length < count) return undefined
  return done.slice(0, count)
}

/** The same by us: whole messages until the bytes end or something is refused. */
function readByUs(bytes: Buffer, kind: 'request' | 'response'): Read[] {
  const done: Read[] = []
  let at = 0
  for (;;) {
    if (kind === 'request' && bytes[at] === 13 && bytes[at + 1] === 10) at += 2
    const end = bytes.indexOf('\r\n\r\n', at)
    if (end < 0) return done
    const text = bytes.toString('latin1', at, end + 4)
    const head: RequestHead | ResponseHead | Refusal =
      kind === 'request' ? parseRequestHead(text, limits) : parseResponseHead(text, limits)
    if (head instanceof Refusal) return done
    // node:http knows a list of methods; we take every token
    if ('method' in head && !methods.includes(head.method)) return done
    at = end + 4
    const none = !('method' in head) && (head.status === 204 || head.status === 304 || head.status < 200)
    if (!('method' in head) && !none && !head.chunked && head.length < 0) return done
    const read: Read = {
      first: 'method' in head ? `${head.method} ${head.originalTarget}` : String(head.status),
      // what Connection names is gone from ours: those are compared by the rest
      fields: [...head.fields],
      body: '',
    }
    const reader = new BodyReader()
    let refused = false
    let trailed = false
    reader.start(none ? 0 : head.chunked ? 'chunked' : Math.max(0, head.length), limits)
    at = reader.feed(bytes, at, bytes.length, {
      onPiece: (piece, start, stop) => {
        read.body += piece.toString('latin1', start, stop)
      },
      onEnd: (trailers) => {
        trailed = trailers !== undefined
      },
      onRefusal: () => {
        refused = true
      },
    })
    if (refused || !reader.done) return done
    done.push(read)
    // node:http's parser tells trailers and the next head in ways that are hard to tell apart
    if (!head.keepAlive || trailed) return done
  }
}

const field = fc.constantFrom(
  'Host: a.example',
  'host:b:80',
  'Content-Length: 3',
  'content-length: 0',
  'Content-Length: 03',
  'Content-Length: 3, 3',
  'Transfer-Encoding: chunked',
  'transfer-encoding: CHUNKED',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding : chunked',
  'Connection: keep-alive',
  'Connection: close',
  'X-A: b c',
  'X-Empty:',
  'X-Tab:\tb\t',
  'Accept: */*',
  ' folded',
  'TE: trailers',
  'Expect: 100-continue',
)
const body = fc.constantFrom(
  '',
  'abc',
  '3\r\nabc\r\n0\r\n\r\n',
  '3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\n',
  '0\r\n\r\n',
  '3\r\nabc\r\n00\r\n\r\n',
)
const noise = fc.constantFrom(
  '\r',
  '\n',
  ' ',
  '\t',
  '\0',
  ':',
  ';',
  ',',
  '\x7f',
  '\x80',
  '0',
  '3',
  'x',
  '\r\n',
  '\r\n\r\n',
  '%',
  '#',
  '?',
)

function messages(first: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const plain = fc.tuple(first, fc.array(field, { maxLength: 6 }), body).map(([line, fields, rest]) => {
    const all = line.includes('HTTP/1.1') && !fields.some((one) => /^host/i.test(one)) ? ['Host: h', ...fields] : fields
    return `${[line, ...all].join('\r\n')}\r\n\r\n${rest}`
  })
  const mutated = fc
    .tuple(plain, fc.array(fc.tuple(fc.nat(), noise, fc.constantFrom('insert', 'replace', 'delete')), { maxLength: 3 }))
    .map(([text, changes]) => {
      let result = text
      for (const [where, what, how] of changes) {
        const at = where % (result.length + 1)
        result = result.slice(0, at) + (how === 'delete' ? '' : what) + result.slice(how === 'insert' ? at : at + 1)
      }
      return result
    })
  return fc.array(mutated, { minLength: 1, maxLength: 3 }).map((all) => all.join(''))
}

const requests = messages(
  fc.constantFrom(
    'GET / HTTP/1.1',
    'POST /a/b?c=d HTTP/1.1',
    'PUT http://h/x HTTP/1.1',
    'OPTIONS * HTTP/1.1',
    'GET / HTTP/1.0',
    'HEAD /%41 HTTP/1.1',
  ),
)
const responses = messages(
  fc.constantFrom('HTTP/1.1 200 OK', 'HTTP/1.1 204 No Content', 'HTTP/1.0 200 OK', 'HTTP/1.1 404'),
)

let accepted = 0

function agree(text: string, kind: 'request' | 'response'): void {
  const bytes = Buffer.from(text, 'latin1')
  const ours = readByUs(bytes, kind)
  if (ours.length === 0) return
  accepted++
  const theirs = readByNode(bytes, kind, ours.length)
  expect(theirs).toEqual(ours)
}

test('requests that we accept are read in the same way by node:http', () => {
  accepted = 0
  fc.assert(
    fc.property(requests, (text) => agree(text, 'request')),
    { numRuns: runs },
  )
  // a generator that makes nothing good would prove nothing
  expect(accepted).toBeGreaterThan(runs / 20)
}, 3_600_000)

test('answers that we accept are read in the same way by node:http', () => {
  accepted = 0
  fc.assert(
    fc.property(responses, (text) => agree(text, 'response')),
    { numRuns: runs },
  )
  expect(accepted).toBeGreaterThan(runs / 20)
}, 3_600_000)
