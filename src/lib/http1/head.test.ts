/** Each ambiguity of README.md, by hand. */
import { describe, expect, test } from 'vitest'
import { BodyReader } from './body.ts'
import { Fields } from './fields.ts'
import { parseRequestHead, parseResponseHead } from './head.ts'
import { Refusal } from './refusal.ts'

const limits = { headerCount: 100, targetBytes: 8192 }
const HOST = 'Host: shop.example'

function read(text: string): string {
  const head = parseRequestHead(`${text}\r\n\r\n`, limits)
  return head instanceof Refusal ? `${head.status} ${head.reason}` : 'ok'
}

const post = (...fields: string[]): string => ['POST / HTTP/1.1', HOST, ...fields].join('\r\n')
const get = (target: string, version = 'HTTP/1.1'): string => `GET ${target} ${version}\r\n${HOST}`

describe('requests', () => {
  test.each([
    ['length with chunks', post('Content-Length: 5', 'Transfer-Encoding: chunked'), '400 length-and-chunked'],
    ['two lengths', post('Content-Length: 5', 'Content-Length: 6'), '400 content-length'],
    ['the same length twice', post('Content-Length: 5', 'Content-Length: 5'), '400 content-length'],
    ['a list of lengths', post('Content-Length: 5, 5'), '400 content-length'],
    ['a signed length', post('Content-Length: +5'), '400 content-length'],
    ['a negative length', post('Content-Length: -5'), '400 content-length'],
    ['a length in hex', post('Content-Length: 0x5'), '400 content-length'],
    ['an empty length', post('Content-Length:'), '400 content-length'],
    ['a length that no double holds', post('Content-Length: 99999999999999999999'), '400 content-length'],
    ['a length', post('Content-Length: 5'), 'ok'],
    ['chunked', post('Transfer-Encoding: chunked'), 'ok'],
    ['Chunked', post('transfer-encoding:Chunked'), 'ok'],
    ['chunked twice', post('Transfer-Encoding: chunked, chunked'), '400 transfer-encoding'],
    [
      'chunked in two fields',
      post('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'),
      '400 transfer-encoding',
    ],
    ['xchunked', post('Transfer-Encoding: xchunked'), '400 transfer-encoding'],
    ['"chunked"', post('Transfer-Encoding: "chunked"'), '400 transfer-encoding'],
    ['identity', post('Transfer-Encoding: identity'), '400 transfer-encoding'],
    ['no coding', post('Transfer-Encoding:'), '400 transfer-encoding'],
    ['gzip', post('Transfer-Encoding: gzip'), '501 transfer-encoding'],
    ['gzip, chunked', post('Transfer-Encoding: gzip, chunked'), '400 transfer-encoding'],
    ['chunked with a vertical tab', post('Transfer-Encoding: \x0bchunked'), '400 field-value'],
    ['chunked in 1.0', `POST / HTTP/1.0\r\n${HOST}\r\nTransfer-Encoding: chunked`, '400 transfer-encoding'],
    ['Content_Length', post('Content_Length: 5'), '400 disguised-framing-field'],
    ['Transfer_Encoding', post('Transfer_Encoding: chunked'), '400 disguised-framing-field'],
    ['a bare LF', post('A: b\nContent-Length: 5'), '400 field-value'],
    ['a bare CR', post('A: b\rContent-Length: 5'), '400 field-value'],
    ['a folded field', post('A: b', ' c'), '400 obs-fold'],
    ['a folded first field', `GET / HTTP/1.1\r\n ${HOST}`, '400 obs-fold'],
    ['space before the colon', post('Content-Length : 5'), '400 field-name'],
    ['tab before the colon', post('Content-Length\t: 5'), '400 field-name'],
    ['an empty name', post(': 5'), '400 field-name'],
    ['no colon', post('hello'), '400 field-name'],
    ['a name in parentheses', post('A(b): 5'), '400 field-name'],
    ['NUL in a value', post('A: b\0c'), '400 field-value'],
    ['DEL in a value', post('A: b\x7fc'), '400 field-value'],
    ['bytes above ASCII in a value', post('A: \xe4'), 'ok'],
    ['no method', ` / HTTP/1.1\r\n${HOST}`, '400 request-line'],
    ['a method that is no token', `G@T / HTTP/1.1\r\n${HOST}`, '400 request-line'],
    ['a method too long', `${'G'.repeat(33)} / HTTP/1.1\r\n${HOST}`, '400 request-line'],
    ['two spaces', `GET  / HTTP/1.1\r\n${HOST}`, '400 target'],
    ['a tab', `GET\t/ HTTP/1.1\r\n${HOST}`, '400 request-line'],
    ['space at the end of the line', `GET / HTTP/1.1 \r\n${HOST}`, '400 version'],
    ['no version', `GET /\r\n${HOST}`, '400 target'],
    ['version 2.0', get('/', 'HTTP/2.0'), '505 version'],
    ['version 1.2', get('/', 'HTTP/1.2'), '505 version'],
    ['lower case version', get('/', 'http/1.1'), '400 version'],
    ['a fragment', get('/a#b'), '400 target'],
    ['a raw byte', get('/\xe4'), '400 target'],
    ['a target too long', get(`/${'a'.repeat(8192)}`), '414 target-too-long'],
    ['absolute form', get('http://shop.example/a'), 'ok'],
    ['absolute form of another host', get('http://other.example/a'), '400 host-and-target-differ'],
    ['absolute form of another scheme', get('ftp://shop.example/a'), '400 target'],
    ['absolute form with a user', get('http://me@shop.example/a'), '400 host'],
    ['absolute form with dots', get('http://shop.example/../a'), '400 path'],
    ['CONNECT', `CONNECT shop.example:443 HTTP/1.1\r\n${HOST}`, '405 connect'],
    ['CONNECT with a path', `CONNECT / HTTP/1.1\r\n${HOST}`, '405 connect'],
    ['OPTIONS *', `OPTIONS * HTTP/1.1\r\n${HOST}`, 'ok'],
    ['GET *', get('*'), '400 target'],
    ['a relative target', get('a/b'), '400 target'],
    ['dot segments', get('/a/../b'), '400 path'],
    ['a dot segment', get('/a/./b'), '400 path'],
    ['dots at the end', get('/a/..'), '400 path'],
    ['encoded dots', get('/a/%2e%2E/b'), '400 path'],
    ['half encoded dots', get('/a/.%2e/b'), '400 path'],
    ['dots behind an encoded slash', get('/a%2f..%2fb'), '400 path'],
    ['dots behind an encoded backslash', get('/a%5c..%5cb'), '400 path'],
    ['dots with a parameter', get('/a/..;x/b'), '400 path'],
    ['dots in a name', get('/a/..b/c.d/.well-known'), 'ok'],
    ['dots in the query', get('/a?b=/../c'), 'ok'],
    ['a backslash', get('/a\\b'), '400 path'],
    ['a backslash in the query', get('/a?b\\c'), 'ok'],
    ['an encoded slash', get('/a%2Fb'), 'ok'],
    ['an encoded NUL', get('/a%00'), '400 path'],
    ['a lone percent', get('/a%'), '400 path'],
    ['a bad percent', get('/a%zz'), '400 path'],
    ['no host', 'GET / HTTP/1.1\r\nA: b', '400 no-host'],
    ['two hosts', `GET / HTTP/1.1\r\n${HOST}\r\n${HOST}`, '400 no-host'],
    ['two hosts in 1.0', `GET / HTTP/1.0\r\n${HOST}\r\n${HOST}`, '400 no-host'],
    ['no host in 1.0', 'GET / HTTP/1.0\r\nA: b', 'ok'],
    ['an empty host', 'GET / HTTP/1.1\r\nHost:', '400 host'],
    ['a host with a path', 'GET / HTTP/1.1\r\nHost: a/b', '400 host'],
    ['a host with a user', 'GET / HTTP/1.1\r\nHost: a@b', '400 host'],
    ['a list of hosts', 'GET / HTTP/1.1\r\nHost: a, b', '400 host'],
    ['a host with a bad port', 'GET / HTTP/1.1\r\nHost: a:b', '400 host'],
    ['a host with a port too high', 'GET / HTTP/1.1\r\nHost: a:65536', '400 host'],
    ['a host with a port', 'GET / HTTP/1.1\r\nHost: a:8080', 'ok'],
    ['an IPv6 host', 'GET / HTTP/1.1\r\nHost: [::1]:80', 'ok'],
    ['a broken IPv6 host', 'GET / HTTP/1.1\r\nHost: [::1', '400 host'],
    ['Connection that names Host', post('Connection: close, Host'), '400 connection'],
    ['Connection that names Content-Length', post('Connection: Content-Length'), '400 connection'],
    ['Connection that names X-Forwarded-For', post('Connection: X-Forwarded-For'), '400 connection'],
    ['Connection that is no token', post('Connection: a b'), '400 connection'],
    ['another expectation', post('Expect: 200-ok', 'Content-Length: 1'), '417 expect'],
    ['two expectations', post('Expect: 100-continue', 'Expect: 100-continue', 'Content-Length: 1'), '417 expect'],
    ['an expectation', post('Expect: 100-Continue', 'Content-Length: 1'), 'ok'],
    ['more fields than allowed', post(...Array.from({ length: 100 }, (_, at) => `A${at}: b`)), '431 too-many-fields'],
  ])('%s', (_, text, answer) => {
    expect(read(text)).toBe(answer)
  })

  test('what a good one means', () => {
    const text =
      'PUT http://Shop.Example.:8080/a?b#'.slice(0, -1) + ' HTTP/1.1\r\nhost: shop.example.:8080\r\nX:  y \r\n'
    const head = parseRequestHead(
      `${text}Connection: Keep-Alive, X-Drop\r\nX-Drop: 1\r\nContent-Length: 007\r\n\r\n`,
      limits,
    )
    if (head instanceof Refusal) throw new Error(head.reason)
    expect(head).toMatchObject({
      method: 'PUT',
      target: '/a?b',
      host: 'shop.example',
      length: 7,
      chunked: false,
      keepAlive: true,
    })
    expect(head.authority).toBe('Shop.Example.:8080')
    expect([...head.fields].map(([name]) => name)).toEqual(['host', 'X', 'Connection', 'Content-Length'])
    expect(head.fields.get('x')).toBe('y')
  })
})

describe('answers', () => {
  const answer = (text: string): string => {
    const head = parseResponseHead(`${text}\r\n\r\n`, limits)
    return head instanceof Refusal ? head.reason : `${head.status} ${head.length} ${head.chunked}`
  }
  test.each([
    ['HTTP/1.1 200 OK\r\nContent-Length: 3', '200 3 false'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked', '200 -1 true'],
    ['HTTP/1.1 200', '200 -1 false'],
    ['HTTP/1.0 404 Not  Found', '404 -1 false'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3', 'content-length'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked', 'length-and-chunked'],
    ['HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked', 'transfer-encoding'],
    ['HTTP/1.1 20 OK', 'status-line'],
    ['HTTP/1.1 2000 OK', 'status-line'],
    ['HTTP/1.1  200 OK', 'status-line'],
    ['HTTP/1.1 099 OK', 'status-line'],
    ['HTTP/1.1 600 OK', 'status-line'],
    ['HTTP/2 200 OK', 'status-line'],
    ['HTTP/1.1 200 O\0K', 'status-line'],
    ['HTTP/1.1 200 OK\r\nA : b', 'field-name'],
    ['HTTP/1.1 200 OK\r\nA: b\r\n c', 'obs-fold'],
    ['HTTP/1.1 200 OK\nA: b', 'status-line'],
  ])('%j → %s', (text, expected) => {
    expect(answer(text)).toBe(expected)
  })
})

describe('bodies', () => {
  function readBody(text: string, framing: number | 'chunked' | 'close' = 'chunked', step = text.length || 1): string {
    const reader = new BodyReader()
    let result = ''
    const sink = {
      onPiece: (bytes: Buffer, start: number, end: number) => {
        result += bytes.toString('latin1', start, end)
      },
      onEnd: (trailers: Fields | undefined) => {
        result += `|end ${trailers === undefined ? '' : [...trailers].join(' ')}`
      },
      onRefusal: (refusal: Refusal) => {
        result += `|${refusal.status} ${refusal.reason}`
      },
    }
    reader.start(framing, limits)
    const bytes = Buffer.from(text, 'latin1')
    for (let at = 0; at < bytes.length; at += step) {
      const end = Math.min(bytes.length, at + step)
      const stop = reader.feed(bytes, at, end, sink)
      if (stop < end) return `${result}|${bytes.length - stop} left`
    }
    return result
  }

  const rows: readonly (readonly [string, string])[] = [
    ['3\r\nabc\r\n0\r\n\r\n', 'abc|end '],
    ['3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET', 'abcde|end |3 left'],
    ['A\r\n0123456789\r\n0\r\n\r\n', '0123456789|end '],
    ['3;a=b;c="d"\r\nabc\r\n0;x\r\n\r\n', 'abc|end '],
    ['0\r\nX-Sum: 1\r\nY: 2\r\n\r\n', '|end X-Sum,1 Y,2'],
    ['000000003\r\nabc\r\n0\r\n\r\n', 'abc|end '],
    ['0x3\r\nabc\r\n0\r\n\r\n', '|400 chunk-size'],
    ['+3\r\nabc\r\n0\r\n\r\n', '|400 chunk-size'],
    [' 3\r\nabc\r\n0\r\n\r\n', '|400 chunk-size'],
    ['3 \r\nabc\r\n0\r\n\r\n', '|400 chunk-size'],
    ['\r\n', '|400 chunk-size'],
    ['3_0\r\n', '|400 chunk-size'],
    ['11111111111111\r\n', '|400 chunk-size'],
    ['3\nabc\r\n', '|400 chunk-size'],
    ['3\rabc\r\n', '|400 chunk-end'],
    ['3\r\nabcd\r\n', 'abc|400 chunk-end'],
    ['3\r\nabc\n0\r\n\r\n', 'abc|400 chunk-end'],
    ['3;a\nb\r\n', '|400 chunk-extension'],
    [`3;${'a'.repeat(300)}\r\n`, '|400 chunk-extension'],
    ['0\r\nContent-Length: 3\r\n\r\n', '|400 trailer'],
    ['0\r\nHost: a\r\n\r\n', '|400 trailer'],
    ['0\r\nAuthorization: a\r\n\r\n', '|400 trailer'],
    ['0\r\nA: b\n\r\n', '|400 chunk-end'],
    ['0\r\nA : b\r\n\r\n', '|400 field-name'],
    [`0\r\nA: ${'b'.repeat(9000)}\r\n\r\n`, '|431 trailers-too-long'],
  ]
  test.each(rows)('%j', (text, expected) => {
    expect(readBody(text).replace(/\|\d+ left$/, (left) => (expected.endsWith('left') ? left : ''))).toBe(expected)
  })

  test('split anywhere they read the same', () => {
    for (const [text, expected] of rows) {
      for (const step of [1, 2, 3, 7]) {
        const got = readBody(text, 'chunked', step).replace(/\|\d+ left$/, '')
        expect(got, JSON.stringify(text)).toBe(expected.replace(/\|\d+ left$/, ''))
      }
    }
  })

  test('by length, and until the end', () => {
    expect(readBody('abcdef', 3)).toBe('abc|end |3 left')
    expect(readBody('abcdef', 'close')).toBe('abcdef')
    const reader = new BodyReader()
    reader.start(3, limits)
    expect(reader.close()).toBe(false)
    reader.start('close', limits)
    expect(reader.close()).toBe(true)
  })
})

describe('fields', () => {
  const head = (): Fields => {
    const parsed = parseRequestHead(
      'GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a:2\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n',
      limits,
    )
    if (parsed instanceof Refusal) throw new Error(parsed.reason)
    return parsed.fields
  }
  test('are read in any case, joined, changed, and written once', () => {
    const fields = head()
    expect(fields.get('x-a')).toBe('1, 2')
    expect(fields.get('cookie')).toBe('a=1; b=2')
    expect(fields.all('x-a')).toEqual(['1', '2'])
    expect(fields.write(0)).toBe('Host: a\r\nX-A: 1\r\nx-a:2\r\nCookie: a=1\r\nCookie: b=2\r\n')
    fields.set('X-a', '3')
    fields.append('X-B', '4')
    fields.delete('COOKIE')
    expect(fields.get('x-a')).toBe('3')
    expect(fields.has('cookie')).toBe(false)
    expect(fields.write(0)).toBe('Host: a\r\nX-a: 3\r\nX-B: 4\r\n')
    expect([...fields].map(([name]) => name)).toEqual(['Host', 'X-a', 'X-B'])
  })
  test('say the same asked once, and asked often', () => {
    const fields = head()
    const names = ['host', 'x-a', 'x', 'cookie', 'x-b', '']
    const first = names.map((name) => head().get(name))
    expect(first).toEqual(['a', '1, 2', undefined, 'a=1; b=2', undefined, undefined])
    expect(names.map((name) => fields.get(name))).toEqual(first)
  })
  test('refuse what cannot be written', () => {
    const fields = head()
    for (const value of ['a\r\nB: c', 'a\0', 'a\n', '\u0100']) expect(() => fields.set('X', value)).toThrow(TypeError)
    for (const name of ['', 'a b', 'a:', 'ä']) expect(() => fields.append(name, 'x')).toThrow(TypeError)
  })
})
