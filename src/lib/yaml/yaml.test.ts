/** Values, positions, mistakes; bombs and code that must not go off. */
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { describeIssues } from './issues.ts'
import { parseYaml, type YamlOptions } from './yaml.ts'

const one = (text: string, options?: YamlOptions): unknown => parseYaml(text, options).documents[0]?.value
const mistakes = (text: string, options?: YamlOptions): string[] =>
  parseYaml(text, options).mistakes.map(({ message, line, column }) => `${line}:${column} ${message}`)

test('values and where they stand', () => {
  const { documents } = parseYaml('a:\n  - x: 1\n    y: 2\n  - 3\n---\nb: {c: d}\n---\n')
  expect(documents.map((document) => document.value)).toEqual([{ a: [{ x: 1, y: 2 }, 3] }, { b: { c: 'd' } }, null])
  const [first, second] = documents
  expect(first?.at(['a', 0, 'y'])).toEqual({ line: 3, column: 5 })
  expect(first?.at(['a', 1])).toEqual({ line: 4, column: 5 })
  expect(first?.at(['a', 7, 'no'])).toEqual({ line: 1, column: 1 })
  expect(second?.at(['b', 'c'])).toEqual({ line: 6, column: 5 })
})

test('JSON, anchors and merge keys', () => {
  expect(one('{"a": [1, null, "\\u00e9"]}')).toEqual({ a: [1, null, 'é'] })
  expect(one('a: &x {b: 1}\nc:\n  <<: *x\n  d: 2')).toEqual({ a: { b: 1 }, c: { b: 1, d: 2 } })
})

test('an empty text is no document', () => {
  expect(parseYaml('').documents.every(({ value }) => value === null || value === undefined)).toBe(true)
})

test('schemas', () => {
  const text = '[yes, on, true, 0777, 1:30, 0o17]'
  expect(one(text)).toEqual(['yes', 'on', true, 777, '1:30', 15])
  expect(one(text, { schema: '1.1' })).toEqual([true, true, true, 511, 90, '0o17'])
  expect(one(text, { schema: 'js-yaml-3' })).toEqual(['yes', 'on', true, 511, 90, '0o17'])
})

test('what has no digit before its exponent is no number: an endpoint may be called e1', () => {
  const text = '{e1: [e0, -e5, ., .5, 1.5e3, 1_0.5, 3., .inf, .nan], e2: 1}'
  const read = { e1: ['e0', '-e5', '.', 0.5, 1500, 10.5, 3, Infinity, NaN], e2: 1 }
  for (const schema of ['1.1', 'js-yaml-3'] as const) expect(one(text, { schema })).toEqual(read)
})

describe('mistakes', () => {
  test('with their place; other documents are read', () => {
    const { documents, mistakes: said } = parseYaml('a: 1\n---\nb: [1\n---\nc: 3')
    expect(documents.map(({ value }) => value)).toEqual([{ a: 1 }, undefined, { c: 3 }])
    expect(said[0]).toMatchObject({ severity: 'error' })
    expect(said[0]?.line).toBeGreaterThanOrEqual(3)
  })

  test('duplicate keys', () => {
    expect(mistakes('a: 1\na: 2')[0]).toMatch(/^2:1 .*unique/)
    expect(mistakes('a: {b: 1, c: 2, b: 3}')[0]).toMatch(/^1:17 .*unique/)
    expect(one('a: 1\na: 2')).toBeUndefined()
  })

  test('a billion laughs', () => {
    let text = 'a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n'
    for (let level = 1; level < 10; level++) {
      text += `a${level}: &a${level} [${Array.from({ length: 10 }, () => `*a${level - 1}`).join(', ')}]\n`
    }
    expect(mistakes(text)[0]).toContain('alias')
    expect(one(text)).toBeUndefined()
  })

  test('a merge key over what is no map', () => {
    expect(mistakes('<<: 3\na: 1')[0]).toContain('Merge')
    expect(mistakes('<<: [{a: 1}, x]')[0]).toContain('Merge')
    expect(one('<<: {a: 1}\nb: 2')).toEqual({ a: 1, b: 2 })
  })

  test('too long, too deep', () => {
    expect(mistakes('a: 12345', { limit: 4 })[0]).toContain('longer')
    expect(mistakes('['.repeat(20_000))[0]).toContain('deep')
    expect(mistakes('- '.repeat(20_000))[0]).toContain('deep')
    expect(one('['.repeat(100) + ']'.repeat(100))).toHaveLength(1)
  })
})

describe('tags', () => {
  test('a regexp is a value', () => {
    expect(one('a: !!js/regexp /^a"b$/i\nb: !!js/regexp ^x')).toEqual({ a: /^a"b$/i, b: /^x/ })
    expect(mistakes('a: !!js/regexp /(/')[0]).toContain('Invalid regular expression')
  })
  test('a function is refused', () => {
    expect(mistakes('a: !!js/function "function () { return 1 }"')[0]).toContain('not run')
    expect(one('a: !!js/function "function () { return 1 }"')).toBeUndefined()
  })
})

describe('issues of a schema', () => {
  const schema = z.strictObject({
    http: z.strictObject({ port: z.number(), hostname: z.string().optional() }).optional(),
    list: z.array(z.strictObject({ name: z.enum(['red', 'green']) })).optional(),
    any: z.union([z.string(), z.strictObject({ deep: z.number() })]).optional(),
  })
  const say = (value: unknown): readonly object[] => describeIssues(schema, schema.safeParse(value).error?.issues ?? [])

  test('unknown keys, with what was meant', () => {
    expect(say({ http: { prot: 1, port: 2 } })).toEqual([
      { path: ['http', 'prot'], message: 'http: "prot" is not known', hint: 'did you mean "port"?' },
    ])
    expect(say({ zzz: 1 })).toEqual([
      { path: ['zzz'], message: '"zzz" is not known', hint: 'known are http, list, any' },
    ])
  })
  test('wrong values', () => {
    expect(say({ http: { port: 'x' } })).toEqual([
      { path: ['http', 'port'], message: 'http.port: expected number, received string' },
    ])
    expect(say({ list: [{ name: 'blue' }] })[0]).toMatchObject({ path: ['list', 0, 'name'], hint: 'one of red, green' })
  })
  test('of a union, the branch that was meant', () => {
    expect(say({ any: { depe: 1, deep: 2 } })).toEqual([
      { path: ['any', 'depe'], message: 'any: "depe" is not known', hint: 'did you mean "deep"?' },
    ])
  })
})
