/** The table of Gateway API for ReplacePrefixMatch, and what surrounds it. */
import { expect, test } from 'vitest'
import { compilePathPattern, fillPathTemplate } from '../rewrite/pattern.ts'
import { compileReplacement } from './path.ts'

test.each<[string, string, string, string | undefined]>([
  ['/foo/bar', '/foo', '/xyz', '/xyz/bar'],
  ['/foo/bar', '/foo/', '/xyz/', '/xyz/bar'],
  ['/foo', '/foo', '/xyz', '/xyz'],
  ['/foo/', '/foo', '/xyz', '/xyz/'],
  ['/foo/bar', '/foo', '', '/bar'],
  ['/foo/bar', '/foo', '/', '/bar'],
  ['/foo', '/foo', '/', '/'],
  ['/foo/', '/foo', '', '/'],
  ['/foobar', '/foo', '/xyz', undefined],
  ['/a', '/', '/xyz', '/xyz/a'],
])('%s with %s by %s is %s', (path, prefix, value, expected) => {
  expect(compileReplacement({ kind: 'prefix', prefix, value })(path)).toBe(expected)
})

test('groups of an expression', () => {
  const replace = compileReplacement({ kind: 'regexp', source: '^/v(\\d)/', value: '/api/$1/' })
  expect([replace('/v2/x'), replace('/x')]).toEqual(['/api/2/x', undefined])
  expect(() => compileReplacement({ kind: 'regexp', source: '(a+)+$', value: '/' })).toThrow()
})

test.each<[string, string, string, string | undefined]>([
  ['/tina/:code', '/status/:code', '/tina/318', '/status/318'],
  ['/tina/:code', '/status/:code', '/TINA/318/', '/status/318'],
  ['/a/:x?/b', '/c/:x', '/a/b', '/c'],
  ['/n/:id(\\d+)', '/m/:id', '/n/12', '/m/12'],
  ['/n/:id(\\d+)', '/m/:id', '/n/ab', undefined],
  ['/f/(.*)', '/g/:0', '/f/x/y', '/g/x/y'],
])('%s → %s takes %s to %s', (pattern, template, path, expected) => {
  const { source, names } = compilePathPattern(pattern)
  const found = new RegExp(source, 'i').exec(path)
  const values = Object.fromEntries(names.map((name, index) => [name, found?.[index + 1]]))
  expect(found === null ? undefined : fillPathTemplate(template)(values)).toBe(expected)
})
