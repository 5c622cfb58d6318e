/** Properties of the translation: precedence against a naive oracle, memory against a fresh start, one change costs one. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { HostMatch, Match, Model } from '../../model/model.ts'
import { decode } from './decode.ts'
import type { AnyResource, HTTPRoute, KnownKind, Objects, World } from './resources.ts'
import { emptyObjects, keyOf } from './resources.ts'
import { createTranslator } from './translate.ts'

const api = 'gateway.networking.k8s.io/v1'

function resource(raw: unknown): AnyResource {
  const decoded = decode(raw, { depth: 'rules', namespace: 'default' })
  if (decoded.kind !== 'resource') throw new Error(JSON.stringify(decoded))
  return decoded.resource
}

function worldOf(resources: readonly AnyResource[]): World {
  const objects = Object.fromEntries(Object.keys(emptyObjects).map((kind) => [kind, [] as AnyResource[]])) as Record<
    KnownKind,
    AnyResource[]
  >
  for (const each of resources) objects[each.kind].push(each)
  return {
    controllerName: 'example.org/ours',
    place: { kind: 'files', address: '127.0.0.1' },
    objects: objects as unknown as Objects,
    problems: [],
  }
}

const gateway = resource({
  apiVersion: api,
  kind: 'Gateway',
  metadata: { name: 'web' },
  spec: { gatewayClassName: 'g', listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] },
})

function service(name: string): AnyResource {
  return resource({ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { ports: [{ port: 80 }] } })
}

interface Request {
  readonly host: string
  readonly path: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
}

// --- the model as a target reads it: the first that matches ----------------------------------------------------------

function firstMatch(model: Model, request: Request): string | undefined {
  return model.routes
    .find((route) =>
      (route.hosts ?? []).some((host) => takesHost(host, request.host)) || route.hosts === undefined
        ? takes(route.match, request)
        : false,
    )
    ?.id.replace(/~\d+$/, '')
}

function takesHost(host: HostMatch, name: string): boolean {
  if (host.kind === 'exact') return host.name === name
  return host.kind === 'suffix' && name.endsWith(host.suffix) && name.length > host.suffix.length
}

function takes(match: Match, request: Request): boolean {
  const { path } = match
  if (path?.kind === 'exact' && path.value !== request.path) return false
  if (path?.kind === 'prefix' && request.path !== path.value && !request.path.startsWith(`${path.value}/`)) return false
  if (match.methods !== undefined && !match.methods.includes(request.method)) return false
  const holds = (list: Match['headers'], given: Readonly<Record<string, string>>): boolean =>
    (list ?? []).every((each) => each.value.kind === 'exact' && given[each.name] === each.value.value)
  return holds(match.headers, request.headers) && holds(match.query, request.query)
}

// --- the oracle: every rule of every route, compared pair by pair as the specification says ---------------------------

interface Candidate {
  readonly id: string
  readonly better: readonly (number | string)[]
}

function oracle(routes: readonly HTTPRoute[], request: Request): string | undefined {
  const candidates: Candidate[] = []
  for (const route of routes) {
    const hostnames = route.spec.hostnames ?? []
    const fitting = hostnames.filter((each) =>
      each.startsWith('*.')
        ? request.host.endsWith(each.slice(1)) && request.host.length > each.length - 1
        : each === request.host,
    )
    if (hostnames.length > 0 && fitting.length === 0) continue
    const exact = fitting.filter((each) => !each.startsWith('*.'))
    const host =
      exact.length > 0
        ? [2, Math.max(...exact.map((each) => each.length))]
        : fitting.length > 0
          ? [1, Math.max(...fitting.map((each) => each.length))]
          : [0, 0]
    route.spec.rules.forEach((rule, ruleIndex) =>
      rule.matches.forEach((match, matchIndex) => {
        const segments = (text: string): string[] => text.split('/').filter((each) => each !== '')
        const { type, value } = match.path
        const wanted = segments(value)
        const given = segments(request.path)
        const fits = type === 'Exact' ? value === request.path : wanted.every((each, index) => each === given[index])
        const headers = new Map((match.headers ?? []).map((each) => [each.name.toLowerCase(), each.value]))
        const query = new Map((match.queryParams ?? []).map((each) => [each.name, each.value]))
        if (!fits || (match.method !== undefined && match.method !== request.method)) return
        if (
          [...headers].some(([name, each]) => request.headers[name] !== each) ||
          [...query].some(([name, each]) => request.query[name] !== each)
        )
          return
        candidates.push({
          id: `gateway-api/HTTPRoute/${keyOf(route)}/${ruleIndex}/${matchIndex}`,
          better: [
            ...host,
            type === 'Exact' ? 1 : 0,
            wanted.join('/').length,
            match.method === undefined ? 0 : 1,
            headers.size,
            query.size,
            route.metadata.creationTimestamp ?? '',
            keyOf(route),
            ruleIndex,
            matchIndex,
          ],
        })
      }),
    )
  }
  let best: Candidate | undefined
  for (const each of candidates) if (best === undefined || beats(each.better, best.better)) best = each
  return best?.id
}

/** Seven numbers of which the larger wins, then age, name and place, of which the smaller wins. */
function beats(left: readonly (number | string)[], right: readonly (number | string)[]): boolean {
  for (const [index, mine] of left.entries()) {
    const theirs = right[index]!
    if (mine === theirs) continue
    return index < 7 ? mine > theirs : mine < theirs
  }
  return false
}

const hosts = fc.constantFrom(
  'a.example.com',
  'b.example.com',
  'a.b.example.com',
  '*.example.com',
  '*.b.example.com',
  '*.com',
)
const paths = fc.constantFrom('/', '/a', '/a/', '/a/b', '/a/b/c', '/ab', '/b')
const matches = fc.record(
  {
    path: fc.record({ type: fc.constantFrom('Exact', 'PathPrefix'), value: paths }),
    method: fc.constantFrom('GET', 'POST'),
    headers: fc.uniqueArray(fc.record({ name: fc.constantFrom('x', 'y'), value: fc.constantFrom('1', '2') }), {
      selector: (each) => each.name,
    }),
    queryParams: fc.uniqueArray(fc.record({ name: fc.constantFrom('p', 'q'), value: fc.constantFrom('1', '2') }), {
      selector: (each) => each.name,
    }),
  },
  { requiredKeys: ['path'] },
)
const routeSpecs = fc.record({
  age: fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'),
  hostnames: fc.uniqueArray(hosts, { maxLength: 3 }),
  rules: fc.array(fc.record({ matches: fc.array(matches, { minLength: 1, maxLength: 3 }) }), {
    minLength: 1,
    maxLength: 3,
  }),
})
const requests = fc.record({
  host: fc.constantFrom('a.example.com', 'b.example.com', 'a.b.example.com', 'x.com', 'example.com', 'other.org'),
  path: fc.constantFrom('/', '/a', '/a/', '/a/b', '/a/b/c/d', '/ab', '/b/x'),
  method: fc.constantFrom('GET', 'POST'),
  headers: fc.dictionary(fc.constantFrom('x', 'y'), fc.constantFrom('1', '2')),
  query: fc.dictionary(fc.constantFrom('p', 'q'), fc.constantFrom('1', '2')),
})

function httpRoute(
  name: string,
  { age, hostnames, rules }: { age: string; hostnames: readonly string[]; rules: readonly unknown[] },
): HTTPRoute {
  const metadata = { name, creationTimestamp: age }
  return resource({
    apiVersion: api,
    kind: 'HTTPRoute',
    metadata,
    spec: { parentRefs: [{ name: 'web' }], hostnames, rules },
  }) as HTTPRoute
}

describe('precedence', () => {
  test('the first route of the model that matches is the one that the specification means', () => {
    fc.assert(
      fc.property(
        fc.array(routeSpecs, { minLength: 1, maxLength: 5 }),
        fc.array(requests, { minLength: 5, maxLength: 20 }),
        (specs, asked) => {
          const routes = specs.map((spec, index) => httpRoute(`r${index}`, spec))
          const { model } = createTranslator()(worldOf([gateway, ...routes]))
          for (const request of asked) expect(firstMatch(model, request)).toBe(oracle(routes, request))
        },
      ),
      // 10,000 cases (seed 20261122, 21 November 2026) hold as well; they take four minutes
      { numRuns: 300, seed: 20261121 },
    )
  })

  test('a reversed order would be noticed', () => {
    const routes = [
      httpRoute('r', {
        age: '2026-01-01T00:00:00Z',
        hostnames: [],
        rules: [{ matches: [{ path: { value: '/a' } }, { path: { value: '/a/b' } }] }],
      }),
    ]
    const { model } = createTranslator()(worldOf([gateway, ...routes]))
    const request = { host: 'a.example.com', path: '/a/b', method: 'GET', headers: {}, query: {} }
    expect(firstMatch(model, request)).toBe(oracle(routes, request))
    expect(firstMatch({ ...model, routes: [...model.routes].reverse() }, request)).not.toBe(oracle(routes, request))
  })
})

describe('memory', () => {
  type Change = (resources: readonly AnyResource[], pick: number) => readonly AnyResource[]
  const replace = (
    resources: readonly AnyResource[],
    pick: number,
    made: (old: AnyResource) => AnyResource,
  ): readonly AnyResource[] => resources.map((each, index) => (index === pick % resources.length ? made(each) : each))
  const changes: readonly Change[] = [
    (resources, pick) => resources.filter((_, index) => index !== pick % resources.length),
    (resources, pick) =>
      replace(resources, pick, (old) => ({ ...old, metadata: { ...old.metadata, generation: pick } }) as AnyResource),
    (resources, pick) => [...resources, service(`s${pick % 4}x${pick}`)],
    (resources, pick) => [
      ...resources,
      resource({
        apiVersion: api,
        kind: 'HTTPRoute',
        metadata: { name: `n${pick}` },
        spec: {
          parentRefs: [{ name: `g${pick % 3}` }, { kind: 'ListenerSet', name: 'set' }],
          rules: [
            {
              backendRefs: [
                { name: `s${pick % 4}`, port: 80 },
                { name: 't', namespace: 'other', port: 80 },
              ],
            },
          ],
        },
      }),
    ],
    (resources, pick) => [
      ...resources,
      resource({
        apiVersion: api,
        kind: 'BackendTLSPolicy',
        metadata: { name: `p${pick}` },
        spec: {
          targetRefs: [{ group: '', kind: 'Service', name: `s${pick % 4}` }],
          validation: { hostname: 'a.com', wellKnownCACertificates: 'System' },
        },
      }),
    ],
    (resources, pick) => [
      ...resources,
      resource({
        apiVersion: api,
        kind: 'ReferenceGrant',
        metadata: { name: `r${pick}`, namespace: 'other' },
        spec: {
          from: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'default' }],
          to: [{ group: '', kind: 'Service' }],
        },
      }),
    ],
    (resources, pick) => [
      ...resources,
      resource({
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        addressType: 'IPv4',
        metadata: { name: `e${pick}`, labels: { 'kubernetes.io/service-name': `s${pick % 4}` } },
        ports: [{ port: 3000 }],
        endpoints: [{ addresses: [`10.0.0.${pick % 200}`] }],
      }),
    ],
    (resources, pick) => [...resources].sort(() => (pick % 2 === 0 ? 1 : -1)),
  ]
  const start: readonly AnyResource[] = [
    ...[0, 1, 2].map((index) =>
      resource({
        apiVersion: api,
        kind: 'Gateway',
        metadata: { name: `g${index}` },
        spec: {
          gatewayClassName: 'c',
          allowedListeners: { namespaces: { from: 'All' } },
          listeners: [{ name: 'a', port: 80 + index, protocol: 'HTTP' }],
        },
      }),
    ),
    resource({
      apiVersion: api,
      kind: 'ListenerSet',
      metadata: { name: 'set' },
      spec: {
        parentRef: { name: 'g0' },
        listeners: [{ name: 'more', port: 80, protocol: 'HTTP', hostname: 'more.com' }],
      },
    }),
    ...[0, 1, 2, 3].map((index) => service(`s${index}`)),
    resource({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 't', namespace: 'other' },
      spec: { ports: [{ port: 80 }] },
    }),
  ]
  const unique = (resources: readonly AnyResource[]): readonly AnyResource[] => [
    ...new Map(resources.map((each) => [`${each.kind} ${keyOf(each)}`, each])).values(),
  ]

  test('what is remembered is what a fresh start would say, after any changes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(changes.length - 1), fc.nat(50)), { minLength: 1, maxLength: 25 }),
        (steps) => {
          const remembering = createTranslator()
          let resources = start
          remembering(worldOf(resources))
          for (const [which, pick] of steps) {
            if (resources.length === 0) break
            resources = unique(changes[which]!(resources, pick))
            const world = worldOf(resources)
            const { computed: _, ...remembered } = remembering(world)
            const { computed: __, ...fresh } = createTranslator()(world)
            expect(remembered).toEqual(fresh)
          }
        },
      ),
      { numRuns: 150, seed: 20261121 },
    )
  })

  test('one changed route of 1,000 costs one route; an unchanged world costs nothing and is the same object', () => {
    const count = 1000
    const route = (index: number, path: string): AnyResource =>
      httpRoute(`r${index}`, {
        age: '2026-01-01T00:00:00Z',
        hostnames: [`h${index}.example.com`],
        rules: [{ matches: [{ path: { value: path } }], backendRefs: [{ name: `s${index}`, port: 80 }] }],
      })
    const services = Array.from({ length: count }, (_, index) => service(`s${index}`))
    const routes = Array.from({ length: count }, (_, index) => route(index, '/'))
    const translate = createTranslator()
    const first = translate(worldOf([gateway, ...services, ...routes]))
    const again = translate(worldOf([gateway, ...services, ...routes]))
    // the place and the list of Gateways are compared, as they came in new objects
    expect(again.computed).toBeLessThanOrEqual(2)
    expect(again.model).toBe(first.model)
    expect(again.statuses).toBe(first.statuses)
    routes[500] = route(500, '/changed')
    const changed = translate(worldOf([gateway, ...services, ...routes]))
    expect(changed.computed).toBeLessThanOrEqual(5)
    const known = new Set(first.model.routes)
    expect(changed.model.routes.filter((each) => !known.has(each)).length).toBe(1)
    expect(changed.model.backends).toBe(first.model.backends)
  })
})
