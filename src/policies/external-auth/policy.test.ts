/** Requests and a service that judges them, over HTTP/1.1, HTTP/2 and gRPC → what goes on, what is answered, what fails closed. */
import http from 'node:http'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { decodeMessage, encodeMessage, type ProtoField, type ProtoMessage } from '../../lib/protobuf/protobuf.ts'
import type { Backend } from '../../model/model.ts'
import { Secret } from '../../model/secret.ts'
import { type Bench, bench } from '../testing.ts'

const origin = { source: 'test' }
const open: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

type Judge = (asked: Asked) => {
  readonly status?: number
  readonly headers?: http.OutgoingHttpHeaders
  readonly body?: string
}

/** A service over HTTP/1.1, or over HTTP/2 in clear. */
async function service(judge: Judge, version: 1 | 2 = 1): Promise<{ readonly port: number; readonly asked: Asked[] }> {
  const asked: Asked[] = []
  const handle = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request
      asked.push({ method, path, headers, body: Buffer.concat(pieces) })
      const { status = 200, headers: answer = {}, body = '' } = judge(asked.at(-1)!)
      response.writeHead(status, answer)
      response.end(body)
    })
  }
  const server = version === 1 ? http.createServer(handle) : http2.createServer(handle as never)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push(async () => {
    if ('closeAllConnections' in server) server.closeAllConnections()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  })
  return { port: (server.address() as AddressInfo).port, asked }
}

async function guarded(
  config: object,
  ports: readonly number[],
  protocol: Backend['protocol'] = 'http1',
): Promise<Bench> {
  const portless = { backend: 'judge', addresses: ports.map((port) => ({ host: '127.0.0.1', port })) }
  const server = await bench({
    uses: [{ policy: 'external-auth', config: { backend: 'judge', ...config } }],
    more: { backends: [{ id: 'judge', protocol, origin }], endpoints: [portless] },
  })
  open.push(() => server.stop())
  return server
}

describe('over HTTP', () => {
  test('the service gets what it must, what it may, and nothing else', async () => {
    const { port, asked } = await service(() => ({}))
    const server = await guarded({ speech: { protocol: 'http', prefix: '/auth', headers: ['X-Tenant'] } }, [port])
    const answer = await server.call({
      method: 'POST',
      path: '/orders?id=1',
      headers: { Host: 'shop.example', Authorization: 'Bearer t', 'X-Tenant': 'a', Cookie: 'secret=1' },
      body: 'not shown',
    })
    expect([answer.status, answer.seen?.body]).toEqual([200, 'not shown'])
    expect(asked).toMatchObject([{ method: 'POST', path: '/auth/orders?id=1' }])
    const { connection: _, ...headers } = asked[0]!.headers
    expect(headers).toEqual({ host: 'shop.example', authorization: 'Bearer t', 'x-tenant': 'a', 'content-length': '0' })
  })

  test('what it refuses with goes to the client, and the backend hears nothing', async () => {
    const { port } = await service(() => ({
      status: 302,
      headers: { location: 'https://login.example/', 'set-cookie': ['a=1', 'b=2'], 'content-type': 'text/html' },
      body: '<p>log in',
    }))
    const server = await guarded({ speech: { protocol: 'http' } }, [port])
    const answer = await server.call()
    expect([answer.status, answer.body, answer.seen]).toEqual([302, '<p>log in', undefined])
    expect(answer.headers).toMatchObject({
      location: 'https://login.example/',
      'set-cookie': ['a=1', 'b=2'],
      'content-type': 'text/html',
    })
  })

  test('only 200 lets it go on', async () => {
    const { port } = await service(() => ({ status: 204 }))
    const server = await guarded({ speech: { protocol: 'http' } }, [port])
    expect(await server.call()).toMatchObject({ status: 204, seen: undefined })
  })

  test('named headers of the answer reach the backend; what only the service may say, no client says', async () => {
    const { port } = await service(({ headers }) => ({
      headers: headers.authorization === undefined ? {} : { 'X-User': 'jane', 'X-Other': 'x', Host: 'evil' },
    }))
    const copied = ['x-user', 'host', 'authorization']
    const server = await guarded({ speech: { protocol: 'http', copied } }, [port])
    const known = await server.call({ headers: { Host: 'shop', Authorization: 'a', 'X-User': 'root' } })
    expect(known.seen?.headers).toMatchObject({ 'x-user': 'jane', host: 'shop', authorization: 'a' })
    expect(known.seen?.headers).not.toHaveProperty('x-other')
    const unknown = await server.call({ headers: { 'X-User': 'root' } })
    expect([unknown.status, unknown.seen?.headers['x-user']]).toEqual([200, undefined])
  })

  test('all headers of the answer, but for those that are about it', async () => {
    const { port } = await service(() => ({
      headers: { 'x-user': 'jane', 'content-type': 'application/auth', 'content-length': 2, 'x-list': ['a', 'b'] },
      body: 'ok',
    }))
    const server = await guarded({ speech: { protocol: 'http' } }, [port])
    const { seen } = await server.call({
      method: 'POST',
      headers: { 'Content-Type': 'text/plain', 'X-User': 'root' },
      body: 'four',
    })
    expect(seen).toMatchObject({
      body: 'four',
      headers: { 'x-user': 'jane', 'content-type': 'text/plain', 'x-list': 'a, b' },
    })
  })

  test('a body is shown whole, forwarded all the same, and refused when it is longer', async () => {
    const { port, asked } = await service(() => ({}))
    const server = await guarded({ speech: { protocol: 'http' }, bodyBytes: 5 }, [port])
    const answer = await server.call({ method: 'POST', body: 'fives' })
    expect([answer.seen?.body, asked[0]?.body.toString(), asked[0]?.headers['content-length']]).toEqual([
      'fives',
      'fives',
      '5',
    ])
    expect(await server.call({ method: 'POST', body: 'sixsix' })).toMatchObject({ status: 413, seen: undefined })
    expect(asked).toHaveLength(1)
  })

  test('the next endpoint is asked when one is closed; when none answers, nothing goes on', async () => {
    const { port } = await service(() => ({ status: 401 }))
    const server = await guarded({ speech: { protocol: 'http' } }, [1, port])
    for (let turn = 0; turn < 4; turn++) expect(await server.call()).toMatchObject({ status: 401 })
    const deaf = await guarded({ speech: { protocol: 'http' } }, [1])
    expect(await deaf.call()).toMatchObject({ status: 503, seen: undefined })
    const nobody = await guarded({ speech: { protocol: 'http' } }, [])
    expect(await nobody.call()).toMatchObject({ status: 503, seen: undefined })
  })

  test('a service that does not answer in time', async () => {
    const server = http.createServer(() => undefined)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    open.push(async () => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    })
    const slow = await guarded({ speech: { protocol: 'http' }, timeout: 50 }, [(server.address() as AddressInfo).port])
    expect(await slow.call()).toMatchObject({ status: 503, seen: undefined })
  })

  test('over HTTP/2 where the backend speaks it', async () => {
    const { port, asked } = await service(() => ({ headers: { 'x-user': 'jane' } }), 2)
    const server = await guarded({ speech: { protocol: 'http' } }, [port], 'h2c')
    const { seen } = await server.call({ path: '/a', headers: { Host: 'shop.example' } })
    expect(seen?.headers['x-user']).toBe('jane')
    expect(asked[0]).toMatchObject({ path: '/a', headers: { ':authority': 'shop.example' } })
  })

  test('through a proxy where the backend is behind one', async () => {
    const { port, asked } = await service(() => ({}))
    const via = { protocol: 'http', host: '127.0.0.1', port, authorization: new Secret('Basic YTpi') } as const
    const server = await bench({
      uses: [{ policy: 'external-auth', config: { backend: 'judge', speech: { protocol: 'http' } } }],
      more: {
        backends: [{ id: 'judge', protocol: 'http1', via, origin }],
        endpoints: [{ backend: 'judge', addresses: [{ host: 'judge.example', port: 8080 }] }],
      },
    })
    open.push(() => server.stop())
    expect(await server.call({ path: '/a' })).toMatchObject({ status: 200 })
    expect(asked).toMatchObject([
      { path: 'http://judge.example:8080/a', headers: { 'proxy-authorization': 'Basic YTpi' } },
    ])
  })

  test.each(['/a/../b', '//', 'a', '/a?b', '/./a'])('refuses the prefix %s', async (prefix) => {
    await expect(guarded({ speech: { protocol: 'http', prefix } }, [1])).rejects.toThrow(/path/)
  })
})

describe('over gRPC', () => {
  const set = (name: string, value: string, more: readonly ProtoField[] = []): ProtoField[] => [
    [
      1,
      [
        [1, name],
        [2, value],
      ],
    ],
    ...more,
  ]
  const frame = (fields: readonly ProtoField[]): Buffer => {
    const message = encodeMessage(fields)
    const head = Buffer.alloc(5)
    head.writeUInt32BE(message.length, 1)
    return Buffer.concat([head, message])
  }

  /** Answers every Check; what it was asked is kept. */
  async function authorizer(
    answer: () => { readonly fields: readonly ProtoField[]; readonly status?: string },
  ): Promise<{ readonly port: number; readonly checks: ProtoMessage[] }> {
    const checks: ProtoMessage[] = []
    const server = http2.createServer()
    server.on('stream', (stream, headers) => {
      const pieces: Buffer[] = []
      stream.on('data', (piece: Buffer) => pieces.push(piece))
      stream.on('end', () => {
        expect(headers[':path']).toBe('/envoy.service.auth.v3.Authorization/Check')
        checks.push(decodeMessage(Buffer.concat(pieces).subarray(5)))
        const { fields, status = '0' } = answer()
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }))
        stream.end(frame(fields))
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    open.push(() => new Promise<void>((resolve) => server.close(() => resolve())))
    return { port: (server.address() as AddressInfo).port, checks }
  }
  const ok: ProtoField = [1, [[1, 0]]]

  test('tells who asks for what', async () => {
    const { port, checks } = await authorizer(() => ({ fields: [ok] }))
    const server = await guarded({ speech: { protocol: 'grpc' }, bodyBytes: 100 }, [port], 'h2c')
    const answer = await server.call({
      method: 'POST',
      path: '/a?b=c',
      headers: { Host: 'shop', 'X-A': '1' },
      body: 'hello',
    })
    expect([answer.status, answer.seen?.body]).toEqual([200, 'hello'])
    const attributes = checks[0]?.message(1)
    const request = attributes?.message(4)?.message(2)
    const headers = Object.fromEntries((request?.messages(3) ?? []).map((each) => [each.text(1), each.text(2)]))
    expect([2, 4, 5, 6, 10, 11].map((number) => request?.text(number))).toEqual([
      'POST',
      '/a?b=c',
      'shop',
      'http',
      'HTTP/1.1',
      'hello',
    ])
    expect(request?.number(9)).toBe(5)
    expect(headers).toMatchObject({ ':authority': 'shop', ':method': 'POST', ':path': '/a?b=c', 'x-a': '1' })
    expect(attributes?.message(1)?.message(1)?.message(1)?.text(2)).toBe('127.0.0.1')
    expect(attributes?.message(4)?.message(1)?.number(1)).toBeGreaterThan(1_600_000_000)
  })

  test('shows named headers only, and no body unless asked to', async () => {
    const { port, checks } = await authorizer(() => ({ fields: [ok] }))
    const server = await guarded({ speech: { protocol: 'grpc', headers: ['X-A'] } }, [port], 'h2c')
    await server.call({ method: 'POST', headers: { 'X-A': '1', Cookie: 'c' }, body: 'hello' })
    const request = checks[0]?.message(1)?.message(4)?.message(2)
    expect(
      request
        ?.messages(3)
        .map((each) => each.text(1))
        .filter((name) => !name.startsWith(':')),
    ).toEqual(['x-a'])
    expect([request?.text(11), request?.number(9)]).toEqual(['', -1])
  })

  test('follows what it says of headers, query and answer', async () => {
    const { port } = await authorizer(() => ({
      fields: [
        ok,
        [
          3,
          [
            [2, set('x-user', 'jane')],
            [2, set('x-list', 'b', [[2, [[1, 1]]]])],
            [2, set('x-kept', 'no', [[3, 1]])],
            [2, set('x-absent', 'no', [[3, 3]])],
            [2, set('host', 'evil')],
            [5, 'x-secret'],
            [6, set('x-limit', '9')],
            [
              7,
              [
                [1, 'tenant'],
                [2, 'a b'],
              ],
            ],
            [8, 'debug'],
          ],
        ],
      ],
    }))
    const server = await guarded({ speech: { protocol: 'grpc' } }, [port], 'h2c')
    const answer = await server.call({
      path: '/a?debug=1&q=2',
      headers: { Host: 'shop', 'X-User': 'root', 'X-List': 'a', 'X-Kept': 'yes', 'X-Secret': 's' },
    })
    expect(answer.headers['x-limit']).toBe('9')
    expect(answer.seen?.target).toBe('/a?q=2&tenant=a+b')
    expect(answer.seen?.headers).toMatchObject({ 'x-user': 'jane', 'x-list': 'a, b', 'x-kept': 'yes', host: 'shop' })
    for (const name of ['x-secret', 'x-absent']) expect(answer.seen?.headers).not.toHaveProperty(name)
  })

  test('a refusal has its status, headers and body', async () => {
    const { port } = await authorizer(() => ({
      fields: [
        [1, [[1, 7]]],
        [
          2,
          [
            [1, [[1, 401]]],
            [2, set('www-authenticate', 'Basic')],
            [3, 'who are you'],
          ],
        ],
      ],
    }))
    const server = await guarded({ speech: { protocol: 'grpc' } }, [port], 'h2c')
    const answer = await server.call()
    expect([answer.status, answer.body, answer.headers['www-authenticate'], answer.seen]).toEqual([
      401,
      'who are you',
      'Basic',
      undefined,
    ])
  })

  test.each([
    ['a refusal without a word', { fields: [[1, [[1, 16]]]] as ProtoField[] }, 403],
    ['an empty message', { fields: [] }, 503],
    ['a call that fails', { fields: [ok], status: '14' }, 503],
  ])('%s', async (_what, said, status) => {
    const { port } = await authorizer(() => said)
    const server = await guarded({ speech: { protocol: 'grpc' } }, [port], 'h2c')
    expect(await server.call()).toMatchObject({ status, seen: undefined })
  })
})
