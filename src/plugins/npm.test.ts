/** Plugins and middleware that others wrote, from npm, unmodified. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Step } from '../policies/policy.ts'
import { npmInstall } from './testing/npm.ts'
import { hostOf, type TestHost } from './testing/plugins.ts'
import { type Served, serve, type ServeOptions } from './testing/serve.ts'

const folder = mkdtempSync(join(tmpdir(), 'gantry-npm-plugins-'))

beforeAll(async () => {
  await npmInstall(folder, [
    'express-gateway-plugin-rewrite@1.3.0',
    'express-gateway-plugin-cookie-parser@1.1.4',
    'express-gateway-plugin-openapi3-mock-server@0.0.3',
    'deasync@0.1.30',
    'express-gateway-plugin-oauth@4.2.2',
    // oauth requires it without saying so
    'debug@4',
    'compression@1',
    'morgan@1',
    'helmet@7',
    'cors@2',
    'express-session@1',
    'http-proxy-middleware@2',
    'passport@0.4',
    'passport-http@0.3',
    'passport-http-bearer@1',
    'express-rate-limit@7',
    'response-time@2',
    'multer@1.4.4',
    'serve-favicon@2',
    'connect-timeout@1',
    'method-override@3',
  ])
  // the deasync in the mock server's package is of 2017; the newer one beside it has binaries
  rmSync(join(folder, 'node_modules/express-gateway-plugin-openapi3-mock-server/node_modules/deasync'), {
    recursive: true,
  })
}, 300_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

async function load(...[sources, options]: Parameters<typeof hostOf>): Promise<TestHost> {
  const plugins = await hostOf(sources, { ...options, folder })
  open.push(plugins)
  return plugins
}

async function run(steps: readonly Step[], options: Partial<ServeOptions> = {}): Promise<Served> {
  const served = await serve({ steps: () => steps, ...options })
  open.push(served)
  return served
}

let made = 0

/** `make` is an expression that gives middleware; `require` finds what was installed. */
async function middleware(make: string, options: Partial<ServeOptions> = {}): Promise<Served & { plugins: TestHost }> {
  // Node keeps modules by their file
  const plugins = await load({
    [`p${++made}`]: `module.exports = { version: '1.2.0', init: (ctx) => ctx.registerPolicy({ name: 'p', policy: (params) => ${make} }) }`,
  })
  expect(plugins.diagnostics).toEqual([])
  return { ...(await run([plugins.host.policy('p')?.compile({}) as Step], options)), plugins }
}

const wish = (name: string, settings = {}): TestHost['wishes'][number] => ({ name, settings, from: folder })

test('express-gateway-plugin-rewrite: both conditions, rewriting and redirecting', async () => {
  const plugins = await load({})
  expect(await plugins.reload([wish('rewrite')])).toEqual([])
  const step = (condition: string, match: string, parameters: Record<string, unknown>): Step => {
    const holds = plugins.host.condition(condition)?.compile({ match })
    const policy = plugins.host.policy('rewrite')?.compile(parameters)
    return { ...policy, request: (exchange) => (holds?.(exchange) === true ? policy?.request?.(exchange) : undefined) }
  }
  const served = await run([
    step('pathmatch', '/tina/:code', { rewrite: '/status/:code', redirect: 301 }),
    step('pathmatch', '/api/users/:name', { rewrite: '/api/v1/:name/info' }),
    step('regexpmatch', '^/js/(.+)$', { rewrite: '/src/js/$1' }),
  ])
  const redirected = await fetch(`${served.url}/tina/318`, { redirect: 'manual' })
  expect([redirected.status, redirected.headers.get('location')]).toEqual([301, '/status/318'])
  for (const path of ['/api/users/nick', '/js/resource.js', '/css/resource.css']) await fetch(served.url + path)
  expect(served.seen.map((seen) => seen.target)).toEqual([
    '/api/v1/nick/info',
    '/src/js/resource.js',
    '/css/resource.css',
  ])
  expect(() => plugins.host.policy('rewrite')?.compile({})).toThrow("must have required property 'rewrite'")
})

test('express-gateway-plugin-cookie-parser: its middleware runs in front; its mistake at a reload hurts nobody', async () => {
  const plugins = await load({
    look: `module.exports = { version: '1.2.0', init: (ctx) => ctx.registerPolicy({ name: 'look', policy: () => (req, res) => res.json(req.cookies) }) }`,
  })
  const wishes = [...plugins.wishes, wish('cookie-parser')]
  const diagnostics = await plugins.reload(wishes)
  // it says that it is written for 1.3.0 of the contract; there is no such
  expect(diagnostics).toMatchObject([{ severity: 'warning', code: 'plugins/newer' }])
  const served = await run([plugins.host.gatewayRoutes as Step, plugins.host.policy('look')?.compile({}) as Step])
  expect(await (await fetch(served.url, { headers: { cookie: 'a=1; b=%7B%7D' } })).json()).toEqual({ a: '1', b: '{}' })
  // it reads `newConfig` of hot-reload, which Express Gateway never sent
  await plugins.reload(wishes, { apiEndpoints: { other: {} } })
  expect([...plugins.counts]).toEqual([['gantry_plugin_failures_total{cookie-parser,uncaught}', 1]])
})

test('express-gateway-plugin-openapi3-mock-server: its routes answer before every pipeline', async () => {
  writeFileSync(
    join(folder, 'api.yml'),
    'openapi: 3.0.0\npaths:\n  /pets:\n    get:\n      responses:\n        200:\n          content:\n            application/json:\n              examples: { one: { value: { name: rex } } }\n',
  )
  const settings = JSON.stringify({ definitionFile: join(folder, 'api.yml') })
  const program = join(import.meta.dirname, 'testing/ask.ts')
  const words = ['--import', 'tsx', program, folder, 'openapi3-mock-server', settings, '/pets']
  const { stdout } = await promisify(execFile)(process.execPath, words, { timeout: 25_000, cwd: import.meta.dirname })
  const answer = JSON.parse(stdout) as unknown
  // deasync has binaries up to Node 22; beyond that the plugin fails on any gateway
  if (Number(process.versions.node.split('.')[0]) > 22)
    expect(answer).toMatchObject({ diagnostics: [{ code: 'plugins/failed' }], other: 200 })
  else expect(answer).toEqual({ diagnostics: [], status: 200, body: '{"name":"rex"}', other: 200, seen: 1 })
})

test('express-gateway-plugin-oauth: another server decides who is let in, and names the consumer', async () => {
  const asked: unknown[] = []
  const authority = createServer((req, res) => {
    asked.push([req.method, req.url, req.headers.authorization])
    const known = req.headers.authorization === 'Bearer good'
    res.writeHead(known ? 200 : 403, { 'content-type': 'application/json' })
    const data = { idCliente: 'c1', username: 'u1', authorities: [{ authority: 'READ' }] }
    res.end(JSON.stringify(known ? { data } : { why: 'unknown' }))
  })
  await new Promise<void>((resolve) => authority.listen(0, '127.0.0.1', resolve))
  open.push({ close: () => (authority.closeAllConnections(), authority.close()) })
  const { port } = authority.address() as AddressInfo
  const plugins = await load({})
  expect(await plugins.reload([wish('oauth')])).toEqual([])
  const guard = (role: string): Step =>
    plugins.host
      .policy('authentication')
      ?.compile({ authorizationURL: `http://127.0.0.1:${port}/auth`, authorizedRoles: [role] }) as Step
  const ask = async (served: Served, authorization: string): Promise<unknown> => {
    const answer = await fetch(served.url, { headers: { authorization } })
    const body = await answer.text()
    return answer.ok ? answer.status : [answer.status, body]
  }
  const readers = await run([guard('READ')])
  expect(await ask(readers, 'Bearer good')).toBe(200)
  expect(await ask(readers, 'Bearer bad')).toEqual([403, '{"why":"unknown"}'])
  expect(readers.seen.map(({ headers }) => [headers['idcliente'], headers['idusuario']])).toEqual([['c1', 'u1']])
  const writers = await run([guard('WRITE')])
  expect(await ask(writers, 'Bearer good')).toEqual([401, 'Acesso negado'])
  expect(writers.seen).toEqual([])
  expect(asked).toEqual(['good', 'bad', 'good'].map((token) => ['GET', '/auth', `Bearer ${token}`]))
})

test('compression', async () => {
  const body = 'compress me '.repeat(5000)
  const served = await middleware(`require('compression')()`, {
    backend: () => ({
      kind: 'reply',
      status: 200,
      headers: [
        ['Content-Type', 'text/plain'],
        ['Content-Length', String(body.length)],
      ],
      body,
    }),
  })
  const answer = await fetch(served.url, { headers: { 'accept-encoding': 'gzip' } })
  expect([
    answer.headers.get('content-encoding'),
    answer.headers.get('vary'),
    answer.headers.get('content-length'),
  ]).toEqual(['gzip', 'Accept-Encoding', null])
  expect(await answer.text()).toBe(body)
  const plain = await fetch(served.url, { headers: { 'accept-encoding': 'identity' } })
  expect([plain.headers.get('content-encoding'), (await plain.text()).length]).toEqual([null, body.length])
})

test('morgan logs the proxied answer, response-time measures it', async () => {
  const lines: string[] = []
  ;(globalThis as Record<string, unknown>)['gantryMorgan'] = lines
  const served = await middleware(
    `{ const log = require('morgan')(':method :url :status :res[x-backend] :res[x-response-time]', { stream: { write: (line) => global.gantryMorgan.push(line.trim()) } }), time = require('response-time')(); return (req, res, next) => log(req, res, () => time(req, res, next)) }`
      .replace(/^\{/, '(() => {')
      .replace(/\}$/, '})()'),
  )
  const answer = await fetch(`${served.url}/logged?x=1`)
  expect(answer.headers.get('x-response-time')).toMatch(/^[\d.]+ms$/)
  await answer.text()
  await expect.poll(() => lines).toEqual([expect.stringMatching(/^GET \/logged\?x=1 200 yes [\d.]+ms$/)])
})

test('helmet and cors', async () => {
  const helmet = await middleware(`require('helmet')()`)
  const answer = await fetch(helmet.url)
  expect([answer.headers.get('x-frame-options'), answer.headers.get('strict-transport-security')]).toEqual([
    'SAMEORIGIN',
    expect.stringContaining('max-age'),
  ])
  const cors = await middleware(`require('cors')({ origin: true, credentials: true })`)
  const preflight = await fetch(cors.url, {
    method: 'OPTIONS',
    headers: { origin: 'http://a.test', 'access-control-request-method': 'PUT' },
  })
  expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([204, 'http://a.test'])
  expect(
    (await fetch(cors.url, { headers: { origin: 'http://a.test' } })).headers.get('access-control-allow-origin'),
  ).toBe('http://a.test')
})

test('express-session keeps a session over proxied answers', async () => {
  const served = await middleware(
    `(() => { const session = require('express-session')({ secret: 's', resave: false, saveUninitialized: true }); return (req, res, next) => session(req, res, () => { req.session.n = (req.session.n || 0) + 1; req.headers['x-n'] = req.session.n; next() }) })()`,
  )
  const first = await fetch(served.url)
  const cookie = first.headers.getSetCookie()[0]?.split(';')[0] ?? ''
  expect(cookie).toMatch(/^connect\.sid=/)
  await first.text()
  await fetch(served.url, { headers: { cookie } })
  expect(served.seen.map((seen) => seen.headers['x-n'])).toEqual(['1', '2'])
})

test('http-proxy-middleware forwards by itself, bodies and all', async () => {
  const target = await run([])
  const served = await middleware(
    `require('http-proxy-middleware').createProxyMiddleware({ target: '${target.url}', changeOrigin: true, logLevel: 'silent', pathRewrite: { '^/a': '/b' } })`,
  )
  const body = 'x'.repeat(300_000)
  const answer = await fetch(`${served.url}/a/c`, { method: 'POST', body })
  expect(answer.status).toBe(200)
  const got = (await answer.json()) as { body: string }
  expect({ ...got, body: got.body.length }).toMatchObject({ target: '/b/c', method: 'POST', body: body.length })
  expect(served.seen).toEqual([])
})

test.each([
  [
    'passport-http',
    `new (require('passport-http').BasicStrategy)((user, pass, done) => done(null, pass === 'p' && { id: user }))`,
    'basic',
    `Basic ${Buffer.from('u1:p').toString('base64')}`,
  ],
  [
    'passport-http-bearer',
    `new (require('passport-http-bearer').Strategy)((token, done) => done(null, token === 't' && { id: 'u1' }))`,
    'bearer',
    'Bearer t',
  ],
])('a strategy of %s with getCommonAuthCallback', async (_name, strategy, name, authorization) => {
  const served = await middleware(
    `(require('passport').use(${strategy}), (req, res, next) => require('passport').authenticate('${name}', params, params.getCommonAuthCallback(req, res, next))(req, res, next))`,
  )
  expect((await fetch(served.url)).status).toBe(401)
  expect((await fetch(served.url, { headers: { authorization } })).status).toBe(200)
  expect(served.seen[0]?.headers['eg-consumer-id']).toBe('u1')
})

test('express-rate-limit, method-override, serve-favicon, connect-timeout', async () => {
  const limit = await middleware(`require('express-rate-limit')({ windowMs: 60000, max: 1, standardHeaders: true })`)
  expect([(await fetch(limit.url)).status, (await fetch(limit.url)).status]).toEqual([200, 429])
  const override = await middleware(`require('method-override')()`)
  await fetch(override.url, { method: 'POST', headers: { 'x-http-method-override': 'DELETE' } })
  expect(override.seen[0]?.method).toBe('DELETE')
  writeFileSync(join(folder, 'icon.ico'), 'icon')
  const icon = await middleware(`require('serve-favicon')('${join(folder, 'icon.ico')}')`)
  expect(await (await fetch(`${icon.url}/favicon.ico`)).text()).toBe('icon')
  const slow = await middleware(
    `(() => { const timeout = require('connect-timeout')(20); return (req, res, next) => timeout(req, res, (error) => error && next(error)) })()`,
  )
  expect((await fetch(slow.url)).status).toBe(503)
})

test('multer takes an upload apart, and the backend still gets it', async () => {
  const served = await middleware(
    `(() => { const upload = require('multer')({ storage: require('multer').memoryStorage() }).single('file'); return (req, res, next) => upload(req, res, (error) => { req.headers['x-file'] = req.file && req.file.size; next(error) }) })()`,
  )
  const form = new FormData()
  form.set('file', new Blob(['y'.repeat(100_000)]), 'y.txt')
  await fetch(served.url, { method: 'POST', body: form })
  expect(served.seen[0]?.headers['x-file']).toBe('100000')
  expect(served.seen[0]?.body.length).toBeGreaterThan(100_000)
})
