/** merge, check, plan, run: what stands, what is said, and that remembering changes nothing. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { copyOf, model as arbitraryModel } from '../../test/arbitrary/model.ts'
import { emptyModel, type Backend, type Listener, type Model, type Route } from '../model/model.ts'
import { Secret } from '../model/secret.ts'
import { check } from './check.ts'
import { merge } from './merge.ts'
import { planOf } from './plan.ts'
import { prepare, prepareFor } from './run.ts'

const at = (file: string, line = 1): { source: string; file: string; line: number } => ({ source: file, file, line })
const listener = (id: string, more: Partial<Listener> = {}): Listener => ({
  id,
  address: '*',
  port: 8080,
  protocol: 'http',
  origin: at(id),
  ...more,
})
const route = (id: string, more: Partial<Route> = {}): Route => ({
  id,
  listeners: ['a/l'],
  match: { path: { kind: 'prefix', value: `/${id}` } },
  policies: [],
  action: { kind: 'reply', status: 200 },
  origin: at(id),
  ...more,
})
const backend: Backend = { id: 'a/b', protocol: 'http1', origin: at('b') }
const model = (more: Partial<Model>): Model => ({ ...emptyModel, ...more })
const codes = (result: { diagnostics: readonly { code: string }[] }): string[] =>
  result.diagnostics.map((one) => one.code)

describe('merge', () => {
  test('one model is itself', () => {
    const one = model({ routes: [route('r')] })
    expect(merge([one])).toEqual({ model: one, diagnostics: [] })
    expect(merge([one]).model).toBe(one)
  })

  test('the same listener: its routes are lent to the first', () => {
    const merged = merge([
      model({ listeners: [listener('a/l')] }),
      model({ listeners: [listener('b/l')], routes: [route('r', { listeners: ['b/l'] })] }),
    ])
    expect(codes(merged)).toEqual(['merge/same-listener'])
    expect(merged.model.listeners.map((one) => one.id)).toEqual(['a/l'])
    expect(merged.model.routes[0]?.listeners).toEqual(['a/l'])
    expect(merged.diagnostics[0]?.related).toEqual([at('a/l')])
  })

  test('another protocol, or policies that would be lost: left out', () => {
    const use = { policy: 'key-auth', config: {}, origin: at('p') }
    for (const [more, code] of [
      [{ protocol: 'tcp' as const }, 'merge/listener-protocol'],
      [{ policies: [use] }, 'merge/listener-policies'],
    ] as const) {
      const merged = merge([
        model({ listeners: [listener('a/l')] }),
        model({ listeners: [listener('b/l', more)], routes: [route('r', { listeners: ['b/l'] })] }),
      ])
      expect(codes(merged)).toEqual([code])
      expect(merged.model.routes[0]?.listeners).toEqual([])
    }
  })

  test('the same host and match: the first source wins, both are named', () => {
    const merged = merge([
      model({ listeners: [listener('a/l')], routes: [route('r')] }),
      model({ routes: [route('s', { match: route('r').match }), route('t')] }),
    ])
    expect(codes(merged)).toEqual(['merge/same-match'])
    expect(merged.model.routes.map((one) => one.id)).toEqual(['r', 't'])
    expect(merged.diagnostics[0]?.origin).toEqual(at('s'))
    expect(merged.diagnostics[0]?.related).toEqual([at('r')])
  })
})

describe('check fails closed', () => {
  test('an unknown backend answers 500 for its share', () => {
    const forward = (id: string): Route =>
      route('r', {
        action: { kind: 'forward', forward: { backends: [{ target: { kind: 'backend', id }, weight: 2 }] } },
      })
    const checked = check(model({ listeners: [listener('a/l')], backends: [backend], routes: [forward('a/c')] }))
    expect(codes(checked)).toEqual(['check/unknown-backend'])
    expect(checked.model.routes[0]?.action).toEqual({
      kind: 'forward',
      forward: { backends: [{ target: { kind: 'fail', status: 500 }, weight: 2 }] },
    })
    const good = model({ listeners: [listener('a/l')], backends: [backend], routes: [forward('a/b')] })
    expect(check(good)).toEqual({ model: good, diagnostics: [] })
    expect(check(good).model).toBe(good)
  })

  test('the policy forward, too', () => {
    const use = {
      policy: 'forward',
      config: { backends: [{ target: { kind: 'backend', id: 'no' } }] },
      origin: at('p'),
    }
    const checked = check(model({ listeners: [listener('a/l')], routes: [route('r', { policies: [use] })] }))
    expect(codes(checked)).toEqual(['check/unknown-backend'])
    expect(checked.model.routes[0]?.policies[0]?.config).toEqual({
      backends: [{ target: { kind: 'fail', status: 500 } }],
    })
  })

  test.each<[string, Partial<Route>]>([
    ['check/pattern', { match: { path: { kind: 'regexp', source: '^/(a+)+$' } } }],
    ['check/pattern', { hosts: [{ kind: 'regexp', source: '(' }] }],
    ['check/status', { action: { kind: 'reply', status: 42 } }],
    [
      'check/weight',
      { action: { kind: 'forward', forward: { backends: [{ target: { kind: 'fail', status: 500 }, weight: -1 }] } } },
    ],
    ['check/timeout', { action: { kind: 'forward', forward: { backends: [], timeouts: { request: Number.NaN } } } }],
    ['check/retry', { action: { kind: 'forward', forward: { backends: [], retry: { attempts: 101 } } } }],
  ])('%s: the route stays and answers 500', (code, more) => {
    const checked = check(model({ listeners: [listener('a/l')], routes: [route('r', more)] }))
    expect(codes(checked)).toEqual([code])
    expect(checked.model.routes[0]).toMatchObject({ id: 'r', action: { kind: 'reply', status: 500 } })
  })

  test('a route of the same id keeps its place under another name', () => {
    const checked = check(model({ listeners: [listener('a/l')], routes: [route('r'), route('r', { match: {} })] }))
    expect(codes(checked)).toEqual(['check/duplicate-id'])
    expect(checked.model.routes.map((one) => one.id)).toEqual(['r', 'r~2'])
  })

  test.each<[string, Listener[]]>([
    ['check/port', [listener('a/l', { port: 70_000 })]],
    ['check/address', [listener('a/l', { address: 'here' })]],
    ['check/tls', [listener('a/l', { protocol: 'https' })]],
    ['check/listener-protocol', [listener('a/k'), listener('a/l', { protocol: 'tcp' })]],
    ['check/same-listener', [listener('a/k'), listener('a/l')]],
  ])('%s: the listener is left out', (code, listeners) => {
    const checked = check(model({ listeners }))
    expect(codes(checked)).toEqual([code])
    expect(checked.model.listeners.some((one) => one.id === 'a/l')).toBe(false)
  })

  test('listeners of other hosts share a socket; port 0 is shared by nobody', () => {
    const host = { kind: 'exact', name: 'a' } as const
    expect(codes(check(model({ listeners: [listener('a/k'), listener('a/l', { host })] })))).toEqual([])
    expect(codes(check(model({ listeners: [listener('a/k', { port: 0 }), listener('a/l', { port: 0 })] })))).toEqual([])
  })

  test('listeners of different machines do not meet', () => {
    const listeners = [listener('a/l'), listener('b/l', { protocol: 'tcp' }), listener('a/m')]
    const prepared = prepareFor((id) => id.split('/')[0])([{ model: model({ listeners }) }])
    expect(codes(prepared)).toEqual(['check/same-listener'])
    expect(prepared.plan.model.listeners.map((one) => one.id)).toEqual(['a/l', 'b/l'])
  })

  test('certificates that are missing or have no key are not served, trust that is missing trusts nobody', () => {
    const tls = {
      mode: 'terminate',
      certificates: ['c', 'd'],
      clientValidation: { mode: 'require', ca: ['e'] },
    } as const
    const certificate = { id: 'c', certificate: 'PEM', origin: at('c') }
    const checked = check(
      model({
        listeners: [listener('a/l', { protocol: 'https', tls })],
        backends: [{ ...backend, tls: { trust: { kind: 'ca', certificates: ['e'] }, clientCertificate: 'c' } }],
        certificates: [certificate],
      }),
    )
    expect(checked.model.listeners[0]?.tls).toEqual({
      mode: 'terminate',
      certificates: [],
      clientValidation: { mode: 'require', ca: [] },
    })
    expect(checked.model.backends[0]?.tls).toEqual({ trust: { kind: 'ca', certificates: [] } })
    expect(codes(checked)).toContain('check/no-certificate')
  })

  test('unknown listeners, consumers and endpoints without a backend', () => {
    const checked = check(
      model({
        routes: [route('r')],
        endpoints: [{ backend: 'a/b', addresses: [] }],
        credentials: [{ id: 'k', consumer: 'x', kind: 'key', group: 'g', secret: new Secret('s'), origin: at('k') }],
      }),
    )
    expect(codes(checked)).toEqual(['check/unknown-listener', 'check/unknown-backend', 'check/unknown-consumer'])
    expect(checked.model.credentials).toEqual([])
  })
})

describe('routes that are never reached', () => {
  const everything = route('all', { match: {} })
  const on = (...routes: Route[]): string[] => codes(check(model({ listeners: [listener('a/l')], routes })))
  test('behind one that takes everything', () => {
    expect(on(everything, route('r'))).toEqual(['check/never-reached'])
    expect(on(route('r'), everything)).toEqual([])
    expect(on({ ...everything, action: { kind: 'next' } }, route('r'))).toEqual([])
    expect(on({ ...everything, match: { methods: ['GET'] } }, route('r'))).toEqual([])
  })
  test('by host', () => {
    const hosts = [{ kind: 'exact', name: 'a' } as const]
    expect(on({ ...everything, hosts }, route('r', { hosts }))).toEqual(['check/never-reached'])
    expect(on({ ...everything, hosts }, route('r'))).toEqual([])
    expect(on({ ...everything, hosts }, route('r', { hosts: [...hosts, { kind: 'exact', name: 'b' }] }))).toEqual([])
  })
  test('by the same match', () => {
    expect(on(route('r'), route('s', { match: route('r').match }))).toEqual(['check/never-reached'])
  })
})

describe('plan', () => {
  test('the id changes exactly when the content does', () => {
    fc.assert(
      fc.property(arbitraryModel, arbitraryModel, (one, other) => {
        expect(planOf(copyOf(one)).id).toBe(planOf(one).id)
        const reveal = (given: unknown): string =>
          JSON.stringify(given, function (this: Record<string, unknown>, key, value: unknown) {
            const raw = this[key]
            if (raw instanceof Secret) return { secret: raw.reveal() }
            const plain = typeof value === 'object' && value !== null && !Array.isArray(value)
            return plain ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value
          })
        expect(planOf(one).id === planOf(other).id).toBe(reveal(one) === reveal(other))
      }),
      { numRuns: 100 },
    )
  })

  test('a secret changes the id and is not in it', () => {
    const certificate = (key: string): Model =>
      model({ certificates: [{ id: 'c', certificate: 'PEM', key: new Secret(key), origin: at('c') }] })
    expect(planOf(certificate('one')).id).not.toBe(planOf(certificate('two')).id)
  })

  test('what JSON loses counts, too', () => {
    const configured = (config: unknown): string =>
      planOf(model({ routes: [route('r', { policies: [{ policy: 'p', config, origin: at('p') }] })] })).id
    expect(configured(/a/)).not.toBe(configured(/b/))
    expect(configured(/a/)).toBe(configured(/a/))
    expect(configured(undefined)).not.toBe(configured(null))
  })
})

test('remembered results are the fresh ones', () => {
  const step = fc.record({ source: fc.nat({ max: 1 }), part: fc.nat({ max: 7 }), next: arbitraryModel })
  fc.assert(
    fc.property(arbitraryModel, arbitraryModel, fc.array(step, { maxLength: 4 }), (one, other, steps) => {
      const models = [one, other]
      for (const { source, part, next } of [{ source: 0, part: 8, next: one }, ...steps]) {
        // one part of one source changes, the others stay the same objects
        const name = (Object.keys(next).filter((key) => key !== 'version') as (keyof Model)[])[part]
        if (name !== undefined) models[source] = { ...(models[source] as Model), [name]: next[name] }
        const remembered = prepare(models.map((each) => ({ model: each })))
        const fresh = prepare(models.map((each) => ({ model: copyOf(each) })))
        expect(remembered).toEqual(fresh)
        expect(prepare(models.map((each) => ({ model: each }))).plan).toBe(remembered.plan)
      }
    }),
    { numRuns: 50 },
  )
})

test('checking what was checked changes nothing', () => {
  fc.assert(
    fc.property(arbitraryModel, (given) => {
      const once = check(given).model
      expect(check(once).model).toEqual(once)
    }),
    { numRuns: 100 },
  )
})
