/** Loading, reloading and failing plugins; routes, conditions, events. */
import { createServer, get as httpGet } from 'node:http'
import { mkdirSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import type { Step } from '../policies/policy.ts'
import { hostOf, type TestHost } from './testing/plugins.ts'
import { type Served, serve } from './testing/serve.ts'

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

type Globals = Record<string, unknown[]>
const log = (name: string): unknown[] => ((globalThis as unknown as Globals)[name] = [])

async function load(...options: Parameters<typeof hostOf>): Promise<TestHost> {
  const plugins = await hostOf(...options)
  open.push(plugins)
  return plugins
}

const manifest = (body: string, rest = ''): string =>
  `module.exports = { version: '1.2.0', ${rest} init (ctx) { ${body} } }`
const through = async (plugins: TestHost, steps: () => Step[] = () => []): Promise<Served> => {
  const served = await serve({
    steps: () => [...(plugins.host.gatewayRoutes === undefined ? [] : [plugins.host.gatewayRoutes]), ...steps()],
  })
  open.push(served)
  return served
}

test('init is given all that a plugin may use', async () => {
  const seen = log('gantryContext')
  const plugins = await load(
    {
      p: manifest(
        `global.gantryContext.push(Object.keys(ctx), ctx.settings, Object.keys(ctx.config.gatewayConfig.apiEndpoints), typeof ctx.services.user.find); ctx.logger.warn('a %s', 'word'); ctx.registerCLIExtension(1)`,
        `schema: { $id: 'x', type: 'object', properties: { a: { type: 'number', default: 3 }, b: { type: 'number' } } },`,
      ),
    },
    { settings: { p: { b: '4' } }, services: () => ({ user: { find: () => undefined } }) },
  )
  expect(plugins.diagnostics).toEqual([])
  expect(plugins.host.names).toEqual(['p'])
  expect(seen[0]).toEqual([
    'settings',
    'config',
    'services',
    'logger',
    'eventBus',
    'policies',
    'conditions',
    'gatewayRoutes',
    'adminRoutes',
    'cliExtensions',
    'registerPolicy',
    'registerCondition',
    'registerGatewayRoute',
    'registerAdminRoute',
    'registerCLIExtension',
  ])
  expect(seen.slice(1)).toEqual([{ a: 3, b: 4, package: './plugins/p' }, ['a', 'b'], 'function'])
  expect(plugins.events.find((event) => event.code === 'plugin/log')).toMatchObject({
    level: 'warn',
    message: 'a word',
    facts: { plugin: 'p' },
  })
})

test('a plugin that fails is left out, with a diagnostic; the others are there', async () => {
  const plugins = await load(
    {
      throws: `throw new Error('at load')`,
      syntax: `module.exports = {`,
      noinit: `module.exports = { version: '1.0.0' }`,
      noversion: `module.exports = { init () {} }`,
      initThrows: manifest(
        `ctx.registerPolicy({ name: 'half', policy: () => () => {} }); ctx.eventBus.on('http-ready', () => global.gantryFails.push('heard')); throw new Error('in init')`,
      ),
      rejects: `module.exports = { version: '1.0.0', init: async () => { throw new Error('async init') } }`,
      settings: manifest('', `schema: { $id: 'y', type: 'object', required: ['must'] },`),
      nameless: manifest(`ctx.registerPolicy({ policy: () => () => {} })`),
      badSchema: manifest(`ctx.registerPolicy({ name: 'q', schema: { type: 'nonsense' }, policy: () => () => {} })`),
      newer: `module.exports = { version: '2.0.0', init (ctx) { ctx.registerPolicy({ name: 'good', policy: () => (req, res) => res.send('good') }) } }`,
    },
    {},
  )
  const heard = log('gantryFails')
  expect(plugins.diagnostics.map(({ severity, message }) => `${severity} ${message.split('\n')[0]}`)).toEqual([
    'warning Failed to load plugin ./plugins/throws: at load',
    expect.stringMatching(/^warning Failed to load plugin \.\/plugins\/syntax: Unexpected/),
    'warning Failed to load plugin ./plugins/noinit: it exports no manifest',
    'warning Failed to load plugin ./plugins/noversion: its manifest has no version such as 1.2.0',
    'warning Failed to load plugin ./plugins/initThrows: in init',
    'warning Failed to load plugin ./plugins/rejects: async init',
    "warning Failed to load plugin ./plugins/settings: its settings are wrong: must have required property 'must'",
    'warning Failed to load plugin ./plugins/nameless: it registers a policy without a name',
    expect.stringMatching(/^warning Failed to load plugin \.\/plugins\/badSchema: /),
    'warning plugin ./plugins/newer is for version 2.0.0 of the contract; this is 1.2.0',
  ])
  expect(plugins.host.names).toEqual(['newer'])
  expect(plugins.host.policy('half')).toBeUndefined()
  expect(plugins.host.policy('good')).toBeDefined()
  plugins.host.serving([{ scheme: 'http', address: '127.0.0.1', port: 80 }])
  expect(heard).toEqual([])
  const missing = await plugins.reload([{ name: 'doesnotexist', settings: {}, from: plugins.folder }])
  expect(missing).toMatchObject([
    {
      message: 'Failed to load plugin express-gateway-plugin-doesnotexist: there is no such module',
      hint: 'npm install express-gateway-plugin-doesnotexist',
    },
  ])
})

test('names are found as packages above the configuration, relative paths above it too, ES modules as well', async () => {
  const plugins = await load({ own: manifest('') })
  const put = (path: string, text: string): void => {
    mkdirSync(join(plugins.folder, path, '..'), { recursive: true })
    writeFileSync(join(plugins.folder, path), text)
  }
  put('node_modules/express-gateway-plugin-packed/index.js', manifest(''))
  put('node_modules/other/index.js', manifest(''))
  put('esm.mjs', `export default { version: '1.0.0', init () {} }`)
  const from = join(plugins.folder, 'config')
  const wish = (name: string, rest = {}): TestHost['wishes'][number] => ({ name, settings: {}, from, ...rest })
  const diagnostics = await plugins.reload([
    wish('packed'),
    wish('express-gateway-plugin-packed'),
    wish('o', { package: 'other' }),
    wish('r', { package: './plugins/own.js' }),
    wish('e', { package: './esm.mjs' }),
  ])
  expect(diagnostics).toEqual([])
  expect(plugins.host.names).toEqual(['packed', 'express-gateway-plugin-packed', 'o', 'r', 'e'])
})

test('packages that Express Gateway brought along, and its own parts, are there for who asks', async () => {
  const seen = log('gantryShim')
  const plugins = await load(
    {
      p: `const { user } = require('express-gateway/lib/services')
          const logger = require('express-gateway/lib/logger')
          ${manifest(`
            global.gantryShim.push(typeof require('express').Router, typeof require('passport').authenticate, user.find(), require('express-gateway/lib/config').systemConfig, require('express-gateway/lib/services/index').auth.x())
            logger.plugins.info('one'); logger.createLoggerWithLabel('[X]').error('two'); require('express-gateway/lib/eventBus').on('http-ready', () => global.gantryShim.push('ready'))`)}`,
    },
    { services: () => ({ user: { find: () => 'found' }, auth: { x: () => 1 } }) },
  )
  expect(plugins.diagnostics).toEqual([])
  plugins.host.serving([{ scheme: 'http', address: '127.0.0.1', port: 80 }])
  expect(seen).toEqual(['function', 'function', 'found', {}, 1, 'ready'])
  expect(plugins.events.filter((event) => event.code === 'plugin/log').map((event) => event.message)).toEqual([
    'one',
    'two',
  ])
})

test('policies: defaults are written, wrong parameters throw where they are compiled', async () => {
  const plugins = await load({
    p: manifest(
      `ctx.registerPolicy({ name: 'p', schema: { $id: 'p', type: 'object', properties: { who: { type: 'string', default: 'world' }, n: { type: 'integer' } } }, policy: (params, config) => (req, res) => res.send([params.who, typeof params.getCommonAuthCallback, Object.keys(config.gatewayConfig.apiEndpoints).length].join()) })`,
    ),
  })
  const parameters = {}
  const step = plugins.host.policy('p')?.compile(parameters) as Step
  expect(parameters).toEqual({})
  const served = await through(plugins, () => [step])
  expect(await (await fetch(served.url)).text()).toBe('world,function,2')
  expect(() => plugins.host.policy('p')?.compile({ n: 'x' })).toThrow(
    'Policy p params validation failed: n must be integer',
  )
  expect(plugins.host.schemas).toMatchObject([{ type: 'policy', name: 'p', schema: { $id: 'p' } }])
})

test('conditions in all of their forms', async () => {
  const plugins = await load({
    p: manifest(`
      ctx.registerCondition({ name: 'two', handler: (req, config) => req.url.includes(config.v) })
      ctx.registerCondition({ name: 'one', handler: (config) => (req) => req.url.includes(config.v) })
      ctx.registerCondition({ name: 'later', handler: async (config) => (req) => req.url.includes(config.v) })
      ctx.registerCondition({ name: 'never', handler: async () => { throw new Error('not ready') } })
      ctx.registerCondition({ name: 'throws', handler: (req, config) => { throw new Error('asked') } })
      ctx.registerCondition({ name: 'strict', schema: { $id: 's', type: 'object', required: ['v'] }, handler: (req, config) => true })`),
  })
  const answers: unknown[] = []
  const ask = (name: string): Step => ({
    request: async (exchange) => {
      try {
        answers.push(await plugins.host.condition(name)?.compile({ v: 'yes' })(exchange))
      } catch (error) {
        answers.push((error as Error).message)
      }
      return undefined
    },
  })
  const served = await through(plugins, () => ['two', 'one', 'later', 'never', 'throws'].map(ask))
  await fetch(`${served.url}/yes`)
  await fetch(`${served.url}/no`)
  expect(answers).toEqual([true, true, true, 'not ready', 'asked', false, false, false, 'not ready', 'asked'])
  expect(plugins.counts.get('gantry_plugin_failures_total{p,error}')).toBe(2)
  expect(() => plugins.host.condition('strict')?.compile({})).toThrow('Condition strict params validation failed')
  expect(plugins.host.condition('unknown')).toBeUndefined()
})

test('gateway routes run in front of everything: routes, middleware, parameters, mounted apps, error handlers', async () => {
  const plugins = await load({
    p: manifest(`ctx.registerGatewayRoute((app) => {
      const express = require('express')
      app.use((req, res, next) => { res.setHeader('X-Mw', '1'); req.headers['x-mw'] = 'in'; next() })
      app.get('/users/:id', (req, res) => res.json([req.params.id, req.query.q, req.route.path]))
      app.use('/sub', express().get('/x', (req, res) => res.send(req.baseUrl + '|' + req.url)))
      app.use('/static', express.static(${JSON.stringify(join(import.meta.dirname, 'testing'))}))
      app.get('/broken', () => { throw new Error('x') })
      app.get('/handled', (req, res, next) => next(new Error('mine')))
      app.use('/handled', (error, req, res, next) => res.status(409).send(error.message))
    })`),
    q: manifest(`ctx.registerGatewayRoute((app) => { throw new Error('no routes') })`),
  })
  expect(plugins.diagnostics).toMatchObject([
    { code: 'plugins/routes', message: 'plugin q failed to add its routes: no routes' },
  ])
  const served = await through(plugins)
  const get = (path: string): Promise<Response> => fetch(served.url + path)
  expect(await (await get('/users/7?q=z')).json()).toEqual(['7', 'z', '/users/:id'])
  expect(await (await get('/sub/x')).text()).toBe('/sub|/x')
  expect((await get('/static/serve.ts')).status).toBe(200)
  const passed = await get('/other')
  expect([passed.status, passed.headers.get('x-mw'), served.seen[0]?.headers['x-mw'], served.seen[0]?.target]).toEqual([
    200,
    '1',
    'in',
    '/other',
  ])
  expect((await get('/broken')).status).toBe(500)
  expect([(await get('/handled')).status, await (await get('/handled')).text()]).toEqual([409, 'mine'])
  expect(plugins.counts.get('gantry_plugin_failures_total{p,error}')).toBe(1)
})

test('admin routes are mounted on the admin API; what they do not take goes on', async () => {
  const plugins = await load({
    p: manifest(
      `ctx.registerAdminRoute((app) => { app.get('/plugadmin', (req, res) => res.json({ admin: true })); app.get('/bad', (req, res, next) => next(new Error('x'))) })`,
    ),
  })
  const server = createServer((req, res) => {
    void (async () => {
      const url = new URL(req.url ?? '/', 'http://admin')
      if (!(await plugins.host.adminHandler(req, res, url))) res.writeHead(404).end('own')
    })()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push(server)
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  expect(await (await fetch(`${url}/plugadmin`)).json()).toEqual({ admin: true })
  expect((await fetch(`${url}/bad`)).status).toBe(500)
  expect(await (await fetch(`${url}/own`)).text()).toBe('own')
  server.closeAllConnections()
})

test('events: servers that listen, hot reload, and none of it twice', async () => {
  const seen = log('gantryEvents')
  const plugins = await load({
    p: manifest(`
      for (const name of ['http-ready', 'https-ready', 'admin-ready', 'hot-reload']) ctx.eventBus.on(name, (facts) => {
        const server = facts.httpServer || facts.adminServer
        global.gantryEvents.push(name + (server ? ' ' + typeof server.on + ' ' + (server.address() || {}).port : ' ' + facts.type))
      })
      ctx.eventBus.on('http-ready', ({ httpServer }) => httpServer.on('close', () => global.gantryEvents.push('closed')))`),
    rude: manifest(`ctx.eventBus.on('hot-reload', ({ newConfig }) => newConfig.secret)`),
  })
  const admin = createServer()
  plugins.host.serving([
    { scheme: 'http', address: '127.0.0.1', port: 8080 },
    { scheme: 'https', address: '::', port: 8443 },
  ])
  plugins.host.serving([
    { scheme: 'http', address: '127.0.0.1', port: 8080 },
    { scheme: 'https', address: '::', port: 8443 },
  ])
  plugins.host.administering(admin)
  expect(seen).toEqual(['http-ready function 8080', 'https-ready function 8443', 'admin-ready function undefined'])
  seen.length = 0
  // nothing has changed: nothing is loaded again
  expect(await plugins.reload(plugins.wishes, { apiEndpoints: { a: {}, b: {} } })).toEqual([])
  expect(seen).toEqual([])
  await plugins.reload()
  expect(seen).toEqual([
    'hot-reload gateway',
    'closed',
    'http-ready function 8080',
    'https-ready function 8443',
    'admin-ready function undefined',
  ])
  expect(plugins.counts.get('gantry_plugin_failures_total{rude,uncaught}')).toBe(1)
  seen.length = 0
  plugins.host.close()
  expect(seen).toEqual(['closed'])
})

test('a reload neither doubles routes nor touches steps that were compiled before', async () => {
  const plugins = await load({
    p: manifest(`
      const n = Object.keys(ctx.config.gatewayConfig.apiEndpoints).length
      ctx.registerPolicy({ name: 'p', policy: () => (req, res) => res.send('policy ' + n) })
      ctx.registerGatewayRoute((app) => { app.use((req, res, next) => { res.append('X-Mw', String(n)); next() }) })`),
  })
  const before = plugins.host.policy('p')?.compile({}) as Step
  const routesBefore = plugins.host.gatewayRoutes as Step
  await plugins.reload()
  const served = await through(plugins, () => [plugins.host.policy('p')?.compile({}) as Step])
  const answer = await fetch(served.url)
  expect([answer.headers.get('x-mw'), await answer.text()]).toEqual(['0', 'policy 0'])
  const old = await serve({ steps: () => [routesBefore, before] })
  open.push(old)
  expect(await (await fetch(old.url)).text()).toBe('policy 2')
})

test('errors that a plugin throws later are its own, and the process goes on', async () => {
  // the runner of tests listens to these as well; its listeners stand aside while ours is tried
  const others = {
    uncaughtException: process.listeners('uncaughtException'),
    unhandledRejection: process.listeners('unhandledRejection'),
  }
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) process.removeAllListeners(event)
  try {
    const plugins = await load({
      timer: manifest(`setTimeout(() => { throw new Error('timer') }, 1)`),
      rejection: manifest(`setTimeout(async () => { throw new Error('rejection') }, 1)`),
      emitter: manifest(`require('net').connect(1, '127.0.0.1')`),
    })
    await expect
      .poll(() => [...plugins.counts].sort(([left], [right]) => (left < right ? -1 : 1)))
      .toEqual(['emitter', 'rejection', 'timer'].map((name) => [`gantry_plugin_failures_total{${name},uncaught}`, 1]))
    expect(plugins.events.filter((event) => event.code === 'plugins/failure')).toHaveLength(3)
  } finally {
    for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
      for (const listener of others[event]) process.on(event, listener as never)
    }
  }
})

test('the agent of a client that leaves does not leave anything behind', async () => {
  const plugins = await load({
    p: manifest(`ctx.registerPolicy({ name: 'p', policy: () => (req, res) => { res.write('a') } })`),
  })
  const served = await through(plugins, () => [plugins.host.policy('p')?.compile({}) as Step])
  await new Promise<void>((resolve, reject) => {
    const asked = httpGet(served.url, (answer) => {
      answer.once('data', () => {
        asked.destroy()
        resolve()
      })
    })
    asked.on('error', reject)
  })
  expect(plugins.counts.size).toBe(0)
})
