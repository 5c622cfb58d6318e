/** Clients and backends that take their time: who goes on, who is sent away, and how it is counted. Real sockets. */
import http from 'node:http'
import { createServer } from 'node:http2'
import net, { type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Limits, Model } from '../../model/model.ts'
import { connect, portOf, route, toBackend } from './http2/testing.ts'
import { http2 } from './http2/protocols.ts'
import { serve, type Served, type ServeOptions } from './testing.ts'

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** Says how many bytes it got. */
async function counting(listener?: http.RequestListener): Promise<Partial<Model>> {
  const server = http.createServer(
    listener ??
      ((request, response) => {
        let bytes = 0
        request.on('data', (piece: Buffer) => (bytes += piece.length))
        request.on('end', () => response.end(`${bytes} bytes`))
      }),
  )
  cleanups.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { routes: [route('b')], ...toBackend('b', await portOf(server)) }
}

async function start(part: Partial<Model>, limits: Limits, more: ServeOptions = {}): Promise<Served> {
  const served = await serve(part, { limits, otherProtocols: http2, ...more })
  cleanups.push(() => served.stop())
  return served
}

function client(port: number): { readonly socket: Socket; readonly ended: Promise<string> } {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
  cleanups.push(() => socket.destroy())
  let text = ''
  socket.on('data', (piece) => (text += piece.toString('latin1')))
  socket.on('error', () => undefined)
  return { socket, ended: new Promise((resolve) => socket.on('close', () => resolve(text))) }
}

const post = (length: number): string =>
  `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n`
const patiently = { timeout: 20_000, interval: 20 }

describe('bodies', () => {
  test('one that drips ends, though each piece comes in time', async () => {
    const served = await start(await counting(), { bodyTimeout: 1000, bodyRate: 1000 })
    const { socket, ended } = client(served.port)
    socket.write(post(100_000))
    const drip = setInterval(() => socket.write('x'), 50)
    cleanups.push(() => clearInterval(drip))
    expect(await ended).toMatch(/^HTTP\/1\.1 408 .*body-rate\n$/s)
    expect(served.engine.counts.refused.get('body-rate')).toBe(1)
  })

  test('one that keeps the rate up goes on for longer than the time of a piece', async () => {
    const served = await start(await counting(), { bodyTimeout: 2000, bodyRate: 10 })
    const { socket, ended } = client(served.port)
    const begun = performance.now()
    socket.write(post(5000))
    for (let sent = 0; sent < 5000; sent += 100) {
      await sleep(50)
      socket.write('x'.repeat(100))
    }
    expect(await ended).toMatch(/5000 bytes$/)
    expect(performance.now() - begun).toBeGreaterThan(2000)
  })

  test('a backend that does not read makes no client late', async () => {
    const model = await counting((request, response) => {
      setTimeout(() => {
        request.resume()
        request.on('end', () => response.end('all of it'))
      }, 1500)
    })
    const served = await start(model, { bodyTimeout: 500, bodyRate: 1_000_000 })
    const { socket, ended } = client(served.port)
    const body = Buffer.alloc(64 << 20)
    socket.write(post(body.length))
    socket.write(body)
    expect(await ended).toMatch(/all of it$/)
    expect([...served.engine.counts.refused]).toEqual([])
  })

  test('a conversation may be slow: what is answered already needs no rate', async () => {
    const model = await counting((request, response) => request.pipe(response))
    const served = await start(model, { bodyTimeout: 1500, bodyRate: 1_000_000 })
    const { socket, ended } = client(served.port)
    socket.write(post(20))
    for (let sent = 0; sent < 20; sent++) {
      socket.write('x')
      await sleep(100)
    }
    expect((await ended).match(/x\r\n/g)).toHaveLength(20)
  })

  test('over HTTP/2, too; a stream of gRPC may have few messages', async () => {
    const served = await start(await counting(), { bodyTimeout: 1000, bodyRate: 1000 })
    const drip = (type: string, pieces: number): Promise<string> =>
      new Promise((resolve) => {
        const session = connect(served.url)
        cleanups.push(() => session.destroy())
        const stream = session.request({ ':method': 'POST', ':path': '/', 'content-type': type }, { endStream: false })
        let text = ''
        stream.on('response', (head) => (text += `${head[':status']} `))
        stream.on('data', (piece: Buffer) => (text += piece.toString()))
        stream.on('error', () => undefined)
        let sent = 0
        const timer = setInterval(() => {
          if (++sent < pieces) stream.write('x')
          else stream.end()
        }, 100)
        stream.on('close', () => {
          clearInterval(timer)
          resolve(text)
        })
      })
    const [plain, grpc] = await Promise.all([drip('text/plain', 1000), drip('application/grpc', 25)])
    expect(plain).toBe('408 Request Timeout: body-rate\n')
    expect(grpc).toBe('200 24 bytes')
    expect([...served.engine.counts.refused]).toEqual([['body-rate', 1]])
  })
})

describe('answers', () => {
  const size = 32 << 20
  const big: ServeOptions = {
    policies: [
      {
        name: 'big',
        summary: 'an answer that no system takes at once',
        config: z.unknown(),
        engine: () => ({ request: () => ({ kind: 'reply', status: 200, body: Buffer.alloc(size) }) }),
        nginx: () => ({ unsupported: 'a test' }),
      },
    ],
  }
  const model = (): Partial<Model> => ({
    ...toBackend('b', 9),
    routes: [route('b', { policies: [{ policy: 'big', config: {}, origin: { source: 'test' } }] })],
  })

  test.each(['close', 'keep-alive'])('who does not read is cut and counted (%s)', async (connection) => {
    const served = await start(model(), { bodyTimeout: 300 }, big)
    const { socket } = client(served.port)
    socket.pause()
    socket.write(`GET / HTTP/1.1\r\nHost: x\r\nConnection: ${connection}\r\n\r\n`)
    await expect.poll(() => served.engine.counts.refused.get('unread'), patiently).toBe(1)
    await expect.poll(() => served.engine.counts.connections, patiently).toBe(0)
  })

  test('over HTTP/2, too', async () => {
    const served = await start(model(), { bodyTimeout: 300 }, big)
    const session = connect(served.url)
    cleanups.push(() => session.destroy())
    const stream = session.request({ ':path': '/' })
    stream.on('error', () => undefined)
    await expect.poll(() => served.engine.counts.refused.get('unread'), patiently).toBe(1)
  })

  test('the last answer of a connection has its time, too, to be read', async () => {
    const served = await start(model(), {}, big)
    const socket = net.connect({ port: served.port, host: '127.0.0.1' })
    cleanups.push(() => socket.destroy())
    socket.pause()
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    await sleep(3000)
    let bytes = 0
    socket.on('data', (piece) => (bytes += piece.length))
    socket.resume()
    await new Promise((resolve) => socket.on('close', resolve))
    expect(bytes).toBeGreaterThan(size)
    await expect.poll(() => served.engine.counts.connections, patiently).toBe(0)
    expect([...served.engine.counts.refused]).toEqual([])
  })

  /** A client that reads after a pause, longer than the backend may be idle. */
  async function afterPause(protocol: 'http1' | 'h2c', answer: 'end' | 'write') {
    const body = Buffer.alloc(size)
    const backend =
      protocol === 'http1'
        ? http.createServer((_, response) => response[answer](body))
        : createServer((_, response) => response[answer](body))
    cleanups.push(() => backend.close())
    const to = toBackend('b', await portOf(backend), { protocol })
    const served = await start({ routes: [route('b', {}, { timeouts: { idle: 500 } })], ...to }, {})
    const { socket, ended } = client(served.port)
    socket.pause()
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    await sleep(1500)
    socket.resume()
    expect((await ended).length).toBeGreaterThan(size)
    return served.engine.counts.upstreamFailures
  }

  describe.each(['http1', 'h2c'] as const)('a client that pauses (%s)', (protocol) => {
    test('makes no backend late', async () => {
      expect(await afterPause(protocol, 'end')).toMatchObject({ timeout: 0, reset: 0 })
    })

    test('and then a backend that does: it is late', async () => {
      expect(await afterPause(protocol, 'write')).toMatchObject({ timeout: 1, reset: 0 })
    })
  })
})
