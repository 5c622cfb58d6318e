/** The adapter, held to what Express middleware expects, over real HTTP. */
import { request } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import type { Reply, Step } from '../../policies/policy.ts'
import { hostOf, type TestHost } from '../testing/plugins.ts'
import { type Served, serve, type ServeOptions } from '../testing/serve.ts'

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

/** A plugin with one policy, `p`, whose factory is `policy`; and a server that runs it. */
async function run(
  policy: string,
  options: Partial<ServeOptions> & {
    readonly after?: Step
    readonly timeout?: number
    readonly parameters?: Record<string, unknown>
    readonly bodyLimit?: number
  } = {},
): Promise<{ served: Served; plugins: TestHost }> {
  const source = `module.exports = { version: '1.2.0', init: (ctx) => ctx.registerPolicy({ name: 'p', policy: ${policy} }) }`
  const plugins = await hostOf(
    { p: source },
    { timeout: options.timeout ?? 5000, ...(options.bodyLimit === undefined ? {} : { bodyLimit: options.bodyLimit }) },
  )
  expect(plugins.diagnostics).toEqual([])
  const step = plugins.host.policy('p')?.compile(options.parameters ?? {}) as Step
  const served = await serve({
    steps: () => [step, ...(options.after === undefined ? [] : [options.after])],
    ...options,
  })
  open.push(plugins, served)
  return { served, plugins }
}

const middleware = (body: string): string => `() => (req, res, next) => { ${body} }`
const json = async (response: Response): Promise<Record<string, never>> =>
  (await response.json()) as Record<string, never>

test('a request is what Express would hand over', async () => {
  const { served } = await run(
    middleware(`res.json({
      url: req.url, originalUrl: req.originalUrl, path: req.path, query: req.query, method: req.method, ip: req.ip,
      protocol: req.protocol, secure: req.secure, hostname: req.hostname, xhr: req.xhr, get: req.get('X-One'), is: req.is('json'),
      accepts: req.accepts(['html', 'json']), parsed: req._parsedUrl.pathname, base: req.baseUrl, version: req.httpVersion,
      route: req.route.path, raw: req.rawHeaders.includes('X-One'), socket: typeof req.socket.on, app: typeof req.app.get,
      res: req.res === res, instance: req instanceof require('http').IncomingMessage, authenticated: req.isAuthenticated(),
    })`),
  )
  const answer = await fetch(`${served.url}/a/b?x=1&y[z]=2`, {
    headers: {
      'X-One': 'eins',
      'content-type': 'application/json',
      accept: 'application/json',
      'x-requested-with': 'XMLHttpRequest',
    },
    method: 'POST',
    body: '{}',
  })
  expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8')
  expect(await answer.json()).toEqual({
    url: '/a/b?x=1&y[z]=2',
    originalUrl: '/a/b?x=1&y[z]=2',
    path: '/a/b',
    query: { x: '1', y: { z: '2' } },
    method: 'POST',
    ip: '127.0.0.1',
    protocol: 'http',
    secure: false,
    hostname: '127.0.0.1',
    xhr: true,
    get: 'eins',
    is: 'json',
    accepts: 'json',
    parsed: '/a/b',
    base: '',
    version: '1.1',
    route: '/',
    raw: true,
    socket: 'function',
    app: 'function',
    res: true,
    instance: true,
    authenticated: false,
  })
})

test('changes of target, method and headers reach the backend', async () => {
  const { served } = await run(
    middleware(
      `req.url = '/new?q=1'; req.method = 'PUT'; req.headers['x-add'] = 7; delete req.headers['x-drop']; req.headers['x-change'] += '!'; next()`,
    ),
  )
  await fetch(`${served.url}/old`, { headers: { 'x-drop': '1', 'x-change': 'a', 'x-keep': 'k' } })
  expect(served.seen[0]).toMatchObject({
    method: 'PUT',
    target: '/new?q=1',
    headers: { 'x-add': '7', 'x-change': 'a!', 'x-keep': 'k' },
  })
  expect(served.seen[0]?.headers).not.toHaveProperty('x-drop')
})

test('what a policy behind changes is seen by the plugin step after it', async () => {
  const { served, plugins } = await run(middleware(`req.headers['x-first'] = '1'; next()`))
  const last = plugins.host.policy('p')?.compile({}) as Step
  const between: Step = {
    request: (exchange) => {
      exchange.request.target = '/between'
      exchange.request.headers.set('X-Between', exchange.request.headers.get('x-first') ?? '')
      exchange.consumer = { id: 'c1' }
      return undefined
    },
  }
  const seeing = await hostOf({
    p: `module.exports = { version: '1.2.0', init: (ctx) => ctx.registerPolicy({ name: 'p', policy: () => (req, res) => res.send([req.url, req.headers['x-between'], req.user && req.user.id].join()) }) }`,
  })
  open.push(seeing)
  const first = plugins.host.policy('p')?.compile({}) as Step
  const second = seeing.host.policy('p')?.compile({}) as Step
  const both = await serve({ steps: () => [first, between, second] })
  open.push(both)
  expect(await (await fetch(`${both.url}/x`)).text()).toBe('/between,1,c1')
  expect(last).toBeDefined()
  expect(served.seen).toEqual([])
})

test('answers: send, json, status, redirect, end, write, cookie, type, sendStatus', async () => {
  const { served } = await run(
    middleware(`
      switch (req.path) {
        case '/send': return res.status(201).send('hello')
        case '/buffer': return res.type('png').send(Buffer.from([1, 2]))
        case '/redirect': return res.redirect(301, '/there')
        case '/end': return res.end()
        case '/write': res.setHeader('X-A', ['1', '2']); res.write('a'); res.write(Buffer.from('b')); return setTimeout(() => res.end('c'), 5)
        case '/cookie': return res.cookie('s', '1', { httpOnly: true }).cookie('t', '2').sendStatus(204)
        case '/head': return res.writeHead(207, 'Many', { 'X-B': 'b' }).end('x')
        case '/format': return res.format({ html: () => res.send('<p>'), json: () => res.json({ f: 1 }) })
        case '/late': return Promise.resolve().then(() => res.send(Object.keys(res.locals).join() + 'late'))
        case '/file': return res.sendFile(${JSON.stringify(import.meta.filename)})
      }`),
  )
  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(served.url + path, { redirect: 'manual', headers })
  const send = await get('/send')
  expect([
    send.status,
    await send.text(),
    send.headers.get('content-length'),
    send.headers.get('etag') !== null,
  ]).toEqual([201, 'hello', '5', true])
  expect((await get('/send', { 'if-none-match': send.headers.get('etag') ?? '' })).status).toBe(201)
  const buffer = await get('/buffer')
  expect([buffer.headers.get('content-type'), (await buffer.arrayBuffer()).byteLength]).toEqual(['image/png', 2])
  const redirect = await get('/redirect')
  expect([redirect.status, redirect.headers.get('location')]).toEqual([301, '/there'])
  expect((await get('/end')).headers.get('content-length')).toBe('0')
  const write = await get('/write')
  expect([await write.text(), write.headers.get('x-a'), write.headers.get('content-length')]).toEqual([
    'abc',
    '1, 2',
    null,
  ])
  const cookie = await get('/cookie')
  expect([cookie.status, cookie.headers.getSetCookie()]).toEqual([204, ['s=1; Path=/; HttpOnly', 't=2; Path=/']])
  const head = await get('/head')
  expect([head.status, head.statusText, head.headers.get('x-b')]).toEqual([207, 'Many', 'b'])
  expect(await json(await get('/format', { accept: 'application/json' }))).toEqual({ f: 1 })
  expect(await (await get('/late')).text()).toBe('late')
  const file = await get('/file', { range: 'bytes=0-4' })
  expect([file.status, await file.text()]).toEqual([206, '/** T'])
  const headOnly = await fetch(`${served.url}/send`, { method: 'HEAD' })
  expect([headOnly.status, headOnly.headers.get('content-length')]).toEqual([201, '5'])
})

test('headers that are set before next() are on the proxied answer, and the backend wins', async () => {
  const { served } = await run(
    middleware(`res.set({ 'X-Mine': '1', 'X-Both': 'mine', Vary: 'Origin' }); res.cookie('a', '1'); next()`),
    {
      backend: () => ({
        kind: 'reply',
        status: 200,
        headers: [
          ['X-Both', 'backend'],
          ['Vary', 'Accept'],
          ['Set-Cookie', 'b=2'],
        ],
        body: 'b',
      }),
    },
  )
  const answer = await fetch(served.url)
  expect([answer.headers.get('x-mine'), answer.headers.get('x-both'), answer.headers.get('vary')]).toEqual([
    '1',
    'backend',
    'Accept, Origin',
  ])
  expect(answer.headers.getSetCookie()).toEqual(['b=2', 'a=1; Path=/'])
})

test('wrapping writeHead, write and end changes the proxied answer', async () => {
  const { served } = await run(
    middleware(`
      const { write, end, writeHead } = res
      const pieces = []
      res.write = (chunk) => { pieces.push(Buffer.from(chunk)); return true }
      res.end = function (chunk) {
        if (chunk) pieces.push(Buffer.from(chunk))
        const body = Buffer.concat(pieces).toString().toUpperCase()
        res.setHeader('Content-Length', Buffer.byteLength(body))
        return end.call(res, body)
      }
      res.writeHead = function (...args) { res.setHeader('X-Wrapped', res.statusCode); return writeHead.apply(res, args) }
      next()`),
    {
      backend: () => ({
        kind: 'reply',
        status: 202,
        headers: [
          ['Content-Type', 'text/plain'],
          ['Content-Length', '5'],
        ],
        body: 'hello',
      }),
    },
  )
  const answer = await fetch(served.url)
  expect([
    answer.status,
    answer.headers.get('x-wrapped'),
    answer.headers.get('content-type'),
    await answer.text(),
  ]).toEqual([202, '202', 'text/plain', 'HELLO'])
})

test('a body that is wrapped piece by piece is streamed', async () => {
  const { served } = await run(
    middleware(
      `const { write } = res; res.write = function (chunk, ...rest) { return write.call(res, chunk.toString().replace(/a/g, 'b'), ...rest) }; next()`,
    ),
    {
      backend: () => ({
        kind: 'reply',
        status: 200,
        headers: [['Content-Length', '300000']],
        body: Buffer.alloc(300_000, 'a'),
      }),
    },
  )
  expect(await (await fetch(served.url)).text()).toBe('b'.repeat(300_000))
})

test('bodies: read by middleware and still forwarded; a parser leaves req.body', async () => {
  const { served, plugins } = await run(
    `() => { const parse = require('body-parser').json(); return (req, res, next) => parse(req, res, (error) => { req.headers['x-name'] = (req.body || {}).name || 'none'; next(error) }) }`,
  )
  const post = (body: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(served.url, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } })
  await post('{"name":"n"}')
  expect(served.seen[0]).toMatchObject({ headers: { 'x-name': 'n' } })
  expect(served.seen[0]?.body.toString()).toBe('{"name":"n"}')
  const bad = await post('{bad')
  expect([bad.status, await bad.text()]).toEqual([400, expect.stringContaining('<pre>Bad Request</pre>')])
  const large = await post(`{"name":"${'x'.repeat(200_000)}"}`)
  expect(large.status).toBe(413)
  // the client's mistakes are none of the plugin's
  expect([...plugins.counts]).toEqual([])
})

test('a body that is listened to while the request goes on arrives at both', async () => {
  const { served } = await run(
    middleware(
      `let size = 0; req.on('data', (chunk) => { size += chunk.length }); req.on('end', () => { global.gantryTestSize = size }); next()`,
    ),
  )
  const body = Buffer.alloc(400_000, 'z')
  const answer = await json(await fetch(served.url, { method: 'POST', body }))
  expect(answer['body']).toHaveLength(400_000)
  expect((globalThis as Record<string, unknown>)['gantryTestSize']).toBe(400_000)
})

test('egContext.requestStream replaces the body; a body that is too large to keep is 413', async () => {
  const stream = middleware(
    `const { Transform } = require('stream'); req.egContext.requestStream = req.pipe(new Transform({ transform(c, e, done) { done(null, c.toString().toUpperCase()) } })); next()`,
  )
  const { served } = await run(stream)
  await fetch(served.url, { method: 'POST', body: 'shout' })
  expect(served.seen[0]?.body.toString()).toBe('SHOUT')
  const limited = await run(middleware(`req.resume(); req.on('end', () => next())`), { bodyLimit: 1000 })
  expect((await fetch(limited.served.url, { method: 'POST', body: 'x'.repeat(999) })).status).toBe(200)
  expect((await fetch(limited.served.url, { method: 'POST', body: 'x'.repeat(1001) })).status).toBe(413)
})

test.each([
  ['throws', `throw new Error('secret detail')`],
  ['rejects', `return Promise.reject(new Error('secret detail'))`],
  ['calls next(error)', `next(new Error('secret detail'))`],
  ['throws later, before it answers', `Promise.resolve().then(() => next(new Error('secret detail')))`],
  ['sets a header that cannot be written', `req.headers['x-bad'] = 'secret detail\\r\\nx: y'; next()`],
])('middleware that %s is answered with 500, counted and told; others go on', async (_name, body) => {
  const { served, plugins } = await run(middleware(`if (req.path === '/ok') return next(); ${body}`))
  const answer = await fetch(`${served.url}/bad`)
  expect(answer.status).toBe(500)
  expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8')
  const text = await answer.text()
  expect(text).toContain('<pre>Internal Server Error</pre>')
  expect(text).not.toContain('secret')
  expect((await fetch(`${served.url}/ok`)).status).toBe(200)
  expect([...plugins.counts]).toEqual([['gantry_plugin_failures_total{p,error}', 1]])
  expect(plugins.events.filter((event) => event.code === 'plugins/failure')).toHaveLength(1)
})

test('middleware that never answers is answered for it', async () => {
  const { served, plugins } = await run(middleware(`if (req.path === '/ok') next()`), { timeout: 50 })
  expect((await fetch(`${served.url}/hang`)).status).toBe(500)
  expect((await fetch(`${served.url}/ok`)).status).toBe(200)
  expect([...plugins.counts]).toEqual([['gantry_plugin_failures_total{p,timeout}', 1]])
})

test('an error says its own status and headers', async () => {
  const { served } = await run(
    middleware(`next(Object.assign(new Error('x'), { status: 418, headers: { 'X-Tea': 'pot' } }))`),
  )
  const answer = await fetch(served.url)
  expect([answer.status, answer.headers.get('x-tea')]).toEqual([418, 'pot'])
})

test("next('route') leaves the route", async () => {
  const { served } = await run(middleware(`next('route')`))
  expect(await (await fetch(served.url)).text()).toBe('next route')
})

test('finish and close come after the last byte; close alone where the client has gone', async () => {
  const log: string[] = []
  ;(globalThis as Record<string, unknown>)['gantryTestLog'] = log
  const { served } = await run(
    middleware(`
      for (const event of ['finish', 'close']) res.on(event, () => global.gantryTestLog.push(event + res.statusCode))
      req.on('aborted', () => global.gantryTestLog.push('aborted'))
      if (req.path !== '/wait') next()
      else global.gantryTestLog.push('waiting')`),
  )
  await (await fetch(served.url)).text()
  await expect.poll(() => log).toEqual(['finish200', 'close200'])
  log.length = 0
  const gone = request(`${served.url}/wait`)
  gone.on('error', () => undefined)
  gone.end()
  await expect.poll(() => log).toEqual(['waiting'])
  gone.destroy()
  await expect.poll(() => log).toEqual(['waiting', 'aborted', 'close200'])
})

test('egContext is shared by steps, with the parts that Express Gateway has', async () => {
  const { served } = await run(
    middleware(
      `const c = req.egContext; c.mine = 1; res.json([c.requestID.length, c.apiEndpoint.apiEndpointName, c.egContext === c, c.req === req, c.match('x'), c.run('y'), Object.keys(c)])`,
    ),
  )
  expect(await (await fetch(`${served.url}/t`)).json()).toEqual([
    22,
    'test',
    true,
    true,
    true,
    'y of /t',
    ['req', 'res', 'apiEndpoint', 'mine'],
  ])
})

test.each([
  ['user', `null, { id: 'u1' }`, {}, 200, 'u1'],
  ['nobody', `null, false`, {}, 401, undefined],
  ['unauthorized', `null, false, { unauthorized: true }`, {}, 403, undefined],
  ['error', `new Error('x')`, {}, 500, undefined],
  ['nobody, passThrough', `null, false`, { passThrough: true }, 200, undefined],
  ['error, passThrough', `new Error('x')`, { passThrough: true }, 200, undefined],
])('getCommonAuthCallback: %s', async (name, result, parameters, status, consumer) => {
  const after: Step = {
    request: (exchange) => {
      exchange.request.headers.set('x-consumer', exchange.consumer?.id ?? 'nobody')
      return undefined
    },
  }
  const { served } = await run(
    `(params) => (req, res, next) => params.getCommonAuthCallback(req, res, next)(${result})`,
    { parameters, after },
  )
  const answer = await fetch(served.url)
  expect(answer.status).toBe(status)
  if (status === 200) {
    expect(served.seen[0]?.headers['eg-consumer-id']).toBe(consumer)
    expect(served.seen[0]?.headers['x-consumer']).toBe(consumer ?? 'nobody')
    expect(answer.headers.get('eg-consumer-id')).toBe(name.includes('passThrough') ? 'anonymous' : null)
  } else if (status !== 500) expect(await answer.text()).toBe(status === 401 ? 'Unauthorized' : 'Forbidden')
})

test('an answer of a policy behind goes through what the plugin has wrapped', async () => {
  const reply: Reply = { kind: 'reply', status: 404, headers: [['Content-Type', 'text/plain']], body: 'gone' }
  const { served } = await run(
    middleware(
      `const { end } = res; res.end = (chunk) => end.call(res, '[' + (chunk || '') + ']'); const { write } = res; res.write = () => true; next()`,
    ),
    {
      after: { request: () => reply },
    },
  )
  const answer = await fetch(served.url)
  expect([answer.status, await answer.text()]).toEqual([404, '[]'])
})

test('a wrapper that loses the answer costs this answer only', async () => {
  const { served, plugins } = await run(middleware(`if (req.path === '/lose') res.end = () => res; next()`), {
    timeout: 50,
    backend: () => ({ kind: 'reply', status: 200, body: '' }),
  })
  expect((await fetch(`${served.url}/lose`)).status).toBe(500)
  expect((await fetch(served.url)).status).toBe(200)
  expect([...plugins.counts]).toEqual([['gantry_plugin_failures_total{p,timeout}', 1]])
})
