/** Requests → their copies at another backend, for the share that is asked for. */
import { expect, test } from 'vitest'
import type { Exchange } from '../policy.ts'
import { bench } from '../testing.ts'
import { config, mirrorStep } from './policy.ts'

test('the copy has method, target and body; its answer is nobody’s', async () => {
  const server = await bench({ uses: [{ policy: 'mirror', config: { backend: 'copy' } }] })
  try {
    const answer = await server.call({ method: 'POST', path: '/a?status=201', body: 'hello' })
    expect([answer.status, answer.seen?.body]).toEqual([201, 'hello'])
    await expect.poll(() => server.copies).toMatchObject([{ method: 'POST', target: '/a?status=201', body: 'hello' }])
    expect(server.seen).toHaveLength(1)
  } finally {
    await server.stop()
  }
})

test.each([
  [{ numerator: 1, denominator: 4 }, ['0', '0.24']],
  [{ numerator: 0, denominator: 4 }, []],
  [{ numerator: 4, denominator: 4 }, ['0', '0.24', '0.25', '0.99']],
])('%j of the requests', (share, copied) => {
  const sent: string[] = []
  for (const drawn of ['0', '0.24', '0.25', '0.99']) {
    const step = mirrorStep(
      config.parse({ backend: 'copy', share }),
      () => void sent.push(drawn),
      () => Number(drawn),
    )
    expect(step.request?.({} as Exchange)).toBeUndefined()
  }
  expect(sent).toEqual(copied)
})

test('more than all of them is refused', () => {
  expect(config.safeParse({ backend: 'copy', share: { numerator: 2, denominator: 1 } }).success).toBe(false)
})
