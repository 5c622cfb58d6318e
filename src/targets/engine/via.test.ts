/** Backends behind a forward proxy: a real one, in clear and through its tunnels, and ones that refuse. */
import http from 'node:http'
import https from 'node:https'
import net, { type AddressInfo, type Server } from 'node:net'
import tls from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { startProxy } from '../../../test/servers/tinyproxy.ts'
import type { Backend, ForwardProxy } from '../../model/model.ts'
import { Secret } from '../../model/secret.ts'
import { makeCertificate } from './http2/testing.ts'
import { serve, type Served } from './testing.ts'

const origin = { source: 'test' }
const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => server.close())
  return (server.address() as AddressInfo).port
}

/** An echo in clear, or in TLS for `localhost`. */
async function backend(certificate?: { readonly certificate: string; readonly key: string }): Promise<number> {
  const answer: http.RequestListener = (request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const { method, url, headers } = request
      response.end(JSON.stringify({ method, url, headers, body: Buffer.concat(pieces).toString() }))
    })
  }
  const server =
    certificate === undefined
      ? http.createServer(answer)
      : https.createServer({ cert: certificate.certificate, key: certificate.key }, answer)
  closing.push(() => server.closeAllConnections())
  return listen(server)
}

async function gateway(via: ForwardProxy, port: number, more: Partial<Backend> = {}, ca?: string): Promise<Served> {
  const served = await serve({
    backends: [{ id: 'b', protocol: 'http1', via, origin, ...more }],
    endpoints: [{ backend: 'b', addresses: [{ host: 'localhost', port }] }],
    certificates: ca === undefined ? [] : [{ id: 'ca', certificate: ca, origin }],
    routes: [
      {
        id: 'r',
        listeners: [],
        match: {},
        policies: [],
        action: {
          kind: 'forward',
          forward: { backends: [{ target: { kind: 'backend', id: 'b' } }], host: { kind: 'backend' } },
        },
        origin,
      },
    ],
  })
  closing.push(() => served.stop())
  return served
}

const basic = (text: string): Secret => new Secret(`Basic ${Buffer.from(text).toString('base64')}`)

async function ask(url: string, init?: RequestInit): Promise<{ status: number; said: Record<string, unknown> }> {
  const answer = await fetch(url, init)
  const text = await answer.text()
  return { status: answer.status, said: answer.status === 200 ? (JSON.parse(text) as Record<string, unknown>) : {} }
}

test('in clear: in absolute form, with a body, to a proxy that knows us', async () => {
  const proxy = await startProxy({ user: 'me', password: 'secret' })
  closing.push(() => proxy.close())
  const port = await backend()
  const via: ForwardProxy = { protocol: 'http', host: '127.0.0.1', port: proxy.port, authorization: basic('me:secret') }
  const served = await gateway(via, port)
  for (let times = 0; times < 3; times++) {
    const body = 'x'.repeat(100_000)
    const { status, said } = await ask(`${served.url}/a/b?c=d`, {
      method: 'POST',
      body,
      headers: { 'proxy-authorization': 'Basic b3RoZXI=' },
    })
    expect(status).toBe(200)
    expect(said).toMatchObject({ method: 'POST', url: '/a/b?c=d', body })
    expect(said['headers']).toMatchObject({
      host: `localhost:${port}`,
      via: expect.stringContaining('tinyproxy') as string,
    })
    expect(said['headers']).not.toHaveProperty('proxy-authorization')
  }
  expect(proxy.log()).toContain(`POST http://localhost:${port}/a/b?c=d HTTP/1.1`)

  // nobody else's credentials will do
  const stranger = await gateway({ protocol: 'http', host: '127.0.0.1', port: proxy.port }, port)
  const status = await new Promise((resolve, reject) => {
    http.get(stranger.url, (answer) => resolve(answer.resume().statusCode)).once('error', reject)
  })
  expect(status).toBe(407)
})

test('in TLS: through a tunnel, kept for the next request, and the certificate is still the service’s', async () => {
  const proxy = await startProxy({ user: 'me', password: 'secret' })
  closing.push(() => proxy.close())
  const certificate = makeCertificate(['DNS:localhost'])
  const port = await backend(certificate)
  const via: ForwardProxy = { protocol: 'http', host: '127.0.0.1', port: proxy.port, authorization: basic('me:secret') }
  const trusted = { tls: { serverName: 'localhost', trust: { kind: 'ca', certificates: ['ca'] } } } as const
  const served = await gateway(via, port, trusted, certificate.certificate)
  const body = 'y'.repeat(300_000)
  for (let times = 0; times < 3; times++) {
    const { status, said } = await ask(`${served.url}/s?t`, { method: 'PUT', body })
    expect(status).toBe(200)
    expect(said).toMatchObject({ method: 'PUT', url: '/s?t', body })
  }
  expect(proxy.log().match(new RegExp(`CONNECT localhost:${port} HTTP/1.1`, 'g'))).toHaveLength(1)

  const distrusting = await gateway(via, port, { tls: { serverName: 'localhost', trust: { kind: 'system' } } })
  expect((await ask(distrusting.url)).status).toBe(502)
  const stranger = await gateway(
    { protocol: 'http', host: '127.0.0.1', port: proxy.port },
    port,
    trusted,
    certificate.certificate,
  )
  expect((await ask(stranger.url)).status).toBe(502)
})

test('a proxy that refuses, answers nonsense, closes or is not there costs the request a 502', async () => {
  const answers = [
    'HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n',
    'nonsense\r\n\r\n',
    `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}`,
    '',
  ]
  const trust = { tls: { trust: { kind: 'none' } } } as const
  for (const answer of answers) {
    const proxy = net.createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => (answer === '' ? socket.destroy() : socket.write(answer)))
    })
    const served = await gateway({ protocol: 'http', host: '127.0.0.1', port: await listen(proxy) }, 443, trust)
    expect((await ask(served.url)).status).toBe(502)
  }
  const nobody = await gateway({ protocol: 'http', host: '127.0.0.1', port: 1 }, 443, trust)
  expect((await ask(nobody.url)).status).toBe(502)
})

test('a proxy that is spoken to in TLS is verified', async () => {
  const { certificate, key } = makeCertificate(['DNS:localhost'])
  const proxy = tls.createServer({ cert: certificate, key }, (socket) =>
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}'),
  )
  const port = await listen(proxy)
  const via: ForwardProxy = { protocol: 'https', host: 'localhost', port }
  // nobody on this machine trusts its certificate
  expect((await ask((await gateway(via, 80)).url)).status).toBe(502)
  expect((await ask((await gateway(via, 443, { tls: { trust: { kind: 'none' } } })).url)).status).toBe(502)
})

test('a backend that speaks no HTTP/1.1 cannot be behind a proxy', async () => {
  const served = await gateway({ protocol: 'http', host: '127.0.0.1', port: 1 }, 80, { protocol: 'h2c' })
  expect(served.diagnostics.map(({ code }) => code)).toEqual(['engine/backend-via'])
  expect((await ask(served.url)).status).toBe(503)
})
