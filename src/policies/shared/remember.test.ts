/** What is kept, and what is not. */
import { expect, test } from 'vitest'
import { remember } from './remember.ts'

test('made once, in any order; forgotten at the limit; long texts are made each time', () => {
  const asked: string[] = []
  const name = remember((text) => {
    asked.push(text)
    return `n:${text}`
  }, 2)
  expect(['a', 'b', 'a', 'b', 'c', 'a'].map(name)).toEqual(['n:a', 'n:b', 'n:a', 'n:b', 'n:c', 'n:a'])
  expect(asked).toEqual(['a', 'b', 'c', 'a'])
  const long = 'x'.repeat(257)
  expect([name(long), name(long)]).toEqual([`n:${long}`, `n:${long}`])
  expect(asked.slice(4)).toEqual([long, long])
})
