/** The same promises on a Node whose handles are not as expected: sockets are read from and written to in the documented way. */
import { expect, test, vi } from 'vitest'
import net from 'node:net'
import { isBare, raw, readInto } from './handle.ts'

vi.mock('./handle.ts', async (original) => {
  const handles = await original<typeof import('./handle.ts')>()
  return {
    ...handles,
    raw: false,
    isBare: () => false,
    handleOf: () => undefined,
    readInto: () => false,
    takeFrom: () => undefined,
  }
})

test('nothing of a handle is used', () => {
  expect([
    raw,
    isBare({}),
    readInto(new net.Socket(), { buffer: () => Buffer.alloc(1), callback: () => true }),
  ]).toEqual([false, false, false])
})

await import('./wire.test.ts')
await import('./engine.test.ts')
await import('./slow.test.ts')
