/** Random models → the same answers to random requests from the engine and from real nginx; and each declared difference. */
import http from 'node:http'
import net from 'node:net'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  emptyModel,
  type Certificate,
  type Endpoint,
  type Listener,
  type Model,
  type PathMatch,
  type PolicyUse,
  type Route,
} from '../../model/model.ts'
import { normalPath } from '../../lib/path/normal.ts'
import { Secret } from '../../model/secret.ts'
import { createTestServices, forwarding } from '../engine/testing.ts'
import { policies } from '../../policies/list.ts'
import { compileNginx } from './compile.ts'
import {
  agreed,
  ask,
  type Answer,
  type Backend,
  type Both,
  comparable,
  type Kind,
  kinds,
  type Request,
  type Seen,
  startStage,
} from './testing/both.ts'

const origin = { source: 'test' }
const seed = Number(process.env['GANTRY_SEED'] ?? 7)
const RUNS = Number(process.env['GANTRY_RUNS'] ?? 40)
let both: Both
let backend: Backend
let stop: () => Promise<void>
beforeAll(async () => {
  ;({ both, backend, stop } = await startStage())
})
afterAll(() => stop())

// --- random models ---------------------------------------------------------------------------------------------------

const texts = ['/', '/a', '/a/b', '/a/b/c', '/shop', '/shop/', '/x.y', '/it%27s', '/caf%C3%A9'] as const
const path = fc.oneof(
  {
    arbitrary: fc.record({
      kind: fc.constantFrom('exact' as const, 'prefix' as const, 'start' as const),
      value: fc.constantFrom(...texts),
    }),
    weight: 12,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant('regexp' as const),
      source: fc.constantFrom('^/re[0-9]$', '^/a/.*x$', 'png$'),
    }),
    weight: 1,
  },
)
/** What nginx cannot choose by is rare: one such route leaves its place to the engine, one such host the whole port. */
const rarely = <T>(value: T, times = 8): fc.Arbitrary<T | undefined> =>
  fc.oneof({ arbitrary: fc.constant(undefined), weight: times }, { arbitrary: fc.constant(value), weight: 1 })
const host = fc.oneof(
  {
    arbitrary: fc.constantFrom(
      undefined,
      { kind: 'exact' as const, name: 'a.test' },
      { kind: 'exact' as const, name: 'b.test' },
      { kind: 'suffix' as const, suffix: '.test', labels: 'many' as const },
    ),
    weight: 24,
  },
  { arbitrary: fc.constant({ kind: 'suffix' as const, suffix: '.one.test', labels: 'one' as const }), weight: 1 },
)
const use: fc.Arbitrary<PolicyUse> = fc
  .constantFrom<readonly [string, unknown]>(
    ['headers', { request: { set: [{ name: 'X-Set', value: 'a "quoted; value}' }], remove: ['X-Tenant'] } }],
    ['headers', { response: { set: [{ name: 'X-Own', value: 'b; c' }], remove: ['X-Nothing'] } }],
    ['headers', { response: { add: [{ name: 'X-Own-Too', value: 'd' }] } }],
    ['headers', { request: { add: [{ name: 'X-Tenant', value: 'second' }] } }],
    ['strip-identity', {}],
    ['body-limit', { limit: 16 }],
    ['proxy-path', { prepend: '/base', slashes: 'keep' }],
    ['proxy-path', { prepend: '/base/', slashes: 'collapse' }],
    ['url-rewrite', { path: { kind: 'prefix', prefix: '/a', value: '/z' } }],
    ['url-rewrite', { path: { kind: 'full', value: '/full' }, hostname: 'inner.example' }],
    ['shared-key', { header: 'X-Key', key: 'one"two' }],
    ['shared-key', { header: 'X-Key', key: 'none', alternatives: ['one"two'], status: 401 }],
    ['redirect', { scheme: 'https', hostname: 'c.example', status: 301 }],
    ['redirect', { scheme: 'http', path: { kind: 'prefix', prefix: '/a', value: '/moved' }, port: 8080 }],
    ['reply', { status: 200, body: 'said; so}' }],
    ['cors', { origins: { kind: 'any' } }],
  )
  .map(([policy, config]) => ({ policy, config, origin }))
const route = fc.record({
  host,
  path: fc.option(path, { nil: undefined, freq: 8 }),
  methods: fc.oneof(rarely(['GET']), rarely(['POST', 'PUT'])),
  header: rarely([{ name: 'x-tenant', value: { kind: 'exact' as const, value: 'blue' } }]),
  uses: fc.uniqueArray(use, { maxLength: 2, selector: ({ policy }) => policy }),
  action: fc.constantFrom('forward', 'forward', 'forward', 'reply', 'next', 'two', 'empty', 'append'),
})
const world = fc.record({
  routes: fc.array(route, { minLength: 2, maxLength: 6 }),
  decoded: fc.boolean(),
  unmatched: fc.constantFrom<Listener['unmatched']>(
    undefined,
    { kind: 'close' },
    { kind: 'express' },
    { kind: 'reply', status: 418, body: 'no' },
  ),
})
type World = typeof world extends fc.Arbitrary<infer Kind> ? Kind : never

const asSent: PolicyUse = { policy: 'target-path', config: { from: '/' }, origin }

function modelOf({ routes, decoded, unmatched }: World): Model {
  const listener: Listener = {
    ...listenerOf('l'),
    ...(unmatched === undefined ? {} : { unmatched }),
    ...(decoded ? { policies: [{ policy: 'normal-request', config: {}, origin }] } : {}),
  }
  const ids = ['one', 'two']
  return {
    ...emptyModel,
    listeners: [listener],
    routes: routes.map(({ host: wanted, path: match, methods, header, uses, action }, index) => ({
      id: `r${index}`,
      listeners: ['l'],
      ...(wanted === undefined ? {} : { hosts: [wanted] }),
      match: {
        ...(match === undefined ? {} : { path: decoded ? normal(match) : match }),
        ...(methods === undefined ? {} : { methods }),
        ...(header === undefined ? {} : { headers: header }),
      },
      policies: decoded && !uses.some(({ policy }) => /path|rewrite/.test(policy)) ? [...uses, asSent] : uses,
      action: actionOf(action, index),
      origin,
    })),
    backends: [...ids, 'empty'].map((id) => ({ id, protocol: 'http1', origin })),
    endpoints: ids.map((id, index) => ({
      backend: id,
      addresses: [1, 2].map((last) => ({ host: `127.2.${index}.${last}`, port: backend.port })),
    })),
  }
}

/** As behind `normal-request` paths are. */
function normal(match: PathMatch): PathMatch {
  return match.kind === 'regexp' ? match : { ...match, value: normalPath(match.value) ?? match.value }
}

function actionOf(action: string, index: number): Route['action'] {
  switch (action) {
    case 'reply':
      return { kind: 'reply', status: 200, body: `reply ${index}` }
    case 'next':
      return { kind: 'next' }
    case 'two':
      return {
        kind: 'forward',
        forward: {
          backends: [{ target: { kind: 'backend', id: 'one' }, weight: 0 }, { target: { kind: 'backend', id: 'two' } }],
        },
      }
    default:
      return {
        kind: 'forward',
        forward: {
          backends: [
            { target: { kind: 'backend', id: action === 'empty' ? 'empty' : index % 2 === 0 ? 'one' : 'two' } },
          ],
          ...(action === 'append'
            ? { forwarded: 'append' as const }
            : index % 3 === 0
              ? { forwarded: 'none' as const }
              : {}),
          ...(index % 4 === 3 ? { host: { kind: 'set' as const, name: 'set.example' } } : {}),
        },
      }
  }
}

function listenerOf(id: string, port = 80): Listener {
  return { id, address: '127.0.0.1', port, protocol: 'http', origin }
}

const request = fc
  .record({
    host: fc.constantFrom('a.test', 'b.test', 'A.Test', 'x.one.test', 'y.x.one.test', 'other.example', 'a.test:8080'),
    target: fc
      .tuple(
        fc.constantFrom(...texts, '/re7', '/nowhere', '/a/bx'),
        fc.constantFrom('', '', '/', '/x', 'x', '//y', '/a%2Fb', '/%41', '/a%20b', '/pic.png', '/%25'),
        fc.constantFrom('', '', '?q=%2F', '?'),
      )
      .map((parts) => parts.join('')),
    method: fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'),
    headers: fc.subarray([
      ['X-Tenant', 'blue'],
      ['X-Key', 'one"two'],
      ['X_Under', 'x'],
      ['Eg-Consumer-Id', 'me'],
      ['Origin', 'https://page.example'],
      ['X-Forwarded-For', '10.9.8.7'],
    ] as const),
    text: fc.constantFrom('', 'sixteen bytes!!!', 'seventeen bytes!!'),
    framing: fc.constantFrom('length' as const, 'chunks' as const),
  })
  .map(({ host: name, text, framing, method, headers, ...rest }): Request => ({
    ...rest,
    method,
    headers: [['Host', name], ...headers],
    ...(method === 'POST' || method === 'PUT' ? { body: { text, framing } } : {}),
  }))

test('random models are answered alike', { timeout: 300_000 }, async () => {
  const by = { nginx: 0, engine: 0, both: 0 }
  await fc.assert(
    fc.asyncProperty(world, fc.array(request, { minLength: 30, maxLength: 30 }), async (given, requests) => {
      await both.apply(modelOf(given))
      for (const one of both.nginx.served()) by[one.by]++
      for (const raw of requests) {
        const [engine, nginx] = await Promise.all(kinds.map((kind) => ask(both.portOf(kind, 80), raw)))
        expect(agreed(raw, engine!, nginx!), `${JSON.stringify(raw)} ${both.log().slice(-2).join()}`).toEqual(
          comparable(engine!),
        )
      }
    }),
    { numRuns: RUNS, endOnFailure: true, seed },
  )
  // neither of the two ways may be missing from what was compared
  expect(by.nginx).toBeGreaterThan(20)
  expect(by.engine + by.both).toBeGreaterThan(20)
})

// --- what chance does not show ---------------------------------------------------------------------------------------

test('3:1 is 3:1', async () => {
  await both.apply(
    toThese([
      { host: '127.3.0.1', port: backend.port, weight: 3 },
      { host: '127.3.0.2', port: backend.port, weight: 1 },
    ]),
  )
  for (const kind of kinds) {
    const counts: Record<string, number> = {}
    for (let n = 0; n < 40; n++) {
      const { body } = await get(kind, '/')
      const { at } = JSON.parse(body) as { at: string }
      counts[at] = (counts[at] ?? 0) + 1
    }
    expect({ kind, ...counts }).toEqual({ kind, '127.3.0.1': 30, '127.3.0.2': 10 })
  }
})

test('a WebSocket passes both ways', async () => {
  await both.apply(toThese([{ host: '127.0.0.1', port: backend.port }]))
  for (const kind of kinds) {
    const socket = net.connect(both.portOf(kind, 80), '127.0.0.1')
    const told = reader(socket)
    socket.write('GET /chat?room=1 HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    const head = await told((text) => text.includes('\r\n\r\n'))
    expect(head).toMatch(/^HTTP\/1\.1 101 /)
    expect(head).toContain('X-Target: /chat?room=1')
    expect(head.toLowerCase()).toContain('upgrade: websocket')
    socket.write('one')
    await told((text) => text.endsWith('echo one'))
    socket.write('two')
    await told((text) => text.endsWith('echo two'))
    socket.destroy()
  }
})

test('bodies are streamed both ways: nothing is held back until its end', async () => {
  // each piece of the request is answered at once
  const server = http.createServer((asked, answer) => {
    answer.writeHead(200)
    asked.on('data', (chunk: Buffer) => answer.write(`<${chunk.toString()}>`))
    asked.on('end', () => answer.end('.'))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  try {
    await both.apply(toThese([{ host: '127.0.0.1', port }]))
    for (const kind of kinds) {
      const socket = net.connect(both.portOf(kind, 80), '127.0.0.1')
      const told = reader(socket)
      socket.write('POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n')
      socket.write('3\r\none\r\n')
      await told((text) => text.includes('<one>'))
      socket.write('3\r\ntwo\r\n')
      await told((text) => text.includes('<two>'))
      socket.write('0\r\n\r\n')
      await told((text) => text.includes('.\r\n0\r\n'))
      socket.destroy()
    }
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

test('3 MB pass in both directions', async () => {
  await both.apply(toThese([{ host: '127.0.0.1', port: backend.port }]))
  const text = 'x'.repeat(3 << 20)
  for (const kind of kinds) {
    const { status, body } = await ask(both.portOf(kind, 80), {
      method: 'POST',
      target: '/',
      headers: [['Host', 'a.test']],
      body: { text, framing: 'length' },
    })
    expect(status).toBe(200)
    expect((JSON.parse(body) as { body: string }).body.length).toBe(text.length)
  }
})

test('with no endpoint the route still matches, and says 503', async () => {
  await both.apply(toThese([]))
  for (const kind of kinds) expect((await get(kind, '/')).status).toBe(503)
})

test('one endpoint that is down is passed over', async () => {
  // nothing listens on port 1
  await both.apply(
    toThese([
      { host: '127.0.0.1', port: 1 },
      { host: '127.0.0.1', port: backend.port },
    ]),
  )
  for (const kind of kinds)
    for (let n = 0; n < 6; n++) expect({ kind, status: (await get(kind, '/')).status }).toEqual({ kind, status: 200 })
})

// --- the declared differences, one by one: the table in README.md ----------------------------------------------------

test('declared: dot segments are resolved by nginx, refused by the engine', async () => {
  const model = toThese([{ host: '127.0.0.1', port: backend.port }])
  await both.apply({
    ...model,
    listeners: [{ ...listenerOf('l'), policies: [{ policy: 'normal-request', config: {}, origin }] }],
    routes: [{ ...model.routes[0]!, policies: [asSent] }],
  })
  expect((await get('engine', '/a/../b')).status).toBe(400)
  expect((await get('nginx', '/a/../b')).status).toBe(200)
  expect((await get('engine', '/a\\b')).status).toBe(400)
  expect((await get('nginx', '/a\\b')).status).toBe(200)
})

test('declared: a body that drips goes on in nginx, and is 408 in the engine', async () => {
  const model = toThese([{ host: '127.0.0.1', port: backend.port }])
  const limits = { bodyTimeout: 500, bodyRate: 1_000_000 }
  await both.apply({ ...model, listeners: [{ ...listenerOf('l'), limits }] })
  const dripped = async (kind: Kind): Promise<string> => {
    const socket = net.connect(both.portOf(kind, 80), '127.0.0.1')
    const told = reader(socket)
    const answer = told((text) => /^HTTP\/1\.1 [2-5]/.test(text))
    let over = false
    void answer.finally(() => (over = true))
    socket.on('error', () => (over = true))
    socket.write('POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n')
    for (let left = 20; left > 0 && !over; left--) {
      socket.write('1\r\nx\r\n')
      await sleep(100)
    }
    if (!over) socket.write('0\r\n\r\n')
    const [, status = ''] = /^HTTP\/1\.1 (\d+)/.exec(await answer) ?? []
    socket.destroy()
    return status
  }
  expect([await dripped('engine'), await dripped('nginx')]).toEqual(['408', '200'])
})

test('declared: nginx does not pass TE on', async () => {
  await both.apply(toThese([{ host: '127.0.0.1', port: backend.port }]))
  expect((await askedWith('engine', ['TE', 'trailers'])).body).toContain('te: trailers')
  expect((await askedWith('nginx', ['TE', 'trailers'])).body).not.toContain('te: ')
})

const askedWith = (kind: Kind, ...headers: (readonly [string, string])[]): Promise<Answer> =>
  ask(both.portOf(kind, 80), { method: 'GET', target: '/', headers: [['Host', 'a.test'], ...headers] })

test('names with an underscore go no further on listeners that drop them, and pass on others', async () => {
  const [route] = toThese([]).routes
  const listener = (name: string, underscores: string): Listener => ({
    ...listenerOf(name),
    host: { kind: 'exact', name },
    policies: [{ policy: 'normal-request', config: { underscores }, origin }],
  })
  const model = toThese([{ host: '127.0.0.1', port: backend.port }])
  const passed = async (kind: Kind, name: string): Promise<boolean> => {
    const headers = [
      ['X_Before', 'x'],
      ['Host', name],
      ['X_Behind', 'x'],
    ] as const
    const { body } = await ask(both.portOf(kind, 80), { method: 'GET', target: '/', headers })
    const { headers: seen } = JSON.parse(body) as Seen
    expect(seen.filter((one) => one.startsWith('x_')).length % 2).toBe(0)
    return seen.includes('x_before: x')
  }
  await both.apply(model)
  for (const kind of kinds) expect({ kind, passed: await passed(kind, 'a.test') }).toEqual({ kind, passed: true })
  const listeners = [listener('a.test', 'drop'), listener('b.test', 'keep')]
  await both.apply({ ...model, listeners, routes: [{ ...route!, listeners: ['a.test', 'b.test'] }] })
  for (const kind of kinds)
    expect([kind, await passed(kind, 'a.test'), await passed(kind, 'b.test')]).toEqual([kind, false, true])
  await both.apply({
    ...model,
    listeners: listeners.slice(0, 1),
    routes: [{ ...route!, listeners: ['a.test'], policies: [asSent] }],
  })
  for (const kind of kinds) expect({ kind, passed: await passed(kind, 'a.test') }).toEqual({ kind, passed: false })
  expect(both.nginx.served()).toEqual([{ route: 'all', by: 'nginx' }])
})

test('declared: nginx does not pass names with other signs on, and takes an underscore for a hyphen', async () => {
  const model = toThese([{ host: '127.0.0.1', port: backend.port }])
  const uses: readonly PolicyUse[] = [{ policy: 'shared-key', config: { header: 'X-Key', key: 'abc' }, origin }]
  await both.apply(model)
  expect((await askedWith('engine', ['X.Dot', 'x'])).body).toContain('x.dot: x')
  expect((await askedWith('nginx', ['X.Dot', 'x'])).body).not.toContain('x.dot')
  await both.apply({ ...model, routes: [{ ...model.routes[0]!, policies: uses }] })
  expect((await askedWith('engine', ['X_Key', 'abc'])).status).toBe(403)
  expect((await askedWith('nginx', ['X_Key', 'abc'])).status).toBe(200)
  // where they go no further nobody reads them either
  await both.apply({
    ...model,
    listeners: [{ ...listenerOf('l'), policies: [{ policy: 'normal-request', config: {}, origin }] }],
    routes: [{ ...model.routes[0]!, policies: uses }],
  })
  for (const kind of kinds) expect((await askedWith(kind, ['X_Key', 'abc'])).status).toBe(403)
})

test('declared: of a body that is too large and another refusal nginx says 413', async () => {
  const [route] = toThese([]).routes
  const uses: readonly PolicyUse[] = [{ policy: 'shared-key', config: { header: 'X-Key', key: 'abc' }, origin }]
  await both.apply({
    ...toThese([{ host: '127.0.0.1', port: backend.port }]),
    listeners: [{ ...listenerOf('l'), limits: { bodyBytes: 16 } }],
    routes: [{ ...route!, policies: uses }],
  })
  const send = async (kind: Kind, text: string, key: string): Promise<number | undefined> =>
    (
      await ask(both.portOf(kind, 80), {
        method: 'POST',
        target: '/',
        headers: [
          ['Host', 'a.test'],
          ['X-Key', key],
        ],
        body: { text, framing: 'length' },
      })
    ).status
  for (const kind of kinds) {
    expect([await send(kind, 'short', 'abc'), await send(kind, 'short', 'no')]).toEqual([200, 403])
    expect(await send(kind, 'longer than sixteen bytes', 'abc')).toBe(413)
  }
  expect(await send('nginx', 'longer than sixteen bytes', 'no')).toBe(413)
})

test('declared: a question mark with nothing behind it is lost where nginx rewrites the path, and stays in its redirects', async () => {
  const [route] = toThese([]).routes
  const uses: readonly PolicyUse[] = [{ policy: 'target-path', config: { from: '/a', to: '/z' }, origin }]
  await both.apply({
    ...toThese([{ host: '127.0.0.1', port: backend.port }]),
    listeners: [{ ...listenerOf('l'), policies: [{ policy: 'normal-request', config: {}, origin }] }],
    routes: [{ ...route!, match: { path: { kind: 'start', value: '/a' } }, policies: uses }],
  })
  const seen = async (kind: Kind): Promise<string> => (JSON.parse((await get(kind, '/a?')).body) as Seen).target
  expect([await seen('engine'), await seen('nginx')]).toEqual(['/z?', '/z'])
  const config = { scheme: 'https', path: { kind: 'prefix', prefix: '/a', value: '/z' }, hostname: 'c.example' }
  await both.apply({ ...toThese([]), routes: [{ ...route!, policies: [{ policy: 'redirect', config, origin }] }] })
  const told = async (kind: Kind): Promise<unknown> =>
    (await get(kind, '/a/b?')).headers.get('location')?.map((one) => one.replace(/:\d+/, ''))
  expect([await told('engine'), await told('nginx')]).toEqual([['https://c.example/z/b'], ['https://c.example/z/b?']])
})

test('declared: short answers have nginx’s own page', async () => {
  await both.apply({
    ...toThese([]),
    listeners: [{ ...listenerOf('l'), unmatched: { kind: 'reply', status: 404 } }],
    routes: [],
  })
  const [engine, nginx] = await Promise.all(kinds.map((kind) => get(kind, '/')))
  expect([engine?.status, nginx?.status]).toEqual([404, 404])
  expect(nginx?.body).toContain('<center>nginx</center>')
  expect(engine?.body).not.toContain('<')
})

test('declared: heads of more than 8 buffers of 32 KiB are too large for nginx, those above its own limits for the engine', async () => {
  await both.apply({
    ...toThese([{ host: '127.0.0.1', port: backend.port }]),
    listeners: [{ ...listenerOf('l'), limits: { headBytes: 2048 } }],
  })
  const long = (length: number): Request => ({
    method: 'GET',
    target: '/',
    headers: [
      ['Host', 'a.test'],
      ['X-Long', 'x'.repeat(length)],
    ],
  })
  const status = async (kind: Kind, length: number): Promise<number | undefined> =>
    (await ask(both.portOf(kind, 80), long(length))).status
  expect([await status('engine', 1000), await status('nginx', 1000)]).toEqual([200, 200])
  expect([await status('engine', 3000), await status('nginx', 3000)]).toEqual([431, 200])
  expect(await status('nginx', 40_000)).toBe(400)
})

test('declared: the engine compares a shared key in constant time, nginx does not', () => {
  const model: Model = {
    ...toThese([]),
    routes: [
      {
        ...toThese([]).routes[0]!,
        policies: [{ policy: 'shared-key', config: { header: 'X-Key', key: 'abc' }, origin }],
      },
    ],
  }
  expect(textOf(model)).toMatch(/if \(\s*\$http_x_key != abc\s*\)/)
  const step = readFileSync(new URL('../../policies/shared-key/policy.ts', import.meta.url), 'utf8')
  expect(step).toContain('equalSecrets(shown, key)')
})

test('declared: a Pod that comes is a new text for nginx, and none for the engine', () => {
  const one = toThese([{ host: '127.0.0.1', port: 1 }])
  const two = {
    ...one,
    endpoints: [
      {
        backend: 'b',
        addresses: [
          { host: '127.0.0.1', port: 1 },
          { host: '127.0.0.1', port: 2 },
        ],
      },
    ],
  }
  expect(textOf(one)).toBe(textOf(toThese([{ host: '127.0.0.1', port: 1 }])))
  expect(textOf(one)).not.toBe(textOf(two))
})

test('declared: plain HTTP on a TLS port, and another Host than the SNI', async () => {
  const certificates = ['a.test', 'b.test'].map(makeCertificate)
  const model: Model = {
    ...toThese([{ host: '127.0.0.1', port: backend.port }]),
    listeners: ['a.test', 'b.test'].map((name): Listener => ({
      ...listenerOf(name, 443),
      protocol: 'https',
      host: { kind: 'exact', name },
      tls: { mode: 'terminate', certificates: [name], misdirected: 'refuse' },
    })),
    certificates,
    routes: [{ ...toThese([]).routes[0]!, listeners: ['a.test', 'b.test'] }],
  }
  await both.apply(model)
  const send = (kind: Kind, name: string, servername?: string): Promise<Answer> =>
    ask(both.portOf(kind, 443), {
      method: 'GET',
      target: '/',
      headers: [['Host', name]],
      ...(servername === undefined ? {} : { tls: { servername } }),
    })
  expect([(await send('engine', 'a.test')).status, (await send('nginx', 'a.test')).status]).toEqual([undefined, 400])
  for (const kind of kinds) expect((await send(kind, 'a.test', 'a.test')).status).toBe(200)
  // `misdirected` is the engine's; without client certificates nginx does not look
  expect([(await send('engine', 'b.test', 'a.test')).status, (await send('nginx', 'b.test', 'a.test')).status]).toEqual(
    [421, 200],
  )
})

test('each declared difference is asserted above', () => {
  const readme = readFileSync(new URL('README.md', import.meta.url), 'utf8')
  const table = readme.slice(readme.indexOf('## Where it differs'))
  const rows = [...table.matchAll(/^\| ([^|]+) \| [^|]+ \| [^|]+ \|$/gm)].map(([, row]) => row?.trim())
  expect(rows).toEqual([
    'dot segments in a path, signs that may not stand there (`\\`)',
    'plain HTTP on the TLS port',
    'body of short answers (403, 404, 502)',
    'comparing a shared key',
    'SNI and Host of two hosts without client certificates',
    'limits on heads',
    'a body that drips',
    'a `?` with nothing behind it, where the path is rewritten',
    '… where the client is redirected to another path',
    'a body that is too large, of a request that is refused anyway',
    '`TE`',
    'names of fields with other signs than letters, digits, `-` and `_`',
    'a field `X_Key` that is passed on, where a policy reads `X-Key`',
    'a Pod that comes or goes',
  ])
})

// --- parts -----------------------------------------------------------------------------------------------------------

/** Everything of one listener goes to these. */
const toThese = (addresses: readonly Endpoint[]): Model => ({
  ...emptyModel,
  listeners: [listenerOf('l')],
  ...forwarding(addresses, { listeners: ['l'] }),
})

function get(kind: Kind, target: string): Promise<Answer> {
  return ask(both.portOf(kind, 80), { method: 'GET', target, headers: [['Host', 'a.test']] })
}

function textOf(model: Model): string {
  return compileNginx(
    { id: 'plan', model },
    { policies, services: createTestServices(), folder: '/run', certificateFolder: '/ssl', ipv6: false },
  ).artifact.text
}

/** Everything that has come so far, once the condition holds. */
function reader(socket: net.Socket): (holds: (text: string) => boolean) => Promise<string> {
  let text = ''
  let look: () => void = () => undefined
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
    look()
  })
  return (holds) =>
    new Promise((done, fail) => {
      const timer = setTimeout(() => fail(new Error(`so far came ${JSON.stringify(text)}`)), 10_000)
      look = () => {
        if (!holds(text)) return
        clearTimeout(timer)
        done(text)
      }
      look()
    })
}

function makeCertificate(name: string): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'certificate-'))
  try {
    const [key, certificate] = [join(folder, 'key'), join(folder, 'crt')]
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    execFileSync('openssl', ['req', '-x509', ...kind, '-subj', `/CN=${name}`, '-keyout', key, '-out', certificate], {
      stdio: 'ignore',
    })
    return {
      id: name,
      certificate: readFileSync(certificate, 'utf8'),
      key: new Secret(readFileSync(key, 'utf8')),
      hosts: [name],
      origin,
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
