/** Who shows the key is let in, whichever of those that are good; an empty key is none. */
import { expect, test } from 'vitest'
import { answers } from '../testing.ts'
import { sharedKey } from './policy.ts'

const config = { header: 'X-Edge-Key', key: 'one', alternatives: ['two'] }

test('the exact value, in that header', async () => {
  const values = ['one', 'two', 'On', 'one ', 'one, two', '']
  const calls = values.map((value) => ({ headers: { 'x-edge-key': value } }))
  const found = await answers({ uses: [{ policy: 'shared-key', config }] }, [...calls, {}])
  // the space at the end is no part of a header's value
  expect(found.map(({ status }) => status)).toEqual([200, 200, 403, 200, 403, 403, 403])
  expect([found[6]?.body, found[6]?.headers['content-type']]).toEqual(['Forbidden', 'text/plain; charset=utf-8'])
})

test('another status', async () => {
  const [answer] = await answers({ uses: [{ policy: 'shared-key', config: { ...config, status: 404 } }] }, [{}])
  expect([answer?.status, answer?.body]).toEqual([404, 'Not Found'])
})

test('the key is not shown, and cannot be empty', () => {
  expect(JSON.stringify(sharedKey.config.parse(config))).not.toMatch(/one|two/)
  for (const wrong of [{ ...config, key: '' }, { ...config, alternatives: [''] }, { header: 'a b', key: 'x' }, {}]) {
    expect(sharedKey.config.safeParse(wrong).success).toBe(false)
  }
})
