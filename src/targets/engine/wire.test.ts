/** The wire of the engine: refusals, limits, slow clients, splits at every byte, TLS. Real sockets. */
import { execFileSync } from 'node:child_process'
import http from 'node:http'
import https from 'node:https'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../../../test/servers/port.ts'
import type { Certificate, Limits, Listener, Model } from '../../model/model.ts'
import { Secret } from '../../model/secret.ts'
import { forwarding, onLoopback, serve, type Served, type ServeOptions } from './testing.ts'

const origin = { source: 'test' }
const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** Says what it got: method, target, body, trailers. */
async function echo(secure?: https.ServerOptions): Promise<number> {
  const handler: http.RequestListener = (request, response) => {
    let body = ''
    request.on('data', (piece: Buffer) => {
      body += piece.toString('latin1')
    })
    request.on('end', () => {
      const trailers = JSON.stringify(request.trailers)
      response.setHeader('X-Peer', String((request.socket as tls.TLSSocket).authorized === true))
      response.end(`<${request.method} ${request.url} ${body} ${trailers}>`)
    })
  }
  const server = secure === undefined ? http.createServer(handler) : https.createServer(secure, handler)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

const modelOf = (port: number, rest: Partial<Model> = {}): Partial<Model> => forwarding(onLoopback(port), {}, rest)

async function start(part: Partial<Model>, options: ServeOptions = {}): Promise<Served> {
  const served = await serve(part, options)
  cleanups.push(() => served.stop())
  return served
}

function talk(socket: net.Socket, parts: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    let received = ''
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1')
    })
    socket.on('close', () => resolve(received))
    socket.on('error', () => undefined)
    let at = 0
    const next = (): void => {
      if (at < parts.length) socket.write(parts[at++]!, 'latin1', () => setImmediate(next))
    }
    next()
  })
}

const raw = (port: number, ...parts: string[]): Promise<string> =>
  talk(net.connect({ port, host: '127.0.0.1', noDelay: true }), parts)

test('messages that are split anywhere are read as those that are not', async () => {
  const served = await start(modelOf(await echo()))
  const text = [
    'POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc',
    'POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;e=1\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 7\r\n\r\n',
    'GET /d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  ].join('')
  const strip = (answer: string): string =>
    answer.replaceAll(/Date: [^\r]*/g, 'Date').replaceAll(/[0-9a-f]+\r\n(?=<)/g, '')
  const whole = strip(await raw(served.port, text))
  expect(whole).toContain('<POST /a?b abc {}>')
  expect(whole).toContain('<POST /c abcde {"x-sum":"7"}>')
  expect(whole).toContain('<GET /d  {}>')
  const answers = await Promise.all(
    Array.from({ length: text.length - 1 }, (_, at) => raw(served.port, text.slice(0, at + 1), text.slice(at + 1))),
  )
  answers.forEach((answer, at) => expect(strip(answer), `split at ${at + 1}`).toBe(whole))
  expect(strip(await raw(served.port, ...text))).toBe(whole)
})

test('answers that are split anywhere are read as those that are not', async () => {
  const answer =
    'HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nX: y\r\n\r\n'
  let at = 0
  const server = net.createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => undefined)
    socket.on('data', () => {
      const cut = at++
      socket.write(answer.slice(0, cut), () => setImmediate(() => socket.write(answer.slice(cut))))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const served = await start(modelOf((server.address() as AddressInfo).port))
  cleanups.push(() => server.close())
  const request = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
  for (let turn = 0; turn < answer.length; turn++) {
    const text = await raw(served.port, request)
    expect(text, `split at ${turn}`).toMatch(/^HTTP\/1\.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP\/1\.1 200 Fine\r\n/)
    const chunks = text.slice(text.indexOf('\r\n\r\n', 60) + 4).split('\r\n')
    let body = ''
    while (chunks[0] !== '0') {
      expect(chunks.shift(), `split at ${turn}`).toBe(chunks[0]!.length.toString(16))
      body += chunks.shift()
    }
    expect([body, ...chunks], `split at ${turn}`).toEqual(['abcde', '0', 'X: y', '', ''])
  }
})

describe('refusals', () => {
  const limits: Limits = {
    headBytes: 2000,
    targetBytes: 500,
    headerCount: 20,
    bodyBytes: 100,
    headTimeout: 100,
    bodyTimeout: 100,
    idleTimeout: 300,
  }
  test.each([
    ['bare LF', 'GET / HTTP/1.1\nHost: x\n\n', '400', 'bare-lf'],
    ['TLS on a plain port', '\x16\x03\x01\x02\0\x01', '400', 'request-line'],
    ['a head too long', `GET / HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(2000)}`, '431', 'head-too-long'],
    ['a target too long', `GET /${'a'.repeat(2100)}`, '414', 'target-too-long'],
    ['a declared body too large', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n', '413', 'body-too-large'],
    [
      'a chunked body too large',
      `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n${'a'.repeat(101)}\r\n`,
      '413',
      'body-too-large',
    ],
    ['a head too slow', 'GET / HTTP/1.1\r\nHos', '408', 'head-timeout'],
    ['a body too slow', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc', '408', 'body-timeout'],
    ['a bad chunk', 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n', '400', 'chunk-size'],
  ])('%s', async (_, text, status, reason) => {
    const served = await start(modelOf(await echo()), { limits })
    const answer = await raw(served.port, text)
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(answer).toMatch(/Connection: close\r\n/)
    expect(served.engine.counts.refused.get(reason)).toBe(1)
    await until(() => served.engine.counts.connections === 0)
  })

  test('a head that comes one byte at a time is cut at its limit of time', async () => {
    const served = await start(modelOf(await echo()), { limits })
    const socket = net.connect({ port: served.port, host: '127.0.0.1' })
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk.toString()
    })
    socket.on('error', () => undefined)
    const drip = setInterval(() => socket.write('a'), 10)
    socket.write('GET /')
    await new Promise((resolve) => socket.once('close', resolve))
    clearInterval(drip)
    expect(answer).toMatch(/^HTTP\/1\.1 408 /)
  })

  test('an idle connection ends quietly, and one client gets no more than its share', async () => {
    const served = await start(modelOf(await echo()), { limits: { ...limits, connectionsPerClient: 2 } })
    const connect = (): Promise<string> => raw(served.port)
    const started = performance.now()
    const [first, second, third] = await Promise.all([connect(), connect(), connect()])
    expect([first, second, third]).toEqual(['', '', ''])
    expect(performance.now() - started).toBeGreaterThan(250)
    expect(served.engine.counts.connectionsRefused).toBe(1)
  })

  test('a client that does not read its answer is cut, and frees its backend', async () => {
    const server = http.createServer((_, response) => {
      const chunk = Buffer.alloc(65_536)
      const more = (): void => {
        while (!response.destroyed && response.write(chunk));
        response.once('drain', more)
      }
      more()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    cleanups.push(() => {
      server.closeAllConnections()
      server.close()
    })
    const served = await start(modelOf((server.address() as AddressInfo).port), { limits })
    const socket = net.connect({ port: served.port, host: '127.0.0.1' })
    socket.on('error', () => undefined)
    socket.pause()
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await until(() => served.engine.counts.requests === 1)
    await until(() => served.engine.counts.connections === 0)
    expect(served.engine.endpoints()[0]!.busy).toBe(0)
    socket.destroy()
  })
})

describe('TLS', () => {
  let folder = ''
  const pem = (name: string): string => readFileSync(join(folder, name), 'utf8')

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'gantry-tls-'))
    const openssl = (...args: string[]): void => {
      execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' })
    }
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
    openssl('req', '-x509', ...curve, '-subj', '/CN=ca', '-keyout', 'ca.key', '-out', 'ca.pem')
    for (const [name, alternative] of [
      ['a', 'DNS:a.example,DNS:*.wild.example,IP:127.0.0.1'],
      ['b', 'DNS:b.example'],
      ['client', 'URI:spiffe://client'],
    ] as const) {
      openssl('req', ...curve, '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`)
      execFileSync(
        'sh',
        [
          '-c',
          `printf 'subjectAltName=${alternative}' > ${name}.ext && openssl x509 -req -in ${name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ${name}.ext -out ${name}.pem`,
        ],
        { cwd: folder, stdio: 'ignore' },
      )
    }
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const certificate = (name: string): Certificate =>
    name === 'ca'
      ? { id: 'ca', certificate: pem('ca.pem'), origin }
      : { id: name, certificate: pem(`${name}.pem`), key: new Secret(pem(`${name}.key`)), origin }

  const listener = (id: string, host: string | undefined, more: Partial<Listener['tls'] & object>): Listener => ({
    id,
    address: '127.0.0.1',
    port: TLS_PORT.port,
    protocol: 'https',
    ...(host === undefined ? {} : { host: { kind: 'exact', name: host } }),
    tls: { mode: 'terminate', certificates: ['a'], ...more },
    origin,
  })
  const TLS_PORT = { port: 0 }

  function ask(
    port: number,
    serverName: string,
    host: string,
    options: tls.ConnectionOptions = {},
  ): Promise<{ subject: string; text: string }> {
    return new Promise((resolve, reject) => {
      const socket = tls.connect({
        port,
        host: '127.0.0.1',
        servername: serverName,
        ca: pem('ca.pem'),
        checkServerIdentity: () => undefined,
        ...options,
      })
      let text = ''
      let subject = ''
      socket.on('secureConnect', () => {
        subject = String(socket.getPeerCertificate().subject.CN)
        socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
      })
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      socket.on('close', () => resolve({ subject, text }))
      socket.on('error', reject)
    })
  }

  test('the certificate follows SNI, a new one needs no restart, and a request stays with its listener', async () => {
    TLS_PORT.port = await freePort()
    const listeners = [
      listener('la', 'a.example', {}),
      listener('lb', 'b.example', { certificates: ['b'], unknownName: 'reject' }),
    ]
    const model = (certificates: readonly Certificate[]): Partial<Model> => {
      const base = modelOf(0)
      return {
        ...base,
        routes: [{ ...base.routes![0]!, listeners: ['la', 'lb'], action: { kind: 'reply', status: 200, body: 'yes' } }],
        listeners,
        certificates,
      }
    }
    const served = await start(model([certificate('a'), certificate('b')]))
    expect(served.diagnostics).toEqual([])
    expect(await ask(served.port, 'a.example', 'a.example')).toMatchObject({
      subject: 'a',
      text: /200 OK[^]*yes/ as never,
    })
    expect((await ask(served.port, 'b.example', 'b.example')).subject).toBe('b')
    expect((await ask(served.port, 'x.wild.example', 'a.example')).subject).toBe('a')
    expect((await ask(served.port, 'a.example', 'b.example')).text).toMatch(/^HTTP\/1\.1 421 /)
    await served.swap(model([certificate('a'), { ...certificate('a'), id: 'b', hosts: ['b.example'] }]))
    expect((await ask(served.port, 'b.example', 'b.example')).subject).toBe('a')
  })

  test('client certificates: required, or asked for', async () => {
    const base = modelOf(0)
    TLS_PORT.port = 0
    const routes = [
      {
        ...base.routes![0]!,
        id: 'v',
        listeners: ['l'],
        match: { clientCertificate: 'verified' as const },
        action: { kind: 'reply' as const, status: 200 },
      },
      { ...base.routes![0]!, listeners: ['l'], action: { kind: 'reply' as const, status: 403 } },
    ]
    const certificates = [certificate('a'), certificate('ca')]
    const with_ = (mode: 'require' | 'request'): Partial<Model> => ({
      routes,
      certificates,
      listeners: [listener('l', undefined, { clientValidation: { mode, ca: ['ca'] } })],
    })
    const own = { cert: pem('client.pem'), key: pem('client.key') }
    const required = await start(with_('require'))
    await expect(
      ask(required.port, 'a.example', 'a.example').then((answer) => answer.text || Promise.reject(new Error('closed'))),
    ).rejects.toThrow()
    expect((await ask(required.port, 'a.example', 'a.example', own)).text).toMatch(/^HTTP\/1\.1 200 /)
    const asked = await start(with_('request'))
    expect((await ask(asked.port, 'a.example', 'a.example')).text).toMatch(/^HTTP\/1\.1 403 /)
    expect((await ask(asked.port, 'a.example', 'a.example', own)).text).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('backends are believed by their CA and names only, and see our certificate', async () => {
    const port = await echo({
      cert: pem('a.pem'),
      key: pem('a.key'),
      ca: pem('ca.pem'),
      requestCert: true,
      rejectUnauthorized: false,
    })
    const certificates = [certificate('ca'), certificate('client')]
    const status = async (tlsOptions: NonNullable<Model['backends'][number]['tls']>): Promise<string> => {
      const served = await start({
        ...modelOf(port),
        certificates,
        backends: [{ id: 'b', protocol: 'http1', tls: tlsOptions, origin }],
      })
      const answer = await fetch(served.url)
      return `${answer.status} ${answer.headers.get('x-peer')}`
    }
    const ca = { kind: 'ca' as const, certificates: ['ca'] }
    expect(await status({ trust: ca, serverName: 'a.example' })).toBe('200 false')
    expect(await status({ trust: ca, serverName: 'a.example', clientCertificate: 'client' })).toBe('200 true')
    expect(await status({ trust: ca, serverName: 'c.example' })).toBe('502 null')
    expect(
      await status({ trust: ca, serverName: 'c.example', subjectAltNames: [{ kind: 'dns', value: 'a.example' }] }),
    ).toBe('200 false')
    expect(
      await status({ trust: ca, serverName: 'a.example', subjectAltNames: [{ kind: 'uri', value: 'spiffe://x' }] }),
    ).toBe('502 null')
    expect(await status({ trust: { kind: 'system' }, serverName: 'a.example' })).toBe('502 null')
    expect(await status({ trust: { kind: 'none' } })).toBe('200 false')
    expect(await status({ trust: { kind: 'ca', certificates: ['nobody'] } })).toBe('503 null')
  })
})

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 500; turn++) {
    if (condition()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('it did not come to pass')
}
