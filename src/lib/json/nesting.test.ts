/** Depth of lists and objects, however deep. */
import { expect, test } from 'vitest'
import { nestedDeeper } from './nesting.ts'

const nested = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth))

test('counts lists and objects, not what is in them', () => {
  expect(nestedDeeper('[[[', 0)).toBe(false)
  expect(nestedDeeper([], 0)).toBe(true)
  expect(nestedDeeper({ a: [1, { b: null }] }, 3)).toBe(false)
  expect(nestedDeeper({ a: [1, { b: null }] }, 2)).toBe(true)
  expect(nestedDeeper(nested(100), 100)).toBe(false)
  expect(nestedDeeper(nested(100), 99)).toBe(true)
})

test('looks no deeper than it is asked to', () => {
  expect(nestedDeeper(nested(1_000_000), 100)).toBe(true)
})
