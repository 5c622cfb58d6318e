/** What one process says another understands, secrets and changes included. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { applyDelta, decode, difference, encode } from './encode.ts'
import { emptyModel, type Backend, type Model } from './model.ts'
import { Secret } from './secret.ts'

const origin = { source: 'test' }
const backend = (id: string): Backend => ({ id, protocol: 'http1', origin })
const modelOf = (backends: readonly Backend[]): Model => ({ ...emptyModel, backends })

test('a secret arrives as a secret', () => {
  const certificate = { id: 'a', certificate: 'PEM', key: new Secret('k€y'), origin }
  const decoded = decode(encode({ ...emptyModel, certificates: [certificate] })) as Model
  expect(decoded.certificates[0]?.key).toBeInstanceOf(Secret)
  expect(decoded.certificates[0]?.key?.reveal()).toBe('k€y')
  expect(JSON.stringify(decoded)).not.toContain('k€y')
})

test('a delta turns the one into the other, whatever came and went', () => {
  const pool = Array.from({ length: 12 }, (_, index) => backend(String(index)))
  const some = fc.shuffledSubarray(pool)
  fc.assert(
    fc.property(some, some, (before, after) => {
      const delta = decode(encode(difference(modelOf(before), modelOf(after))))
      expect(applyDelta(modelOf(before), delta as ReturnType<typeof difference>)).toEqual(modelOf(after))
    }),
  )
})

test('one new member among many is a delta of one, and the others stay the same objects', () => {
  const many = Array.from({ length: 1000 }, (_, index) => backend(String(index)))
  const before = modelOf(many)
  const after = modelOf([...many.slice(0, 500), backend('new'), ...many.slice(500)])
  const delta = difference(before, after)
  expect(delta).toEqual({
    backends: [{ from: 0, count: 500 }, { insert: [backend('new')] }, { from: 500, count: 500 }],
  })
  expect(applyDelta(before, delta).backends[999]).toBe(many[998])
  expect(difference(before, before)).toEqual({})
})

test('changes far from one another send only themselves', () => {
  const many = Array.from({ length: 1000 }, (_, index) => backend(String(index)))
  const changed = [backend('first'), ...many.slice(1, 999), backend('last')]
  const delta = difference(modelOf(many), modelOf(changed))
  expect(delta).toEqual({
    backends: [{ insert: [backend('first')] }, { from: 1, count: 998 }, { insert: [backend('last')] }],
  })
  expect(applyDelta(modelOf(many), delta).backends[500]).toBe(many[500])
})

test('a delta of another model is refused', () => {
  expect(() => applyDelta(emptyModel, { backends: [{ from: 3, count: 1 }] })).toThrow(RangeError)
})
