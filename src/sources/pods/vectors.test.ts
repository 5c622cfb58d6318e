/** What was recorded of dispatcher → the same, or its repair, from real nginx and from the engine. */
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { replayFolder } from '../../../scripts/vectors-dispatcher.ts'

test('the recorded vectors', { timeout: 240_000 }, async () => {
  const failed: string[] = []
  let passed = 0
  for await (const { name, failures } of replayFolder(fileURLToPath(new URL('fixtures/vectors', import.meta.url)))) {
    if (failures.length === 0) passed++
    else failed.push(`${name}: ${failures.join('; ')}`)
  }
  expect(failed).toEqual([])
  expect(passed).toBeGreaterThan(300)
})
