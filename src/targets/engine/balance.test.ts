/** Which endpoint gets a request, and what happens when it does not answer as it should. Over real sockets. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import type { Backend, Endpoint, Forward, Model } from '../../model/model.ts'
import { mirror } from '../../policies/mirror/policy.ts'
import { createAccessLog } from './access-log.ts'
import { asCertificate, makeCertificate } from './http2/testing.ts'
import { serve, type ServeOptions, type Served } from './testing.ts'

const origin = { source: 'test' }
const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

interface Peer {
  readonly endpoint: Endpoint
  readonly requests: http.IncomingMessage[]
}

/** A backend that answers with its name unless told otherwise. */
async function peer(name: string, handler?: http.RequestListener, path?: string): Promise<Peer> {
  const requests: http.IncomingMessage[] = []
  const server = http.createServer((request, response) => {
    requests.push(request)
    if (handler === undefined) response.end(name)
    else handler(request, response)
  })
  if (path === undefined) server.listen(0, '127.0.0.1')
  else server.listen(path)
  await once(server, 'listening')
  cleanups.push(() => {
    server.closeAllConnections()
    server.close()
  })
  if (path !== undefined) return { endpoint: { host: `unix:${path}`, port: 0 }, requests }
  return { endpoint: { host: '127.0.0.1', port: (server.address() as AddressInfo).port }, requests }
}

function modelOf(peers: readonly Peer[], forward: Partial<Forward> = {}, backend: Partial<Backend> = {}): Model {
  const part: Partial<Model> = {
    listeners: [{ id: 'in', address: '127.0.0.1', port: 0, protocol: 'http', origin }],
    routes: [
      {
        id: 'all',
        listeners: ['in'],
        match: {},
        policies: [],
        action: { kind: 'forward', forward: { backends: [{ target: { kind: 'backend', id: 'b' } }], ...forward } },
        origin,
      },
    ],
    backends: [{ id: 'b', protocol: 'http1', origin, ...backend }],
    endpoints: [{ backend: 'b', addresses: peers.map(({ endpoint }) => endpoint) }],
  }
  return part as Model
}

async function start(part: Partial<Model>, options: ServeOptions = {}): Promise<Served> {
  const served = await serve(part, options)
  cleanups.push(() => served.stop())
  return served
}

async function text(served: Served, path = '/', headers: Record<string, string> = {}): Promise<string> {
  return (await fetch(served.url + path, { headers })).text()
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5))
}

describe('balance', () => {
  test('least connections: nobody is sent to the one that is busy', async () => {
    const waiting: http.ServerResponse[] = []
    const slow = await peer('slow', (_, response) => void waiting.push(response))
    const quick = await peer('quick')
    const served = await start(modelOf([slow, quick], {}, { balance: { kind: 'least-connections' } }))
    // equals take turns, so one of the first two waits
    const first = [text(served), text(served)]
    await until(() => waiting.length === 1 && quick.requests.length === 1)
    for (let times = 0; times < 5; times++) expect(await text(served)).toBe('quick')
    expect(slow.requests).toHaveLength(1)
    waiting[0]!.end('slow')
    expect((await Promise.all(first)).sort()).toEqual(['quick', 'slow'])
  })

  test.each(['header', 'cookie', 'path'] as const)('hash on %s: the same key, the same endpoint', async (on) => {
    const peers = await Promise.all(['a', 'b', 'c'].map((name) => peer(name)))
    const balance = { kind: 'hash', on, ...(on === 'path' ? {} : { name: 'key' }) } as const
    const served = await start(modelOf(peers, {}, { balance }))
    const ask = (key: string): Promise<string> => {
      if (on === 'path') return text(served, `/${key}`)
      return text(served, '/', on === 'header' ? { key } : { cookie: `other=1; key=${key}` })
    }
    const keys = Array.from({ length: 24 }, (_, index) => `key-${index}`)
    const before = new Map<string, string>()
    for (const key of keys) before.set(key, await ask(key))
    expect(new Set(before.values())).toEqual(new Set(['a', 'b', 'c']))
    for (const key of keys) expect(await ask(key)).toBe(before.get(key))
    // one goes: only what it had moves
    await served.swap(modelOf(peers.slice(0, 2), {}, { balance }))
    for (const key of keys) {
      const now = await ask(key)
      if (before.get(key) === 'c') expect(['a', 'b']).toContain(now)
      else expect(now).toBe(before.get(key))
    }
  })

  test.each(['cookie', 'header'] as const)('persistence by %s', async (kind) => {
    const peers = await Promise.all(['a', 'b', 'c'].map((name) => peer(name)))
    const persistence = { kind, name: 'stay' } as const
    const served = await start(modelOf(peers, { persistence }))
    const first = await fetch(served.url)
    const name = await first.text()
    const told = kind === 'header' ? first.headers.get('stay') : first.headers.get('set-cookie')
    expect(told).toMatch(
      kind === 'header' ? /^[\w-]{16}\.\w+$/ : /^stay=[\w-]{16}\.\w+; Path=\/; HttpOnly; SameSite=Lax$/,
    )
    const back: Record<string, string> = kind === 'header' ? { stay: told! } : { cookie: told!.split(';')[0]! }
    for (let times = 0; times < 6; times++) {
      const answer = await fetch(served.url, { headers: back })
      expect(await answer.text()).toBe(name)
      expect(answer.headers.get(kind === 'header' ? 'stay' : 'set-cookie')).toBeNull()
    }
    // its endpoint is gone: another one, and a new pin
    const others = peers.filter((_, index) => ['a', 'b', 'c'][index] !== name)
    await served.swap(modelOf(others, { persistence }))
    const moved = await fetch(served.url, { headers: back })
    expect(await moved.text()).not.toBe(name)
    expect(moved.headers.get(kind === 'header' ? 'stay' : 'set-cookie')).not.toBeNull()
    // made up by a client: as if it were not there
    const strange: Record<string, string> = kind === 'header' ? { stay: 'x' } : { cookie: 'stay=x' }
    expect((await fetch(served.url, { headers: strange })).status).toBe(200)
  })

  test('active checks take an endpoint out and bring it back', async () => {
    let well = false
    const sick = await peer('sick', (request, response) => {
      if (request.url === '/health') response.writeHead(well ? 200 : 500).end()
      else response.end('sick')
    })
    const fine = await peer('fine')
    const active = { kind: 'http', path: '/health', interval: 10, timeout: 5000, healthy: 2, unhealthy: 2 } as const
    const served = await start(modelOf([sick, fine], {}, { health: { active } }))
    const checks = (): number => sick.requests.filter(({ url }) => url === '/health').length
    await until(() => checks() >= 3)
    for (let times = 0; times < 6; times++) expect(await text(served)).toBe('fine')
    well = true
    const at = checks()
    await until(() => checks() >= at + 4)
    const seen = new Set([await text(served), await text(served)])
    expect(seen).toEqual(new Set(['fine', 'sick']))
  })

  test('an endpoint on a Unix socket', async () => {
    const path = join(tmpdir(), `gantry-${randomUUID()}.sock`)
    cleanups.push(() => rmSync(path, { force: true }))
    const local = await peer('local', (request, response) => response.end(`local ${request.headers.host}`), path)
    const served = await start(modelOf([local], { host: { kind: 'backend' } }))
    expect(await text(served)).toBe('local localhost')
  })
})

describe('tries', () => {
  test('a status is tried again, on another endpoint first', async () => {
    const bad = await peer('bad', (_, response) => response.writeHead(503).end('bad'))
    const good = await peer('good')
    const served = await start(modelOf([bad, good], { retry: { attempts: 1, statuses: [503], backoff: 1 } }))
    for (let times = 0; times < 6; times++) {
      const answer = await fetch(served.url, { method: 'POST', body: 'kept' })
      expect([answer.status, await answer.text()]).toEqual([200, 'good'])
    }
    expect(bad.requests.length).toBeGreaterThan(0)
    expect(good.requests).toHaveLength(6)
  })

  test('and given up when there were enough of them; other statuses stay', async () => {
    const bad = await peer('bad', (request, response) => response.writeHead(Number(request.url!.slice(1))).end('bad'))
    const served = await start(modelOf([bad], { retry: { attempts: 2, statuses: [503], backoff: 1 } }))
    expect((await fetch(`${served.url}/503`)).status).toBe(503)
    expect(bad.requests).toHaveLength(3)
    expect((await fetch(`${served.url}/502`)).status).toBe(502)
    expect(bad.requests).toHaveLength(4)
  })

  test('a body that is too large to be kept is sent once', async () => {
    const bad = await peer('bad', (request, response) => {
      request.resume().on('end', () => response.writeHead(503).end('bad'))
    })
    const retry = { attempts: 2, statuses: [503], backoff: 1, bufferBytes: 10 }
    const served = await start(modelOf([bad], { retry }))
    const answer = await fetch(served.url, { method: 'POST', body: 'x'.repeat(100) })
    expect(answer.status).toBe(503)
    expect(bad.requests).toHaveLength(1)
  })

  test.each([{ firstByte: 50 }, { backendRequest: 50 }, { request: 50 }])(
    '%j: 504, and the backend is free',
    async (timeouts) => {
      let gone = 0
      const silent = await peer('silent', (request) => void request.on('close', () => gone++))
      const served = await start(modelOf([silent], { timeouts }))
      expect((await fetch(served.url)).status).toBe(504)
      await until(() => gone === 1)
    },
  )

  test('a try that is too slow is followed by another one', async () => {
    const silent = await peer('silent', () => undefined)
    const good = await peer('good')
    const retry = { attempts: 1, backoff: 1 }
    const served = await start(modelOf([silent, good], { timeouts: { backendRequest: 500, request: 60_000 }, retry }))
    for (let times = 0; times < 2; times++) expect(await text(served)).toBe('good')
    expect(silent.requests.length).toBeGreaterThan(0)
  })

  test('a backend that falls silent in the middle of an answer: the answer is cut, not ended', async () => {
    const silent = await peer('silent', (_, response) => {
      response.writeHead(200, { 'Content-Length': '10' })
      response.write('half')
    })
    const served = await start(modelOf([silent], { timeouts: { idle: 50 } }))
    const answer = await fetch(served.url)
    expect(answer.status).toBe(200)
    await expect(answer.text()).rejects.toThrow()
  })
})

describe('around it', () => {
  test('a mirror gets a copy with its body, and nobody waits for it', async () => {
    let copied = ''
    const shadow = await peer('shadow', (request) => {
      request.on('data', (chunk: Buffer) => (copied += chunk.toString()))
    })
    const main = await peer('main', (request, response) => {
      request.resume().on('end', () => response.end('main'))
    })
    const part = modelOf([main])
    const [route] = part.routes
    const served = await start(
      {
        ...part,
        routes: [{ ...route!, policies: [{ policy: 'mirror', config: { backend: 'shadow' }, origin }] }],
        backends: [...part.backends, { id: 'shadow', protocol: 'http1', origin }],
        endpoints: [...part.endpoints, { backend: 'shadow', addresses: [shadow.endpoint] }],
      },
      { policies: [mirror] },
    )
    const answer = await fetch(`${served.url}/a?b`, { method: 'PUT', body: 'twice' })
    expect(await answer.text()).toBe('main')
    await until(() => copied === 'twice')
    const [copy] = shadow.requests
    expect([copy!.method, copy!.url, copy!.headers['x-forwarded-for']]).toEqual(['PUT', '/a?b', '127.0.0.1'])
  })

  test('X-Forwarded-For is believed of trusted proxies only', async () => {
    const seen = await peer('seen', (request, response) => response.end(String(request.headers['x-forwarded-for'])))
    const part = modelOf([seen], { forwarded: 'append' })
    const [listener] = part.listeners
    const clients: string[] = []
    const onDone: ServeOptions['onDone'] = (exchange) => void clients.push(exchange.connection.clientAddress)
    const trusting = { ...part, listeners: [{ ...listener!, trustedProxies: ['127.0.0.0/8', '10.0.0.0/8'] }] }
    const served = await start(trusting, { onDone })
    const headers = { 'x-forwarded-for': '1.2.3.4, 5.6.7.8, 10.1.1.1' }
    expect(await text(served, '/', headers)).toBe('1.2.3.4, 5.6.7.8, 10.1.1.1,127.0.0.1')
    await text(served)
    const strict = await start(part, { onDone })
    await text(strict, '/', headers)
    await until(() => clients.length === 3)
    expect(clients).toEqual(['5.6.7.8', '127.0.0.1', '127.0.0.1'])
  })

  test.each(['h2', 'http/1.1'])('a client that names no server may choose %s', async (protocol) => {
    const part = modelOf([await peer('main')])
    const [listener] = part.listeners
    const secure = { ...listener!, protocol: 'https', tls: { mode: 'terminate', certificates: ['c'] } } as const
    const certificates = [asCertificate('c', makeCertificate(['DNS:a.example.com']))]
    const served = await start({ ...part, listeners: [secure], certificates })
    const ALPNProtocols = [protocol]
    const socket = tls.connect({ host: '127.0.0.1', port: served.port, ALPNProtocols, rejectUnauthorized: false })
    cleanups.push(() => socket.destroy())
    await once(socket, 'secureConnect')
    expect(socket.alpnProtocol).toBe(protocol)
  })

  test('the access log has a line of JSON for each exchange, without its query', async () => {
    const main = await peer('main')
    let lines = ''
    const log = createAccessLog((more) => (lines += more))
    const served = await start(modelOf([main]), { onDone: (exchange) => log.record(exchange) })
    await text(served, '/a"b%20?token=secret')
    await fetch(`${served.url}/x`, { method: 'HEAD' })
    await until(() => lines.split('\n').length === 3)
    const records = lines
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(records[0]).toMatchObject({
      client: '127.0.0.1',
      method: 'GET',
      host: '127.0.0.1',
      status: 200,
      bytes: 4,
      route: 'all',
    })
    expect(records[0]!['upstream']).toBe(`127.0.0.1:${main.endpoint.port}`)
    expect(records[1]).toMatchObject({ method: 'HEAD', path: '/x', bytes: 0 })
    expect(lines).not.toContain('secret')
    expect(Date.parse(String(records[0]!['time']))).toBeGreaterThan(0)
  })
})
