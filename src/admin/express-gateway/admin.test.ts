/** The Admin API over HTTP, on real consumers and a real file: statuses and texts in both dialects. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Consumers, createConsumers } from '../../consumers/consumers.ts'
import { memoryStore } from '../../consumers/memory.ts'
import { exampleModels as models } from '../../consumers/testing/models.ts'
import { checkGateway, listSchemas } from '../../sources/express-gateway/check.ts'
import { readWorld } from '../../sources/express-gateway/read.ts'
import { translate } from '../../sources/express-gateway/translate.ts'
import { type AdminServer, openAdmin } from '../server.ts'
import { expressGatewayAdmin } from './admin.ts'

const gatewayText = `# the gateway of the shop
http: {port: 8080}
admin: {port: 9876}
apiEndpoints:
  a: {paths: /a} # the first
serviceEndpoints: &services
  b: {url: 'http://127.0.0.1:23001'}
policies: [terminate, proxy]
pipelines:
  p:
    apiEndpoints: [a]
    policies:
      - terminate: {action: {statusCode: 200, message: "\${MESSAGE:-v1}"}}
`

let consumers: Consumers
let server: AdminServer
let folder: string

async function start(answers: 'original' | 'strict' = 'original'): Promise<void> {
  folder = mkdtempSync(join(tmpdir(), 'gantry-admin-'))
  writeFileSync(join(folder, 'gateway.config.yml'), gatewayText)
  writeFileSync(join(folder, 'system.config.yml'), 'db: {redis: {emulate: true}}\n')
  consumers = createConsumers({ store: memoryStore(), models, crypto: { saltRounds: 4 } })
  let active = translate(await readWorld(folder, {})).wishes?.expressGateway
  const handler = expressGatewayAdmin({
    answers,
    consumers: () => consumers,
    configuration: () => active,
    schemas: () => listSchemas(active?.gatewayConfig ?? {}, active?.models ?? {}),
    check: (text) => checkGateway(folder, {}, text),
    settled: async () => {
      active = translate(await readWorld(folder, {})).wishes?.expressGateway
    },
  })
  server = await openAdmin({ address: '127.0.0.1', port: 0, handlers: [handler] })
}

beforeEach(() => start())
afterEach(stop)

async function stop(): Promise<void> {
  await server.close()
  await consumers.close()
  rmSync(folder, { recursive: true })
}

/** `body [status]`, as the acceptance suite prints it. */
async function a(method: string, path: string, body?: unknown, type = 'application/json'): Promise<string> {
  const response = await fetch(server.url + path, {
    method,
    headers: { 'content-type': type },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  return `${await response.text()} [${response.status}]`
}

async function json(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
  const text = await a(method, path, body)
  return JSON.parse(text.slice(0, text.lastIndexOf(' ['))) as Record<string, unknown>
}

const jane = { username: 'u1', firstname: 'F', lastname: 'L' }

describe('users and apps', () => {
  it('answers as the original', async () => {
    expect(await a('POST', '/users', jane)).toMatch(
      /^\{"isActive":true,"username":"u1","id":"[0-9a-f-]{36}",.* \[200\]$/,
    )
    expect(await a('POST', '/users', jane)).toBe('username already exists [409]')
    expect(await a('POST', '/users', { username: 'x' })).toBe("data should have required property 'firstname' [500]")
    expect(await a('GET', '/users')).toMatch(/^\{"users":\[\{.*"username":"u1".*\}\],"nextKey":0\} \[200\]$/)
    expect(await a('GET', '/users?start=zz')).toBe('ERR invalid cursor [500]')
    expect(await a('GET', '/users/none')).toBe('User not found: none [404]')
    expect(await a('PUT', '/users/u1', { firstname: 'G', username: 'zz' })).toContain('"username":"u1"')
    expect(await a('PUT', '/users/u1', { nope: 1 })).toBe('one or more properties is invalid [500]')
    const statuses = [true, false, false, true].map((status) => () => json('PUT', '/users/u1/status', { status }))
    const said: unknown[] = []
    for (const ask of statuses) said.push((await ask())['status'])
    expect(said).toEqual(['Active', 'Deactivated', 'Inactive', 'Activated'])
    expect(await a('PUT', '/users/none/status', { status: true })).toBe('user not found: none [404]')
    const app = await json('POST', '/apps', { userId: 'u1', name: 'app1', redirectUri: 'http://x/cb' })
    expect(await a('GET', '/apps/app1')).toContain('[200]')
    expect(await a('POST', '/apps', { userId: 'u1', name: 'app1' })).toMatch(
      /^Failed to insert application: .* \[500\]$/,
    )
    expect(await a('POST', '/apps', { userId: 'nobody', name: 'q' })).toBe('The specified user does not exist [409]')
    expect(await a('POST', '/apps', { name: 'q' })).toBe('invalid username [500]')
    expect(await a('POST', '/apps', { userId: 'u1' })).toBe("data should have required property 'name' [500]")
    expect(await a('DELETE', `/apps/${String(app['id'])}`)).toBe(' [204]')
    expect(await a('DELETE', `/apps/${String(app['id'])}`)).toBe(`Application not found: ${String(app['id'])} [404]`)
    expect(await a('DELETE', '/users/u1')).toBe(' [204]')
    expect(await a('DELETE', '/users/u1')).toBe('User not found: u1 [404]')
  })

  it('lists page by page', async () => {
    for (let number = 0; number < 25; number++) await consumers.users.insert({ ...jane, username: `n${number}` })
    const names: unknown[] = []
    let next: unknown = 0
    do {
      const page = await json('GET', `/users?start=${String(next)}&count=10`)
      names.push(...(page['users'] as { username: string }[]).map(({ username }) => username))
      next = page['nextKey']
    } while (next !== 0)
    expect(new Set(names).size).toBe(25)
  })
})

describe('scopes, credentials, tokens', () => {
  it('answers as the original', async () => {
    expect(await a('GET', '/scopes')).toBe('{"scopes":null} [200]')
    expect(await a('POST', '/scopes', { scopes: ['read', 'write'] })).toBe(' [201]')
    expect(await a('POST', '/scopes', { scopes: ['read'] })).toBe('One or more scopes already exist. [409]')
    expect(await a('POST', '/scopes', {})).toMatch(/\[500\]$/)
    expect(await a('PUT', '/scopes/exec')).toBe(' [201]')
    expect(await a('GET', '/scopes/exec')).toBe('{"scope":"exec"} [200]')
    expect(await a('GET', '/scopes/zz')).toBe('scope not found: zz [404]')
    expect(await a('GET', '/scopes')).toBe('{"scopes":["read","write","exec"]} [200]')
    expect(await a('DELETE', '/scopes/exec')).toBe(' [204]')
    expect(await a('DELETE', '/scopes/none')).toBe(' [204]')
    await a('POST', '/users', jane)
    const insert = (type: unknown, credential: object, consumerId = 'u1') =>
      a('POST', '/credentials', { consumerId, type, credential })
    expect(await insert('key-auth', { scopes: ['read'] })).toMatch(
      /"keyId":"[0-9a-zA-Z]{22}","keySecret":"[0-9a-zA-Z]{22}","scopes":\["read"\]/,
    )
    expect(await insert('key-auth', { keyId: 'kk', keySecret: 'ss' })).toContain(
      '"keyId":"kk","keySecret":"ss","scopes":null',
    )
    expect(await a('POST', '/credentials', { consumerId: 'u1', type: 'basic-auth' })).toMatch(
      /"password":"[0-9a-f-]{36}"/,
    )
    expect(await insert('basic-auth', { password: 'x' })).toBe('Credential already exists and is active [500]')
    expect(await insert('key-auth', {}, 'nope')).toBe('No consumer found with id: nope [422]')
    expect(await insert('zz', {})).toBe('Invalid credential type: zz [500]')
    expect(await insert(undefined, {})).toBe('Invalid credentials [500]')
    expect(await a('GET', '/credentials/key-auth/kk')).toContain('"type":"key-auth"')
    expect(await a('GET', '/credentials/key-auth/none')).toBe('null [200]')
    expect((await json('GET', '/credentials/u1'))['credentials']).toHaveLength(3)
    expect((await json('GET', '/credentials'))['credentials']).toHaveLength(3)
    expect(await a('GET', '/credentials/none')).toBe('{} [404]')
    expect(await a('PUT', '/credentials/key-auth/kk/status', { status: false })).toBe('{"status":"Deactivated"} [200]')
    expect(await a('PUT', '/credentials/key-auth/none/status', { status: true })).toBe(
      'No credential found with id: none [404]',
    )
    expect(await a('PUT', '/credentials/key-auth/kk/scopes/write')).toBe(' [204]')
    expect(await a('PUT', '/credentials/key-auth/kk/scopes/nope')).toBe("One or more scopes don't exist [500]")
    expect(await a('PUT', '/credentials/key-auth/none/scopes/write')).toBe('credential not found [500]')
    expect(await a('GET', '/credentials/key-auth/kk')).toContain('"scopes":["write"]')
    expect(await a('DELETE', '/credentials/key-auth/kk/scopes/write')).toBe(' [204]')
    expect(await a('PUT', '/credentials/key-auth/kk/scopes', { scopes: ['read'] })).toBe(' [204]')
    const { token } = await consumers.tokens.findOrSave('access_token', { consumerId: 'x' }, 1000)
    expect(await a('DELETE', `/tokens/${encodeURIComponent(token)}`)).toBe('[[null,1],[null,1],[null,1]] [200]')
    expect(await a('DELETE', `/tokens/${encodeURIComponent(token)}`)).toBe('Token not found null [500]')
  })

  it('says 4xx for what the caller did wrong, where strict', async () => {
    await stop()
    await start('strict')
    expect(await a('POST', '/users', { username: 'x' })).toMatch(/\[400\]$/)
    expect(await a('POST', '/users', '{bad')).toMatch(/\[400\]$/)
    expect(await a('DELETE', '/scopes/none')).toBe('scope not found: none [404]')
    expect(await a('GET', '/credentials/key-auth/none')).toBe('credential not found: none [404]')
    expect(await a('GET', '/users?start=zz')).toMatch(/\[400\]$/)
  })
})

describe('bodies and paths', () => {
  it('refuses what is too large, is no JSON, is no endpoint', async () => {
    expect(await a('POST', '/users', JSON.stringify({ ...jane, x: 'x'.repeat(110_000) }))).toBe(
      'request entity too large [413]',
    )
    expect(await a('POST', '/users', '{bad')).toMatch(/\[500\]$/)
    expect(await a('POST', '/users', '[1]')).toMatch(/\[500\]$/)
    expect(await a('POST', '/users', 'username=x', 'application/x-www-form-urlencoded')).toMatch(
      /required property.*\[500\]$/,
    )
    expect(await a('PATCH', '/users/u1', {})).toMatch(/\[404\]$/)
    expect(await a('GET', '/users/%zz')).toMatch(/\[400\]$/)
    expect(await a('GET', '/constructor')).toMatch(/\[404\]$/)
    const answer = await fetch(`${server.url}/users/${encodeURIComponent('<script>')}`)
    expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8')
  })

  it('says that the store cannot be reached', async () => {
    await stop()
    await start()
    const handler = expressGatewayAdmin({
      answers: 'original',
      consumers: () => undefined,
      configuration: () => undefined,
      schemas: () => [],
      check: () => Promise.resolve([]),
      settled: () => Promise.resolve(),
    })
    await server.close()
    server = await openAdmin({ address: '127.0.0.1', port: 0, handlers: [handler] })
    expect(await a('GET', '/users')).toMatch(/\[503\]$/)
    expect(await a('PUT', '/policies/cors')).toMatch(/\[503\]$/)
  })
})

describe('configuration', () => {
  const file = () => readFileSync(join(folder, 'gateway.config.yml'), 'utf8')

  it('is read as it is served', async () => {
    expect(await a('GET', '/api-endpoints')).toBe('{"a":{"paths":"/a"}} [200]')
    expect(await a('GET', '/service-endpoints/b')).toBe('{"url":"http://127.0.0.1:23001"} [200]')
    expect(await a('GET', '/pipelines/p')).toMatch(/"apiEndpoints":\["a"\].*\[200\]/)
    expect(await a('GET', '/policies')).toBe('["terminate","proxy"] [200]')
    expect(await a('GET', '/pipelines/zz')).toBe(' [404]')
  })

  it('is written with everything else left as it was, and served at once', async () => {
    expect(await a('PUT', '/api-endpoints/n', { paths: '/n' })).toBe(' [201]')
    expect(await a('PUT', '/pipelines/q', { apiEndpoints: ['n'], policies: [{ terminate: {} }] })).toBe(' [201]')
    expect(await a('PUT', '/api-endpoints/n', { paths: '/n2' })).toBe(' [204]')
    expect(await a('GET', '/api-endpoints/n')).toBe('{"paths":"/n2"} [200]')
    expect(file()).toContain('# the gateway of the shop')
    expect(file()).toContain('a: {paths: /a} # the first')
    expect(file()).toContain('&services')
    expect(file()).toContain('"${MESSAGE:-v1}"')
    expect(await a('DELETE', '/pipelines/q')).toBe(' [204]')
    expect(await a('DELETE', '/pipelines/q')).toBe(' [404]')
    expect(await a('PUT', '/policies/cors')).toBe('{"status":"ok"} [200]')
    expect(await a('GET', '/policies')).toBe('["terminate","proxy","cors"] [200]')
    expect(await a('DELETE', '/policies/cors')).toBe(' [204]')
    expect(await a('DELETE', '/policies/never')).toBe(' [204]')
  })

  it('is refused where it would not be served, and not written', async () => {
    expect(await a('PUT', '/service-endpoints/x', { url: 'nope' })).toMatch(/format "uri".* \[422\]$/)
    const bad = { apiEndpoints: ['a'], policies: [{ terminate: { action: { statusCode: 'abc' } } }] }
    expect(await a('PUT', '/pipelines/x', bad)).toMatch(/statusCode should be number.* \[422\]$/)
    expect(await a('PUT', '/pipelines/x', { apiEndpoints: ['a'] })).toMatch(/required property 'policies'.* \[422\]$/)
    expect(await a('PUT', '/policies/nosuch')).toMatch(/\[422\]$/)
    expect(await a('DELETE', '/policies/terminate')).toMatch(/\[422\]$/)
    expect(file()).toBe(gatewayText)
  })

  it('is changed one at a time', async () => {
    const names = Array.from({ length: 8 }, (_, number) => `e${number}`)
    await Promise.all(names.map((name) => a('PUT', `/api-endpoints/${name}`, { paths: `/${name}` })))
    expect(Object.keys(await json('GET', '/api-endpoints'))).toEqual(['a', ...names])
  })

  it('stays JSON where it is JSON', async () => {
    rmSync(join(folder, 'gateway.config.yml'))
    writeFileSync(join(folder, 'gateway.config.json'), JSON.stringify({ http: { port: 1 }, policies: ['proxy'] }))
    expect(await a('PUT', '/api-endpoints/n', { paths: '/n' })).toBe(' [201]')
    expect(JSON.parse(readFileSync(join(folder, 'gateway.config.json'), 'utf8'))).toMatchObject({
      apiEndpoints: { n: { paths: '/n' } },
    })
  })
})

describe('schemas', () => {
  it('lists what is loaded', async () => {
    const all = JSON.parse((await a('GET', '/schemas')).replace(/ \[200\]$/, '')) as {
      type: string
      schema: { $id: string }
    }[]
    expect([...new Set(all.map(({ type }) => type))].sort()).toEqual([
      'condition',
      'config',
      'internal',
      'model',
      'policy',
    ])
    const id = encodeURIComponent('http://express-gateway.io/schemas/policies/terminate.json')
    expect(await a('GET', `/schemas/${id}`)).toContain('"default":400')
    expect(await a('GET', '/schemas/policy')).not.toContain('cors')
    expect(await a('GET', '/schemas/none')).toBe('[] [200]')
  })
})

describe('bodies that nobody means', () => {
  /** What comes back, and how long it took for the connection to end. */
  function talk(...parts: readonly string[]): Promise<string> {
    return new Promise((resolve) => {
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
      let received = ''
      socket.on('data', (chunk) => {
        received += chunk.toString()
      })
      socket.on('error', () => undefined)
      socket.on('close', () => resolve(received))
      for (const part of parts) socket.write(part)
    })
  }
  const post = (more: string): string =>
    `POST /users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${more}\r\n`

  it('refuses what is nested without end', async () => {
    const deep = `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`
    for (const path of ['/users', '/scopes', '/apps']) expect(await a('POST', path, deep)).toContain('[400]')
    for (const path of ['/pipelines/p', '/service-endpoints/b', '/api-endpoints/a']) {
      expect(await a('PUT', path, deep)).toContain('[400]')
    }
    expect(readFileSync(join(folder, 'gateway.config.yml'), 'utf8')).toBe(gatewayText)
  })

  it('says 413 at once where the length is said, and ends', async () => {
    const started = performance.now()
    expect(await talk(post('Content-Length: 500000000\r\n'), '{"a":"xxxx')).toMatch(
      /^HTTP\/1.1 413 [\s\S]*Connection: close/,
    )
    expect(performance.now() - started).toBeLessThan(10_000)
  })

  it('says 413 to who sends 20 MB in one go and only then reads', async () => {
    const body = `"${'x'.repeat(20_000_000)}"`
    expect(await talk(post(`Content-Length: ${body.length}\r\n`), body)).toMatch(/^HTTP\/1.1 413 /)
    expect(
      await talk(post('Transfer-Encoding: chunked\r\n'), `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`),
    ).toMatch(/^HTTP\/1.1 413 /)
  })

  it('gives the environment away to nobody', async () => {
    const url = { url: 'http://127.0.0.1/${HOME}' }
    for (const text of ['${HOME}', '${NOPE:-x}', '$${HOME}']) {
      expect(await a('PUT', '/service-endpoints/b', { url: `http://127.0.0.1/${text}` })).toMatch(
        /environment.* \[422\]$/,
      )
      expect(await a('PUT', `/service-endpoints/${encodeURIComponent(text)}`, { url: 'http://127.0.0.1' })).toContain(
        '[422]',
      )
      expect(await a('PUT', `/policies/${encodeURIComponent(text)}`)).toContain('[422]')
    }
    expect(await a('PUT', '/pipelines/p', { policies: [{ terminate: { action: { message: url.url } } }] })).toContain(
      '[422]',
    )
    expect(readFileSync(join(folder, 'gateway.config.yml'), 'utf8')).toBe(gatewayText)
    // what JavaScript reads for itself is no placeholder
    const log = [{ log: { action: { message: '${req.method} ${egContext.run("1")}' } } }]
    expect(await a('PUT', '/pipelines/q', { apiEndpoints: ['a'], policies: log })).toContain('[422]')
    expect(await a('PUT', '/policies/log')).toContain('[200]')
    expect(await a('PUT', '/pipelines/q', { apiEndpoints: ['a'], policies: log })).toContain('[201]')
  })
})
