/** What counts as missed, and how it is drawn. */
import { expect, test } from 'vitest'
import { drawResults, missed, percentile, type Figure } from './rows.ts'

const figure = (value: number, limit?: number): Figure => ({
  row: 'add',
  name: 'p99',
  value,
  unit: 'ms',
  ...(limit === undefined ? {} : { limit }),
})

test('a figure beyond its limit is missed, and so is one that could not be measured', () => {
  expect([figure(99, 100), figure(100, 100), figure(101, 100), figure(Number.NaN, 100), figure(5)].map(missed)).toEqual(
    [false, false, true, true, false],
  )
})

test('percentiles are values that were measured', () => {
  const values = Array.from({ length: 100 }, (_, index) => 100 - index)
  expect([percentile(values, 0.5), percentile(values, 0.99), percentile([7], 0.99)]).toEqual([51, 100, 7])
})

test('one line a figure, one column a peer', () => {
  const drawn = drawResults([
    { peer: 'a', figures: [figure(101, 100)] },
    { peer: 'b', figures: [] },
  ])
  expect(drawn.split('\n').at(-1)).toBe('| add | p99 | 101.0 ms ! | – | ≤ 100.0 ms |')
})
