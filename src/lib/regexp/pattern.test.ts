/** Patterns that people write stay; patterns that stop a gateway go. */
import { performance } from 'node:perf_hooks'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compilePattern } from './pattern.ts'

const limitOf = (source: string, ignoreCase = false): number | string => {
  const pattern = compilePattern(source, { ignoreCase })
  return pattern.kind === 'good' ? pattern.limit : pattern.why
}

describe('limits', () => {
  test.each([
    '^/api/v1$',
    '^\\/api\\/(.*)\\/?$',
    '^\\/(?:([^\\/]+?))\\/(?:([^\\/]+?))\\/(?:([^\\/]+?))\\/?$',
    '^(?:/[^/]+)*$',
    '^/users/(?<id>[0-9]{1,20})(?:/(posts|likes))?$',
    '^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\\.)+example\\.com$',
    '^/(?!admin).*',
    'foo|bar',
    '',
    '^[^]*$',
    '^.*$',
    '^a{2,5}b$',
    '^\\d{4}-\\d{2}-\\d{2}$',
  ])('%s is linear enough', (source) => {
    expect(limitOf(source)).toBeGreaterThanOrEqual(2048)
  })

  test.each(['foo.*', '\\s+$', '^.*foo.*$', '^a*a*$', '^(.*),(.*)$'])('%s is quadratic', (source) => {
    expect(limitOf(source)).toBe(2048)
  })

  test('cubic patterns get short texts', () => {
    expect(limitOf('^.*a.*b.*$')).toBe(256)
  })

  test.each([
    '(a+)+$',
    '^(a|a)*$',
    '^(a|b|ab)*c$',
    '^(?:a?b?)*$',
    '^([a-z]+)*\\d$',
    '^(\\w+\\s?)*$',
    '^(.*a){12}$',
    '^(a*)*b$',
    '^(?=(x+x+)+y).*$',
    `^${'a?'.repeat(30)}${'a'.repeat(30)}$`,
    '^.*.*.*.*.*.*$',
  ])('%s is refused', (source) => {
    expect(compilePattern(source).kind).toBe('bad')
  })

  test('case folding may make two letters the same', () => {
    expect(compilePattern('^(a|A)*b$').kind).toBe('good')
    expect(compilePattern('^(a|A)*b$', { ignoreCase: true }).kind).toBe('bad')
  })

  test.each(['(', '[z-a]', 'a**', '(?<n>a)(?<n>b)'])('%s is no pattern', (source) => {
    expect(compilePattern(source).kind).toBe('bad')
  })

  test('backreferences are refused with a reason', () => {
    expect(limitOf('^(a)\\1$')).toContain('backreferences')
  })
})

describe('prefix', () => {
  test.each([
    ['^/api/v1', '/api/v1'],
    ['^\\/api\\/(.*)$', '/api/'],
    ['^/api/?$', '/api'],
    ['^/a+', '/'],
    ['/api', ''],
    ['^/a|/b', ''],
    ['^/a.b', '/a'],
    ['^/a\\.b', '/a.b'],
    ['^/x{2}', '/'],
  ])('%s begins with "%s"', (source, prefix) => {
    expect(compilePattern(source)).toMatchObject({ kind: 'good', prefix })
  })

  test('every text that is taken begins with it', () => {
    const piece = fc.constantFrom('/', 'a', 'b', '\\/', '\\.', '.', '?', '*', '+', '(a|b)', '|', '[ab]', '$', '{2}')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), fc.stringMatching(/^[/ab.]{0,6}$/), (pieces, text) => {
        const pattern = compilePattern(`^${pieces.join('')}`)
        if (pattern.kind === 'good' && pattern.regexp.test(text)) expect(text.startsWith(pattern.prefix)).toBe(true)
      }),
      { numRuns: 3000 },
    )
  })
})

test('what is allowed stays quick on texts made to be slow', () => {
  const piece = fc.constantFrom(
    'a',
    'b',
    '[ab]',
    '.',
    'a*',
    'b+',
    '.*',
    '(a|b)',
    '(a|b)*',
    '(ab)*',
    '(a+b)*',
    '(a*)',
    'a?',
    '(a?b)+',
    '\\w*',
    '(a{1,3})+',
  )
  let allowed = 0
  let refused = 0
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 5 }), fc.boolean(), (pieces, anchored) => {
      const pattern = compilePattern(`${anchored ? '^' : ''}${pieces.join('')}c$`)
      if (pattern.kind === 'bad') {
        refused++
        return
      }
      allowed++
      const length = Math.min(pattern.limit, 4096)
      for (const unit of ['a', 'b', 'ab', 'aab']) {
        const text = unit.repeat(length).slice(0, length)
        const started = performance.now()
        pattern.regexp.test(text)
        // generous: what is exponential would take years, what is cubic minutes
        expect(performance.now() - started).toBeLessThan(3000)
      }
    }),
    { numRuns: 80, seed: 7 },
  )
  expect(allowed).toBeGreaterThan(30)
  expect(refused).toBeGreaterThan(5)
})
