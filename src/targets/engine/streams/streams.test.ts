/** TCP, UDP and TLS by SNI through the engine, with real sockets. */
import dgram from 'node:dgram'
import http from 'node:http'
import net, { type Socket } from 'node:net'
import tls from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import { freePort } from '../../../../test/servers/port.ts'
import type { Endpoint, Listener, Model, StreamRoute } from '../../../model/model.ts'
import { asCertificate, makeCertificate, origin, portOf, route, toBackend } from '../http2/testing.ts'
import { serve, type Served } from '../testing.ts'
import { readClientHello } from './client-hello.ts'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function served(model: Partial<Model>): Promise<Served> {
  const made = await serve(model)
  ends.push(() => made.stop())
  return made
}

/** Says its name first, then everything back; ends when the other side does. */
async function backend(name: string, secure?: tls.TlsOptions): Promise<number> {
  const sockets = new Set<Socket>()
  const take = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.write(name)
    socket.pipe(socket)
  }
  const options = { allowHalfOpen: true }
  const server =
    secure === undefined ? net.createServer(options, take) : tls.createServer({ ...options, ...secure }, take)
  server.on('tlsClientError', () => undefined)
  ends.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return portOf(server)
}

const listener = (id: string, protocol: Listener['protocol'], more: Partial<Listener> = {}): Listener => ({
  id,
  address: '127.0.0.1',
  port: 0,
  protocol,
  origin,
  ...more,
})
const stream = (listeners: string[], backends: string[], more: Partial<StreamRoute> = {}): StreamRoute => ({
  id: `stream-${listeners.join()}-${backends.join()}`,
  listeners,
  backends: backends.map((id) => ({ target: { kind: 'backend', id } })),
  origin,
  ...more,
})

/** Writes, half-closes, and reads until the end. `reset`: the connection was cut. */
function talk(socket: Socket, text: string): Promise<string> {
  return new Promise((resolve) => {
    let got = ''
    socket.on('data', (piece: Buffer) => (got += piece.toString('latin1')))
    socket.on('end', () => resolve(got))
    socket.on('error', () => resolve('reset'))
    socket.on('close', () => resolve('closed'))
    socket.end(text)
  })
}

const tcp = (port: number): Socket => net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
const secure = (port: number, servername: string): Socket =>
  tls.connect({ socket: tcp(port), rejectUnauthorized: false, servername })

describe('TCP', () => {
  test('who speaks first, half-close, and everything in between', async () => {
    const { portOf: at } = await served({
      listeners: [listener('l', 'tcp')],
      streams: [stream(['l'], ['b'])],
      ...toBackend('b', await backend('hi '), { protocol: 'tcp' }),
    })
    const text = 'x'.repeat(5_000_000)
    expect(await talk(tcp(at('l')), text)).toBe(`hi ${text}`)
  })

  test('weights by connection; a share that fails is closed', async () => {
    const a = toBackend('a', await backend('a'))
    const b = toBackend('b', await backend('b'))
    const { portOf: at } = await served({
      listeners: [listener('l', 'tcp')],
      streams: [
        stream(['l'], [], {
          backends: [
            { target: { kind: 'backend', id: 'a' }, weight: 6 },
            { target: { kind: 'backend', id: 'b' }, weight: 3 },
            { target: { kind: 'fail', status: 500 }, weight: 1 },
            { target: { kind: 'backend', id: 'b' }, weight: 0 },
          ],
        }),
      ],
      backends: [...a.backends, ...b.backends],
      endpoints: [...a.endpoints, ...b.endpoints],
    })
    const seen: Record<string, number> = {}
    for (let turn = 0; turn < 20; turn++) {
      const got = await talk(tcp(at('l')), '')
      seen[got === 'closed' || got === '' ? 'reset' : got] =
        (seen[got === 'closed' || got === '' ? 'reset' : got] ?? 0) + 1
    }
    expect(seen).toEqual({ a: 12, b: 6, reset: 2 })
  })

  test('an endpoint that is not there: the next one; none: closed, at once', async () => {
    const there = await backend('there')
    const addresses: Endpoint[] = [
      { host: '127.0.0.1', port: 1 },
      { host: '127.0.0.1', port: there },
    ]
    const model: Partial<Model> = {
      listeners: [listener('l', 'tcp')],
      streams: [stream(['l'], ['b'])],
      ...toBackend('b', there),
      endpoints: [{ backend: 'b', addresses }],
    }
    const { portOf: at, swap } = await served(model)
    for (let turn = 0; turn < 4; turn++) expect(await talk(tcp(at('l')), '')).toBe('there')
    await swap({ ...model, endpoints: [] })
    expect(await talk(tcp(at('l')), '')).not.toBe('there')
    await swap({ ...model, streams: [] })
    expect(await talk(tcp(at('l')), '')).not.toBe('there')
  })

  test('a swap keeps connections, and new ones go where the new plan says', async () => {
    const a = toBackend('a', await backend('a'))
    const b = toBackend('b', await backend('b'))
    const listeners = [listener('l', 'tcp')]
    const { portOf: at, swap, engine } = await served({ listeners, streams: [stream(['l'], ['a'])], ...a })
    const old = tcp(at('l'))
    await new Promise((resolve) => old.once('data', resolve))
    await swap({ listeners, streams: [stream(['l'], ['b'])], ...b })
    expect(await talk(tcp(at('l')), '')).toBe('b')
    expect(await talk(old, 'still')).toBe('still')
    await expect.poll(() => engine.counts.streams.open).toBe(0)
  })

  test('silence, and too many of one client', async () => {
    const { portOf: at, engine } = await served({
      listeners: [listener('l', 'tcp', { limits: { connectionsPerClient: 2 } })],
      streams: [stream(['l'], ['b'], { timeouts: { idle: 200 } })],
      ...toBackend('b', await backend('hi')),
    })
    const two = [tcp(at('l')), tcp(at('l'))]
    await Promise.all(two.map((socket) => new Promise((resolve) => socket.once('data', resolve))))
    expect(await talk(tcp(at('l')), '')).not.toBe('hi')
    await Promise.all(
      two.map((socket) => new Promise((resolve) => socket.on('end', resolve).on('error', resolve).resume())),
    )
    await expect.poll(() => engine.counts.streams).toMatchObject({ open: 0, refused: 1 })
  })

  test('a backend that dies cuts the client, a client that dies frees the backend', async () => {
    let theirs: Socket | undefined
    const server = net.createServer((socket) => {
      theirs = socket
      socket.on('error', () => undefined)
      socket.write('hi')
    })
    ends.push(() => server.close())
    const { portOf: at, engine } = await served({
      listeners: [listener('l', 'tcp')],
      streams: [stream(['l'], ['b'])],
      ...toBackend('b', await portOf(server)),
    })
    const first = tcp(at('l'))
    const cut = new Promise((resolve) => first.on('error', resolve))
    await new Promise((resolve) => first.once('data', resolve))
    theirs!.resetAndDestroy()
    expect(await cut).toMatchObject({ code: 'ECONNRESET' })
    const second = tcp(at('l'))
    await new Promise((resolve) => second.once('data', resolve))
    const gone = new Promise((resolve) => theirs!.on('close', resolve))
    second.resetAndDestroy()
    await gone
    await expect.poll(() => engine.endpoints()[0]?.busy).toBe(0)
  })
})

describe('TLS by SNI', () => {
  const made = makeCertificate(['DNS:*.example.com', 'DNS:gateway.test'])
  const own = { key: made.key, cert: made.certificate }
  const certificates = [asCertificate('c', made)]
  const terminate = { mode: 'terminate', certificates: ['c'] } as const
  const passthrough = { mode: 'passthrough', certificates: [] } as const
  const suffix = (text: string): NonNullable<Listener['host']> => ({ kind: 'suffix', suffix: text, labels: 'many' })
  const exact = (name: string): NonNullable<Listener['host']> => ({ kind: 'exact', name })

  test('passed through, ended, HTTPS: one port, the most specific name', async () => {
    const port = await freePort()
    const web = http.createServer((_request, response) => response.end('web'))
    ends.push(() => web.close())
    const parts = [
      toBackend('through', await backend('through ', own)),
      toBackend('plain', await backend('plain ')),
      toBackend('web', await portOf(web)),
    ]
    const { engine } = await served({
      listeners: [
        listener('pass', 'tls', { port, host: suffix('.example.com'), tls: passthrough }),
        listener('end', 'tls', { port, host: exact('end.example.com'), tls: terminate }),
        listener('web', 'https', { port, host: exact('web.example.com'), tls: terminate }),
      ],
      streams: [
        stream(['pass'], ['through'], { hosts: [exact('a.example.com'), suffix('.deep.example.com')] }),
        stream(['end'], ['plain']),
      ],
      routes: [route('web', { listeners: ['web'] })],
      backends: parts.flatMap((part) => part.backends),
      endpoints: parts.flatMap((part) => part.endpoints),
      certificates,
    })
    expect(await talk(secure(port, 'a.example.com'), 'x')).toBe('through x')
    expect(await talk(secure(port, 'b.deep.example.com'), 'x')).toBe('through x')
    expect(await talk(secure(port, 'end.example.com'), 'x')).toBe('plain x')
    const asked = 'GET / HTTP/1.1\r\nHost: web.example.com\r\nConnection: close\r\n\r\n'
    expect(await talk(secure(port, 'web.example.com'), asked)).toMatch(/^HTTP\/1.1 200[^]*web$/)
    expect(await talk(secure(port, 'b.example.com'), 'x')).toMatch(/^(?:reset|closed|)$/)
    expect(await talk(secure(port, 'other.test'), 'x')).toMatch(/^(?:reset|closed|)$/)
    expect(await talk(tcp(port), 'GET / HTTP/1.1\r\n\r\n')).toMatch(/^(?:reset|closed|)$/)
    expect([...engine.counts.refused.keys()]).toEqual([
      'stream-no-route',
      'tls-unknown-name',
      'tls-hello-not-a-handshake',
    ])
  })

  test('ended here, and encrypted again for a backend that is who it should be', async () => {
    const to = toBackend('b', await backend('safe ', own))
    const withTrust = (id: string): Partial<Model> => ({
      listeners: [listener('l', 'tls', { tls: terminate })],
      streams: [stream(['l'], ['b'])],
      endpoints: to.endpoints,
      backends: [
        { ...to.backends[0]!, tls: { serverName: 'gateway.test', trust: { kind: 'ca', certificates: [id] } } },
      ],
      certificates: [...certificates, asCertificate('other', makeCertificate([]))],
    })
    const { portOf: at, swap } = await served(withTrust('c'))
    expect(await talk(secure(at('l'), 'a.example.com'), 'x')).toBe('safe x')
    await swap(withTrust('other'))
    expect(await talk(secure(at('l'), 'a.example.com'), 'x')).not.toContain('safe')
  })

  test('a hello in pieces, and every cut of it is no hello yet', async () => {
    const raw = await new Promise<Buffer>((resolve) => {
      const server = net.createServer((socket) => socket.once('data', resolve).on('error', () => undefined))
      ends.push(() => server.close())
      void portOf(server).then((port) => {
        const socket = tls.connect({ port, host: '127.0.0.1', servername: 'A.Example.com', ALPNProtocols: ['h2', 'x'] })
        socket.on('error', () => undefined)
        ends.push(() => socket.destroy())
      })
    })
    for (let end = 0; end < raw.length; end++) expect(readClientHello(raw.subarray(0, end)).kind).toBe('more')
    expect(readClientHello(raw)).toEqual({ kind: 'hello', serverName: 'a.example.com', protocols: ['h2', 'x'] })
    // in records of seven bytes each
    const records: Buffer[] = []
    for (let at = 5; at < raw.length; at += 7) {
      const part = raw.subarray(at, at + 7)
      records.push(Buffer.from([22, 3, 1, 0, part.length]), part)
    }
    expect(readClientHello(Buffer.concat(records))).toMatchObject({ kind: 'hello', serverName: 'a.example.com' })
    // no byte of it may be anything, and nothing may throw
    let refused = 0
    for (let at = 0; at < raw.length; at++) {
      const other = Buffer.from(raw)
      other[at] = other[at]! ^ 0xff
      if (readClientHello(other).kind !== 'hello') refused++
    }
    expect(refused).toBeGreaterThan(20)
  })
})

describe('UDP', () => {
  async function echo(name: string): Promise<number> {
    const socket = dgram.createSocket('udp4')
    socket.on('message', (piece, from) => socket.send(`${name} ${piece.toString()}`, from.port, from.address))
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
    ends.push(() => socket.close())
    return socket.address().port
  }
  function client(): dgram.Socket {
    const socket = dgram.createSocket('udp4')
    ends.push(() => socket.close())
    return socket
  }
  const say = (socket: dgram.Socket, port: number, text: string): Promise<string> =>
    new Promise((resolve) => {
      socket.once('message', (piece) => resolve(piece.toString()))
      socket.send(text, port, '127.0.0.1')
    })

  test('a flow stays with its endpoint, over a swap too; weights by flow', async () => {
    const parts = [toBackend('a', await echo('a')), toBackend('b', await echo('b'))]
    const backends = ['a', 'b'].map((id, at) => ({ target: { kind: 'backend', id } as const, weight: 2 - at }))
    const model: Partial<Model> = {
      listeners: [listener('l', 'udp')],
      streams: [stream(['l'], [], { backends })],
      backends: parts.flatMap((part) => part.backends),
      endpoints: parts.flatMap((part) => part.endpoints),
    }
    const { portOf: at, swap, engine } = await served(model)
    const seen: string[] = []
    const clients = Array.from({ length: 6 }, client)
    for (const one of clients) seen.push((await say(one, at('l'), '1')).slice(0, 1))
    expect(seen.toSorted().join('')).toBe('aaaabb')
    await swap({ ...model, streams: [stream(['l'], ['b'], { id: 'other' })] })
    for (const [index, one] of clients.entries()) expect(await say(one, at('l'), '2')).toBe(`${seen[index]} 2`)
    expect(await say(client(), at('l'), '3')).toBe('b 3')
    expect(engine.counts.flows).toMatchObject({ open: 7, opened: 7 })
  })

  test('silence ends a flow; a share that fails answers nothing', async () => {
    const to = toBackend('a', await echo('a'))
    const { portOf: at, engine } = await served({
      listeners: [listener('l', 'udp'), listener('f', 'udp')],
      streams: [
        stream(['l'], ['a'], { timeouts: { idle: 100 } }),
        stream(['f'], [], { backends: [{ target: { kind: 'fail', status: 500 } }] }),
      ],
      ...to,
    })
    expect(await say(client(), at('l'), 'x')).toBe('a x')
    await expect.poll(() => engine.counts.flows.open).toBe(0)
    client().send('x', at('f'), '127.0.0.1')
    await expect.poll(() => engine.counts.flows.dropped).toBe(1)
  })

  test('an endpoint that is gone is left for another by the next datagram', async () => {
    const there = await echo('there')
    const gone = dgram.createSocket('udp4')
    await new Promise<void>((resolve) => gone.bind(0, '127.0.0.1', resolve))
    const { port } = gone.address()
    await new Promise<void>((resolve) => gone.close(resolve))
    const { portOf: at } = await served({
      listeners: [listener('l', 'udp')],
      streams: [stream(['l'], ['b'])],
      ...toBackend('b', there),
      endpoints: [{ backend: 'b', addresses: [port, there].map((one) => ({ host: '127.0.0.1', port: one })) }],
    })
    const socket = client()
    let answer = ''
    socket.on('message', (piece) => (answer = piece.toString()))
    await expect
      .poll(() => {
        socket.send('x', at('l'), '127.0.0.1')
        return answer
      })
      .toBe('there x')
  })
})

test('two protocols on one port: the first is served, the other is said', async () => {
  const port = await freePort()
  const { diagnostics, portOf: at } = await served({
    listeners: [listener('web', 'http', { port }), listener('raw', 'tcp', { port })],
    routes: [],
  })
  expect(diagnostics.map((one) => one.code)).toEqual(['engine/two-protocols'])
  expect(at('web')).toBe(port)
})
