/** Printing and parsing: nothing is lost, and what is printed can be read by people. */
import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { model as arbitraryModel } from '../../test/arbitrary/model.ts'
import { emptyModel, type Model } from './model.ts'
import { Secret } from './secret.ts'
import { parseModel, printModel } from './text.ts'

/** Secrets compare by what they hold. */
const shown = (model: Model): unknown =>
  JSON.parse(
    JSON.stringify(model, function (this: Record<string, unknown>, key, value: unknown) {
      const raw = this[key]
      return raw instanceof Secret ? { revealed: raw.reveal() } : value
    }),
  )

test('what is printed is parsed to the same', () => {
  fc.assert(
    fc.property(arbitraryModel, (model) => {
      const text = printModel(model, { secrets: 'reveal' })
      const parsed = parseModel(text)
      expect(parsed.diagnostics).toEqual([])
      expect(shown(parsed.model)).toEqual(shown(model))
      expect(printModel(parsed.model, { secrets: 'reveal' })).toBe(text)
    }),
    { numRuns: 400 },
  )
})

test('whatever is given to the parser, it answers', () => {
  fc.assert(
    fc.property(arbitraryModel, fc.nat(), fc.string({ maxLength: 3 }), (model, where, noise) => {
      const text = printModel(model, { secrets: 'redact' })
      const at = text.length === 0 ? 0 : where % text.length
      parseModel(text.slice(0, at) + noise + text.slice(at + 1))
    }),
    { numRuns: 300 },
  )
})

describe('secrets', () => {
  const model: Model = {
    ...emptyModel,
    credentials: [
      { id: 'a/k', consumer: 'a/c', kind: 'key', group: 'g', secret: new Secret('hidden'), origin: { source: 'a' } },
    ],
  }
  test('redacted unless they are asked for', () => {
    expect(printModel(model, { secrets: 'redact' })).not.toContain('hidden')
    expect(printModel(model, { secrets: 'reveal' })).toContain('hidden')
  })
  test('wherever they hide', () => {
    const use = { policy: 'p', config: { deep: [new Secret('hidden')] }, origin: { source: 'a' } }
    const route = {
      id: 'r',
      listeners: [],
      match: {},
      policies: [use],
      action: { kind: 'next' },
      origin: { source: 'a' },
    } as const
    const hidden = { ...emptyModel, routes: [route] }
    expect(printModel(hidden, { secrets: 'redact' })).not.toContain('hidden')
    const { model: read } = parseModel(printModel(hidden, { secrets: 'reveal' }))
    expect(shown(read)).toEqual(shown(hidden))
  })
})

test('regular expressions and keys that begin with $ survive', () => {
  const config = { exp: /a"b/i, $secret: 'no secret', $$x: [{ $regexp: 1 }] }
  const use = { policy: 'p', config, origin: { source: 'a' } }
  const route = {
    id: 'r',
    listeners: [],
    match: {},
    policies: [use],
    action: { kind: 'next' },
    origin: { source: 'a' },
  } as const
  const { model } = parseModel(printModel({ ...emptyModel, routes: [route] }, { secrets: 'reveal' }))
  expect(model.routes[0]?.policies[0]?.config).toEqual(config)
})

describe('mistakes are said with their line', () => {
  test.each([
    ['route r\n  cors', 2, 'configuration'],
    ['route r', 1, 'no action'],
    ['route r\n  -> fly', 2, 'no action'],
    ['router r', 1, 'begins no paragraph'],
    ['listener l http 8080', 1, 'address:port'],
    ['\nbackend b http1\n  tls={', 3, 'JSON'],
    ['route r what\n  -> next', 1, 'not understood'],
  ])('%j', (text, line, words) => {
    const { diagnostics } = parseModel(text, { file: 'x.model' })
    expect(diagnostics[0]?.origin).toMatchObject({ file: 'x.model', line })
    expect(diagnostics[0]?.message).toContain(words)
  })

  test('the other paragraphs are read', () => {
    const { model, diagnostics } = parseModel('backend\nbackend b http1')
    expect(diagnostics).toHaveLength(1)
    expect(model.backends.map((backend) => backend.id)).toEqual(['b'])
  })
})

describe('fixtures', () => {
  const folder = new URL('fixtures/', import.meta.url)
  test.each(readdirSync(folder).filter((name) => name.endsWith('.model')))('%s is in its printed form', (name) => {
    const text = readFileSync(new URL(name, folder), 'utf8')
    const { model, diagnostics } = parseModel(text)
    expect(diagnostics).toEqual([])
    expect(printModel(model, { secrets: 'reveal' })).toBe(text)
  })
})
