/** `gantry run FOLDER` of Gateway API, as a process → live HTTP through every filter, streams of TCP, UDP and TLS, and a change of a file. */
import { spawn, type ChildProcess } from 'node:child_process'
import { createSocket, type Socket as Datagrams } from 'node:dgram'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request, type IncomingHttpHeaders, type Server } from 'node:http'
import { connect, createServer as createTcp, type AddressInfo, type Server as TcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, createServer as createTls, type Server as TlsServer } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createAuthority, type Authority } from '../src/fleet/authority.ts'
import { freePort } from './servers/port.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const patience = { timeout: 30_000, interval: 50 }

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** What the service was asked, as it answers with it. */
interface Seen {
  readonly service: string
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
}

let folder: string
let child: ChildProcess
let exited: Promise<number | null>
let printed = ''
let authority: Authority
let datagrams: Datagrams
const servers: (Server | TcpServer | TlsServer)[] = []
const mirrored: Seen[] = []
const ports: Record<'http' | 'https' | 'tcp' | 'udp' | 'tls', number> = { http: 0, https: 0, tcp: 0, udp: 0, tls: 0 }

const object = (kind: string, name: string, spec: string): string =>
  `---\napiVersion: gateway.networking.k8s.io/v1\nkind: ${kind}\nmetadata: {name: ${name}}\nspec:\n  ${spec.trim()}\n`

const rule = (path: string, filters: string, service = 'shop'): string => `
    - matches: [{path: {value: ${path}}}]
      filters: [${filters}]
      backendRefs: [{name: ${service}, port: 80}]`

const shop = (version: string): string =>
  object(
    'HTTPRoute',
    'shop',
    `parentRefs: [{name: web, sectionName: http}, {name: web, sectionName: https}]
  rules:
    - matches: [{path: {value: /}}]
      backendRefs: [{name: shop, port: 80}]
    - matches: [{path: {value: /moved}}]
      filters:
        - type: RequestRedirect
          requestRedirect: {scheme: https, hostname: new.example, port: 8443, statusCode: 308, path: {type: ReplacePrefixMatch, replacePrefixMatch: /here}}
${rule('/rewritten', '{type: URLRewrite, urlRewrite: {hostname: inside.example, path: {type: ReplacePrefixMatch, replacePrefixMatch: /inside}}}')}
${rule('/whole', '{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /one}}}')}
${rule(
  '/headers',
  `{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-set, value: ${version}}], add: [{name: x-add, value: more}], remove: [x-gone]}},
        {type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-service, value: hidden}], add: [{name: x-more, value: added}], remove: [x-secret]}}`,
)}
${rule('/mirrored', '{type: RequestMirror, requestMirror: {backendRef: {name: mirror, port: 80}}}')}
${rule('/cors', '{type: CORS, cors: {allowOrigins: ["https://*.example.com"], allowMethods: [GET, PUT], allowHeaders: [x-token], exposeHeaders: [x-service], allowCredentials: true, maxAge: 60}}')}
`,
  )

const stream = (kind: string, listener: string, more = ''): string =>
  object(
    kind,
    listener,
    `parentRefs: [{name: web, sectionName: ${listener}}]
  ${more}
  rules: [{backendRefs: [{name: ${listener}, port: 1}]}]`,
  )

function gateway(): string {
  const listener = (name: keyof typeof ports, protocol: string, more = ''): string =>
    `    - {name: ${name}, port: ${ports[name]}, protocol: ${protocol}${more}}`
  return object(
    'Gateway',
    'web',
    `gatewayClassName: gantry
  addresses: [{value: 127.0.0.1}]
  listeners:
${listener('http', 'HTTP')}
${listener('https', 'HTTPS', ', hostname: shop.example, tls: {certificateRefs: [{name: shop}]}')}
${listener('tcp', 'TCP')}
${listener('udp', 'UDP')}
${listener('tls', 'TLS', ', hostname: "*.pass.example", tls: {mode: Passthrough}')}`,
  )
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-folder-'))
  authority = await createAuthority(['shop.example', 'a.pass.example'])
  for (const name of ['http', 'https', 'tcp', 'tls'] as const) ports[name] = await freePort()
  const services = {
    shop: await listen(service('shop')),
    mirror: await listen(service('mirror')),
    tcp: await listen(createTcp((socket) => socket.on('data', (data) => socket.write(`tcp ${data}`)))),
    tls: await listen(
      createTls({ cert: authority.certificate, key: authority.key }, (socket) =>
        socket.on('data', (data) => socket.write(`tls ${data}`)),
      ),
    ),
    udp: await listenForDatagrams(),
  }
  ports.udp = await freeDatagramPort()
  mkdirSync(join(folder, 'certificates'))
  writeFileSync(join(folder, 'certificates/shop.crt'), authority.certificate)
  writeFileSync(join(folder, 'certificates/shop.key'), authority.key)
  writeFileSync(
    join(folder, 'gateway.yaml'),
    `${gateway()}---
apiVersion: v1
kind: Secret
type: kubernetes.io/tls
metadata:
  name: shop
  annotations: {gantry.dev/files: "tls.crt=certificates/shop.crt, tls.key=certificates/shop.key"}
`,
  )
  writeFileSync(join(folder, 'shop.yaml'), shop('first'))
  const streams = [
    stream('TCPRoute', 'tcp'),
    stream('UDPRoute', 'udp'),
    stream('TLSRoute', 'tls', 'hostnames: [a.pass.example]'),
  ]
  writeFileSync(join(folder, 'streams.yaml'), streams.join(''))
  const endpoints = Object.entries(services).map(([name, port]) => `${name}: 127.0.0.1:${port}\n`)
  writeFileSync(join(folder, 'endpoints.yml'), endpoints.join(''))

  const words = ['--import', 'tsx', join(root, 'src/bin/gantry.ts'), 'run', folder, '--log-format', 'json']
  child = spawn(process.execPath, words, { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] })
  child.stderr?.on('data', (chunk: Buffer) => (printed += chunk.toString()))
  exited = new Promise((resolve) => child.once('exit', resolve))
  await vi.waitFor(async () => expect((await ask('/')).status, printed).toBe(200), { timeout: 90_000, interval: 50 })
}, 120_000)

afterAll(async () => {
  child.kill('SIGTERM')
  const code = await exited
  datagrams.close()
  for (const server of servers) server.close()
  rmSync(folder, { recursive: true, force: true })
  expect(code, printed).toBe(0)
}, 30_000)

describe('filters', () => {
  test('redirect', async () => {
    const { status, headers } = await ask('/moved/a?b=1')
    expect([status, headers.location]).toEqual([308, 'https://new.example:8443/here/a?b=1'])
  })

  test('rewrite a prefix and the host, or the whole path', async () => {
    const { url, headers } = await seen('/rewritten/a?b=1')
    expect([url, headers.host]).toEqual(['/inside/a?b=1', 'inside.example'])
    expect((await seen('/whole/a?b=1')).url).toBe('/one?b=1')
  })

  test('set, add and remove headers, both ways', async () => {
    const { headers, body } = await ask('/headers', { 'x-set': 'mine', 'x-add': 'one', 'x-gone': 'yes' })
    const asked = (JSON.parse(body) as Seen).headers
    expect([asked['x-set'], asked['x-add'], asked['x-gone']]).toEqual(['first', 'one, more', undefined])
    expect([headers['x-service'], headers['x-more'], headers['x-secret']]).toEqual(['hidden', 'added', undefined])
    expect((await ask('/')).headers['x-secret']).toBe('of shop')
  })

  test('mirror to somebody whose answer nobody gets', async () => {
    expect(await seen('/mirrored/a')).toMatchObject({ service: 'shop', url: '/mirrored/a' })
    await expect
      .poll(() => mirrored, patience)
      .toMatchObject([{ service: 'mirror', method: 'GET', url: '/mirrored/a' }])
  })

  test('answer for the service what a browser asks first, and say who may read', async () => {
    const origin = 'https://a.example.com'
    const first = await ask('/cors', { origin, 'access-control-request-method': 'PUT' }, 'OPTIONS')
    expect(first.headers).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-methods': expect.stringContaining('PUT') as string,
      'access-control-allow-credentials': 'true',
      'access-control-max-age': '60',
    })
    expect(first.headers['x-secret']).toBeUndefined()
    const then = await ask('/cors', { origin })
    expect([then.status, then.headers['access-control-allow-origin']]).toEqual([200, origin])
    const stranger = await ask('/cors', { origin: 'https://evil.example' })
    expect(stranger.headers['access-control-allow-origin']).toBeUndefined()
  })
})

test('HTTPS with a certificate from files', async () => {
  const socket = connectTls({ host: '127.0.0.1', port: ports.https, servername: 'shop.example', ca: authority.ca })
  expect(await say(socket, 'GET /x HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n\r\n')).toMatch(
    /^HTTP\/1\.1 200 OK[^]*"url":"\/x"/,
  )
})

describe('streams', () => {
  test('TCP', async () => {
    expect(await say(connect(ports.tcp, '127.0.0.1'), 'hello')).toBe('tcp hello')
  })

  test('UDP', async () => {
    const client = createSocket('udp4')
    const answer = new Promise<string>((resolve) => client.once('message', (data) => resolve(data.toString())))
    client.send('hello', ports.udp, '127.0.0.1')
    expect(await answer).toBe('udp hello')
    client.close()
  })

  test('TLS by name, not opened on the way', async () => {
    const to = (servername: string) => connectTls({ host: '127.0.0.1', port: ports.tls, servername, ca: authority.ca })
    expect(await say(to('a.pass.example'), 'hello')).toBe('tls hello')
    await expect(say(to('b.pass.example'), 'hello')).rejects.toThrow()
  })
})

test('a file that changes is followed, with connections open', { timeout: 60_000 }, async () => {
  const open = connect(ports.tcp, '127.0.0.1')
  expect(await next(open, 'one')).toBe('tcp one')
  writeFileSync(join(folder, 'shop.yaml'), shop('second'))
  await expect.poll(async () => (await seen('/headers')).headers['x-set'], patience).toBe('second')
  expect(await next(open, 'two')).toBe('tcp two')
  open.destroy()
})

function service(name: string): Server {
  return createServer((asked, answer) => {
    const one = { service: name, method: asked.method ?? '', url: asked.url ?? '', headers: asked.headers }
    if (name === 'mirror') mirrored.push(one)
    answer.setHeader('x-service', name)
    answer.setHeader('x-secret', `of ${name}`)
    answer.end(JSON.stringify(one))
  })
}

async function listen(server: Server | TcpServer | TlsServer): Promise<number> {
  servers.push(server)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return (server.address() as AddressInfo).port
}

async function listenForDatagrams(): Promise<number> {
  datagrams = createSocket('udp4', (data, { port, address }) => datagrams.send(`udp ${data}`, port, address))
  await new Promise<void>((done) => datagrams.bind(0, '127.0.0.1', done))
  return datagrams.address().port
}

async function freeDatagramPort(): Promise<number> {
  const socket = createSocket('udp4')
  await new Promise<void>((done) => socket.bind(0, '127.0.0.1', done))
  const { port } = socket.address()
  await new Promise<void>((done) => socket.close(done))
  return port
}

function ask(path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: ports.http, path, method, headers, agent: false }, (answer) => {
      let body = ''
      answer.setEncoding('utf8')
      answer.on('data', (piece: string) => (body += piece))
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }))
    })
    sent.on('error', reject).end()
  })
}

async function seen(path: string): Promise<Seen> {
  return JSON.parse((await ask(path)).body) as Seen
}

/** The first that is answered on this connection, which is then ended. */
async function say(socket: ReturnType<typeof connect>, text: string): Promise<string> {
  try {
    return await next(socket, text)
  } finally {
    socket.destroy()
  }
}

function next(socket: ReturnType<typeof connect>, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once('data', (data) => resolve(data.toString()))
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed without an answer')))
    socket.write(text)
  })
}
