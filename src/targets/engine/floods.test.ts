/** Many clients that mean no good, and one that does: it is served, and of the others nothing is left. */
import http from 'node:http'
import net, { type Socket } from 'node:net'
import tls from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import type { Limits, Model } from '../../model/model.ts'
import { asCertificate, makeCertificate, portOf, route, toBackend } from './http2/testing.ts'
import { serve, type Served } from './testing.ts'

const origin = { source: 'test' }
const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function backend(): Promise<number> {
  const server = http.createServer((request, response) => {
    request.resume()
    request.on('end', () => response.end(request.url === '/big' ? Buffer.alloc(1_000_000, 'x') : request.url))
  })
  cleanups.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return portOf(server)
}

async function start(limits: Limits, more: Partial<Model> = {}): Promise<Served> {
  const served = await serve({ routes: [route('b')], ...toBackend('b', await backend()), ...more }, { limits })
  cleanups.push(() => served.stop())
  return served
}

const secure = (): Partial<Model> => ({
  certificates: [asCertificate('c', makeCertificate(['IP:127.0.0.1']))],
  listeners: [
    {
      id: 'l',
      address: '127.0.0.1',
      port: 0,
      protocol: 'https',
      tls: { mode: 'terminate', certificates: ['c'] },
      origin,
    },
  ],
  routes: [route('b', { listeners: ['l'] })],
})

/** Connections that send `text`, and wait. */
async function crowd(port: number, size: number, text: string | Buffer): Promise<Set<Socket>> {
  const open = new Set<Socket>()
  cleanups.push(() => {
    for (const socket of open) socket.destroy()
  })
  await Promise.all(
    Array.from(
      { length: size },
      () =>
        new Promise<void>((resolve) => {
          const socket = net.connect(port, '127.0.0.1', () => {
            socket.write(text)
            resolve()
          })
          open.add(socket)
          socket.resume()
          socket.on('error', () => undefined)
          socket.on('close', () => {
            open.delete(socket)
            resolve()
          })
        }),
    ),
  )
  return open
}

const patiently = { timeout: 20_000, interval: 50 }

test('two hundred heads that never end wait no longer than the limit, and others are served meanwhile', async () => {
  const served = await start({ headTimeout: 1500 })
  const open = await crowd(served.port, 200, 'GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ')
  const drip = setInterval(() => {
    for (const socket of open) socket.write('a')
  }, 100)
  cleanups.push(() => clearInterval(drip))
  for (let turn = 0; turn < 20; turn++) expect(await (await fetch(`${served.url}/${turn}`)).text()).toBe(`/${turn}`)
  await expect.poll(() => open.size, patiently).toBe(0)
  expect(served.engine.counts.refused.get('head-timeout')).toBe(200)
})

test('a thousand requests in one piece are answered in their order', async () => {
  const served = await start({})
  const socket = net.connect(served.port, '127.0.0.1')
  const requests = Array.from({ length: 1000 }, (_, at) => `GET /${at} HTTP/1.1\r\nHost: x\r\n\r\n`)
  socket.write(`${requests.join('')}GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
  let text = ''
  socket.on('data', (piece) => {
    text += piece.toString('latin1')
  })
  await new Promise((resolve) => socket.on('close', resolve))
  const bodies = text
    .split(/HTTP\/1\.1 200 OK\r\n/)
    .slice(1)
    .map((answer) => answer.slice(answer.indexOf('\r\n\r\n') + 4))
  expect(bodies).toEqual([...Array.from({ length: 1000 }, (_, at) => `/${at}`), '/last'])
  // one after the other: of what a client asks in advance nothing is asked of a backend in advance
  expect(served.engine.counts.upstreamConnects).toBe(1)
})

test('who sends a thousand requests and reads no answer is not asked for the next one', async () => {
  const served = await start({})
  const socket = net.connect(served.port, '127.0.0.1')
  cleanups.push(() => socket.destroy())
  socket.on('error', () => undefined)
  socket.pause()
  socket.write('GET /big HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(1000))
  let before = 0
  const stands = (): boolean => {
    const { requests } = served.engine.counts
    const same = requests > 0 && requests === before
    before = requests
    return same
  }
  await expect.poll(stands, { timeout: 20_000, interval: 500 }).toBe(true)
  // a megabyte each: the system holds some of them, we do not
  expect(served.engine.counts.requests).toBeLessThan(50)
  expect(await (await fetch(`${served.url}/good`)).text()).toBe('/good')
})

test('handshakes that never end count as connections of their client', async () => {
  const served = await start({ connectionsPerClient: 20 }, secure())
  const open = await crowd(served.port, 100, Buffer.from([22, 3, 1, 0, 200, 1, 0]))
  await expect.poll(() => open.size, patiently).toBe(20)
  expect(served.engine.counts.refused.get('connections-per-client')).toBe(80)
  for (const socket of open) socket.destroy()
  await expect.poll(() => open.size, patiently).toBe(0)
  await expect.poll(() => status(served), patiently).toBe(200)
})

test('who stops does not wait for handshakes', async () => {
  const served = await start({}, secure())
  const open = await crowd(served.port, 50, Buffer.from([22, 3, 1, 0, 200, 1, 0]))
  await served.engine.stop(5000)
  await expect.poll(() => open.size, patiently).toBe(0)
})

test('a hello without end ends the connection, not the gateway', async () => {
  const served = await start({}, secure())
  const record = Buffer.concat([Buffer.from([22, 3, 1, 0x40, 0]), Buffer.alloc(16_384, 1)])
  const hello = Buffer.concat([Buffer.from([22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff]), Buffer.alloc(16_380, 1)])
  const open = await crowd(served.port, 20, Buffer.concat([hello, ...Array.from({ length: 60 }, () => record)]))
  await expect.poll(() => open.size, patiently).toBe(0)
  expect(await status(served)).toBe(200)
})

test('a client cannot ask for another handshake', async () => {
  const served = await start({}, secure())
  const socket = tls.connect({ port: served.port, host: '127.0.0.1', rejectUnauthorized: false, maxVersion: 'TLSv1.2' })
  cleanups.push(() => socket.destroy())
  await new Promise((resolve) => socket.once('secureConnect', resolve))
  const said = await new Promise<string>((resolve) => {
    socket.on('error', () => resolve('refused'))
    socket.on('close', () => resolve('refused'))
    socket.renegotiate({ rejectUnauthorized: false }, (error) => resolve(error === null ? 'renegotiated' : 'refused'))
  })
  expect(said).toBe('refused')
  expect(await status(served)).toBe(200)
})

function status(served: Served): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: served.port, rejectUnauthorized: false }
    const socket = tls.connect(options, () => socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'))
    let text = ''
    socket.on('data', (piece) => {
      text += piece.toString()
    })
    socket.on('close', () => resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0)))
    socket.on('error', reject)
  })
}
