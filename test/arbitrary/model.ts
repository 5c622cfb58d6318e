/** Arbitrary models for property tests: every field of model.ts, names from small sets so that they meet. */
import fc from 'fast-check'
import type { Origin } from '../../src/model/diagnostic.ts'
import type * as m from '../../src/model/model.ts'
import { Secret } from '../../src/model/secret.ts'

/** Records whose optional fields are absent, never undefined: as JSON would hold them. */
function record<T extends object>(
  required: { readonly [K in keyof T]?: fc.Arbitrary<unknown> },
  optional: { readonly [K in keyof T]?: fc.Arbitrary<unknown> } = {},
): fc.Arbitrary<T> {
  return fc.record({ ...required, ...optional } as Record<string, fc.Arbitrary<unknown>>, {
    requiredKeys: Object.keys(required),
    noNullPrototype: true,
  }) as unknown as fc.Arbitrary<T>
}

const constant = <T extends string | number | boolean>(...values: T[]): fc.Arbitrary<T> => fc.constantFrom(...values)
const few = <T>(item: fc.Arbitrary<T>, maxLength = 3): fc.Arbitrary<T[]> => fc.array(item, { maxLength })

/** Words as people write them, and words that try to break the form they are printed in. */
const text: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 3,
    arbitrary: constant('a', 'shop', '/v1', 'x-key', 'example.com', '*.a.com', '->', '#', 'weight', 'host'),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 8 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 6 }) },
  {
    weight: 1,
    arbitrary: constant(
      '',
      ' ',
      'a b',
      'a # b',
      '"',
      "'",
      '\\',
      'a\nb',
      'a\tb',
      '\u2028',
      '~',
      '(',
      '/x//y',
      '**',
      '/a/**',
      '${a}',
    ),
  },
)

const json: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown),
  record<Record<string, unknown>>({}, { origin: text, max: fc.integer() }),
)
const jsonObject = fc.dictionary(
  text.filter((key) => key !== '__proto__'),
  json,
  { maxKeys: 2, noNullPrototype: true },
)
const id = constant('eg/a', 'eg/b', 'k8s/c', 'k8s/with space', 'x')
const ids = few(id)
const number = fc.oneof(fc.nat({ max: 100_000 }), constant(0, 1, 80, 443, 1.5))
const flag = fc.boolean()
const status = constant(200, 404, 500, 503)

const origin: fc.Arbitrary<Origin> = record<Origin>(
  { source: text },
  { object: text, field: text, file: text, line: fc.nat(), column: fc.nat() },
)

const host: fc.Arbitrary<m.HostMatch> = fc.oneof(
  record<m.HostMatch>({ kind: fc.constant('exact'), name: text } as never),
  record<m.HostMatch>({
    kind: fc.constant('suffix'),
    suffix: fc.oneof(text, constant('.a.com')),
    labels: constant('one', 'many'),
  } as never),
  record<m.HostMatch>({ kind: fc.constant('regexp'), source: text } as never),
)
const path: fc.Arbitrary<m.PathMatch> = fc.oneof(
  record<m.PathMatch>(
    { kind: fc.constant('exact'), value: text } as never,
    { ignoreCase: flag, optionalSlash: flag } as never,
  ),
  record<m.PathMatch>({ kind: fc.constant('prefix'), value: text } as never),
  record<m.PathMatch>({ kind: fc.constant('start'), value: text } as never, { ignoreCase: flag } as never),
  record<m.PathMatch>(
    { kind: fc.constant('regexp'), source: text } as never,
    { ignoreCase: flag, parameters: few(text) } as never,
  ),
)
const value: fc.Arbitrary<m.ValueMatch> = fc.oneof(
  record<m.ValueMatch>({ kind: fc.constant('exact'), value: text } as never),
  record<m.ValueMatch>({ kind: fc.constant('regexp'), source: text } as never),
  record<m.ValueMatch>({ kind: fc.constant('present') } as never),
)
const named = record<m.NamedMatch>({ name: text, value })
const match = record<m.Match>(
  {},
  {
    path,
    methods: few(constant('GET', 'POST', 'a b')),
    headers: few(named),
    query: few(named),
    content: constant('grpc', 'not-grpc'),
    clientCertificate: constant('verified'),
  },
)

const { condition } = fc.letrec<{ condition: m.Condition }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 2, depthSize: 'small' },
    record<m.Condition>({ kind: fc.constant('method'), methods: few(constant('GET', 'POST')) } as never),
    record<m.Condition>({ kind: fc.constant('constant'), value: flag } as never),
    record<m.Condition>({ kind: fc.constant('target'), value } as never),
    record<m.Condition>({ kind: fc.constant('host'), glob: text } as never),
    record<m.Condition>({ kind: constant('authenticated', 'client-certificate') } as never),
    record<m.Condition>({
      kind: fc.constant('expression'),
      language: constant('javascript', 'cel'),
      source: text,
    } as never),
    record<m.Condition>(
      { kind: fc.constant('body-schema'), schema: jsonObject } as never,
      { logErrors: flag } as never,
    ),
    record<m.Condition>({ kind: fc.constant('plugin'), name: text, config: jsonObject } as never),
    record<m.Condition>({ kind: constant('all', 'any'), of: few(tie('condition'), 2) } as never),
    record<m.Condition>({ kind: fc.constant('not'), of: tie('condition') } as never),
  ),
}))

const use = record<m.PolicyUse>(
  { policy: fc.oneof(constant('cors', 'key-auth', 'rate-limit', 'when', 'forward', '->'), text), config: json, origin },
  { when: condition },
)
const target: fc.Arbitrary<m.WeightedBackend['target']> = fc.oneof(
  fc.record({ kind: fc.constant('backend' as const), id }, { noNullPrototype: true }),
  fc.record({ kind: fc.constant('fail' as const), status }, { noNullPrototype: true }),
)
const weighted = record<m.WeightedBackend>({ target }, { weight: number, policies: few(use, 2) })
const timeouts = record<m.Timeouts>(
  {},
  { request: number, backendRequest: number, connect: number, firstByte: number, idle: number },
)
const forward = record<m.Forward>(
  { backends: few(weighted) },
  {
    emptyStatus: status,
    host: fc.oneof(
      fc.record({ kind: constant('keep', 'backend') }, { noNullPrototype: true }),
      fc.record({ kind: fc.constant('set'), name: text }, { noNullPrototype: true }),
    ),
    timeouts,
    retry: record<m.Retry>({ attempts: number }, { statuses: few(status), backoff: number, bufferBytes: number }),
    persistence: record<m.Persistence>(
      { kind: constant('cookie', 'header'), name: text },
      { absoluteTimeout: number, idleTimeout: number, cookiePath: text },
    ),
    forwarded: constant('append', 'replace', 'none'),
    upgrade: flag,
    failure: record<NonNullable<m.Forward['failure']>>({}, { status, body: text, contentType: text }),
  },
)
const reply = { kind: fc.constant('reply'), status }
const replyMore = { body: text, contentType: text }
const action: fc.Arbitrary<m.Action> = fc.oneof(
  { weight: 3, arbitrary: record<m.Action>({ kind: fc.constant('forward'), forward } as never) },
  { weight: 1, arbitrary: record<m.Action>(reply as never, replyMore as never) },
  { weight: 1, arbitrary: record<m.Action>({ kind: fc.constant('next') } as never) },
)

const listener = record<m.Listener>(
  {
    id,
    address: fc.oneof(constant('*', '127.0.0.1', '::1'), text),
    port: number,
    protocol: constant('http', 'https', 'tls', 'tcp', 'udp'),
    origin,
  },
  {
    host,
    tls: record<m.ListenerTls>(
      { mode: constant('terminate', 'passthrough'), certificates: ids },
      {
        unknownName: constant('first', 'reject'),
        minVersion: constant('TLSv1.2', 'TLSv1.3'),
        ciphers: text,
        alpn: few(constant('h2', 'http/1.1')),
        clientValidation: fc.record({ mode: constant('require', 'request'), ca: ids }, { noNullPrototype: true }),
        misdirected: constant('refuse', 'serve'),
      },
    ),
    unmatched: fc.oneof(
      record<m.Unmatched>(reply as never, replyMore as never),
      record<m.Unmatched>({ kind: constant('express', 'close') } as never),
    ),
    policies: few(use, 2),
    limits: record<m.Limits>(
      {},
      {
        headBytes: number,
        headerCount: number,
        targetBytes: number,
        bodyBytes: number,
        headTimeout: number,
        bodyTimeout: number,
        idleTimeout: number,
        connectionsPerClient: number,
      },
    ),
    trustedProxies: few(text),
  },
)
const route = record<m.Route>(
  { id, listeners: ids, match, policies: few(use), action, origin },
  { hosts: few(host), label: text, annotations: jsonObject },
)
const stream = record<m.StreamRoute>(
  { id, listeners: ids, backends: few(weighted), origin },
  { hosts: few(host), timeouts },
)
const backend = record<m.Backend>(
  { id, protocol: constant('http1', 'h2c', 'auto', 'tcp', 'udp'), origin },
  {
    tls: record<m.BackendTls>(
      {
        trust: fc.oneof(
          fc.record({ kind: constant('system', 'none') }, { noNullPrototype: true }),
          fc.record({ kind: fc.constant('ca'), certificates: ids }, { noNullPrototype: true }),
        ),
      },
      {
        serverName: text,
        subjectAltNames: few(fc.record({ kind: constant('dns', 'uri'), value: text }, { noNullPrototype: true })),
        clientCertificate: id,
        alpn: few(constant('h2', 'http/1.1')),
      },
    ),
    via: record<m.ForwardProxy>(
      { protocol: constant('http', 'https'), host: text, port: number },
      { authorization: text.map((value) => new Secret(value)) },
    ),
    balance: fc.oneof(
      fc.record({ kind: constant('round-robin', 'least-connections') }, { noNullPrototype: true }),
      fc.record(
        { kind: fc.constant('hash'), on: constant('client-address', 'header', 'cookie', 'path'), name: text },
        { requiredKeys: ['kind', 'on'], noNullPrototype: true },
      ),
    ),
    health: record<m.Health>(
      {},
      {
        passive: fc.record({ failures: number, ejection: number }, { noNullPrototype: true }),
        active: record<NonNullable<m.Health['active']>>(
          { kind: constant('http', 'tcp'), interval: number, timeout: number, healthy: number, unhealthy: number },
          { path: text, host: text, port: number, statuses: few(status) },
        ),
      },
    ),
    unavailableStatus: status,
  },
)
const endpoint = record<m.Endpoint>(
  { host: fc.oneof(constant('127.0.0.1', '::1', 'db.internal', 'unix:/run/a.sock'), text), port: number },
  { weight: number, draining: flag, label: text },
)
const endpoints = record<m.Endpoints>({ backend: id, addresses: few(endpoint) })
const secret = text.map((word) => new Secret(word))
const certificate = record<m.Certificate>(
  { id, certificate: text, origin },
  { key: secret, chain: text, hosts: few(text) },
)
const consumer = record<m.Consumer>(
  { id, kind: constant('user', 'application'), name: text, origin },
  { attributes: jsonObject },
)
const credential = record<m.Credential>(
  { id, consumer: id, kind: constant('key', 'basic', 'jwt'), group: text, secret, origin },
  { scopes: few(text) },
)

export const model: fc.Arbitrary<m.Model> = record<m.Model>({
  version: fc.constant(1),
  listeners: few(listener),
  routes: few(route, 5),
  streams: few(stream, 2),
  backends: few(backend),
  endpoints: few(endpoints),
  certificates: few(certificate, 2),
  consumers: few(consumer, 2),
  credentials: few(credential, 2),
})

/** The same content in new objects. */
export function copyOf<T>(given: T): T {
  if (given instanceof Secret) return new Secret(given.reveal()) as T
  if (Array.isArray(given)) return given.map((item: unknown) => copyOf(item)) as T
  if (typeof given !== 'object' || given === null) return given
  return Object.fromEntries(Object.entries(given).map(([key, part]: [string, unknown]) => [key, copyOf(part)])) as T
}
