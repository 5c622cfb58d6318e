import { expect, test } from 'vitest'
import { hasHadItsTurn, type Reader } from './turns.ts'

const PIECE = 65_536
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function reader(): Reader & { readonly calls: number } {
  return {
    turn: 0,
    turnBytes: 0,
    calls: 0,
    readOn() {
      ;(this as { calls: number }).calls++
    },
  }
}

function readAll(one: Reader): number {
  let pieces = 1
  while (!hasHadItsTurn(one, PIECE)) pieces++
  return pieces
}

test('one connection reads its share in a turn, and reads on in the next', async () => {
  const one = reader()
  expect(readAll(one)).toBe(4)
  expect(one.calls).toBe(0)
  await turn()
  expect(one.calls).toBe(1)
  expect(readAll(one)).toBe(4)
  await turn()
  expect(one.calls).toBe(2)
})

test('of a hundred at once, each gets a piece, and then a few at a time their share, in order', async () => {
  const many = Array.from({ length: 100 }, reader)
  const pieces = many.map(readAll)
  expect(pieces.reduce((sum, count) => sum + count, 0)).toBeLessThan(8 * 4 + 100)
  expect(Math.min(...pieces)).toBe(1)
  const served: number[] = []
  for (let count = 0; count < 13; count++) {
    await turn()
    served.push(many.filter(({ calls }) => calls === 1).length)
  }
  expect(served).toEqual([8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 100])
})

test('short pieces cost nobody a turn', () => {
  const one = reader()
  for (let count = 0; count < 10_000; count++) expect(hasHadItsTurn(one, 4096)).toBe(false)
})
