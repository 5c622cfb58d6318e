/** Worlds at given times → when the batched ones come, in a time of the test's own. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Source } from '../../sources/source.ts'
import { batched } from './batch.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] }))
afterEach(() => void vi.useRealTimers())

/** Milliseconds at which the source has a new world, its first before or at 0 → [when, which] of what comes out. */
async function times(at: readonly number[], until: number): Promise<readonly (readonly [number, number])[]> {
  const abort = new AbortController()
  const began = Date.now() - (at[0] ?? 0)
  const source: Source<number> = {
    name: 'timed',
    async *read(_, signal) {
      for (const time of at) {
        while (Date.now() - began < time && !signal.aborted) await new Promise((done) => setTimeout(done, 10))
        if (signal.aborted) return
        yield time
      }
      await new Promise<void>((done) => signal.addEventListener('abort', () => done()))
    },
    translate: () => {
      throw new Error('nobody translates here')
    },
  }
  const seen: (readonly [number, number])[] = []
  const reading = (async () => {
    for await (const world of batched(source, 2000, (ms) => new Promise((done) => setTimeout(done, ms))).read(
      { kind: 'folder', path: '', environment: {} },
      abort.signal,
    ))
      seen.push([Date.now() - began, world])
  })()
  await vi.advanceTimersByTimeAsync(until)
  abort.abort()
  await vi.advanceTimersByTimeAsync(5000)
  await reading
  return seen
}

const rounded = (seen: readonly (readonly [number, number])[]): unknown =>
  seen.map(([when, world]) => [Math.round(when / 100) / 10, world])

test('the first at once; then a window of 2 s from the first change: 0 and 1.9 s are one activation', async () => {
  expect(rounded(await times([-1000, 0, 1900], 8000))).toEqual([
    [-1, -1000],
    [2, 1900],
  ])
})

test('a change behind the window opens another: 0 and 2.3 s are two', async () => {
  expect(rounded(await times([-1000, 0, 2300], 9000))).toEqual([
    [-1, -1000],
    [2, 0],
    [4.3, 2300],
  ])
})

test('one each 300 ms is one activation each 2 s', async () => {
  const at = Array.from({ length: 20 }, (_, index) => index * 300)
  const seen = await times(at, 12_000)
  expect(seen.length).toBeLessThanOrEqual(5)
  expect(seen.at(-1)?.[1]).toBe(5700)
})
