/** Express Gateway's routing, as it is and written as Gateway API: the same requests get the same answers, or the difference is said. */
import { readFileSync } from 'node:fs'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Diagnostic } from '../src/model/diagnostic.ts'
import type { Model } from '../src/model/model.ts'
import { compileCondition } from '../src/policies/conditions.ts'
import { policies } from '../src/policies/list.ts'
import { translate } from '../src/sources/express-gateway/translate.ts'
import type { TextFile } from '../src/sources/express-gateway/world.ts'
import { createFileReader } from '../src/sources/gateway-api/files.ts'
import { createTranslator } from '../src/sources/gateway-api/translate.ts'
import { writeGatewayApi } from '../src/sources/gateway-api/write.ts'
import { serve, type Served } from '../src/targets/engine/testing.ts'

const fixture = readFileSync(new URL('../conformance/express-gateway/fix/routing.yml', import.meta.url), 'utf8')

function modelOf(text: string): Model {
  const missing = (name: string): TextFile => ({ kind: 'missing', name })
  const { model, refused } = translate({
    folder: '/etc/gateway',
    environment: {},
    gateway: { kind: 'text', name: 'gateway.config.yml', text },
    system: missing('system.config.yml'),
    models: { users: missing('u'), applications: missing('a'), credentials: missing('c') },
    files: {},
    ownPlugins: [],
  })
  expect(refused ?? false).toBe(false)
  return model
}

/** Through the text, as a person would: what is written is read again, and the schema finds nothing wrong. */
function readAgain(model: Model): {
  readonly model: Model
  readonly said: readonly Diagnostic[]
  readonly text: string
} {
  const { text, diagnostics } = writeGatewayApi({ model })
  const read = createFileReader({ controllerName: 'gantry.dev/gateway-controller', address: '127.0.0.1' })
  const world = read(new Map([['all.yaml', text]]), new Map())
  expect(world.problems).toEqual([])
  const translation = createTranslator()(world)
  expect(translation.diagnostics).toEqual([])
  return { model: translation.model, said: diagnostics, text }
}

const serveModel = (model: Model): Promise<Served> => {
  const listeners = model.listeners.map((listener) => ({ ...listener, address: '127.0.0.1', port: 0 }))
  return serve({ ...model, listeners }, { policies, conditions: compileCondition })
}

const answerOf = (port: number, method: string, host: string, path: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, method, path, agent: false, headers: { host } }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (piece: string) => (body += piece))
      response.on('end', () => resolve(response.statusCode === 200 ? `200 ${body}` : String(response.statusCode)))
    })
    sent.on('error', reject).end()
  })

describe('the routing fixture, with a service in the place of each fixed answer', () => {
  let backend: Server
  let before: Served
  let after: Served
  let said: readonly Diagnostic[]

  beforeAll(async () => {
    backend = createServer((incoming, response) => {
      response.setHeader('x-service', 'yes')
      response.end(`${incoming.headers['x-from'] ?? ''} ${incoming.method} ${incoming.url}`)
    })
    await new Promise<void>((done) => backend.listen(0, '127.0.0.1', done))
    const { port } = backend.address() as AddressInfo
    const names = new Set<string>()
    const text = fixture
      .split('\n')
      // programs, and endpoints that nobody serves, have no equivalent
      .filter((line) => !/expression:|^ {2}(?:fall1|params|ctx|nopipe):/.test(line))
      .join('\n')
      .replace(/\{terminate: \{action: \{statusCode: \d+, message: (\w+)\}\}\}/g, (_, name: string) => {
        names.add(name)
        return `{proxy: {action: {serviceEndpoint: ${name}, headers: {x-from: ${name}}}}}`
      })
      .replace('policies: [terminate,', 'policies: [proxy, terminate,')
    const services = [...names].map((name) => `  ${name}: {url: 'http://127.0.0.1:${port}'}\n`).join('')
    const model = modelOf(`${text}\nserviceEndpoints:\n${services}`)
    const written = readAgain(model)
    said = written.said
    before = await serveModel(model)
    after = await serveModel(written.model)
  })
  afterAll(async () => {
    await Promise.all([before?.stop(), after?.stop()])
    await new Promise((done) => backend.close(done))
  })

  const hosts = [
    'acme.com',
    'ACME.com:81',
    'other.org',
    'x.acme.com',
    'x.y.acme.com',
    'q.acme.com:80',
    'abc.rx.com',
    'abcd.rx.com',
  ]
  const paths = [
    '/', '/a', '/A/', '/a/', '/a/b', '/star', '/STARfish/x', '/star/x?y=1', '/slash', '/slash/', '/slash/z', '/p/1',
    '/P/1/', '/p/1/2', '/p/', '/opt', '/opt/1', '/opt/1/2', '/num/12', '/num/ab', '/fall/', '/alias', '/aliases', '/x/id-123/y',
    '/ID-123', '/zz?x=/id-123', '/m', '/m/', '/multi1', '/multi2', '/last', '/none', '/p/%zz', '/star%2f', '/a?b',
  ] // prettier-ignore

  test.each(hosts)('Host %s', async (host) => {
    const different: string[] = []
    for (const path of paths) {
      for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
        const [one, other] = await Promise.all([
          answerOf(before.port, method, host, path),
          answerOf(after.port, method, host, path),
        ])
        if (one !== other) different.push(`${method} ${path}: ${one}, written: ${other}`)
      }
    }
    expect(different).toEqual([])
  })

  test('hits what it should: these are not all 404', async () => {
    expect(await answerOf(after.port, 'GET', 'q.acme.com', '/star/x')).toBe('200 anyhost GET /star/x')
    expect(await answerOf(after.port, 'PUT', 'other.org', '/m')).toBe('200 m2 PUT /m')
    expect(await answerOf(after.port, 'GET', 'x.acme.com', '/zz')).toBe('200 wild GET /zz')
  })

  test('slashes are no longer collapsed, and it is said', async () => {
    expect(await answerOf(before.port, 'GET', 'x.acme.com', '/a//')).toBe('200 wild GET /a/')
    expect(await answerOf(after.port, 'GET', 'x.acme.com', '/a//')).toBe('200 wild GET /a//')
    expect(said.map((each) => each.code)).toContain('gateway-api/write-slashes')
  })

  test('the order is kept, so nothing is said of it', () => {
    expect(said.filter((each) => each.code === 'gateway-api/write-order')).toEqual([])
  })
})

describe('what has no equivalent', () => {
  test('is said with its place, and answers 500 rather than less', async () => {
    const { model, said } = readAgain(modelOf(fixture))
    const errors = said.filter((each) => each.severity === 'error').map((each) => [each.code, each.origin?.line])
    expect(errors).toContainEqual(['gateway-api/write-policy', 28])
    expect(errors).toContainEqual(['gateway-api/write-reply', 4])
    const served = await serveModel(model)
    expect(await answerOf(served.port, 'GET', 'other.org', '/fall')).toBe('500')
    expect(await answerOf(served.port, 'GET', 'other.org', '/ctx')).toBe('500')
    await served.stop()
  })

  const gateway = (endpoints: string, pipelines: string, policy: string): Model =>
    modelOf(
      `http: {port: 8080}\napiEndpoints:\n${endpoints}\nserviceEndpoints: {s: {url: 'http://shop.example.com'}}\n` +
        `policies: [proxy, ${policy}]\npipelines:\n${pipelines}\n`,
    )

  test('a key that was asked for is asked for no more: nobody comes in', () => {
    const { model, said } = readAgain(
      gateway(
        "  a: {paths: '/a'}",
        '  p: {apiEndpoints: [a], policies: [{key-auth: }, {proxy: {action: {serviceEndpoint: s}}}]}',
        'key-auth',
      ),
    )
    expect(model.routes.map((route) => route.action)).toMatchObject([{ kind: 'forward', forward: { backends: [] } }])
    expect(
      said.find((each) => each.code === 'gateway-api/write-policy' && each.severity === 'error')?.message,
    ).toContain('key-auth')
  })

  test('an order that cannot be kept', () => {
    const { said } = readAgain(
      gateway(
        "  wide: {paths: '/shop*'}\n  narrow: {paths: '/shop/cart/items'}",
        '  p: {apiEndpoints: [wide], policies: [{proxy: {action: {serviceEndpoint: s}}}]}\n' +
          "  q: {apiEndpoints: [narrow], policies: [{proxy: {action: {serviceEndpoint: s, headers: {x: 'y'}}}}]}",
        'log',
      ),
    )
    expect(said.filter((each) => each.code === 'gateway-api/write-order')).toMatchObject([
      { severity: 'warning', origin: { line: 4 }, related: [{ line: 3 }] },
    ])
  })
})
