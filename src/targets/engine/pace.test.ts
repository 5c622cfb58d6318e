import { expect, test } from 'vitest'
import { Pace } from './pace.ts'

function pace(bodyRate: number, bodyTimeout = 10_000): Pace {
  const made = new Pace()
  made.start({ bodyTimeout, bodyRate }, 0)
  return made
}

test('who keeps the rate up has the whole time for the next piece, and has saved none', () => {
  const fast = pace(100)
  expect([fast.piece(100_000_000, 10), fast.behind]).toEqual([10_000, false])
  for (let at = 1000; at < 100_000; at += 1000) expect([fast.piece(100, at), fast.behind]).toEqual([10_000, false])
})

test('what a client is behind comes off its time', () => {
  const slow = pace(100)
  expect([slow.piece(100, 5000), slow.behind]).toEqual([6000, true])
  expect([slow.piece(100, 10_000), slow.behind]).toEqual([2000, true])
  expect([slow.piece(1000, 11_000), slow.behind]).toEqual([10_000, false])
  // never 0, which would be for ever
  expect(slow.piece(1, 100_000)).toBe(1)
})

test('a pause is nobody’s fault', () => {
  const held = pace(100)
  held.pause(1000)
  held.pause(2000)
  expect(held.resume(61_000)).toBe(9000)
  expect(held.resume(62_000)).toBe(8000)
})

test('without a rate each piece counts, without a time none', () => {
  const any = pace(0)
  expect([any.piece(1, 9000), any.behind]).toEqual([10_000, false])
  const patient = pace(100, 0)
  expect([patient.piece(1, 9000), patient.resume(99_000)]).toEqual([0, 0])
})
