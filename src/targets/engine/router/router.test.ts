/** The index against a naive oracle, and what each kind of match means. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { HostMatch, Match, PathMatch, ValueMatch } from '../../../model/model.ts'
import { compileRules, type Facts, type Rule } from './router.ts'

function facts(method: string, url: string, headers: Record<string, string> = {}, more: Partial<Facts> = {}): Facts {
  const [, host = '', path = '', search = ''] = /^http:\/\/([^/]*)([^?]*)(\??.*)$/.exec(url) ?? []
  return {
    host,
    path,
    method,
    query: search.slice(1),
    header: (name) => headers[name],
    clientCertificate: 'absent',
    ...more,
  }
}

const takes = (match: Match, url: string, headers?: Record<string, string>, hosts?: HostMatch[]): boolean =>
  compileRules([{ match, hosts, value: 0 }]).find(facts('GET', url, headers)) !== undefined

const path = (match: PathMatch, text: string): boolean =>
  compileRules([{ match: { path: match }, value: 0 }]).find(facts('GET', 'http://h/', {}, { path: text })) !== undefined

describe('paths', () => {
  test.each<[PathMatch, string[], string[]]>([
    [{ kind: 'exact', value: '/abc' }, ['/abc'], ['/abc/', '/ABC', '/ab', '/abcd', '/']],
    [{ kind: 'exact', value: '/abc', ignoreCase: true }, ['/abc', '/aBC'], ['/abc/', '/abcd']],
    [{ kind: 'exact', value: '/abc', optionalSlash: true }, ['/abc', '/abc/'], ['/abc//', '/Abc', '/ab']],
    [{ kind: 'exact', value: '/abc/', optionalSlash: true }, ['/abc', '/abc/'], ['/abc//', '/ab']],
    [{ kind: 'exact', value: '/', optionalSlash: true }, ['/', ''], ['//', '/a']],
    [{ kind: 'prefix', value: '/abc' }, ['/abc', '/abc/', '/abc/d'], ['/abcd', '/ab', '/ABC']],
    [{ kind: 'prefix', value: '/abc/' }, ['/abc', '/abc/', '/abc/d'], ['/abcd']],
    [{ kind: 'prefix', value: '/' }, ['/', '/x', '//'], ['*']],
    [{ kind: 'start', value: '/abc' }, ['/abc', '/abcd', '/abc/d'], ['/ab', '/Abcd']],
    [{ kind: 'start', value: '/aBc', ignoreCase: true }, ['/abc', '/ABCd'], ['/ab']],
    [{ kind: 'start', value: '' }, ['/', '*', ''], []],
    [{ kind: 'regexp', source: 'b+' }, ['/abc', '/b'], ['/a']],
    [{ kind: 'regexp', source: '^/b+$', ignoreCase: true }, ['/b', '/BB'], ['/ab', '/b/']],
  ])('%j', (match, yes, no) => {
    for (const text of yes) expect([text, path(match, text)]).toEqual([text, true])
    for (const text of no) expect([text, path(match, text)]).toEqual([text, false])
  })

  test('percent-encoding is not touched', () => {
    expect(path({ kind: 'prefix', value: '/a' }, '/%61')).toBe(false)
    expect(path({ kind: 'exact', value: '/a%2fb' }, '/a%2fb')).toBe(true)
  })
})

describe('hosts', () => {
  test.each<[HostMatch, string[], string[]]>([
    [{ kind: 'exact', name: 'A.com.' }, ['a.com'], ['b.a.com', 'a.co', '']],
    [{ kind: 'suffix', suffix: '.a.com', labels: 'one' }, ['x.a.com'], ['a.com', '.a.com', 'x.y.a.com', 'xa.com']],
    [{ kind: 'suffix', suffix: '.a.com', labels: 'many' }, ['x.a.com', 'x.y.a.com'], ['a.com', '.a.com', 'xa.com']],
    [{ kind: 'suffix', suffix: 'a.com', labels: 'many' }, ['x.a.com'], ['a.com', 'xa.com']],
    [{ kind: 'regexp', source: '^A[0-9]+$' }, ['a1', 'a22'], ['a', 'b1']],
  ])('%j', (host, yes, no) => {
    for (const name of yes) expect([name, takes({}, `http://${name}/`, {}, [host])]).toEqual([name, true])
    for (const name of no) expect([name, takes({}, `http://${name}/`, {}, [host])]).toEqual([name, false])
  })

  test('no hosts are all hosts', () => {
    expect(takes({}, 'http://x/', {}, [])).toBe(true)
  })
})

describe('the rest', () => {
  test('GET does not imply HEAD', () => {
    const rules = compileRules([{ match: { methods: ['GET'] }, value: 0 }])
    expect(rules.find(facts('GET', 'http://h/'))?.index).toBe(0)
    expect(rules.find(facts('HEAD', 'http://h/'))).toBeUndefined()
  })

  test('headers', () => {
    const match = (value: ValueMatch): Match => ({ headers: [{ name: 'x-a', value }] })
    expect(takes(match({ kind: 'exact', value: 'b' }), 'http://h/', { 'x-a': 'b' })).toBe(true)
    expect(takes(match({ kind: 'exact', value: 'b' }), 'http://h/', { 'x-a': 'B' })).toBe(false)
    expect(takes(match({ kind: 'present' }), 'http://h/', { 'x-a': '' })).toBe(true)
    expect(takes(match({ kind: 'present' }), 'http://h/')).toBe(false)
    expect(takes(match({ kind: 'regexp', source: '^b' }), 'http://h/', { 'x-a': 'bc' })).toBe(true)
    expect(takes(match({ kind: 'regexp', source: '^b' }), 'http://h/')).toBe(false)
  })

  test('query: the first of repeated names, decoded', () => {
    const match = (value: string): Match => ({ query: [{ name: 'q', value: { kind: 'exact', value } }] })
    expect(takes(match('1'), 'http://h/?q=1&q=2')).toBe(true)
    expect(takes(match('2'), 'http://h/?q=1&q=2')).toBe(false)
    expect(takes(match('a b'), 'http://h/?p=0&q=a+b')).toBe(true)
    expect(takes(match('a b'), 'http://h/?q=a%20b')).toBe(true)
    expect(takes(match(''), 'http://h/?&&q')).toBe(true)
    expect(takes(match('%zz'), 'http://h/?q=%zz')).toBe(true)
    expect(takes(match('x=y'), 'http://h/?q=x=y')).toBe(true)
    expect(takes(match('1'), 'http://h/')).toBe(false)
  })

  test('content and client certificate', () => {
    expect(takes({ content: 'grpc' }, 'http://h/', { 'content-type': 'application/grpc+proto' })).toBe(true)
    expect(takes({ content: 'grpc' }, 'http://h/')).toBe(false)
    expect(takes({ content: 'not-grpc' }, 'http://h/')).toBe(true)
    const rules = compileRules([{ match: { clientCertificate: 'verified' }, value: 0 }])
    expect(rules.find(facts('GET', 'http://h/', {}, { clientCertificate: 'unverified' }))).toBeUndefined()
    expect(rules.find(facts('GET', 'http://h/', {}, { clientCertificate: 'verified' }))?.index).toBe(0)
  })
})

describe('parameters', () => {
  const rules = compileRules([
    { match: { path: { kind: 'regexp', source: '^/u/([^/]+)(?:/([^/]+))?$', parameters: ['id'] } }, value: 'user' },
    { match: { path: { kind: 'regexp', source: '^/n/(?<name>.+)$' } }, value: 'named' },
    { match: {}, value: 'rest' },
  ])

  test('by name, by number, decoded', () => {
    expect(rules.find(facts('GET', 'http://h/u/a%20b'))?.parameters).toEqual({ id: 'a b' })
    expect(rules.find(facts('GET', 'http://h/u/a/c'))?.parameters).toEqual({ id: 'a', '1': 'c' })
    expect(rules.find(facts('GET', 'http://h/n/x'))?.parameters).toEqual({ '0': 'x', name: 'x' })
    expect(rules.find(facts('GET', 'http://h/z'))).toEqual({
      index: 2,
      value: 'rest',
      parameters: {},
      problem: undefined,
    })
  })

  test('what cannot be decoded is found, and said', () => {
    const found = rules.find(facts('GET', 'http://h/u/%zz'))
    expect([found?.value, found?.problem?.status, found?.problem?.kind]).toEqual(['user', 400, 'undecodable-parameter'])
  })
})

describe('hostile patterns never open a way past their rule', () => {
  test('a path too long for a quadratic pattern', () => {
    const rules = compileRules([
      { match: { path: { kind: 'regexp', source: '^/a*a*$' } }, value: 'guarded' },
      { match: {}, value: 'open' },
    ])
    const found = rules.find(facts('GET', `http://h/${'a'.repeat(5000)}`))
    expect([found?.value, found?.problem?.status]).toEqual(['guarded', 414])
    expect(rules.find(facts('GET', `http://h/x${'a'.repeat(5000)}`))?.problem?.status).toBe(414)
  })

  test('a refused pattern takes all that begins with its certain text', () => {
    const rules = compileRules([
      { match: { path: { kind: 'regexp', source: '^/a/(x+)+$' } }, value: 'guarded' },
      { match: {}, value: 'open' },
    ])
    expect(rules.find(facts('GET', 'http://h/a/q'))?.problem?.kind).toBe('bad-pattern')
    expect(rules.find(facts('GET', 'http://h/b'))?.value).toBe('open')
  })

  test('a bad host pattern takes every host, unless another host of the rule is plain', () => {
    const bad: HostMatch = { kind: 'regexp', source: '(a+)+$' }
    const rules = compileRules([
      { hosts: [bad, { kind: 'exact', name: 'a' }], match: {}, value: 'guarded' },
      { match: {}, value: 'open' },
    ])
    expect(rules.find(facts('GET', 'http://b/'))?.problem?.status).toBe(500)
    expect(rules.find(facts('GET', 'http://a/'))?.problem).toBeUndefined()
  })
})

test('headers are asked for only where a rule needs them', () => {
  const rules = compileRules([
    {
      match: { path: { kind: 'prefix', value: '/h' }, headers: [{ name: 'x', value: { kind: 'present' } }] },
      value: 0,
    },
    { match: { path: { kind: 'prefix', value: '/' }, methods: ['GET'] }, value: 1 },
  ])
  const header = (): never => {
    throw new Error('asked')
  }
  expect(rules.find(facts('GET', 'http://h/a', {}, { header }))?.value).toBe(1)
  expect(() => rules.find(facts('GET', 'http://h/h', {}, { header }))).toThrow('asked')
})

// --- the oracle: written from model.ts alone, one rule after the other ------------------------------------------------

function oracle(rules: readonly Rule<unknown>[], request: Facts, after = -1): number | undefined {
  const index = rules.findIndex((rule, at) => at > after && oracleTakes(rule, request))
  return index === -1 ? undefined : index
}

function oracleTakes({ hosts = [], match }: Rule<unknown>, request: Facts): boolean {
  const hostFits = hosts.some((host) => {
    if (host.kind === 'exact') return request.host === host.name
    if (host.kind === 'regexp') return new RegExp(host.source, 'i').test(request.host)
    const labels = request.host.split('.')
    const wanted = host.suffix.slice(1).split('.')
    const extra = labels.length - wanted.length
    if (extra < 1 || labels.slice(extra).join('.') !== wanted.join('.')) return false
    return host.labels === 'many' || extra === 1
  })
  if (hosts.length > 0 && !hostFits) return false
  const valueFits = (value: ValueMatch, text: string | null | undefined): boolean => {
    if (text === undefined || text === null) return false
    if (value.kind === 'present') return true
    return value.kind === 'exact' ? text === value.value : new RegExp(value.source).test(text)
  }
  const query = new URLSearchParams(request.query)
  const grpc = request.header('content-type')?.startsWith('application/grpc') === true
  return (
    oraclePath(match.path, request.path) &&
    (match.methods === undefined || match.methods.includes(request.method)) &&
    (match.headers ?? []).every(({ name, value }) => valueFits(value, request.header(name))) &&
    (match.query ?? []).every(({ name, value }) => valueFits(value, query.get(name))) &&
    (match.content === undefined || (match.content === 'grpc') === grpc) &&
    (match.clientCertificate === undefined || request.clientCertificate === 'verified')
  )
}

function oraclePath(match: PathMatch | undefined, path: string): boolean {
  if (match === undefined) return true
  const escape = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')
  switch (match.kind) {
    case 'regexp':
      return new RegExp(match.source, match.ignoreCase === true ? 'i' : '').test(path)
    case 'exact': {
      const end = match.optionalSlash === true ? '/?' : ''
      const base = match.optionalSlash === true ? match.value.replace(/\/$/, '') : match.value
      return new RegExp(`^${escape(base)}${end}$`, match.ignoreCase === true ? 'i' : '').test(path)
    }
    case 'start':
      return new RegExp(`^${escape(match.value)}`, match.ignoreCase === true ? 'i' : '').test(path)
    case 'prefix': {
      const wanted = match.value.replace(/\/$/, '').split('/')
      const given = path.split('/')
      return path.startsWith('/') && wanted.every((segment, at) => given[at] === segment)
    }
  }
}

const hostNames = ['a.com', 'b.a.com', 'c.b.a.com', 'com', 'b.com', 'x']
const segments = fc.array(fc.constantFrom('a', 'ab', 'b', 'A', 'c'), { maxLength: 3 })
const pathText = fc.tuple(segments, fc.boolean()).map(([parts, slash]) => `/${parts.join('/')}${slash ? '/' : ''}`)
const value: fc.Arbitrary<ValueMatch> = fc.oneof(
  fc.record({ kind: fc.constant('exact' as const), value: fc.constantFrom('1', '2', '') }),
  fc.record({ kind: fc.constant('regexp' as const), source: fc.constantFrom('^1$', '[12]') }),
  fc.record({ kind: fc.constant('present' as const) }),
)
const hostMatch: fc.Arbitrary<HostMatch> = fc.oneof(
  fc.record({ kind: fc.constant('exact' as const), name: fc.constantFrom(...hostNames) }),
  fc.record({
    kind: fc.constant('suffix' as const),
    suffix: fc.constantFrom('.a.com', '.com', '.b.a.com'),
    labels: fc.constantFrom('one' as const, 'many' as const),
  }),
  fc.record({ kind: fc.constant('regexp' as const), source: fc.constantFrom('^B', 'com$', '^x$') }),
)
const flag = fc.option(fc.boolean(), { nil: undefined })
const pathMatch: fc.Arbitrary<PathMatch> = fc.oneof(
  fc.record({ kind: fc.constant('exact' as const), value: pathText, ignoreCase: flag, optionalSlash: flag }),
  fc.record({ kind: fc.constant('prefix' as const), value: pathText }),
  fc.record({ kind: fc.constant('start' as const), value: pathText, ignoreCase: flag }),
  fc.record({
    kind: fc.constant('regexp' as const),
    source: fc.constantFrom('^/a/([^/]+)$', '^/(a|b)', 'b$', '^/ab?/', '^/A'),
    ignoreCase: flag,
  }),
)
const sometimes = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 1 })
const rarely = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })
const rule: fc.Arbitrary<Rule<number>> = fc.record({
  hosts: sometimes(fc.array(hostMatch, { maxLength: 3 })),
  match: fc.record({
    path: fc.option(pathMatch, { nil: undefined, freq: 6 }),
    methods: sometimes(fc.subarray(['GET', 'POST', 'HEAD'], { minLength: 1 })),
    headers: sometimes(fc.array(fc.record({ name: fc.constantFrom('x', 'y'), value }), { maxLength: 2 })),
    query: sometimes(fc.array(fc.record({ name: fc.constantFrom('q', 'r'), value }), { maxLength: 2 })),
    content: rarely(fc.constantFrom('grpc' as const, 'not-grpc' as const)),
    clientCertificate: rarely(fc.constant('verified' as const)),
  }),
  value: fc.nat(),
})
const request: fc.Arbitrary<Facts> = fc
  .record({
    host: fc.constantFrom(...hostNames, ''),
    path: pathText,
    method: fc.constantFrom('GET', 'POST', 'HEAD', 'PUT'),
    query: fc.constantFrom('', 'q=1', 'q=2&q=1', 'r', 'q=%31&r=2'),
    headers: fc.dictionary(fc.constantFrom('x', 'y'), fc.constantFrom('1', '2', ''), { noNullPrototype: true }),
    type: fc.constantFrom(undefined, 'application/grpc', 'text/plain'),
    clientCertificate: fc.constantFrom('absent' as const, 'verified' as const, 'unverified' as const),
  })
  .map(({ headers, type, ...plain }) => {
    const all: Record<string, string | undefined> = { ...headers, 'content-type': type }
    return { ...plain, header: (name: string) => all[name] }
  })

test('the index and the oracle find the same rules, one behind the other', () => {
  let hits = 0
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 25 }), fc.array(request, { minLength: 1, maxLength: 8 }), (list, asked) => {
      const rules = compileRules(list)
      for (const one of asked) {
        let after = -1
        for (;;) {
          const expected = oracle(list, one, after)
          const found = rules.find(one, after)
          expect(found?.index).toBe(expected)
          if (found === undefined) break
          hits++
          expect(found.value).toBe(list[found.index]?.value)
          expect(found.problem).toBeUndefined()
          after = found.index
        }
      }
    }),
    { numRuns: 3000 },
  )
  expect(hits).toBeGreaterThan(1000)
})

test('many ways on from one place: every character finds its own, and no other', () => {
  const characters = Array.from({ length: 94 }, (_, at) => String.fromCharCode(33 + at)).filter((one) => one !== '/')
  for (const some of [characters, characters.slice(10, 13), ['a', 'b', 'y', '\u{1F600}'], [...'dbca']]) {
    const list: Rule<string>[] = some.map((one) => ({
      match: { path: { kind: 'exact', value: `/${one}x` } },
      value: one,
    }))
    const rules = compileRules(list)
    for (const one of [...characters, '\u{1F600}', '\u0001', '\u{1F4A9}']) {
      const found = rules.find({ ...facts('GET', 'http://h/'), path: `/${one}x` })
      expect(found?.value).toBe(some.includes(one) ? one : undefined)
    }
  }
})

test('10,000 routes on 1,000 hosts are all found', () => {
  const list: Rule<number>[] = Array.from({ length: 10_000 }, (_, at) => ({
    hosts: [{ kind: 'exact', name: `host-${at % 1000}.example.com` }],
    match: { path: { kind: 'prefix', value: `/service-${Math.floor(at / 1000)}/v1` } },
    value: at,
  }))
  const rules = compileRules(list)
  const found = list.map(({ value }) =>
    rules.find(facts('GET', `http://host-${value % 1000}.example.com/service-${Math.floor(value / 1000)}/v1/things`)),
  )
  expect(found.map((answer) => answer?.value)).toEqual(list.map(({ value }) => value))
})
