/** Backends that do not answer, answer for ever, or answer by half: what the client gets, and what is left behind. */
import http from 'node:http'
import http2 from 'node:http2'
import net, { type AddressInfo, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import type { Backend, Forward, Model } from '../../model/model.ts'
import { serve, type Served } from './testing.ts'

const origin = { source: 'test' }
const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A backend whose every connection is given to `speak`. */
async function backend(speak: (socket: Socket) => void): Promise<{ port: number; open: Set<Socket> }> {
  const open = new Set<Socket>()
  const server = net.createServer((socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => undefined)
    speak(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, open }
}

async function gateway(
  port: number,
  timeouts?: Forward['timeouts'],
  protocol: Backend['protocol'] = 'http1',
  retry?: Forward['retry'],
): Promise<Served> {
  const model: Partial<Model> = {
    routes: [
      {
        id: 'all',
        listeners: [],
        match: {},
        policies: [],
        action: {
          kind: 'forward',
          forward: {
            backends: [{ target: { kind: 'backend', id: 'b' } }],
            ...(timeouts === undefined ? {} : { timeouts }),
            ...(retry === undefined ? {} : { retry }),
          },
        },
        origin,
      },
    ],
    backends: [{ id: 'b', protocol, origin }],
    endpoints: [{ backend: 'b', addresses: [{ host: '127.0.0.1', port }] }],
  }
  const served = await serve(model)
  cleanups.push(() => served.stop())
  return served
}

/** The final status and how many 1xx came before it. */
function ask(url: string, method = 'GET', body?: string): Promise<{ status: number; informed: number }> {
  return new Promise((resolve, reject) => {
    let informed = 0
    const request = http.request(url, { agent: false, method }, (response) => {
      response.resume()
      response.on('close', () => resolve({ status: response.statusCode ?? 0, informed }))
    })
    request.on('information', () => informed++)
    request.on('error', reject).end(body)
  })
}

async function nothingLeft(served: Served, open: ReadonlySet<Socket>): Promise<void> {
  await expect.poll(() => open.size).toBe(0)
  expect(served.engine.endpoints()).toMatchObject([{ busy: 0, idle: 0 }])
  await expect.poll(() => served.engine.counts.connections).toBe(0)
}

const EARLY = 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n'
const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'

test('a hundred 1xx are passed on; one more, and the backend has failed', async () => {
  const { port } = await backend((socket) => socket.on('data', () => socket.write(EARLY.repeat(100) + ANSWER)))
  expect(await ask((await gateway(port)).url)).toEqual({ status: 200, informed: 100 })

  const flood = await backend((socket) => socket.on('data', () => socket.write(EARLY.repeat(101) + ANSWER)))
  const served = await gateway(flood.port)
  expect(await ask(served.url)).toEqual({ status: 502, informed: 100 })
  expect(served.engine.counts.upstreamFailures['bad-answer']).toBe(1)
  await nothingLeft(served, flood.open)
})

test('a backend that says 100 Continue for ever has failed, too, and so has one whose 1xx are long', async () => {
  for (const interim of [
    'HTTP/1.1 100 Continue\r\n\r\n',
    `HTTP/1.1 103 Early Hints\r\nLink: ${'a'.repeat(8000)}\r\n\r\n`,
  ]) {
    const { port, open } = await backend((socket) => {
      const more = (): void => {
        while (!socket.destroyed && socket.write(interim));
      }
      socket.on('drain', more)
      socket.once('data', more)
    })
    const served = await gateway(port)
    expect((await ask(served.url)).status).toBe(502)
    await nothingLeft(served, open)
  }
})

test('every exchange has a hundred of its own', async () => {
  const { port } = await backend((socket) => socket.on('data', () => socket.write(EARLY.repeat(60) + ANSWER)))
  const served = await gateway(port)
  for (let turn = 0; turn < 3; turn++) expect(await ask(served.url)).toEqual({ status: 200, informed: 60 })
  expect(served.engine.counts.upstreamConnects).toBe(1)
})

test('1xx over HTTP/2 end in the same way', async () => {
  const server = http2.createServer()
  server.on('stream', (stream) => {
    stream.on('error', () => undefined)
    for (let turn = 0; turn < 101; turn++) stream.additionalHeaders({ ':status': 103, link: '</a.css>' })
    stream.respond({ ':status': 200 }, { endStream: true })
  })
  const sessions = new Set<http2.ServerHttp2Session>()
  server.on('session', (session) => sessions.add(session))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  const served = await gateway((server.address() as AddressInfo).port, undefined, 'h2c')
  expect(await ask(served.url)).toEqual({ status: 502, informed: 100 })
})

test.each([
  ['no byte', ''],
  ['half a head', 'HTTP/1.1 200 OK\r\nContent-Le'],
  ['a 1xx and no more', EARLY],
])('%s of an answer: 504 when the time is over, and nothing is left', async (_what, said) => {
  const { port, open } = await backend((socket) => socket.on('data', () => said !== '' && socket.write(said)))
  for (const timeouts of [{ firstByte: 60 }, { backendRequest: 60 }, { request: 60 }]) {
    const served = await gateway(port, timeouts)
    expect((await ask(served.url)).status).toBe(504)
    expect(served.engine.counts.upstreamFailures.timeout).toBe(1)
    await nothingLeft(served, open)
  }
})

test('a head that comes a byte at a time has no more time than one that does not come', async () => {
  const { port, open } = await backend((socket) => {
    const head = 'HTTP/1.1 200 OK\r\nX-Long: '
    let at = 0
    const timer = setInterval(() => socket.write(head[at++] ?? 'a'), 5)
    socket.on('close', () => clearInterval(timer))
  })
  const served = await gateway(port, { firstByte: 100 })
  expect((await ask(served.url)).status).toBe(504)
  await nothingLeft(served, open)
})

/** A connection of it answers once, and is reset when the next request is there whole; `seen`: first lines, in order. */
async function resetting(): Promise<{ port: number; seen: string[] }> {
  const seen: string[] = []
  const { port } = await backend((socket) => {
    let turns = 0
    socket.on('data', (data) => {
      const text = data.toString()
      // a body that comes behind its head is no request
      if (/ HTTP\/1\.1\r\n/.test(text)) {
        seen.push(text.split(' HTTP')[0] ?? '')
        turns++
      }
      if (text.startsWith('POST') && !text.includes('paid')) return
      if (turns > 1) socket.resetAndDestroy()
      else socket.write(ANSWER)
    })
  })
  return { port, seen }
}

test.each([undefined, { attempts: 3, backoff: 1 }])(
  'a kept connection that is reset behind a request, retry %j: a GET is sent again, a POST never',
  async (retry) => {
    const { port, seen } = await resetting()
    const served = await gateway(port, undefined, 'http1', retry)
    expect((await ask(`${served.url}/first`)).status).toBe(200)
    expect((await ask(`${served.url}/again`)).status).toBe(200)
    expect(seen).toEqual(['GET /first', 'GET /again', 'GET /again'])
    expect(served.engine.counts).toMatchObject({ upstreamConnects: 2, upstreamRetries: 1 })
    expect((await ask(`${served.url}/pay`, 'POST', 'paid')).status).toBe(502)
    expect(seen.slice(3)).toEqual(['POST /pay'])
    expect(served.engine.counts).toMatchObject({ upstreamConnects: 2, upstreamRetries: 1 })
  },
)

test('a new connection that is reset behind a request: with tries left a GET is sent again, a POST never', async () => {
  const seen: string[] = []
  const { port } = await backend((socket) =>
    socket.on('data', (data) => {
      const text = data.toString()
      if (/ HTTP\/1\.1\r\n/.test(text)) seen.push(text.split(' HTTP')[0] ?? '')
      if (text.startsWith('GET') || text.includes('paid')) socket.resetAndDestroy()
    }),
  )
  const served = await gateway(port, undefined, 'http1', { attempts: 2, backoff: 1 })
  expect((await ask(`${served.url}/pay`, 'POST', 'paid')).status).toBe(502)
  expect(seen).toEqual(['POST /pay'])
  expect((await ask(served.url)).status).toBe(502)
  expect(seen.slice(1)).toEqual(['GET /', 'GET /', 'GET /'])
})
