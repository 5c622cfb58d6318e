/** For tests: lists of rules and requests at random, and a naive oracle, written from model.ts alone, one rule after the other. */
import fc from 'fast-check'
import { expect } from 'vitest'
import type { HostMatch, PathMatch, ValueMatch } from '../../../../model/model.ts'
import type { Asked, Facts, Rules } from '../router.ts'
import type { Rule } from './rules.ts'

/** Both find the same, one behind the other: so many. Values are all different. */
export function agree(rules: Rules<number>, list: readonly Rule<number>[], one: Facts): number {
  let hits = 0
  let at = -1
  let after = -1
  for (;;) {
    const expected = oracle(list, one, at)
    const found = rules.find(one, after)
    const value = expected === undefined ? undefined : list[expected]?.value
    // asked a million times: what is asked first is cheap
    if (found?.value !== value) expect(found?.value).toBe(value)
    if (found === undefined || expected === undefined) return hits
    if (found.problem !== undefined || found.index <= after) expect(found).toEqual({ problem: undefined, after })
    hits++
    at = expected
    after = found.index
  }
}

/** The place of the first behind `after` that takes it. */
function oracle(rules: readonly Asked[], request: Facts, after: number): number | undefined {
  const index = rules.findIndex((rule, at) => at > after && oracleTakes(rule, request))
  return index === -1 ? undefined : index
}

function oracleTakes({ hosts = [], match }: Asked, request: Facts): boolean {
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
const rule: fc.Arbitrary<Asked> = fc.record({
  hosts: sometimes(fc.array(hostMatch, { maxLength: 3 })),
  match: fc.record({
    path: fc.option(pathMatch, { nil: undefined, freq: 6 }),
    methods: sometimes(fc.subarray(['GET', 'POST', 'HEAD'], { minLength: 1 })),
    headers: sometimes(fc.array(fc.record({ name: fc.constantFrom('x', 'y'), value }), { maxLength: 2 })),
    query: sometimes(fc.array(fc.record({ name: fc.constantFrom('q', 'r'), value }), { maxLength: 2 })),
    content: rarely(fc.constantFrom('grpc' as const, 'not-grpc' as const)),
    clientCertificate: rarely(fc.constant('verified' as const)),
  }),
})
export const request: fc.Arbitrary<Facts> = fc
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

let made = 0
/** Each has a value of its own. */
export const numberedRule: fc.Arbitrary<Rule<number>> = rule.map((asked) => ({ ...asked, value: made++ }))
export const list: fc.Arbitrary<Rule<number>[]> = fc.array(numberedRule, { maxLength: 25 })
