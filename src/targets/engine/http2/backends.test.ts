/** HTTP/2 backends that others have written (node:http2, nginx): whatever is asked they get, whatever they answer the client gets. */
import { spawn } from 'node:child_process'
import fc from 'fast-check'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http2, { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runsFor } from '../../../../conformance/loud.ts'
import { freePort } from '../../../../test/servers/port.ts'
import { anyCases, checkTwice, type Case } from '../../../lib/http2/testing-cases.ts'
import { serve } from '../testing.ts'
import { ask, connect, portOf, route, toBackend } from './testing.ts'

const cases = new Map<string, Case>()
interface Seen {
  readonly headers: IncomingHttpHeaders
  trailers: IncomingHttpHeaders | undefined
  body: number
}
const seen = new Map<string, Seen>()
const ends: (() => unknown)[] = []
let url = ''

beforeAll(async () => {
  const server = http2.createServer({ settings: { maxConcurrentStreams: 5 } })
  server.on('session', (session) => ends.push(() => session.destroy()))
  server.on('stream', (stream, headers) => {
    const key = String(headers['x-case'])
    const one: Seen = { headers, trailers: undefined, body: 0 }
    seen.set(key, one)
    stream.on('error', () => undefined)
    stream.on('trailers', (trailers) => (one.trailers = trailers))
    stream.on('data', (piece: Buffer) => (one.body += piece.length))
    stream.on('end', () => answer(stream, cases.get(key)!))
  })
  ends.push(() => server.close())
  const port = await portOf(server)
  const served = await serve({ routes: [route('b')], ...toBackend('b', port, { protocol: 'h2c' }) })
  ends.push(() => served.stop())
  url = served.url
})
afterAll(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

function answer(stream: ServerHttp2Stream, { status, answerFields, pieces, announced, how }: Case): void {
  if (stream.destroyed) return
  const length = pieces.reduce((sum, piece) => sum + piece, 0)
  const headers = {
    ':status': status,
    ...Object.fromEntries(answerFields),
    ...(announced && { 'content-length': length }),
  }
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42' }))
  stream.respond(headers, { waitForTrailers: how === 'trailers' })
  for (const size of pieces) stream.write(Buffer.alloc(size, 't'))
  // close() would say END_STREAM first
  if (how === 'broken') stream.destroy(new Error('broken'))
  else stream.end()
}

/** One that has one reading, or it is refused before a backend is asked. */
const readable = anyCases.map((all) => all.map((one) => ({ ...one, path: one.path.replaceAll(/[%.]/g, '-') })))

let next = 0

async function check(client: http2.ClientHttp2Session, one: Case): Promise<void> {
  const key = String(next++)
  cases.set(key, one)
  const body = one.body < 0 ? undefined : Buffer.alloc(one.body, 'r')
  const asked = { ':method': one.method, ':path': one.path, 'x-case': key, ...Object.fromEntries(one.fields) }
  const got = await ask(client, asked, body, one.trailers && body !== undefined ? { 'x-last': key } : undefined)
  const { headers, trailers, body: bytes } = seen.get(key)!
  cases.delete(key)
  seen.delete(key)
  expect(headers).toMatchObject({ ':method': one.method, ':path': one.path, ':scheme': 'http' })
  for (const [name, text] of one.fields) expect(headers[name]).toBe(text)
  expect(bytes).toBe(Math.max(0, one.body))
  expect(trailers?.['x-last']).toBe(one.trailers && one.body >= 0 ? key : undefined)
  if (one.how === 'broken') {
    // before its head was read, it is no answer; after that, it is none that ends
    if (got.status !== 502) expect(got.code).toBe(constants.NGHTTP2_INTERNAL_ERROR)
    return
  }
  expect(got).toMatchObject({ status: one.status, code: 0 })
  for (const [name, text] of one.answerFields) expect(got.headers[name]).toBe(text)
  expect(got.body.length).toBe(one.pieces.reduce((sum, piece) => sum + piece, 0))
  expect(got.body).toMatch(/^t*$/)
  expect(got.trailers?.['x-sum']).toBe(one.how === 'trailers' ? '42' : undefined)
}

test('node:http2: whatever is asked and answered, many at a time, on connections that are kept', async () => {
  await fc.assert(
    fc.asyncProperty(readable, (all) => checkTwice(connect(url), all, check)),
    { numRuns: 10 },
  )
}, 90_000)

const program = '/usr/sbin/nginx'
const there = runsFor('nginx as a backend of HTTP/2', existsSync(program) ? undefined : 'apt-get install nginx')

describe.skipIf(!there)('nginx', () => {
  async function start(): Promise<string> {
    const port = await freePort()
    const folder = mkdtempSync(join(tmpdir(), 'gantry-h2c-'))
    writeFileSync(join(folder, 'big'), Buffer.alloc(3_000_000, 'b'))
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `${name}_temp_path ${folder}/${name};`)
      .join(' ')
    const user = process.getuid?.() === 0 ? 'user root;' : ''
    writeFileSync(
      join(folder, 'nginx.conf'),
      `${user} daemon off; pid ${folder}/pid; error_log ${folder}/error.log; events { }
       http { access_log off; ${temporary} keepalive_requests 7;
         server { listen 127.0.0.1:${port} http2; root ${folder}; client_max_body_size 10m;
           location = /big { etag on; }
           location = /echo { client_body_buffer_size 10m; return 200 "$request_method $host $http_x_forwarded_for"; }
           location = /none { return 204; } } }`,
    )
    const child = spawn(program, ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')])
    ends.push(async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill()
      await ended
      rmSync(folder, { recursive: true })
    })
    while (!(await opens(port))) await sleep(25)
    const served = await serve({ routes: [route('b')], ...toBackend('b', port, { protocol: 'h2c' }) })
    ends.push(() => served.stop())
    return served.url
  }

  test('bodies, statuses, and GOAWAY after every seventh request', async () => {
    const nginx = await start()
    const big = await fetch(`${nginx}/big`)
    expect((await big.text()).length).toBe(3_000_000)
    const same = await fetch(`${nginx}/big`, { headers: { 'if-none-match': big.headers.get('etag') ?? '' } })
    expect([same.status, (await same.text()).length]).toEqual([304, 0])
    const head = await fetch(`${nginx}/big`, { method: 'HEAD' })
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '3000000'])
    expect((await fetch(`${nginx}/none`)).status).toBe(204)
    expect((await fetch(`${nginx}/missing`)).status).toBe(404)
    const echoed = await fetch(`${nginx}/echo`, { method: 'POST', body: 'x'.repeat(500_000) })
    expect(await echoed.text()).toBe('POST 127.0.0.1 127.0.0.1')
    const many = await Promise.all(Array.from({ length: 100 }, async () => (await fetch(`${nginx}/echo`)).text()))
    expect(new Set(many)).toEqual(new Set(['GET 127.0.0.1 127.0.0.1']))
  }, 30_000)
})

function opens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => (socket.destroy(), resolve(true)))
    socket.once('error', () => resolve(false))
  })
}
