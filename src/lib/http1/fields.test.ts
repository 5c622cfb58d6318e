/** Fields against a list: whatever is read, set, added and taken away in whatever order, both say and write the same. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Fields } from './fields.ts'
import { TAGGED, tagOf } from './tags.ts'
import { parseRequestHead } from './head.ts'

const name = fc.constantFrom(
  'a',
  'B',
  'ab',
  'X-Api-Key',
  'x-api-kez',
  'x-bpi-key',
  'Accept',
  'accent',
  'Cookie',
  'eg-id',
)
const value = fc.constantFrom('1', '2', 'x y', '')
const change = fc.oneof(
  fc.record({ do: fc.constantFrom('set' as const, 'append' as const), name, value }),
  fc.record({ do: fc.constant('delete' as const), name, value }),
  fc.record({ do: fc.constantFrom('get' as const, 'has' as const), name, value }),
)

test('fields and a list of them agree', () => {
  const property = fc.property(
    fc.array(fc.tuple(name, value), { maxLength: 8 }),
    fc.array(change, { maxLength: 12 }),
    (first, changes) => {
      const fields = read(first)
      let list = first
      for (const { do: what, name, value } of changes) {
        const lower = name.toLowerCase()
        const others = list.filter(([other]) => other.toLowerCase() !== lower)
        switch (what) {
          case 'get':
            expect(fields.get(lower)).toBe(joined(list, lower))
            break
          case 'has':
            expect(fields.has(lower)).toBe(others.length < list.length)
            break
          case 'set':
            fields.set(name, value)
            list = [...others, [name, value]]
            break
          case 'append':
            fields.append(name, value)
            list = [...list, [name, value]]
            break
          case 'delete':
            fields.delete(name)
            list = others
            break
        }
      }
      expect([...fields]).toEqual(list)
      expect(fields.write(0)).toBe(list.map(([each, text]) => `${each}: ${text}\r\n`).join(''))
    },
  )
  fc.assert(property, { numRuns: 1000 })
})

test.each(TAGGED)('%s has its tag in any case', (lower) => {
  const values: Readonly<Record<string, string>> = { 'content-length': '1', 'transfer-encoding': 'chunked' }
  for (const name of [lower, lower.toUpperCase(), lower.replaceAll(/^.|-./g, (start) => start.toUpperCase())]) {
    const value = values[lower] ?? '100-continue'
    const head = parseRequestHead(
      `GET / HTTP/1.1\r\n${lower === 'host' ? '' : 'Host: x\r\n'}${name}: ${value}\r\n\r\n`,
      {
        headerCount: 100,
        targetBytes: 100,
      },
    )
    if (head.kind === 'refusal') throw new Error(head.reason)
    expect(tagOf(lower, 0, lower.length)).not.toBe(0)
    expect(head.fields.tagged(tagOf(lower, 0, lower.length))).toBe(true)
  }
})

test('what cannot be written throws, however often it is tried', () => {
  const fields = read([])
  for (let times = 0; times < 2; times++) {
    expect(() => fields.set('a b', '1')).toThrow(TypeError)
    expect(() => fields.append('', '1')).toThrow(TypeError)
    expect(() => fields.set('a', '1\r\nb: 2')).toThrow(TypeError)
  }
  expect([...fields]).toEqual([])
})

function read(lines: readonly (readonly [string, string])[]): Fields {
  const text = `GET / HTTP/1.0\r\n${lines.map(([each, value]) => `${each}: ${value}\r\n`).join('')}\r\n`
  const head = parseRequestHead(text, { headerCount: 100, targetBytes: 100 })
  if (head.kind === 'refusal') throw new Error(head.reason)
  return head.fields
}

function joined(list: readonly (readonly [string, string])[], lower: string): string | undefined {
  const values = list.filter(([each]) => each.toLowerCase() === lower).map(([, value]) => value)
  return values.length === 0 ? undefined : values.join(lower === 'cookie' ? '; ' : ', ')
}
