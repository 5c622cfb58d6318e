/** The index against a naive oracle, and what each kind of match means. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { HostMatch, Match, PathMatch, ValueMatch } from '../../../model/model.ts'
import type { Facts } from './router.ts'
import { agree, list, request } from './testing/arbitrary.ts'
import { compileRules, type Rule } from './testing/rules.ts'

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
    expect(rules.find(facts('GET', 'http://h/'))?.value).toBe(0)
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
    expect(rules.find(facts('GET', 'http://h/', {}, { clientCertificate: 'verified' }))?.value).toBe(0)
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
    expect(rules.find(facts('GET', 'http://h/z'))).toMatchObject({
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

test('the index and the oracle find the same rules, one behind the other', () => {
  let hits = 0
  fc.assert(
    fc.property(list, fc.array(request, { minLength: 1, maxLength: 8 }), (all, asked) => {
      const rules = compileRules(all)
      for (const one of asked) hits += agree(rules, all, one)
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
