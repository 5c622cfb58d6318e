/** Rules of the source that no record holds: each decides one way, whatever comes first, and tells who loses. */
import { expect, test } from 'vitest'
import type { Model } from '../../model/model.ts'
import { readEnvironment } from './environment.ts'
import { readTexts } from './read-files.ts'
import type { Status } from './statuses.ts'
import { createTranslate } from './translate.ts'
import type { World } from './world.ts'

const labels = { 'github.com/30x.dispatcher.routable': 'true' }
const namespace = (name: string, hosts: object, created = '2026-01-01T00:00:00Z'): object => ({
  kind: 'Namespace',
  metadata: {
    name,
    labels,
    creationTimestamp: created,
    annotations: { 'github.com/30x.dispatcher.hosts': JSON.stringify(hosts) },
  },
})
const pod = (
  space: string,
  name: string,
  paths: readonly object[],
  more: { ip?: string; spec?: object; status?: object } = {},
): object => ({
  kind: 'Pod',
  metadata: {
    namespace: space,
    name,
    labels,
    annotations: {
      'github.com/30x.dispatcher.paths': JSON.stringify(paths.map((one) => ({ containerPort: '80', ...one }))),
    },
  },
  spec: { containers: [{ ports: [{ containerPort: 80 }], ...more.spec }] },
  status: { phase: 'Running', podIP: more.ip ?? '10.0.0.1', ...more.status },
})

function worldOf(objects: readonly object[], environment: Record<string, string> = {}): World {
  const text = objects.map((one) => JSON.stringify(one)).join('\n---\n')
  return readTexts(
    [['all.yaml', text]],
    readEnvironment(environment, () => new Error('no file')),
  )
}

function translated(
  objects: readonly object[],
  environment: Record<string, string> = {},
): { readonly model: Model; readonly statuses: readonly Status[] } {
  return createTranslate()(worldOf(objects, environment))
}

const serversOf = (model: Model, route: string): readonly (string | undefined)[] => {
  const action = model.routes.find(({ id }) => id === `pods/${route}`)?.action
  const target = action?.kind === 'forward' ? action.forward.backends[0]?.target : undefined
  const id = target?.kind === 'backend' ? target.id : ''
  return model.endpoints.find(({ backend }) => backend === id)?.addresses.map(({ label }) => label) ?? []
}
const problemsOf = (statuses: readonly Status[], name: string): readonly string[] =>
  statuses.find((one) => `${one.namespace}/${one.name}` === name)?.problems.map(({ code }) => code) ?? []

test('a host and path of two namespaces: the older has it, then the first by name, whatever was read first', () => {
  const objects = [
    namespace('b-old', { 'h.test': {} }, '2025-01-01T00:00:00Z'),
    namespace('a-new', { 'h.test': {} }),
    namespace('c-new', { 'h.test': {} }),
    pod('a-new', 'p', [{ basePath: '/x' }, { basePath: '/y' }]),
    pod('b-old', 'p', [{ basePath: '/x' }]),
    pod('c-new', 'p', [{ basePath: '/y' }]),
  ]
  for (const given of [objects, [...objects].reverse()]) {
    const { model, statuses } = translated(given)
    expect(serversOf(model, 'h.test//x')).toEqual(['b-old/p'])
    expect(serversOf(model, 'h.test//y')).toEqual(['a-new/p'])
    expect(problemsOf(statuses, 'a-new/p')).toEqual(['pods/path-taken'])
    expect(problemsOf(statuses, 'c-new/p')).toEqual(['pods/path-taken'])
    expect(problemsOf(statuses, 'b-old/p')).toEqual([])
  }
})

/** What is served of `later` beside `earlier` on a host of both. */
function beside(earlier: readonly string[], later: readonly string[]): readonly string[] {
  const { model, statuses } = translated([
    namespace('later', { 'h.test': {} }),
    namespace('sooner', { 'h.test': {} }, '2025-01-01T00:00:00Z'),
    pod(
      'later',
      'p',
      later.map((basePath) => ({ basePath })),
    ),
    pod(
      'sooner',
      'p',
      earlier.map((basePath) => ({ basePath })),
    ),
  ])
  expect(problemsOf(statuses, 'sooner/p')).toEqual([])
  const served = model.endpoints.flatMap(({ backend }) =>
    backend.startsWith('pods/later/') ? [backend.slice('pods/later/'.length)] : [],
  )
  expect(problemsOf(statuses, 'later/p')).toHaveLength(later.length - served.length)
  return served.sort()
}

test('a later namespace gets no path that takes requests of an earlier one, and its Pod is told', () => {
  const all = ['/ok/sub', '= /ok', '^~ /ok', '/okay', '= /ok/x', '/ok/', '~ ^/ok', '~* .', '/o', '= /o', '/%6fk']
  expect(beside(['/ok'], all)).toEqual(['/o', '=/o'])
  expect(beside(['^~ /ok'], all)).toEqual(['/o', '=/o'])
  expect(beside(['= /ok'], ['/ok', '/ok/sub', '~ ok', '/o'])).toEqual(['/o', '/ok/sub'])
  expect(beside(['/ok/'], ['/ok', '= /ok', '/ok/x', '/okay'])).toEqual(['/okay'])
  expect(beside(['~ [.]png$'], ['= /x.png', '^~ /x', '/x', '~ [.]png', '/'])).toEqual(['/', '/x'])
  expect(beside(['^~ /', '~ [.]png$'], ['/x'])).toEqual([])
  expect(beside(['/'], ['/api', '= /', '~ ^/re', '^~ /', '/'])).toEqual(['/api', '=/', '~ ^/re'])
  expect(beside(['/users', '/api/v1'], ['/accounts', '/api', '/'])).toEqual(['/', '/accounts', '/api'])
})

test("past an earlier namespace's expression nothing is redirected to a later one's slash", () => {
  const redirects = (earlier: string): boolean =>
    translated([
      namespace('a', { 'h.test': {} }),
      namespace('b', { 'h.test': {} }),
      pod('a', 'p', [{ basePath: earlier }]),
      pod('b', 'p', [{ basePath: '/x/' }]),
    ]).model.routes.some(({ id }) => id === 'pods/h.test//x to its slash')
  expect(redirects('/other')).toBe(true)
  expect(redirects('~ ^/x$')).toBe(false)
})

test('a path stays where it is while its Pods start again', () => {
  const at = (status: object): readonly (string | undefined)[] => {
    const { model } = translated([
      namespace('a', { 'h.test': {} }),
      namespace('b', { 'h.test': {} }),
      pod('a', 'p', [{ basePath: '/x' }], { status }),
      pod('b', 'p', [{ basePath: '/x' }, { basePath: '/x/y' }, { basePath: '/z' }]),
    ])
    return model.endpoints.flatMap(({ addresses }) => addresses.map(({ label }) => label))
  }
  const unready = { conditions: [{ type: 'Ready', status: 'False' }] }
  for (const status of [{ phase: 'Pending', podIP: '' }, { podIP: '' }, unready]) expect(at(status)).toEqual(['b/p'])
  // over for good: whoever comes next
  expect(at({ phase: 'Failed' })).toEqual(['b/p', 'b/p', 'b/p'])
})

test('the first that names a host says who else has paths there', () => {
  const served = (options: object): { readonly paths: readonly string[]; readonly told: readonly string[] } => {
    const { model, statuses } = translated([
      namespace('a', { 'h.test': options }),
      ...['b', 'c'].flatMap((name) => [
        namespace(name, { 'h.test': { namespaces: ['a'] } }),
        pod(name, 'p', [{ basePath: `/${name}` }]),
      ]),
      pod('a', 'p', [{ basePath: '/a' }]),
    ])
    return {
      paths: model.endpoints.map(({ backend }) => backend),
      told: statuses.flatMap(({ name, problems }) => problems.map(({ code }) => `${name} ${code}`)),
    }
  }
  const ignored = 'pods/host-namespaces-ignored'
  const refused = 'pods/host-not-shared'
  const all = ['pods/a//a', 'pods/b//b', 'pods/c//c']
  expect(served({})).toEqual({ paths: all, told: [`b ${ignored}`, `c ${ignored}`] })
  expect(served({ namespaces: ['c'] })).toEqual({ paths: [all[0], all[2]], told: [`b ${refused}`, `c ${ignored}`] })
  expect(served({ Namespaces: [] })).toEqual({ paths: [all[0]], told: [`b ${refused}`, `c ${refused}`] })
  // who says it wrongly does not share with everybody
  for (const namespaces of ['c', null, [5], {}])
    expect(served({ namespaces })).toEqual({
      paths: [all[0]],
      told: ['a pods/host-namespaces', `b ${refused}`, `c ${refused}`],
    })
})

test('Pods of one name in two namespaces are two', () => {
  const { model } = translated([
    namespace('a', { 'a.test': {} }),
    namespace('b', { 'b.test': {} }),
    pod('a', 'web-0', [{ basePath: '/' }]),
    pod('b', 'web-0', [{ basePath: '/' }]),
  ])
  expect([serversOf(model, 'a.test//'), serversOf(model, 'b.test//')]).toEqual([['a/web-0'], ['b/web-0']])
})

test('of different targetPaths that of the first Pod by name counts, and the other is told', () => {
  const objects = [
    namespace('a', { 'a.test': {} }),
    pod('a', 'p1', [{ basePath: '/x', targetPath: '/one' }]),
    pod('a', 'p2', [{ basePath: '/x', targetPath: '/two' }], { ip: '10.0.0.2' }),
  ]
  for (const given of [objects, [...objects].reverse()]) {
    const { model, statuses } = translated(given)
    expect(model.routes.find(({ id }) => id === 'pods/a.test//x')?.policies.at(-1)?.config).toEqual({
      from: '/x',
      to: '/one',
    })
    expect(serversOf(model, 'a.test//x')).toEqual(['a/p1', 'a/p2'])
    expect(problemsOf(statuses, 'a/p2')).toEqual(['pods/target-path-differs'])
  }
})

test('an IPv6 Pod is written with brackets for nginx only', () => {
  const { model } = translated([
    namespace('a', { 'a.test': {} }),
    pod('a', 'p', [{ basePath: '/' }], { ip: 'fd00::1' }),
  ])
  expect(model.endpoints[0]?.addresses).toEqual([{ host: 'fd00::1', port: 80, label: 'a/p' }])
})

test('Secrets of another name, and of namespaces that are not routed, are not even read', () => {
  const secret = (space: string, name: string): object => ({
    kind: 'Secret',
    metadata: { namespace: space, name },
    stringData: { 'api-key': 'k' },
  })
  const objects = [namespace('a', { 'a.test': {} }), pod('a', 'p', [{ basePath: '/' }]), secret('a', 'routing')]
  const more = [
    secret('a', 'other'),
    secret('elsewhere', 'routing'),
    { kind: 'Namespace', metadata: { name: 'elsewhere' } },
  ]
  expect(worldOf([...objects, ...more]).secrets.map(({ namespace: space, name }) => `${space}/${name}`)).toEqual([
    'a/routing',
  ])
  expect(translated([...objects, ...more]).model).toEqual(translated(objects).model)
})

test('the selector decides for Namespaces and for Pods', () => {
  const objects = [namespace('a', { 'a.test': {} }), pod('a', 'p', [{ basePath: '/' }])]
  const count = (selector: string): number =>
    translated(objects, { ROUTABLE_LABEL_SELECTOR: selector }).model.endpoints.length
  expect(count('github.com/30x.dispatcher.routable in (true,yes)')).toBe(1)
  expect(count('github.com/30x.dispatcher.routable!=true')).toBe(0)
  expect(count('other')).toBe(0)
})

test('a route that is checked actively goes through the engine, and its probe is that of the container of the port', () => {
  const spec = { readinessProbe: { httpGet: { path: '/ok', port: 80 }, periodSeconds: 7 } }
  const objects = [namespace('a', { 'a.test': {} }), pod('a', 'p', [{ basePath: '/' }], { spec })]
  expect(translated(objects).model.backends[0]?.health).toBeUndefined()
  expect(translated(objects, { NGINX_ENABLE_HEALTH_CHECKS: 'true' }).model.backends[0]?.health?.active).toMatchObject({
    kind: 'http',
    path: '/ok',
    port: 80,
    interval: 7000,
    timeout: 1000,
    healthy: 1,
    unhealthy: 3,
  })
})

test('whether a key protects it is not known: closed, not open', () => {
  const world = worldOf([namespace('a', { 'a.test': {} }), pod('a', 'p', [{ basePath: '/' }])])
  const { model } = createTranslate()({ ...world, unknownSecrets: ['a'] })
  expect(model.routes.find(({ id }) => id === 'pods/a.test//')?.action).toEqual({ kind: 'reply', status: 503 })
})

test('a Pod that ends gets nothing new, and its path is there', () => {
  const ends = pod('a', 'ends', [{ basePath: '/' }]) as { readonly metadata: object }
  const ending = { ...ends, metadata: { ...ends.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }
  const { model } = translated([namespace('a', { 'a.test': {} }), ending])
  expect(model.endpoints[0]?.addresses).toMatchObject([{ label: 'a/ends', draining: true }])
  expect(model.routes.map(({ id }) => id)).toContain('pods/a.test//')
  const both = translated([namespace('a', { 'a.test': {} }), ending, pod('a', 'stays', [{ basePath: '/' }])])
  const serving = both.model.endpoints[0]?.addresses.filter(({ draining }) => draining !== true)
  expect(serving?.map(({ label }) => label)).toEqual(['a/stays'])
})

test('hosts that differ in case are one', () => {
  const { model } = translated([
    namespace('a', { 'A.test': {} }),
    namespace('b', { 'a.TEST': {} }),
    pod('a', 'p', [{ basePath: '/a' }]),
    pod('b', 'q', [{ basePath: '/b' }]),
  ])
  expect([serversOf(model, 'a.test//a'), serversOf(model, 'a.test//b')]).toEqual([['a/p'], ['b/q']])
  expect(new Set(model.routes.flatMap(({ hosts = [] }) => hosts.map((one) => 'name' in one && one.name)))).toEqual(
    new Set(['a.test']),
  )
})

test('a hostile path costs itself: the others of its Pod and of its host are there', () => {
  const wrong = ['/a;return 200', '/{', 'no-slash', '/a\nb', '~ (', '@name']
  const { model, statuses } = translated([
    namespace('a', { 'a.test': {} }),
    pod('a', 'p', [{ basePath: '/good' }, ...wrong.map((basePath) => ({ basePath }))]),
  ])
  const paths = model.routes.flatMap(({ id }) => (id.startsWith('pods/a.test//') ? [id] : []))
  expect(paths).toEqual(['pods/a.test//good'])
  expect(problemsOf(statuses, 'a/p')).toEqual(wrong.map(() => 'pods/base-path'))
})

test('routers that read other annotations tell in others', () => {
  const annotationOf = (environment: Record<string, string>): string | undefined =>
    translated([namespace('a', { bad_host: {} })], environment).statuses[0]?.annotation
  const usual = annotationOf({})
  expect(usual).toBe('gantry.dev/routing-problems')
  expect(annotationOf({ SSL_PORT: '444', PATHS_ANNOTATION: 'github.com/30x.dispatcher.paths' })).toBe(usual)
  const others: readonly Record<string, string>[] = [
    { PATHS_ANNOTATION: 'paths.public' },
    { PATHS_ANNOTATION: 'paths.private' },
    { API_KEY_SECRET_FIELD: 'k' },
  ]
  const names = others.map((one) => annotationOf(one))
  expect(new Set([usual, ...names]).size).toBe(4)
  for (const name of names) expect(name).toMatch(/^gantry\.dev\/routing-problems-[0-9a-f]{8}$/)
})

test('a key that nobody knows is ignored, and told with the one that was meant', () => {
  const ref = (key: object): object => ({ valueFrom: { secretKeyRef: key } })
  const ssl = { certificate: ref({ key: 'a', name: 'other' }), certificateKey: ref({ key: 'b' }), clientCertificat: {} }
  const { model, statuses } = translated([
    namespace('n', {
      'one.test': { sslOptions: {} },
      'two.test': { tls: 1 },
      'three.test': { Namespaces: ['n'], namespace: [] },
      'four.test': { ssl },
    }),
    pod('n', 'p', [{ basePath: '/', weigth: 3, Weight: 2, port: 1 }]),
  ])
  expect(serversOf(model, 'one.test//')).toEqual(['n/p'])
  expect(serversOf(model, 'two.test//')).toEqual(['n/p'])
  const told = (name: string, code: string): readonly string[] =>
    (statuses.find((one) => `${one.namespace}/${one.name}` === name)?.problems ?? [])
      .filter((one) => one.code === code)
      .map(({ message, hint }) => `${message} (${hint})`)
  expect(told('/n', 'pods/host-key')).toEqual([
    'namespace n: host one.test: there is no key "sslOptions"; it is ignored, and the host is served without TLS (did you mean ssl?)',
    'namespace n: host two.test: there is no key "tls"; it is ignored, and the host is served without TLS (did you mean ssl?)',
    'namespace n: host three.test: there is no key "namespace"; it is ignored (did you mean namespaces?)',
    'namespace n: host four.test: there is no key "clientCertificat" in ssl; it is ignored (did you mean clientCertificate?)',
    'namespace n: host four.test: there is no key "name" in ssl.certificate.valueFrom.secretKeyRef; it is ignored (known are key)',
  ])
  expect(told('n/p', 'pods/path-key')).toEqual([
    'pod n/p: paths[0]: there is no key "weigth"; it is ignored (did you mean weight?)',
    'pod n/p: paths[0]: there is no key "port"; it is ignored (known are basePath, containerPort, targetPath, weight)',
  ])
})

test('what is wrong with an annotation is said of its line', () => {
  const text = `kind: Namespace
metadata:
  name: shop
  labels: { github.com/30x.dispatcher.routable: 'true' }
  annotations:
    github.com/30x.dispatcher.hosts: '{"shop.test": {"ssk": {}}}'
---
kind: Pod
metadata:
  namespace: shop
  name: web
  labels: { github.com/30x.dispatcher.routable: 'true' }
  annotations:
    other: x
    github.com/30x.dispatcher.paths: '[{"basePath": "/", "containerPort": "80", "wait": 1}]'
status: { phase: Running, podIP: 10.0.0.1 }
`
  const world = readTexts(
    [['a.yaml', text]],
    readEnvironment({}, () => new Error('no file')),
  )
  const { diagnostics } = createTranslate()(world)
  const places = diagnostics.map(({ origin }) => [origin?.object, origin?.file, origin?.line])
  expect(places).toContainEqual(['Namespace shop', 'a.yaml', 6])
  expect(places).toContainEqual(['Pod shop/web', 'a.yaml', 15])
})
