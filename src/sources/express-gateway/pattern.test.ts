/** Path patterns of Express → the paths that they take, what they capture, what of them is stripped. */
import { describe, expect, it } from 'vitest'
import { parsePathRegex, parsePattern } from './pattern.ts'

/** As the router matches, for the three kinds that a pattern becomes. */
function matches(pattern: string, path: string): boolean {
  const parsed = parsePattern(pattern)
  if (parsed.kind === 'bad') throw new Error(parsed.reason)
  const match = parsed.path
  const lower = path.toLowerCase()
  if (match === undefined) return true
  switch (match.kind) {
    case 'exact': {
      const value = match.value.toLowerCase()
      return lower === value || (match.optionalSlash === true && lower === `${value}/`)
    }
    case 'start':
      return lower.startsWith(match.value.toLowerCase())
    case 'regexp':
      return new RegExp(match.source, match.ignoreCase === true ? 'i' : '').test(path)
    default:
      throw new Error(`unexpected ${match.kind}`)
  }
}

describe('paths', () => {
  it.each([
    ['/a', ['/a', '/A', '/a/'], ['/ab', '/a/b', '/', '//a']],
    ['/a/', ['/a/', '/a'], ['/a/b']],
    ['/', ['/'], ['/a', '//']],
    ['*', ['/', '/a/b'], []],
    ['/star*', ['/star', '/starfish/x', '/STAR'], ['/sta']],
    ['/slash/*', ['/slash/', '/slash/a/b'], ['/slash']],
    ['/p/:id', ['/p/1', '/p/a%2Fb', '/p/1/'], ['/p', '/p/', '/p/1/2']],
    ['/opt/:x?', ['/opt', '/opt/', '/opt/1'], ['/opt/1/2']],
    ['/num/:n(\\d+)', ['/num/12'], ['/num/ab', '/num/']],
    ['/many/:x*', ['/many/a', '/many/a/b/c'], ['/many']],
    ['/file.json', ['/file.json'], ['/fileXjson']],
    ['/f/:name.:ext', ['/f/a.png'], ['/f/a']],
    ['/ab?cd', ['/acd', '/abcd'], ['/abbcd']],
    ['/ab+cd', ['/abcd', '/abbbcd'], ['/acd']],
    ['/(x|y)/z', ['/x/z', '/y/z'], ['/q/z']],
    ['/a(bc)?', ['/a', '/abc'], ['/ab']],
    ['/a/*/b', ['/a/1/2/b'], ['/a/b/c']],
    ['*/end', ['/x/end', '/end'], ['/end/x']],
  ])('%s', (pattern, taken, refused) => {
    for (const path of taken) expect([path, matches(pattern, path)]).toEqual([path, true])
    for (const path of refused) expect([path, matches(pattern, path)]).toEqual([path, false])
  })

  it.each([
    ['/u/:group/:id', '/u/g1/7', { group: 'g1', id: '7' }],
    ['/w/*/x/*', '/w/a/x/b', { 0: 'a', 1: 'b' }],
    ['/m/:x*', '/m/a/b', { x: 'a', 0: '/b' }],
    ['/a(b)/:c', '/ab/d', { 0: 'b', c: 'd' }],
  ])('names the captures of %s', (pattern, path, expected) => {
    const parsed = parsePattern(pattern)
    if (parsed.kind === 'bad' || parsed.path?.kind !== 'regexp') throw new Error('not a regular expression')
    const found = new RegExp(parsed.path.source, 'i').exec(path)
    const names = parsed.path.parameters ?? []
    expect(found?.length).toBe(names.length + 1)
    expect(Object.fromEntries(names.map((name, index) => [name, found?.[index + 1]]))).toEqual(expected)
  })

  it('refuses what is no pattern', () => {
    expect(parsePattern('/b(').kind).toBe('bad')
    expect(parsePathRegex('(').kind).toBe('bad')
  })
})

describe('what stripPath takes away', () => {
  it.each([
    ['/exact', { kind: 'everything' }],
    ['*', { kind: 'nothing' }],
    ['/s2/*', { kind: 'characters', count: 4 }],
    ['/s3*', { kind: 'characters', count: 3 }],
    ['/users/:id', { kind: 'characters', count: 7 }],
  ])('%s', (pattern, strip) => {
    expect(parsePattern(pattern)).toMatchObject({ strip })
  })

  it('finds the front of a pattern whose characters do not stand for themselves', () => {
    const parsed = parsePattern('/v(1|22)/*')
    if (parsed.kind === 'bad' || parsed.strip.kind !== 'match') throw new Error('nothing to match')
    expect('/v22/a/b'.replace(new RegExp(parsed.strip.source, 'i'), '/')).toBe('/a/b')
  })

  it('takes away what pathRegex matches at the front, never from the middle', () => {
    expect(parsePathRegex('^/rx')).toMatchObject({ strip: { kind: 'match', source: '^/rx' } })
    expect(parsePathRegex('/id-[0-9]+')).toMatchObject({ strip: { kind: 'nothing' } })
  })
})
