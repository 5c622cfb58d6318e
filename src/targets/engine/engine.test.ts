/** Plans are served over real sockets: forwarding, framing, failures, swaps. */
import http from 'node:http'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { emptyModel, type Model, type Route } from '../../model/model.ts'
import type { AnyPolicy, Exchange, Step } from '../../policies/policy.ts'
import { forwarding, onLoopback, serve, type ServeOptions, type Served } from './testing.ts'

const origin = { source: 'test' }
const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A backend on node:http. */
async function backend(handler: http.RequestListener, prepare?: (server: http.Server) => void): Promise<number> {
  const server = http.createServer(handler)
  prepare?.(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** A backend that says what it is told to. */
async function rawBackend(onRequest: (socket: net.Socket, request: string, count: number) => void): Promise<number> {
  let count = 0
  const sockets = new Set<net.Socket>()
  const server = net.createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      while (text.includes('\r\n\r\n')) {
        const end = text.indexOf('\r\n\r\n') + 4
        const request = text.slice(0, end)
        text = text.slice(end)
        onRequest(socket, request, ++count)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

const modelOf = (ports: readonly number[], route: Partial<Route> = {}, rest: Partial<Model> = {}): Partial<Model> =>
  forwarding(onLoopback(...ports), route, rest)

async function start(part: Partial<Model>, options: ServeOptions = {}): Promise<Served> {
  const served = await serve(part, options)
  cleanups.push(() => served.stop())
  return served
}

/** Sends text, and gives everything that came until the other side ended. */
function exchangeRaw(
  port: number,
  text: string | readonly string[],
  until?: (received: string) => boolean,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: '127.0.0.1' })
    let received = ''
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1')
      if (until?.(received) === true) socket.destroy()
    })
    socket.on('close', () => resolve(received))
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' ? resolve(received) : reject(error),
    )
    const parts = typeof text === 'string' ? [text] : text
    const next = (at: number): void => {
      if (at < parts.length) socket.write(parts[at]!, 'latin1', () => setImmediate(next, at + 1))
    }
    next(0)
  })
}

function policy(name: string, step: Step): AnyPolicy {
  return { name, summary: name, config: z.unknown(), engine: () => step, nginx: () => ({ unsupported: 'a test' }) }
}

const use = (name: string): { policy: string; config: unknown; origin: typeof origin } => ({
  policy: name,
  config: {},
  origin,
})

describe('forwarding', () => {
  test('a request arrives as it was sent, with ours about the client', async () => {
    const port = await backend((request, response) => {
      response.setHeader('X-Seen', 'yes')
      response.end(JSON.stringify({ url: request.url, method: request.method, headers: request.headers }))
    })
    const served = await start(modelOf([port]))
    const answer = await fetch(`${served.url}/a%2Fb?x=1&y=%20`, {
      headers: { 'X-Own': 'value', 'X-Forwarded-For': '6.6.6.6', Connection: 'keep-alive' },
    })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('x-seen')).toBe('yes')
    const seen = (await answer.json()) as { url: string; headers: Record<string, string> }
    expect(seen.url).toBe('/a%2Fb?x=1&y=%20')
    expect(seen.headers['x-own']).toBe('value')
    expect(seen.headers['x-forwarded-for']).toBe('127.0.0.1')
    expect(seen.headers['x-forwarded-proto']).toBe('http')
    expect(seen.headers['x-forwarded-host']).toBe(`127.0.0.1:${served.port}`)
    expect(seen.headers['host']).toBe(`127.0.0.1:${served.port}`)
  })

  test('bodies of every size and framing arrive whole, both ways', async () => {
    const port = await backend((request, response) => {
      const pieces: Buffer[] = []
      request.on('data', (piece: Buffer) => pieces.push(piece))
      request.on('end', () => {
        const body = Buffer.concat(pieces)
        if (request.url === '/length') response.setHeader('Content-Length', body.length)
        response.end(body)
      })
    })
    const served = await start(modelOf([port]))
    for (const size of [0, 1, 100, 16_384, 70_000, 3_000_000]) {
      const body = Buffer.alloc(size, 'abcdefghij')
      for (const path of ['/length', '/chunked']) {
        const byLength = await fetch(served.url + path, { method: 'POST', body })
        expect(Buffer.from(await byLength.arrayBuffer()).equals(body), `${path} ${size}`).toBe(true)
        const stream = Readable.toWeb(
          Readable.from(size === 0 ? [] : [body.subarray(0, size >> 1), body.subarray(size >> 1)]),
        )
        const inChunks = await fetch(served.url + path, {
          method: 'POST',
          body: stream as never,
          duplex: 'half',
        } as RequestInit)
        expect(Buffer.from(await inChunks.arrayBuffer()).equals(body), `${path} ${size} chunked`).toBe(true)
      }
    }
  })

  test('pipelined requests are answered in their order on one connection', async () => {
    const port = await backend((request, response) => {
      setTimeout(() => response.end(`<${request.url}>`), request.url === '/1' ? 30 : 0)
    })
    const served = await start(modelOf([port]))
    const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`
    const text = await exchangeRaw(served.port, get('/1') + get('/2') + get('/3', 'Connection: close\r\n'))
    expect([...text.matchAll(/<(\/\d)>/g)].map((match) => match[1])).toEqual(['/1', '/2', '/3'])
    expect(served.engine.counts.connectionsOpened).toBe(1)
    expect(served.engine.counts.upstreamConnects).toBe(1)
  })

  test('HEAD, 204 and 304 have no body, and the connection goes on', async () => {
    const port = await backend((request, response) => {
      if (request.url === '/204') response.writeHead(204).end()
      else if (request.url === '/304') response.writeHead(304, { ETag: '"a"' }).end()
      else response.writeHead(200, { 'Content-Length': 5 }).end('hello')
    })
    const served = await start(modelOf([port]))
    const text = await exchangeRaw(
      served.port,
      'HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET /204 HTTP/1.1\r\nHost: x\r\n\r\nGET /304 HTTP/1.1\r\nHost: x\r\n\r\n' +
        'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    )
    const heads = text.split('\r\n\r\n')
    expect(heads[0]).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(heads[0]).toMatch(/Content-Length: 5/i)
    expect(heads[1]).toMatch(/^HTTP\/1\.1 204 No Content/)
    expect(heads[1]).not.toMatch(/Content-Length/i)
    expect(heads[2]).toMatch(/^HTTP\/1\.1 304 Not Modified/)
    expect(heads[3]).toMatch(/^HTTP\/1\.1 200 OK/)
    expect(heads[4]).toBe('hello')
  })

  test('a client of HTTP/1.0 gets no chunks; keep-alive only where it asks and the length is known', async () => {
    const port = await backend((request, response) => {
      if (request.url === '/length') response.setHeader('Content-Length', 2)
      else response.write('a')
      response.end(request.url === '/length' ? 'hi' : 'b')
    })
    const served = await start(modelOf([port]))
    const chunked = await exchangeRaw(served.port, 'GET / HTTP/1.0\r\n\r\n')
    expect(chunked).not.toMatch(/transfer-encoding/i)
    expect(chunked.endsWith('\r\n\r\nab')).toBe(true)
    const kept = await exchangeRaw(
      served.port,
      'GET /length HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /length HTTP/1.0\r\n\r\n',
    )
    expect(kept.match(/HTTP\/1\.1 200/g)).toHaveLength(2)
    expect(kept).toMatch(/Connection: keep-alive/)
  })

  test('Expect: 100-continue is answered when the body is wanted, and not before', async () => {
    const port = await backend((request, response) => {
      request.resume()
      request.on('end', () => response.end(String(request.headers['expect'])))
    })
    const refused = policy('refuse', { request: () => ({ kind: 'reply', status: 401, body: 'no' }) })
    const served = await start(modelOf([port]))
    const head = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n'
    const text = await new Promise<string>((resolve, reject) => {
      const socket = net.connect(served.port, '127.0.0.1')
      let received = ''
      socket.on('data', (chunk) => {
        received += chunk.toString()
        if (received === 'HTTP/1.1 100 Continue\r\n\r\n') socket.write('body')
      })
      socket.on('close', () => resolve(received))
      socket.on('error', reject)
      socket.write(head)
    })
    expect(text).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
    expect(text.endsWith('undefined')).toBe(true)
    const strict = await start(modelOf([port], { policies: [use('refuse')] }), { policies: [refused] })
    expect(await exchangeRaw(strict.port, head)).toMatch(/^HTTP\/1\.1 401 /)
  })

  test('hop-by-hop fields and what Connection names do not pass', async () => {
    const port = await backend((request, response) => {
      response.setHeader('Keep-Alive', 'timeout=9')
      response.end(JSON.stringify(request.headers))
    })
    const served = await start(modelOf([port]))
    const text = await exchangeRaw(
      served.port,
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: close, X-Secret\r\nX-Secret: 1\r\nKeep-Alive: 5\r\nTE: gzip\r\nX-Kept: 1\r\n\r\n',
    )
    const seen = JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1)) as Record<string, string>
    expect(Object.keys(seen).sort()).toEqual(
      ['host', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-proto', 'x-kept', 'connection']
        .filter((name) => name in seen)
        .sort(),
    )
    expect(seen['x-secret']).toBeUndefined()
    expect(seen['keep-alive']).toBeUndefined()
    expect(text).not.toMatch(/Keep-Alive: timeout=9/i)
  })

  test('equal endpoints take strict turns; weights keep their share', async () => {
    const a = await backend((_, response) => response.end('a'))
    const b = await backend((_, response) => response.end('b'))
    const equal = await start(modelOf([a, b]))
    const seen: string[] = []
    for (let at = 0; at < 6; at++) seen.push(await (await fetch(equal.url)).text())
    expect(['ababab', 'bababa']).toContain(seen.join(''))
    const weighted = await start({
      ...modelOf([]),
      endpoints: [
        {
          backend: 'b',
          addresses: [
            { host: '127.0.0.1', port: a, weight: 3 },
            { host: '127.0.0.1', port: b, weight: 1 },
          ],
        },
      ],
    })
    const counts: Record<string, number> = { a: 0, b: 0 }
    for (let at = 0; at < 40; at++) counts[await (await fetch(weighted.url)).text()]!++
    expect(counts).toEqual({ a: 30, b: 10 })
  })

  test('an upgraded connection carries bytes both ways and ends with either side', async () => {
    const port = await backend(
      () => undefined,
      (server) => {
        server.on('upgrade', (request, socket) => {
          socket.write(
            `HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${request.headers.upgrade}\r\nConnection: Upgrade\r\n\r\n`,
          )
          socket.on('data', (chunk: Buffer) => socket.write(chunk.toString().toUpperCase()))
          socket.on('end', () => socket.end('bye'))
        })
      },
    )
    const served = await start(modelOf([port]))
    const text = await new Promise<string>((resolve, reject) => {
      const socket = net.connect({ port: served.port, host: '127.0.0.1', allowHalfOpen: true })
      let received = ''
      socket.on('data', (chunk) => {
        received += chunk.toString()
        if (received.includes('\r\n\r\nHELLO')) socket.end()
      })
      socket.on('end', () => resolve(received))
      socket.on('error', reject)
      socket.write('GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello')
    })
    expect(text).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/)
    expect(text).toMatch(/Connection: Upgrade\r\nUpgrade: websocket\r\n\r\nHELLObye$/)
  })
})

describe('failures', () => {
  test('no endpoint 503, nobody listens 502, too late 504, no route 404', async () => {
    const slow = await backend((request, response) => {
      if (request.url !== '/slow') response.end('ok')
    })
    const none = await start(modelOf([]))
    expect((await fetch(none.url)).status).toBe(503)
    const closed = await start(modelOf([await closedPort()]))
    const answer = await fetch(closed.url)
    expect(answer.status).toBe(502)
    expect(await answer.text()).toBe('Bad Gateway\n')
    const forward = { backends: [{ target: { kind: 'backend' as const, id: 'b' } }], timeouts: { request: 60 } }
    const late = await start(modelOf([slow], { action: { kind: 'forward', forward } }))
    expect((await fetch(`${late.url}/slow`)).status).toBe(504)
    expect((await fetch(`${late.url}/fast`)).status).toBe(200)
    const nothing = await start({})
    expect((await fetch(nothing.url)).status).toBe(404)
  })

  test('an endpoint that nobody listens on is passed over for one that lives', async () => {
    const alive = await backend((_, response) => response.end('alive'))
    const served = await start(modelOf([await closedPort(), alive]))
    for (let at = 0; at < 8; at++) expect(await (await fetch(served.url)).text()).toBe('alive')
    expect(served.engine.endpoints().some((endpoint) => endpoint.ejected)).toBe(true)
  })

  test('a kept connection that died is tried once more for GET, and not for POST', async () => {
    let accepted = 0
    const port = await rawBackend((socket, request, count) => {
      accepted = count
      if (count % 2 === 0) {
        socket.resetAndDestroy()
        return
      }
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${request.length}\r\n\r\n${'x'.repeat(request.length)}`)
    })
    const served = await start(modelOf([port]))
    expect((await fetch(served.url)).status).toBe(200)
    expect((await fetch(served.url)).status).toBe(200)
    expect(accepted).toBe(3)
    expect((await fetch(served.url, { method: 'POST' })).status).toBe(502)
    expect(accepted).toBe(4)
  })

  test.each([
    ['a length that is not reached', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'],
    ['chunks without their end', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n'],
  ])('a backend that dies mid-answer never yields a whole one: %s', async (_, answer) => {
    const port = await rawBackend((socket) => {
      socket.write(answer)
      setTimeout(() => socket.destroy(), 20)
    })
    const served = await start(modelOf([port]))
    await expect(fetch(served.url).then((response) => response.text())).rejects.toThrow()
    const old = await exchangeRaw(served.port, 'GET / HTTP/1.0\r\n\r\n')
    expect(old.includes('HTTP/1.1 200')).toBe(true)
  })

  test.each([
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    ['length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a folded field', 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n'],
    ['no status line', 'hello\r\n\r\n'],
    [
      'an upgrade that nobody asked for',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n',
    ],
  ])('an answer with %s is a 502', async (_, answer) => {
    const port = await rawBackend((socket) => socket.write(answer))
    const served = await start(modelOf([port]))
    expect((await fetch(served.url)).status).toBe(502)
  })

  test('a client that goes frees its backend connection', async () => {
    let closed!: () => void
    const gone = new Promise<void>((resolve) => {
      closed = resolve
    })
    let socket: net.Socket | undefined
    const port = await backend((request) => {
      request.socket.on('close', closed)
      socket?.destroy()
    })
    const served = await start(modelOf([port]))
    socket = net.connect(served.port, '127.0.0.1', () => socket!.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'))
    socket.on('error', () => undefined)
    await gone
    expect(served.engine.endpoints()[0]!.busy).toBe(0)
  })
})

describe('policies', () => {
  test('see the request in order and the answer in reverse, and may change both', async () => {
    const port = await backend((request, response) => response.end(`${request.url} ${request.headers['x-order']}`))
    const order: string[] = []
    const step = (name: string): Step => ({
      request: (exchange) => {
        exchange.request.headers.append('X-Order', name)
        if (name === 'b') exchange.request.target = '/changed?q'
        return undefined
      },
      response: async (exchange) => {
        await Promise.resolve()
        order.push(name)
        exchange.response.headers.set(`X-${name}`, exchange.id.length.toString())
      },
      done: () => order.push(`done ${name}`),
    })
    const served = await start(modelOf([port], { policies: [use('a'), use('b')] }), {
      policies: [policy('a', step('a')), policy('b', step('b'))],
    })
    const answer = await fetch(served.url)
    expect(await answer.text()).toBe('/changed?q a, b')
    expect(answer.headers.get('x-a')).toBe('22')
    expect(order).toEqual(['b', 'a', 'done b', 'done a'])
  })

  test('bodies: read, replaced, transformed, as streams', async () => {
    const port = await backend((request, response) => {
      const pieces: Buffer[] = []
      request.on('data', (piece: Buffer) => pieces.push(piece))
      request.on('end', () =>
        response.end(`[${Buffer.concat(pieces)}] ${request.headers['content-length'] ?? 'chunked'}`),
      )
    })
    const upper = {
      piece: (piece: Buffer): Buffer => Buffer.from(piece.toString().toUpperCase()),
      end: (): Buffer => Buffer.from('!'),
    }
    const ways: Record<string, (exchange: Exchange) => Promise<undefined>> = {
      read: async (exchange) => {
        exchange.request.headers.set('X-Read', (await exchange.request.body.read(100)).toString())
        return undefined
      },
      replace: async (exchange) => {
        const body = await exchange.request.body.read(100)
        exchange.request.body.replace(`${body.toString()}, replaced`)
        return undefined
      },
      transform: async (exchange) => {
        exchange.request.body.transform(upper)
        return undefined
      },
      stream: async (exchange) => {
        exchange.request.body.replaceStream(exchange.request.body.stream())
        return undefined
      },
    }
    const policies = Object.entries(ways).map(([name, request]) => policy(name, { request }))
    const expected: Record<string, string> = {
      read: '[hello] 5',
      replace: '[hello, replaced] 15',
      transform: '[HELLO!] chunked',
      stream: '[hello] chunked',
    }
    for (const [name, text] of Object.entries(expected)) {
      const served = await start(modelOf([port], { policies: [use(name)] }), { policies })
      expect(await (await fetch(served.url, { method: 'POST', body: 'hello' })).text(), name).toBe(text)
    }
    const served = await start(modelOf([port], { policies: [use('out')] }), {
      policies: [
        policy('out', {
          response: async (exchange) => {
            exchange.response.body.transform(upper)
            const body = await exchange.response.body.read(1000)
            exchange.response.body.replace(`<${body.toString()}>`)
          },
        }),
      ],
    })
    expect(await (await fetch(served.url, { method: 'POST', body: 'hello' })).text()).toBe('<[HELLO] 5!>')
  })

  test('what throws, is unknown or is configured wrongly answers 500 and says so', async () => {
    const port = await backend((_, response) => response.end('must not be reached'))
    const throwing = policy('throws', {
      request: () => {
        throw new Error('on purpose')
      },
    })
    const served = await start(modelOf([port], { policies: [use('throws')] }), { policies: [throwing] })
    expect((await fetch(served.url)).status).toBe(500)
    expect(served.events[0]).toEqual({ code: 'engine/policy-failed', message: 'on purpose' })
    const unknown = await start(modelOf([port], { policies: [use('nobody')] }))
    expect(unknown.diagnostics[0]?.code).toBe('engine/unknown-policy')
    expect((await fetch(unknown.url)).status).toBe(500)
    const strict: AnyPolicy = { ...throwing, name: 'strict', config: z.strictObject({ n: z.number() }) }
    const wrong = await start(modelOf([port], { policies: [use('strict')] }), { policies: [strict] })
    expect(wrong.diagnostics[0]?.code).toBe('engine/policy-config')
    expect((await fetch(wrong.url)).status).toBe(500)
  })

  test('next goes on with the next route that matches; a stream is an answer', async () => {
    const port = await backend((_, response) => response.end('second'))
    const next = policy('next', { request: () => ({ kind: 'next' }) })
    const stream = policy('stream', {
      request: () => ({ kind: 'reply', status: 200, body: Readable.from([Buffer.from('one '), Buffer.from('two')]) }),
    })
    const model = modelOf([port])
    const first: Route = { ...model.routes![0]!, id: 'first', policies: [use('next')] }
    const served = await start({ ...model, routes: [first, ...model.routes!] }, { policies: [next] })
    expect(await (await fetch(served.url)).text()).toBe('second')
    const streaming = await start(modelOf([port], { policies: [use('stream')] }), { policies: [stream] })
    expect(await (await fetch(streaming.url)).text()).toBe('one two')
  })
})

describe('plans', () => {
  test('are swapped under a connection that stays', async () => {
    const a = await backend((_, response) => response.end('a'))
    const b = await backend((_, response) => response.end('b'))
    const listeners = [{ id: 'l', address: '127.0.0.1', port: 0, protocol: 'http' as const, origin }]
    const model = (port: number): Partial<Model> => modelOf([port], { listeners: ['l'] }, { listeners })
    const served = await start(model(a))
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    cleanups.push(() => agent.destroy())
    const get = (): Promise<string> =>
      new Promise((resolve, reject) => {
        http
          .get(served.url, { agent }, (response) => {
            let text = ''
            response.on('data', (chunk: Buffer) => (text += chunk.toString()))
            response.on('end', () => resolve(text))
          })
          .on('error', reject)
      })
    expect(await get()).toBe('a')
    const port = served.port
    await served.swap(model(b))
    expect(await get()).toBe('b')
    expect(served.portOf('l')).toBe(port)
    expect(served.engine.counts.connectionsOpened).toBe(1)
  })

  test('that want a port in use are refused, and the old one serves on', async () => {
    const port = await backend((_, response) => response.end('old'))
    const served = await start(modelOf([port]))
    const taken = net.createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => taken.once('listening', resolve))
    cleanups.push(() => taken.close())
    const used = (taken.address() as AddressInfo).port
    const listeners = [{ id: 'l', address: '127.0.0.1', port: used, protocol: 'http' as const, origin }]
    await expect(served.swap({ ...modelOf([port]), listeners })).rejects.toThrow(
      /something else listens there; the last plan serves on/,
    )
    expect(await (await fetch(served.url)).text()).toBe('old')
    // where there is no plan before, none is said to serve on
    await expect(start({ ...modelOf([port]), listeners })).rejects.toThrow(
      /something else listens there; nothing is served/,
    )
  })

  test('stop lets an answer finish, and takes nothing new', async () => {
    let answer!: () => void
    let arrived!: () => void
    const there = new Promise<void>((resolve) => (arrived = resolve))
    const port = await backend((_, response) => {
      answer = () => response.end('finished')
      arrived()
    })
    const served = await start(modelOf([port]))
    const pending = exchangeRaw(served.port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await there
    const stopped = served.engine.stop(5000)
    answer()
    const text = await pending
    expect(text).toMatch(/Connection: close/)
    expect(text).toMatch(/finished$|finished\r\n0\r\n\r\n$/)
    await stopped
    await expect(fetch(served.url)).rejects.toThrow()
  })

  test('that are no longer served are forgotten, whatever was compiled for them and is served still', async () => {
    const looking: AnyPolicy = {
      name: 'looking',
      summary: '',
      config: z.object({}),
      engine: (_config, context) => {
        const count = context.model.listeners.length
        // as policies do that want the time
        return { request: () => (count > 0 && context.services.now() > 0 ? undefined : { kind: 'next' }) }
      },
      nginx: () => ({}),
    }
    const served = await start({ routes: [] }, { policies: [looking] })
    const listeners = [{ id: 'test', address: '127.0.0.1', port: 0, protocol: 'http' as const, origin }]
    const routes: Route[] = []
    const models: WeakRef<Model>[] = []
    for (let count = 0; count < 20; count++) {
      const policies = [{ policy: 'looking', config: {}, origin }]
      const action = { kind: 'reply' as const, status: 200 }
      routes.push({ id: `r${count}`, listeners: ['test'], match: {}, policies, action, origin })
      const model = { ...emptyModel, listeners, routes: [...routes] }
      models.push(new WeakRef(model))
      const { artifact } = served.engine.compile({ id: `p${count}`, model })
      await served.engine.apply(artifact)
    }
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const alive = (): number => {
      collect()
      return models.filter((model) => model.deref() !== undefined).length
    }
    // the last one, and one that something on a stack may still mean
    await expect.poll(alive).toBeLessThanOrEqual(2)
    expect((await fetch(served.url)).status).toBe(200)
  })

  test.each(['after a stop', 'while it stops'])('%s nothing is opened that stays open', async (when) => {
    const served = await start({ routes: [] })
    const port = await closedPort()
    const listeners = [{ id: 'late', address: '127.0.0.1', port, protocol: 'http' as const, origin }]
    const { artifact } = served.engine.compile({ id: 'late', model: { ...emptyModel, listeners } })
    if (when === 'after a stop') {
      await served.engine.stop(0)
      expect(await served.engine.apply(artifact)).toMatchObject({
        kind: 'refused',
        diagnostics: [{ code: 'engine/stopped' }],
      })
    } else {
      const applied = served.engine.apply(artifact)
      await served.engine.stop(0)
      await applied
    }
    expect(served.engine.addresses().size).toBe(0)
    await expect(fetch(`http://127.0.0.1:${port}`)).rejects.toThrow()
  })
})

async function closedPort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
