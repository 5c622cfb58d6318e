/** Both ways give one result; only one of them lets others work meanwhile. */
import { expect, test } from 'vitest'
import { atOnce, inTurns, type Work } from './turns.ts'

function* sum(upTo: number): Work<number> {
  let total = 0
  for (let at = 1; at <= upTo; at++) {
    total += at
    yield
  }
  return total
}

test('at once, and in turns', async () => {
  let turns = 0
  let counting = true
  const count = (): void => {
    turns++
    if (counting) setImmediate(count)
  }
  setImmediate(count)
  expect(atOnce(sum(1000))).toBe(500_500)
  expect(turns).toBe(0)
  // each piece is longer than a turn
  expect(await inTurns(sum(1000), 0)).toBe(500_500)
  counting = false
  expect(turns).toBeGreaterThan(100)
})

test('what throws ends the work', async () => {
  function* broken(): Work<never> {
    yield
    throw new RangeError('no')
  }
  expect(() => atOnce(broken())).toThrow(RangeError)
  await expect(inTurns(broken(), 0)).rejects.toThrow(RangeError)
})
