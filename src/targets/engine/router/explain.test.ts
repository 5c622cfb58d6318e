/** What `explain` says is what the router does. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  emptyModel,
  type HostMatch,
  type Listener,
  type Model,
  type PathMatch,
  type Route,
} from '../../../model/model.ts'
import { explain } from '../../../pipeline/explain.ts'
import { renderExplanation } from '../../../pipeline/explain-text.ts'
import { planOf } from '../../../pipeline/plan.ts'
import { compileRules } from './testing/rules.ts'

const origin = { source: 'a', file: 'a.yml', line: 3 }
const listener: Listener = { id: 'l', address: '*', port: 8080, protocol: 'http', origin }
const route = (id: string, more: Partial<Route>): Route => ({
  id,
  listeners: ['l'],
  match: {},
  policies: [],
  action: { kind: 'reply', status: 200 },
  origin,
  ...more,
})
const plan = (more: Partial<Model>): ReturnType<typeof planOf> =>
  planOf({ ...emptyModel, listeners: [listener], ...more })

const host: fc.Arbitrary<HostMatch> = fc.oneof(
  fc.record({ kind: fc.constant('exact' as const), name: fc.constantFrom('a.com', 'b.a.com') }),
  fc.record({
    kind: fc.constant('suffix' as const),
    suffix: fc.constant('.a.com'),
    labels: fc.constantFrom('one' as const, 'many' as const),
  }),
  fc.record({ kind: fc.constant('regexp' as const), source: fc.constantFrom('^b', '(a+)+$') }),
)
const path: fc.Arbitrary<PathMatch> = fc.oneof(
  fc.record({
    kind: fc.constant('exact' as const),
    value: fc.constantFrom('/a', '/A/', '/'),
    ignoreCase: fc.boolean(),
    optionalSlash: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('prefix' as const), value: fc.constantFrom('/a', '/a/', '/', '/a/b') }),
  fc.record({ kind: fc.constant('start' as const), value: fc.constantFrom('/a', '/A', '/'), ignoreCase: fc.boolean() }),
  fc.record({ kind: fc.constant('regexp' as const), source: fc.constantFrom('^/a/([^/]+)$', '^/(a+)+$', 'b$') }),
)
const named = fc.array(
  fc.record({
    name: fc.constantFrom('x', 'y'),
    value: fc.oneof(
      fc.constant({ kind: 'present' as const }),
      fc.record({ kind: fc.constant('exact' as const), value: fc.constantFrom('1', '2') }),
    ),
  }),
  { maxLength: 1 },
)
const arbitraryRoute = fc
  .record({
    hosts: fc.array(host, { maxLength: 2 }),
    match: fc.record({ path, headers: named, query: named, methods: fc.constantFrom(['GET'], ['GET', 'POST']) }),
  })
  .map((more) => more)

test('route and problem are the router’s', () => {
  fc.assert(
    fc.property(
      fc.array(arbitraryRoute, { maxLength: 8 }),
      fc.constantFrom('a.com', 'b.a.com', 'c.b.a.com'),
      fc.constantFrom('/a', '/a/', '/A', '/a/b', '/', '/ab', '/a/%zz', ''),
      fc.constantFrom('', '?x=1', '?x=2&x=1', '?y'),
      fc.constantFrom('GET', 'POST'),
      fc.constantFrom<[string, string][]>([], [['x', '1']]),
      (list, name, text, search, method, headers) => {
        const routes = list.map((more, index) => route(`r${index}`, more))
        const found = compileRules(routes.map((each) => ({ ...each, value: each.id }))).find({
          host: name,
          path: text === '' ? '/' : text,
          method,
          query: search.slice(1),
          header: (wanted) => headers.find(([each]) => each === wanted)?.[1],
          clientCertificate: 'absent',
        })
        const said = explain(plan({ routes }), { method, url: `http://${name}:8080${text}${search}`, headers })
        expect(said.route?.id).toBe(found?.value)
        expect(said.problem).toEqual(found?.problem)
        expect(JSON.parse(JSON.stringify(said))).toEqual(said)
        expect(renderExplanation(said)).toContain(found?.value ?? 'none matches')
      },
    ),
    { numRuns: 1000 },
  )
})

describe('words', () => {
  const routes = [
    route('api', {
      hosts: [{ kind: 'exact', name: 'a.com' }],
      match: { path: { kind: 'prefix', value: '/v1' }, methods: ['GET'] },
      policies: [{ policy: 'cors', config: { origin: '*' }, origin }],
      action: {
        kind: 'forward',
        forward: {
          backends: [{ target: { kind: 'backend', id: 'b' }, weight: 3 }, { target: { kind: 'fail', status: 500 } }],
        },
      },
    }),
    route('other', { match: { path: { kind: 'exact', value: '/other' } } }),
  ]
  const endpoints = [{ backend: 'b', addresses: [{ host: '127.0.0.1', port: 3000 }] }]

  test('what happens', () => {
    const said = renderExplanation(explain(plan({ routes, endpoints }), { method: 'GET', url: 'http://a.com/v1/x' }))
    expect(said).toBe(
      [
        'GET a.com/v1/x',
        '  listener  l (http *:8080): the URL names no port, and nothing is on 80: the first http listener for any host  # a.yml:3',
        '  route     api  # a.yml:3',
        '  policy    cors {"origin":"*"}  # a.yml:3',
        '  action    forwards 75 % to b: 127.0.0.1:3000',
        '  action    answers 500 for 25 %',
        '  not       other: path: /v1/x is not /other  # a.yml:3',
        '',
      ].join('\n'),
    )
  })

  test('which endpoint gets more than another', () => {
    const addresses = [
      { host: '127.0.0.1', port: 3000, weight: 3 },
      { host: '::1', port: 3001 },
      { host: 'unix:/run/app.sock', port: 0, weight: 0, draining: true },
    ]
    const weighted = plan({ routes, endpoints: [{ backend: 'b', addresses }] })
    expect(renderExplanation(explain(weighted, { method: 'GET', url: 'http://a.com/v1/x' }))).toContain(
      '127.0.0.1:3000 (weight 3), [::1]:3001 (weight 1), unix:/run/app.sock (weight 0, draining)\n',
    )
  })

  test('why not, the nearest first', () => {
    const said = explain(plan({ routes }), { method: 'POST', url: 'http://a.com:8080/v1/x' })
    expect(said.route).toBeUndefined()
    expect(said.unmatched).toEqual({ kind: 'reply', status: 404 })
    expect(said.others.map(({ id, because }) => [id, because])).toEqual([
      ['api', ['method: POST is not GET']],
      ['other', ['path: /v1/x is not /other']],
    ])
  })

  test('listeners: by scheme, port and the most specific host', () => {
    const listeners: Listener[] = [
      listener,
      { ...listener, id: 'suffix', host: { kind: 'suffix', suffix: '.a.com', labels: 'many' } },
      { ...listener, id: 'exact', host: { kind: 'exact', name: 'b.a.com' } },
    ]
    const at = (url: string): string => {
      const said = explain(plan({ listeners }), { method: 'GET', url })
      return said.listener?.id ?? said.why
    }
    expect(at('http://b.a.com:8080/')).toBe('exact')
    expect(at('http://c.a.com:8080/')).toBe('suffix')
    expect(at('http://z:8080/')).toBe('l')
    expect(at('http://z:81/')).toBe('no http listener is on port 81')
    expect(at('https://z/')).toBe('no listener speaks https')
  })
})
