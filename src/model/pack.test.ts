/** What is packed arrives as it was; what shares an object shares it there. */
import { expect, test } from 'vitest'
import { pack, unpack } from './pack.ts'
import { Secret } from './secret.ts'

test('without a secret nothing is copied', () => {
  const items = [{ a: [1, { b: undefined }], when: new Date(0), pattern: /x/g }]
  const packed = pack(items)
  expect(packed.kind).toBe('plain')
  expect(packed.items).toBe(items)
  expect(unpack(packed)).toBe(items)
})

test('secrets cross a channel that knows only plain data, and only they and what holds them are copied', () => {
  const shared = { key: new Secret('k€y') }
  const plain = { id: 'plain' }
  const packed = pack([{ id: 'a', of: shared, dates: [new Date(5)] }, plain, { id: 'b', of: shared }])
  expect(packed.items[1]).toBe(plain)
  const there = unpack(structuredClone(packed)) as readonly { readonly of: typeof shared; dates?: readonly Date[] }[]
  expect(there[0]?.of.key).toBeInstanceOf(Secret)
  expect(there[0]?.of.key.reveal()).toBe('k€y')
  expect(there[0]?.of).toBe(there[2]?.of)
  expect(there[0]?.dates).toEqual([new Date(5)])
  expect(JSON.stringify(there)).not.toContain('k€y')
})

test('a key of a configuration that looks like the mark is no secret', () => {
  const written = {
    '\u0000secret': 'a',
    '\u0000\u0000secret': 'b',
    '\u0000': { deep: { '\u0000secret': 'c' } },
    plain: 1,
  }
  const bare = Object.assign(Object.create(null) as Record<string, unknown>, written)
  for (const items of [[written], [bare], [written, { key: new Secret('k') }]]) {
    const there = unpack(structuredClone(pack(items)))
    expect(there[0]).toEqual(written)
    expect(Object.keys(there[0] as object)).toEqual(Object.keys(written))
  }
})
