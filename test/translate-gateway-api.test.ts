/** Express Gateway's routing, as it is and written as Gateway API: the same requests get the same answers, or the difference is said. */
import { readFileSync } from 'node:fs'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import type { Diagnostic } from '../src/model/diagnostic.ts'
import { emptyModel, type Listener, type Model, type Route, type StreamRoute } from '../src/model/model.ts'
import { compileCondition } from '../src/policies/conditions.ts'
import { policies } from '../src/policies/list.ts'
import { translate } from '../src/sources/express-gateway/translate.ts'
import type { TextFile } from '../src/sources/express-gateway/world.ts'
import { createFileReader } from '../src/sources/gateway-api/files.ts'
import { readEnvironment } from '../src/sources/pods/environment.ts'
import { readTexts } from '../src/sources/pods/read-files.ts'
import { createTranslate } from '../src/sources/pods/translate.ts'
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

describe('Pods with routing annotations', () => {
  const annotation = 'github.com/30x.dispatcher.'
  const example = readFileSync(new URL('../examples/pods/files/shop.yaml', import.meta.url), 'utf8')
  const modelOfPods = (text: string, more: Readonly<Record<string, string>> = {}): Model => {
    const environment = { HOSTS_ANNOTATION: `${annotation}hosts.public`, PATHS_ANNOTATION: `${annotation}paths.public` }
    const configured = readEnvironment({ ...environment, ...more }, () => new Error('no files'))
    return createTranslate()(readTexts([['shop.yaml', text]], configured)).model
  }
  const withPaths = (paths: readonly object[]): string =>
    example.replace(/'\[\{"basePath": "\/", [^']*'/, `'${JSON.stringify(paths)}'`)
  const backendsOf = ({ routes }: Model): readonly object[] =>
    routes.flatMap(({ action }) => (action.kind === 'forward' ? action.forward.backends : []))
  const codes = (said: readonly Diagnostic[], severity: string): readonly string[] =>
    said.filter((each) => each.severity === severity).map((each) => each.code)

  test('answer as before on their open routes, with and without a target path', async () => {
    const backend = createServer((incoming, response) => response.end(`${incoming.method} ${incoming.url}`))
    await new Promise<void>((done) => backend.listen(0, '127.0.0.1', done))
    const local = (model: Model): Model => ({
      ...model,
      endpoints: model.endpoints.map((each) => ({
        ...each,
        addresses: [{ host: '127.0.0.1', port: (backend.address() as AddressInfo).port }],
      })),
    })
    const paths = [
      { basePath: '/', containerPort: '8080' },
      { basePath: '/cart', containerPort: '8080', targetPath: '/v1/cart' },
      { basePath: '/old/', containerPort: '8080', targetPath: '/' },
      { basePath: '= /one', containerPort: '8080', targetPath: '/other' },
    ]
    for (const text of [example, withPaths(paths)]) {
      const model = local(modelOfPods(text))
      const written = readAgain(model)
      const [before, after] = [await serveModel(model), await serveModel(written.model)]
      const asked = [
        '/',
        '/a/b?c=d',
        '/%61',
        '/cart',
        '/cart/',
        '/cart/x?y',
        '/old',
        '/old/',
        '/old/x',
        '/one',
        '/one/two',
      ]
      const served: string[] = []
      for (const path of asked) {
        const one = await answerOf(before.port, 'GET', 'shop.example.com', path)
        expect([path, await answerOf(after.port, 'GET', 'shop.example.com', path)]).toEqual([path, one])
        served.push(one)
      }
      expect(served[1]).toBe('200 GET /a/b?c=d')
      if (text !== example)
        expect(served.slice(5, 9)).toEqual(['200 GET /v1/cart/x?y', '301', '200 GET /', '200 GET /x'])
      expect(codes(written.said, 'error')).toEqual(['gateway-api/write-reply'])
      expect(written.said.filter((each) => each.message.includes('clients write them'))).toHaveLength(1)
      await Promise.all([before.stop(), after.stop()])
    }
    await new Promise((done) => backend.close(done))
  })

  test('what a filter would do otherwise is closed', () => {
    const { model, said } = readAgain(
      modelOfPods(withPaths([{ basePath: '/admin', containerPort: '8080', targetPath: '/' }])),
    )
    expect(backendsOf(model)).toEqual([])
    expect(said.find((each) => each.code === 'gateway-api/write-policy' && each.severity === 'error')?.hint).toBe(
      'let both end in a slash, or neither',
    )
  })

  test('paths with a key are closed, and that is said once with a count', () => {
    const paths = ['/', '/a', '/b', '/c', '/d'].map((basePath) => ({ basePath, containerPort: '8080' }))
    const keys = { API_KEY_SECRET_FIELD: 'public-api-key' }
    const { model, said } = readAgain(modelOfPods(withPaths(paths), keys))
    expect(backendsOf(model)).toEqual([])
    const errors = said.filter((each) => each.code === 'gateway-api/write-policy' && each.severity === 'error')
    expect(errors.map((each) => each.message)).toEqual([expect.stringMatching(/shared-key .* and 2 more answer 500/)])
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

describe('a model of all kinds, written and read again', () => {
  const origin = { source: 'test' }
  const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'
  const http: Listener = { id: 't/http', address: '*', port: 8080, protocol: 'http', origin }
  const backend = { id: 't/b', protocol: 'http1' as const, origin }
  const model = (more: Partial<Model>): Model => ({
    ...emptyModel,
    listeners: [http],
    backends: [backend],
    endpoints: [{ backend: 't/b', addresses: [{ host: '127.0.0.1', port: 3000 }] }],
    ...more,
  })
  const forward = {
    kind: 'forward' as const,
    forward: { backends: [{ target: { kind: 'backend' as const, id: 't/b' } }] },
  }
  const route = (id: string, match: Route['match'], more: Partial<Route> = {}): Route => ({
    id: `t/${id}`,
    listeners: [http.id],
    match,
    policies: [],
    action: forward,
    origin,
    ...more,
  })
  const closed = { kind: 'forward', forward: { backends: [] } }

  test.each([
    [
      'a path',
      { path: { kind: 'regexp', source: '^/a/(?<n>x)\\k<n>', ignoreCase: true } },
      { kind: 'prefix', value: '/' },
    ],
    [
      'a path with a beginning',
      { path: { kind: 'regexp', source: `^/a/b/(${'x'.repeat(1100)})` } },
      { kind: 'prefix', value: '/a/b' },
    ],
    ['a content type', { path: { kind: 'prefix', value: '/g' }, content: 'grpc' }, { kind: 'prefix', value: '/g' }],
    [
      'a client certificate',
      { path: { kind: 'prefix', value: '/c' }, clientCertificate: 'verified' },
      { kind: 'prefix', value: '/c' },
    ],
    ['a method', { path: { kind: 'prefix', value: '/m' }, methods: ['PURGE'] }, { kind: 'prefix', value: '/m' }],
  ] as const)('%s that cannot be matched is closed, not left out', (_, match, path) => {
    const wide = route('wide', { path: { kind: 'exact', value: '/elsewhere' } })
    const { model: read, said } = readAgain(model({ routes: [route('narrow', match as Route['match']), wide] }))
    const found = read.routes.find(
      (each) => each.action.kind === 'forward' && each.action.forward.backends.length === 0,
    )
    // a prefix of `/` is every path
    expect(found).toMatchObject({ match: path.value === '/' ? {} : { path }, action: closed })
    expect(said.filter((each) => each.severity === 'error')).toHaveLength(1)
  })

  test('a host that cannot be matched is closed on every host', () => {
    const hosts = [{ kind: 'regexp' as const, source: 'a|b' }]
    const { model: read, said } = readAgain(
      model({ routes: [route('h', { path: { kind: 'prefix', value: '/h' } }, { hosts })] }),
    )
    expect(read.routes).toMatchObject([{ match: { path: { kind: 'prefix', value: '/h' } }, action: closed }])
    expect(said.map((each) => each.code)).toContain('gateway-api/write-host')
  })

  test('more matches than a rule may have are several rules', () => {
    const methods = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS']
    const routes = Array.from({ length: 12 }, (_, index) =>
      route(`r${index}`, { path: { kind: 'exact', value: `/${index}/`, optionalSlash: true }, methods }),
    )
    const { model: read, said } = readAgain(model({ routes }))
    expect(read.routes).toHaveLength(12 * 14)
    expect(said.filter((each) => each.severity === 'error')).toEqual([])
  })

  test('cors is the CORS filter', () => {
    const config = {
      origins: {
        kind: 'list',
        of: [
          { kind: 'exact', value: 'https://a.example' },
          { kind: 'wildcard', value: 'https://*.b.example' },
        ],
      },
      methods: ['GET', 'PUT'],
      allowHeaders: ['x-a'],
      exposeHeaders: ['x-b'],
      credentials: true,
      maxAge: 60,
    }
    const { model: read, said } = readAgain(
      model({ routes: [route('c', {}, { policies: [{ policy: 'cors', config, origin }] })] }),
    )
    expect(read.routes[0]?.policies).toMatchObject([{ policy: 'cors', config: { ...config, answer: 'preflight' } }])
    expect(said.filter((each) => each.code === 'gateway-api/write-policy')).toEqual([])
  })

  test.each([
    [{ kind: 'cookie', name: 'shop', absoluteTimeout: 3_600_000, cookiePath: '/shop' }],
    [{ kind: 'cookie', name: 'shop' }],
    [{ kind: 'header', name: 'x-session' }],
  ] as const)('persistence %o stays', (persistence) => {
    const action = { kind: 'forward' as const, forward: { ...forward.forward, persistence } }
    const { model: read } = readAgain(model({ routes: [route('p', {}, { action })] }))
    expect(read.routes[0]?.action).toMatchObject({ forward: { persistence } })
  })

  test('streams of TCP, UDP and TLS stay', () => {
    const listener = (protocol: Listener['protocol'], port: number, more: Partial<Listener> = {}): Listener => ({
      id: `t/${protocol}`,
      address: '*',
      port,
      protocol,
      origin,
      ...more,
    })
    const stream = (protocol: 'tcp' | 'udp' | 'tls', more: Partial<StreamRoute> = {}): StreamRoute => ({
      id: `t/s-${protocol}`,
      listeners: [`t/${protocol}`],
      backends: [{ target: { kind: 'backend', id: `t/${protocol === 'udp' ? 'udp' : 'tcp'}-b` }, weight: 1 }],
      origin,
      ...more,
    })
    const { model: read, said } = readAgain(
      model({
        listeners: [
          listener('tcp', 5000),
          listener('udp', 5001),
          listener('tls', 5002, { tls: { mode: 'passthrough', certificates: [] } }),
        ],
        backends: (['tcp', 'udp'] as const).map((protocol) => ({ id: `t/${protocol}-b`, protocol, origin })),
        endpoints: ['tcp', 'udp'].map((protocol, index) => ({
          backend: `t/${protocol}-b`,
          addresses: [{ host: '127.0.0.1', port: 6000 + index }],
        })),
        streams: [stream('tcp'), stream('udp'), stream('tls', { hosts: [{ kind: 'exact', name: 'a.example' }] })],
      }),
    )
    expect(said.filter((each) => each.severity === 'error')).toEqual([])
    expect(read.listeners.map(({ protocol, port }) => [protocol, port])).toEqual([
      ['tcp', 5000],
      ['udp', 5001],
      ['tls', 5002],
    ])
    const ports = read.streams.map(({ listeners, hosts, backends }) => {
      const [first] = backends
      const id = first?.target.kind === 'backend' ? first.target.id : ''
      const protocol = read.listeners.find((each) => each.id === listeners[0])?.protocol
      return [protocol, hosts, read.endpoints.find((each) => each.backend === id)?.addresses[0]?.port]
    })
    expect(ports).toEqual(
      expect.arrayContaining([
        ['tcp', undefined, 6000],
        ['udp', undefined, 6001],
        ['tls', [{ kind: 'exact', name: 'a.example' }], 6000],
      ]),
    )
  })

  test('client certificates are asked for by the Gateway, on the port that asked', () => {
    const https: Listener = {
      id: 't/https',
      address: '*',
      port: 8443,
      protocol: 'https',
      tls: { mode: 'terminate', certificates: ['t/own'], clientValidation: { mode: 'require', ca: ['t/ca'] } },
      origin,
    }
    const { text } = writeGatewayApi({
      model: model({
        listeners: [http, https],
        certificates: [
          { id: 't/own', certificate: pem, origin },
          { id: 't/ca', certificate: pem, origin },
        ],
      }),
    })
    const objects = parseAllDocuments(text).map(
      (each) => each.toJS() as { kind: string; metadata: { name: string }; spec?: object; data?: object },
    )
    expect(objects.find((each) => each.kind === 'Gateway')?.spec).toMatchObject({
      tls: {
        frontend: {
          default: {},
          perPort: [
            {
              port: 8443,
              tls: {
                validation: {
                  mode: 'AllowValidOnly',
                  caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'gateway-clients-8443' }],
                },
              },
            },
          ],
        },
      },
    })
    expect(objects.find((each) => each.kind === 'ConfigMap')).toMatchObject({
      metadata: { name: 'gateway-clients-8443' },
      data: { 'ca.crt': pem },
    })
  })
})
