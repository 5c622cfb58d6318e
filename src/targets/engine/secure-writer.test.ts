/** TLS on its handle: one write at a time, whatever comes; long bodies, slow readers, pipelines, clients that go away. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import http from 'node:http'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Secret } from '../../model/secret.ts'
import { raw, readInto } from './handle.ts'
import { forwarding, onLoopback, serve, type Served } from './testing.ts'

const origin = { source: 'test' }
const SIZE = 3_000_001
const big = Buffer.from(Array.from({ length: SIZE }, (_, at) => (at * 31 + (at >> 8)) & 255))
const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

let backend: http.Server
let served: Served

beforeAll(async () => {
  backend = http.createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      if (request.url === '/big') response.end(big)
      else if (request.url === '/dies') response.write('a', () => setImmediate(() => response.destroy()))
      else if (request.url === '/chunks') {
        response.write('a')
        setImmediate(() => response.end(big))
      } else response.end(`${request.url} ${digest(Buffer.concat(pieces))}`)
    })
  })
  await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve))
  const folder = mkdtempSync(join(tmpdir(), 'gantry-secure-'))
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=x']
  execFileSync('openssl', ['req', '-x509', ...curve, '-keyout', 'key', '-out', 'pem'], { cwd: folder, stdio: 'ignore' })
  const [pem, key] = ['pem', 'key'].map((name) => readFileSync(join(folder, name), 'utf8'))
  rmSync(folder, { recursive: true })
  served = await serve({
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
    certificates: [{ id: 'c', certificate: pem!, key: new Secret(key!), origin }],
    ...forwarding(onLoopback((backend.address() as AddressInfo).port), { listeners: ['l'] }),
  })
})

afterAll(async () => {
  await served.stop()
  backend.closeAllConnections()
  backend.close()
})

function connect(): tls.TLSSocket {
  const socket = tls.connect({ host: '127.0.0.1', port: served.port, rejectUnauthorized: false })
  socket.on('error', () => undefined)
  return socket
}

/** Everything that comes until the end; reads a piece only every `every` turns of the event loop. */
function receive(socket: tls.TLSSocket, every = 0): Promise<Buffer> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = []
    socket.on('data', (piece: Buffer) => {
      pieces.push(piece)
      if (every === 0) return
      socket.pause()
      let turns = every
      const wait = (): void => {
        if (--turns > 0) setImmediate(wait)
        else socket.resume()
      }
      wait()
    })
    socket.on('close', () => resolve(Buffer.concat(pieces)))
  })
}

const bodyOf = (answer: Buffer): Buffer => answer.subarray(answer.indexOf('\r\n\r\n') + 4)
const close = 'Host: x\r\nConnection: close\r\n\r\n'

test('this Node has handles as expected: the fast way is what is tested', () => {
  const socket = new tls.TLSSocket(undefined as never, { isServer: false })
  const reads = readInto(socket, { buffer: () => Buffer.alloc(1), callback: () => true })
  socket.destroy()
  expect([raw, reads]).toEqual([true, true])
})

test.each([0, 40])('a long answer arrives whole, also where it is read slowly (%i)', async (every) => {
  const socket = connect()
  socket.write(`GET /big HTTP/1.1\r\n${close}`)
  expect(digest(bodyOf(await receive(socket, every)))).toBe(digest(big))
})

test('an answer in chunks arrives whole', async () => {
  const socket = connect()
  socket.write(`GET /chunks HTTP/1.1\r\n${close}`)
  const body = bodyOf(await receive(socket, 3))
  const pieces: Buffer[] = []
  for (let at = 0; ;) {
    const end = body.indexOf('\r\n', at)
    const size = Number.parseInt(body.toString('latin1', at, end), 16)
    if (size === 0) break
    pieces.push(body.subarray(end + 2, end + 2 + size))
    expect(body.toString('latin1', end + 2 + size, end + 4 + size)).toBe('\r\n')
    at = end + 4 + size
  }
  expect(digest(Buffer.concat(pieces))).toBe(digest(Buffer.concat([Buffer.from('a'), big])))
})

test('a long request arrives whole, also with Expect', async () => {
  const socket = connect()
  socket.write(`POST /up HTTP/1.1\r\nContent-Length: ${SIZE}\r\nExpect: 100-continue\r\n${close}`)
  socket.write(big)
  const answer = (await receive(socket)).toString()
  expect(answer).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /)
  expect(answer).toContain(digest(big))
})

test('requests that come at once are answered in their order', async () => {
  const socket = connect()
  const count = 200
  let text = ''
  for (let at = 0; at < count; at++) text += `GET /${at} HTTP/1.1\r\n${at === count - 1 ? close : 'Host: x\r\n\r\n'}`
  socket.write(text)
  const answers = (await receive(socket)).toString().match(/\/\d+ [0-9a-f]{64}/g) ?? []
  expect(answers.map((answer) => answer.split(' ')[0])).toEqual(Array.from({ length: count }, (_, at) => `/${at}`))
})

test('clients that go away in the middle leave nothing behind', async () => {
  for (let turn = 0; turn < 12; turn++) {
    const plain = net.connect({ host: '127.0.0.1', port: served.port })
    const socket = tls.connect({ socket: plain, rejectUnauthorized: false })
    plain.on('error', () => undefined)
    socket.on('error', () => undefined)
    socket.write('GET /big HTTP/1.1\r\nHost: x\r\n\r\nGET /big HTTP/1.1\r\nHost: x\r\n\r\n')
    await new Promise((resolve) => socket.once('data', resolve))
    if (turn % 3 === 0) plain.resetAndDestroy()
    else if (turn % 3 === 1) socket.destroy()
    else socket.end()
    socket.resume()
  }
  while (served.engine.counts.connections > 0 || served.engine.endpoints()[0]!.busy > 0) {
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  const socket = connect()
  socket.write(`GET /after HTTP/1.1\r\n${close}`)
  expect((await receive(socket)).toString()).toContain('/after')
})

test('a backend that dies under a client that reads until the end: a reset, and not the end', async () => {
  const socket = connect()
  const ended = new Promise((resolve) => socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code)))
  socket.write('GET /dies HTTP/1.0\r\n\r\n')
  const answer = (await receive(socket)).toString()
  expect(answer).not.toContain('Content-Length')
  expect(await ended).toBe('ECONNRESET')
})
