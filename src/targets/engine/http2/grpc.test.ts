/** HTTP/2 to backends, and gRPC through the engine: frames by hand. */
import http from 'node:http'
import https from 'node:https'
import http2, { constants, type ServerHttp2Stream } from 'node:http2'
import { afterEach, describe, expect, test } from 'vitest'
import type { Backend } from '../../../model/model.ts'
import { serve, type Served } from '../testing.ts'
import { grpcMessage, grpcTimeout, isGrpc } from './grpc.ts'
import { asCertificate, ask, connect, makeCertificate, message, portOf, route, toBackend } from './testing.ts'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

type OnStream = (stream: ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void

async function grpcServer(onStream: OnStream, settings: http2.Settings = {}): Promise<number> {
  const server = http2.createServer({ settings })
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined)
    onStream(stream, headers)
  })
  server.on('session', (session) => ends.push(() => session.destroy()))
  ends.push(() => server.close())
  return portOf(server)
}

async function served(...given: Parameters<typeof serve>): Promise<Served> {
  const made = await serve(...given)
  ends.push(() => made.stop())
  return made
}

function client(url: string): http2.ClientHttp2Session {
  const session = connect(url)
  ends.push(() => session.destroy())
  return session
}

const call = { ':method': 'POST', ':path': '/echo.Echo/Say', 'content-type': 'application/grpc', te: 'trailers' }

/** Sends every piece back, then says OK in its trailers. */
const echo: OnStream = (stream, headers) => {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-te': String(headers['te']) }))
  stream.pipe(stream)
}

describe.each(['h2c', 'auto'] as const)('a backend that speaks %s', (protocol) => {
  const to = (port: number): ReturnType<typeof toBackend> => toBackend('b', port, { protocol })

  test('unary, with trailers', async () => {
    const { url } = await served({ routes: [route('b')], ...to(await grpcServer(echo)) })
    const answer = await ask(client(url), call, message('hello'))
    expect(answer).toMatchObject({ status: 200, code: 0, trailers: { 'grpc-status': '0', 'x-te': 'trailers' } })
    expect(answer.body.slice(5)).toBe('hello')
  })

  test('trailers only', async () => {
    const port = await grpcServer((stream) =>
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '5' }, { endStream: true }),
    )
    const { url } = await served({ routes: [route('b')], ...to(port) })
    expect(await ask(client(url), call, message('x'))).toMatchObject({
      status: 200,
      code: 0,
      headers: { 'grpc-status': '5' },
    })
  })

  test('a thousand messages in both directions, each after the other', async () => {
    const { url } = await served({ routes: [route('b')], ...to(await grpcServer(echo)) })
    const stream = client(url).request(call)
    let got = 0
    const trailers = new Promise<http2.IncomingHttpHeaders>((resolve) => stream.on('trailers', resolve))
    stream.write(message('0'))
    for await (const piece of stream) {
      got += (piece as Buffer).length - 5 > 0 ? 1 : 0
      if (got < 1000) stream.write(message(String(got)))
      else stream.end()
    }
    expect(got).toBe(1000)
    expect(await trailers).toMatchObject({ 'grpc-status': '0' })
  })

  test('a client that goes frees the stream of the backend', async () => {
    let freed: (code: number | undefined) => void = () => undefined
    const code = new Promise<number | undefined>((resolve) => (freed = resolve))
    let arrived: () => void = () => undefined
    const asked = new Promise<void>((resolve) => (arrived = resolve))
    const port = await grpcServer((stream) => {
      stream.on('close', () => freed(stream.rstCode))
      stream.resume()
      arrived()
    })
    const { url, engine } = await served({ routes: [route('b')], ...to(port) })
    const stream = client(url).request(call)
    stream.on('error', () => undefined)
    stream.write(message('x'))
    await asked
    stream.destroy(new Error('gone'))
    // never an end: a part of a request must not look whole
    expect(await code).toBe(constants.NGHTTP2_INTERNAL_ERROR)
    await expect.poll(() => engine.endpoints()[0]?.busy).toBe(0)
  })
})

describe('what is ours to answer', () => {
  const status = async (part: Parameters<typeof serve>[0], headers = {}): Promise<unknown> => {
    const { url } = await served(part)
    const answer = await ask(client(url), { ...call, ...headers }, message('x'))
    expect(answer).toMatchObject({ status: 200, code: 0, body: '', headers: { 'content-type': 'application/grpc' } })
    return answer.headers['grpc-status']
  }

  test('no route: UNIMPLEMENTED', async () => expect(await status({ routes: [] })).toBe('12'))
  test('nobody there: UNAVAILABLE', async () =>
    expect(await status({ routes: [route('b')], ...toBackend('b', 1, { protocol: 'h2c' }) })).toBe('14'))
  test('a reference that cannot be resolved: UNAVAILABLE', async () => {
    const backends = [{ target: { kind: 'fail', status: 500 } as const }]
    expect(await status({ routes: [route('b', {}, { backends })] })).toBe('14')
  })
  test('no weight: UNAVAILABLE', async () =>
    expect(await status({ routes: [route('b', {}, { backends: [] })] })).toBe('14'))
  test('the deadline of the route: DEADLINE_EXCEEDED', async () => {
    const port = await grpcServer(() => undefined)
    const routes = [route('b', {}, { timeouts: { request: 50 } })]
    expect(await status({ routes, ...toBackend('b', port, { protocol: 'h2c' }) })).toBe('4')
  })
  test('the deadline of the caller: DEADLINE_EXCEEDED', async () => {
    const port = await grpcServer(() => undefined)
    const part = { routes: [route('b')], ...toBackend('b', port, { protocol: 'h2c' }) }
    expect(await status(part, { 'grpc-timeout': '50m' })).toBe('4')
  })
})

describe('sessions', () => {
  test('auto: HTTP/1.1 for everything else', async () => {
    const server = http.createServer((_request, response) => response.end('one'))
    ends.push(() => server.close())
    const { url } = await served({
      routes: [route('b')],
      ...toBackend('b', await portOf(server), { protocol: 'auto' }),
    })
    expect((await ask(client(url), { ':path': '/' })).body).toBe('one')
  })

  test('HTTP/1.1 clients reach a backend of HTTP/2', async () => {
    const port = await grpcServer((stream, headers) => {
      stream.respond({ ':status': 200, 'x-path': String(headers[':path']) })
      stream.pipe(stream)
    })
    const { url } = await served({ routes: [route('b')], ...toBackend('b', port, { protocol: 'h2c' }) })
    const answer = await fetch(`${url}/a?b`, { method: 'POST', body: 'x'.repeat(200_000) })
    expect(answer.headers.get('x-path')).toBe('/a?b')
    expect((await answer.text()).length).toBe(200_000)
  })

  test('as many connections as the limit of streams asks for', async () => {
    const waiting: ServerHttp2Stream[] = []
    const port = await grpcServer((stream) => waiting.push(stream), { maxConcurrentStreams: 2 })
    const { url, engine } = await served({ routes: [route('b')], ...toBackend('b', port, { protocol: 'h2c' }) })
    const session = client(url)
    const first = ask(session, { ':path': '/' })
    await expect.poll(() => waiting.length).toBe(1)
    const others = Array.from({ length: 5 }, () => ask(session, { ':path': '/' }))
    await expect.poll(() => waiting.length).toBe(6)
    expect(engine.counts.upstreamConnects).toBe(3)
    for (const stream of waiting) stream.respond({ ':status': 204 }, { endStream: true })
    expect((await Promise.all([first, ...others])).map((answer) => answer.status)).toEqual(Array(6).fill(204))
  })

  test('a stream that was refused goes out once more, whatever its method', async () => {
    let times = 0
    const port = await grpcServer((stream, headers) => {
      if (++times === 1) stream.close(constants.NGHTTP2_REFUSED_STREAM)
      else echo(stream, headers)
    })
    const { url } = await served({ routes: [route('b')], ...toBackend('b', port, { protocol: 'h2c' }) })
    expect(await ask(client(url), call, message('x'))).toMatchObject({ status: 200, trailers: { 'grpc-status': '0' } })
    expect(times).toBe(2)
  })

  test('GOAWAY: what is open ends, what comes goes elsewhere', async () => {
    const streams: ServerHttp2Stream[] = []
    const port = await grpcServer((stream) => streams.push(stream))
    const { url, engine } = await served({ routes: [route('b')], ...toBackend('b', port, { protocol: 'h2c' }) })
    const session = client(url)
    const first = ask(session, { ':path': '/' })
    await expect.poll(() => streams.length).toBe(1)
    streams[0]!.session?.close()
    await new Promise((resolve) => setTimeout(resolve, 50))
    const second = ask(session, { ':path': '/' })
    await expect.poll(() => streams.length).toBe(2)
    for (const stream of streams) stream.respond({ ':status': 204 }, { endStream: true })
    expect([(await first).status, (await second).status]).toEqual([204, 204])
    expect(engine.counts.upstreamConnects).toBe(2)
  })

  test('a backend that dies: reset while it answers, 502 before', async () => {
    const port = await grpcServer((stream, headers) => {
      if (headers[':path'] === '/before') stream.session?.destroy()
      else {
        stream.respond({ ':status': 200 })
        stream.write('part', () => setTimeout(() => stream.session?.destroy(), 20))
      }
    })
    const { url } = await served({ routes: [route('b')], ...toBackend('b', port, { protocol: 'h2c' }) })
    const session = client(url)
    const before = await ask(session, { ':path': '/before', ':method': 'POST' }, 'x')
    expect(before.status).toBe(502)
    expect(await ask(session, { ':path': '/' })).toMatchObject({ status: 200, code: constants.NGHTTP2_INTERNAL_ERROR })
  })
})

describe('over TLS', () => {
  const authority = makeCertificate([])
  const stranger = makeCertificate([])
  const made = makeCertificate(['DNS:grpc.example.com', 'URI:spiffe://shop/grpc'], authority)

  async function through(tls: Backend['tls'], speaks: 'h2' | 'http/1.1' = 'h2'): Promise<string> {
    const options = { key: made.key, cert: made.certificate }
    const server = speaks === 'h2' ? http2.createSecureServer(options) : https.createServer(options)
    server.on('stream', (stream: ServerHttp2Stream) => {
      stream.respond({ ':status': 200 })
      stream.end('two')
    })
    server.on('session', (session: http2.Http2Session) => ends.push(() => session.destroy()))
    ends.push(() => server.close())
    const port = await portOf(server)
    const { url } = await served({
      routes: [route('b')],
      ...toBackend('b', port, { protocol: 'h2c', tls: tls! }),
      certificates: [asCertificate('ca', authority), asCertificate('other', stranger)],
    })
    const answer = await fetch(url)
    return answer.status === 200 ? answer.text() : String(answer.status)
  }
  const ca = { kind: 'ca', certificates: ['ca'] } as const
  const serverName = 'grpc.example.com'

  test.each<[string, Backend['tls'], string]>([
    ['the name and the authority', { trust: ca, serverName }, 'two'],
    ['another authority', { trust: { kind: 'ca', certificates: ['other'] }, serverName }, '502'],
    ['another name', { trust: ca, serverName: 'other.example.com' }, '502'],
    ['nothing is verified', { trust: { kind: 'none' }, serverName }, 'two'],
    [
      'a name of the list',
      { trust: ca, serverName: 'x', subjectAltNames: [{ kind: 'dns', value: serverName }] },
      'two',
    ],
    ['a star', { trust: ca, serverName: 'x', subjectAltNames: [{ kind: 'dns', value: '*.example.com' }] }, 'two'],
    ['a URI', { trust: ca, serverName: 'x', subjectAltNames: [{ kind: 'uri', value: 'spiffe://shop/grpc' }] }, 'two'],
    ['no name of the list', { trust: ca, serverName, subjectAltNames: [{ kind: 'dns', value: 'a.test' }] }, '502'],
  ])('%s', async (_what, tls, expected) => {
    expect(await through(tls)).toBe(expected)
  })

  test('an endpoint that speaks HTTP/1.1 only is no backend of h2c', async () => {
    expect(await through({ trust: ca, serverName }, 'http/1.1')).toBe('502')
  })
})

test('words of gRPC', () => {
  expect(['application/grpc', 'application/grpc+proto', 'application/grpc; a=b'].map(isGrpc)).not.toContain(false)
  expect(['application/grpc-web', 'application/json', undefined].map(isGrpc)).not.toContain(true)
  expect([grpcTimeout('1H'), grpcTimeout('100m'), grpcTimeout('5u'), grpcTimeout('1x'), grpcTimeout('')]).toEqual([
    3_600_000, 100, 1, 0, 0,
  ])
  expect(grpcMessage('50 % é\n')).toBe('50 %25 %C3%A9')
})
