/** HTTP/2 from clients, by prior knowledge and by ALPN, with HTTP/1.1 behind it. */
import http from 'node:http'
import http2, { constants } from 'node:http2'
import net from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import type { Listener } from '../../../model/model.ts'
import { serve, type Served } from '../testing.ts'
import { asCertificate, ask, connect, makeCertificate, origin, portOf, route, toBackend } from './testing.ts'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function backend(listener: http.RequestListener): Promise<number> {
  const server = http.createServer(listener)
  ends.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return portOf(server)
}

async function served(...given: Parameters<typeof serve>): Promise<Served> {
  const made = await serve(...given)
  ends.push(() => made.stop())
  return made
}

function client(url: string, options?: http2.SecureClientSessionOptions): http2.ClientHttp2Session {
  const session = connect(url, options)
  ends.push(() => session.destroy())
  return session
}

/** Says what it was asked, with chunks and a trailer. */
const echo: http.RequestListener = (request, response) => {
  const pieces: Buffer[] = []
  request.on('data', (piece: Buffer) => pieces.push(piece))
  request.on('end', () => {
    const { method, url, headers, trailers } = request
    response.writeHead(200, { 'Content-Type': 'application/json', Trailer: 'X-Sum' })
    response.write(JSON.stringify({ method, url, headers, trailers, length: Buffer.concat(pieces).length }))
    response.addTrailers({ 'X-Sum': '42' })
    response.end()
  })
}

describe('by prior knowledge', () => {
  test('the request arrives whole, the answer with its trailers', async () => {
    const port = await backend(echo)
    const { url } = await served({ routes: [route('b')], ...toBackend('b', port) })
    const session = client(url)
    const answer = await ask(session, {
      ':path': '/a?b=1',
      ':authority': 'shop.example.com',
      cookie: ['a=1', 'b=2'],
      te: 'trailers',
    })
    expect(answer).toMatchObject({ status: 200, code: 0, trailers: { 'x-sum': '42' } })
    const seen = JSON.parse(answer.body) as Record<string, Record<string, string>>
    expect(seen).toMatchObject({ method: 'GET', url: '/a?b=1' })
    expect(seen['headers']).toMatchObject({ host: 'shop.example.com', cookie: 'a=1; b=2', te: 'trailers' })
    expect(seen['headers']).toMatchObject({ 'x-forwarded-proto': 'http' })
  })

  test.each([0, 1, 16_384, 65_536, 1_000_000])('a body of %i bytes, with trailers', async (size) => {
    const port = await backend(echo)
    const { url } = await served({ routes: [route('b')], ...toBackend('b', port) })
    const answer = await ask(client(url), { ':method': 'POST', ':path': '/' }, Buffer.alloc(size, 'x'), { 'x-t': '1' })
    expect(JSON.parse(answer.body)).toMatchObject({ length: size, trailers: { 'x-t': '1' } })
  })

  test('answers of every kind', async () => {
    const port = await backend((request, response) => {
      if (request.url === '/none') response.writeHead(204).end()
      else if (request.url === '/same') response.writeHead(304, { ETag: '"a"' }).end()
      else if (request.url === '/early') {
        response.writeEarlyHints({ link: '</a.css>; rel=preload' })
        response.end('later')
      } else
        response
          .writeHead(200, { 'Set-Cookie': ['a=1', 'b=2'], Connection: 'x-hop', 'X-Hop': '1', 'Content-Length': 5 })
          .end('12345')
    })
    const { url } = await served({ routes: [route('b')], ...toBackend('b', port) })
    const session = client(url)
    expect(await ask(session, { ':path': '/none' })).toMatchObject({ status: 204, body: '', code: 0 })
    expect(await ask(session, { ':path': '/same' })).toMatchObject({ status: 304, headers: { etag: '"a"' } })
    const plain = await ask(session, { ':path': '/' })
    expect(plain).toMatchObject({ body: '12345', headers: { 'content-length': '5', 'set-cookie': ['a=1', 'b=2'] } })
    expect(plain.headers['x-hop']).toBeUndefined()
    const head = await ask(session, { ':path': '/', ':method': 'HEAD' })
    expect(head).toMatchObject({ status: 200, body: '', headers: { 'content-length': '5' } })
    const hints: unknown[] = []
    session.on('stream', () => undefined)
    const stream = session.request({ ':path': '/early' })
    stream.on('headers', (headers) => hints.push(headers[':status'], headers['link']))
    await new Promise((resolve) => stream.resume().on('close', resolve))
    expect(hints).toEqual([103, '</a.css>; rel=preload'])
  })

  test('HTTP/1.1 on the same port', async () => {
    const port = await backend((_request, response) => response.end('one'))
    const { url } = await served({ routes: [route('b')], ...toBackend('b', port) })
    expect(await (await fetch(url)).text()).toBe('one')
    expect((await ask(client(url), { ':path': '/' })).body).toBe('one')
  })

  test('the preface in pieces', async () => {
    const port = await backend((_request, response) => response.end('one'))
    const { url, port: own } = await served({ routes: [route('b')], ...toBackend('b', port) })
    const socket = net.connect(own, '127.0.0.1')
    const write = socket.write.bind(socket)
    let left = 30
    // the first bytes one by one, as a slow network has them
    socket.write = ((piece: Buffer, ...rest: never[]): boolean => {
      for (; left > 0 && piece.length > 1; left--) {
        write(piece.subarray(0, 1))
        piece = piece.subarray(1)
      }
      return write(piece, ...rest)
    }) as typeof socket.write
    const session = client(url, { createConnection: () => socket })
    expect((await ask(session, { ':path': '/' })).body).toBe('one')
  })

  test('a slow reader holds the backend, and gets everything', async () => {
    const size = 8_000_000
    const port = await backend((_request, response) => response.end(Buffer.alloc(size)))
    const { url } = await served({ routes: [route('b')], ...toBackend('b', port) })
    const stream = client(url).request({ ':path': '/' })
    await new Promise((resolve) => stream.once('response', resolve))
    let got = 0
    stream.on('data', (piece: Buffer) => {
      got += piece.length
      if (got % 7 === 0) {
        stream.pause()
        setImmediate(() => stream.resume())
      }
    })
    await new Promise((resolve) => stream.on('end', resolve))
    expect(got).toBe(size)
  })
})

test('a backend that reads slowly holds the client, and gets everything', async () => {
  const size = 8_000_000
  let got = 0
  const port = await backend((request, response) => {
    request.on('data', (piece: Buffer) => {
      got += piece.length
      request.pause()
      setImmediate(() => request.resume())
    })
    request.on('end', () => response.end(String(got)))
  })
  const { url } = await served({ routes: [route('b')], ...toBackend('b', port) })
  const answer = await ask(client(url), { ':method': 'POST', ':path': '/' }, Buffer.alloc(size))
  expect(answer).toMatchObject({ status: 200, body: String(size), code: 0 })
})

describe('one reading or none', () => {
  test.each([
    [{ ':path': '/a/../b' }, 400],
    [{ ':path': '/%2e%2e/b' }, 400],
    [{ ':path': '/', ':authority': 'a:b' }, 400],
    [{ ':path': '/', ':authority': 'a', host: 'b' }, 400],
    [{ ':path': '/', ':scheme': 'ftp' }, 400],
    [{ ':path': `/${'x'.repeat(9000)}` }, 414],
    [{ ':path': '/', 'x-long': 'x'.repeat(40_000) }, 431],
    [{ ':path': '/', transfer_encoding: 'chunked' }, 400],
    [{ ':path': '/', ...Object.fromEntries(Array.from({ length: 120 }, (_, at) => [`x-${at}`, '1'])) }, 431],
  ] as const)('%#', async (headers, status) => {
    const port = await backend((_request, response) => response.end('passed'))
    const { url, engine } = await served({ routes: [route('b')], ...toBackend('b', port) })
    expect((await ask(client(url), { ...headers })).status).toBe(status)
    expect([...engine.counts.refused.values()]).toEqual([1])
  })

  test('a body that is too large', async () => {
    const port = await backend(echo)
    const { url } = await served({ routes: [route('b')], ...toBackend('b', port) }, { limits: { bodyBytes: 1000 } })
    const answer = await ask(client(url), { ':method': 'POST', ':path': '/' }, 'x'.repeat(1001))
    expect(answer.status).toBe(413)
  })
})

describe('failures', () => {
  test('a client that goes frees its backend', async () => {
    let gone: () => void = () => undefined
    const freed = new Promise<void>((resolve) => (gone = resolve))
    let asked: () => void = () => undefined
    const arrived = new Promise<void>((resolve) => (asked = resolve))
    const port = await backend((request) => {
      asked()
      request.socket.on('close', gone)
    })
    const { url, engine } = await served({ routes: [route('b')], ...toBackend('b', port) })
    const stream = client(url).request({ ':path': '/' })
    stream.on('error', () => undefined)
    await arrived
    stream.close(constants.NGHTTP2_CANCEL)
    await freed
    expect(engine.endpoints()[0]).toMatchObject({ busy: 0 })
  })

  test('a backend that dies in its answer resets the stream', async () => {
    const port = await backend((_request, response) => {
      response.writeHead(200, { 'Content-Length': '100' })
      response.write('part', () => response.destroy())
    })
    const { url } = await served({ routes: [route('b')], ...toBackend('b', port) })
    const answer = await ask(client(url), { ':path': '/' })
    expect(answer.code).toBe(constants.NGHTTP2_INTERNAL_ERROR)
    expect(answer.body).toBe('part')
  })

  test('no backend: 502, and the connection lives', async () => {
    const { url } = await served({ routes: [route('b')], ...toBackend('b', 1) })
    const session = client(url)
    expect((await ask(session, { ':path': '/' })).status).toBe(502)
    expect((await ask(session, { ':path': '/' })).status).toBe(502)
  })
})

describe('floods', () => {
  async function flood(
    part: (session: http2.ClientHttp2Session) => void,
  ): Promise<{ code: number; counted: string[] }> {
    const port = await backend(() => undefined)
    const { url, engine } = await served({ routes: [route('b')], ...toBackend('b', port) })
    const session = client(url, { maxOutstandingPings: 1_000_000 })
    const code = await new Promise<number>((resolve) => {
      session.on('goaway', resolve)
      session.on('close', () => resolve(-1))
      session.on('connect', () => part(session))
    })
    return { code, counted: [...engine.counts.refused.keys()] }
  }

  test('rapid reset', async () => {
    const { code, counted } = await flood((session) => {
      const more = (): void => {
        if (session.destroyed || session.closed) return
        for (let at = 0; at < 50; at++) {
          const stream = session.request({ ':path': '/' })
          stream.on('error', () => undefined)
          stream.close(constants.NGHTTP2_CANCEL)
        }
        setTimeout(more, 1)
      }
      more()
    })
    expect(code).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM)
    expect(counted).toEqual(['h2-rapid-reset'])
  })

  test('pings', async () => {
    const { code, counted } = await flood((session) => {
      const more = (): void => {
        if (session.destroyed || session.closed) return
        for (let at = 0; at < 200; at++) session.ping(() => undefined)
        setTimeout(more, 1)
      }
      more()
    })
    expect(code).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM)
    expect(counted).toEqual(['h2-control-flood'])
  })

  /** Frames by hand: what no client library would send. */
  async function raw(
    frames: Buffer,
    options: Parameters<typeof serve>[1] = {},
    listener: http.RequestListener = () => undefined,
  ): Promise<{ frames: { type: number; code: number }[]; counted: string[] }> {
    const port = await backend(listener)
    const { port: own, engine } = await served({ routes: [route('b')], ...toBackend('b', port) }, options)
    const socket = net.connect(own, '127.0.0.1')
    const pieces: Buffer[] = []
    socket.on('data', (piece: Buffer) => pieces.push(piece))
    socket.on('error', () => undefined)
    socket.write(
      Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0, 0, Buffer.alloc(0)), frames]),
    )
    await new Promise((resolve) => socket.on('close', resolve))
    const found: { type: number; code: number }[] = []
    const bytes = Buffer.concat(pieces)
    for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
      const type = bytes[at + 3]!
      found.push({ type, code: type === 7 ? bytes.readUInt32BE(at + 13) : 0 })
    }
    return { frames: found, counted: [...engine.counts.refused.keys()] }
  }

  test('CONTINUATION without end', async () => {
    const header = Buffer.from([0x82, 0x84, 0x86, 0x41, 0x01, 0x61])
    const more = Array.from({ length: 2000 }, () => frame(9, 0, 1, Buffer.alloc(100, 0x82)))
    const { counted } = await raw(Buffer.concat([frame(1, 0, 1, header), ...more]))
    expect(counted).toEqual(['h2-protocol'])
  })

  test.each(['end', 'destroy', 'resetAndDestroy'] as const)('a client that leaves by %s is no flood', async (how) => {
    const { port: own, engine } = await served({ routes: [] })
    const socket = net.connect(own, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0, 0, Buffer.alloc(0))]))
    await new Promise((resolve) => socket.once('data', resolve))
    socket[how]()
    await expect.poll(() => engine.counts.connections).toBe(0)
    expect([...engine.counts.refused.keys()]).toEqual([])
  })

  test('a head that never ends', async () => {
    const { counted } = await raw(frame(1, 0, 1, Buffer.from([0x82])), { limits: { headTimeout: 100 } })
    expect(counted).toEqual(['head-timeout'])
  })

  test('a request that is shorter than it says is never whole for the backend', async () => {
    const seen: string[] = []
    const request = Buffer.from('8386844101610f0d023130', 'hex')
    // ends the connection, so that this test ends
    const misplaced = frame(6, 0, 1, Buffer.alloc(8))
    const { counted } = await raw(
      Buffer.concat([frame(1, 4, 1, request), frame(0, 1, 1, Buffer.from('part')), misplaced]),
      {},
      (request) => {
        request.on('end', () => seen.push('end'))
        request.on('error', () => seen.push('error'))
        request.resume()
      },
    )
    expect(counted).toEqual(['h2-malformed', 'h2-protocol'])
    expect(seen).not.toContain('end')
  })

  test('frames that say nothing', async () => {
    const update = frame(8, 0, 0, Buffer.from([0, 0, 0, 1]))
    const { frames, counted } = await raw(Buffer.concat(Array.from({ length: 200_000 }, () => update)))
    expect(counted).toEqual(['h2-idle-frames'])
    expect(frames.at(-1)).toEqual({ type: 7, code: constants.NGHTTP2_ENHANCE_YOUR_CALM })
  })
})

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

describe('over TLS', () => {
  const made = makeCertificate(['DNS:a.example.com', 'DNS:b.example.com', 'DNS:*.example.com'])
  const listener = (id: string, host: string, more: Partial<Listener['tls']> = {}): Listener => ({
    id,
    address: '127.0.0.1',
    port: 0,
    protocol: 'https',
    host: { kind: 'exact', name: host },
    tls: { mode: 'terminate', certificates: ['c'], ...more },
    origin,
  })

  test('ALPN chooses; 421 for the host of another listener', async () => {
    const port = await backend((_request, response) => response.end('one'))
    const free = net.createServer()
    const own = await portOf(free)
    await new Promise((resolve) => free.close(resolve))
    const listeners = ['a', 'b'].map((id) => ({ ...listener(id, `${id}.example.com`), port: own }))
    const routes = [route('b', { listeners: ['a', 'b'] })]
    await served({ listeners, routes, ...toBackend('b', port), certificates: [asCertificate('c', made)] })
    const session = client(`https://127.0.0.1:${own}`, { servername: 'a.example.com' })
    expect((await ask(session, { ':path': '/', ':authority': 'a.example.com' })).body).toBe('one')
    expect((await ask(session, { ':path': '/', ':authority': 'b.example.com' })).status).toBe(421)
    expect(session.alpnProtocol).toBe('h2')
  })

  test('a listener may want HTTP/1.1 only', async () => {
    const port = await backend((_request, response) => response.end('one'))
    const { url } = await served({
      listeners: [listener('a', 'a.example.com', { alpn: ['http/1.1'] })],
      routes: [route('b', { listeners: ['a'] })],
      ...toBackend('b', port),
      certificates: [asCertificate('c', made)],
    })
    const session = http2.connect(url, { servername: 'a.example.com', rejectUnauthorized: false })
    const error = await new Promise<Error>((resolve) => session.on('error', resolve))
    expect(error.message).toMatch(/alpn|protocol/i)
  })
})

describe('plans', () => {
  test('swaps under load: no stream fails, no connection is closed', async () => {
    const port = await backend((_request, response) => response.end('one'))
    const model = { routes: [route('b')], ...toBackend('b', port) }
    const { url, swap } = await served(model)
    const session = client(url)
    let closed = false
    session.on('close', () => (closed = true))
    let running = true
    const workers = Array.from({ length: 8 }, async () => {
      const seen = new Set<number>()
      while (running) seen.add((await ask(session, { ':path': '/' })).status)
      return [...seen]
    })
    for (let at = 0; at < 20; at++) {
      await swap({ ...model, routes: [route('b', { id: `r${at}` })] })
      await ask(session, { ':path': '/' })
    }
    running = false
    expect((await Promise.all(workers)).flat()).toEqual(Array.from({ length: 8 }, () => 200))
    expect(closed).toBe(false)
  })

  test('what is on its way while GOAWAY is said is served', async () => {
    const port = await backend((request, response) => setTimeout(() => response.end(request.url), 50))
    const made = await serve({ routes: [route('b')], ...toBackend('b', port) })
    const session = client(made.url)
    const first = ask(session, { ':path': '/first' })
    await expect.poll(() => made.engine.counts.requests).toBe(1)
    const stopped = made.engine.stop(5000)
    // the client has not read it yet
    const second = ask(session, { ':path': '/second' })
    expect([(await first).body, (await second).body]).toEqual(['/first', '/second'])
    await stopped
  })

  test('draining says GOAWAY, and what is open ends as it would', async () => {
    let finish: () => void = () => undefined
    let asked: () => void = () => undefined
    const arrived = new Promise<void>((resolve) => (asked = resolve))
    const port = await backend((_request, response) => {
      finish = () => response.end('late')
      asked()
    })
    const made = await serve({ routes: [route('b')], ...toBackend('b', port) })
    const session = client(made.url)
    const answer = ask(session, { ':path': '/' })
    await arrived
    const away = new Promise((resolve) => session.on('goaway', resolve))
    const stopped = made.engine.stop(5000)
    expect(await away).toBe(constants.NGHTTP2_NO_ERROR)
    finish()
    expect(await answer).toMatchObject({ status: 200, body: 'late' })
    await stopped
  })
})
