/** Windows, delays and refusals on the real engine. */
import { afterEach, expect, test } from 'vitest'
import { type Bench, bench } from '../testing.ts'

let server: Bench | undefined
afterEach(async () => {
  await server?.stop()
  server = undefined
})

const text = { kind: 'text', value: 'k' }

test('two uses with the same key share a counter; the inner headers win', async () => {
  server = await bench({
    uses: [
      { policy: 'rate-limit', config: { by: text, max: 9 } },
      { policy: 'rate-limit', config: { by: text, max: 5 } },
    ],
  })
  const { headers } = await server.call()
  expect([headers['x-ratelimit-limit'], headers['x-ratelimit-remaining']]).toEqual(['5', '3'])
})

test('any Accept gets the status, and the rest of the window', async () => {
  let now = 5_000
  const window = { count: 0, resetAt: 15_000 }
  const add = (): typeof window => ({ ...window, count: ++window.count })
  server = await bench({
    uses: [{ policy: 'rate-limit', config: { by: text, max: 1, window: 10_000 } }],
    services: { now: () => now, counters: { add } },
  })
  expect((await server.call()).headers['x-ratelimit-reset']).toBe('15')
  now = 6_200
  const refused = await server.call({ headers: { accept: 'application/xml' } })
  expect([refused.status, refused.headers['retry-after'], refused.body]).toEqual([
    429,
    '9',
    'Too many requests, please try again later.',
  ])
})

test('max 0 counts and never refuses', async () => {
  server = await bench({ uses: [{ policy: 'rate-limit', config: { by: text, max: 0 } }] })
  for (let count = 0; count < 4; count++) expect((await server.call()).status).toBe(200)
})

test('requests beyond are delayed, each longer than the one before', async () => {
  const counts: number[] = []
  server = await bench({
    uses: [{ policy: 'rate-limit', config: { by: text, max: 0, delay: { after: 1, each: 60 } } }],
  })
  for (let count = 0; count < 3; count++) {
    const begun = performance.now()
    await server.call()
    counts.push(performance.now() - begun)
  }
  expect(counts[1]).toBeGreaterThan(58)
  expect(counts[2]).toBeGreaterThan(118)
})

test('answers that do not count are given back', async () => {
  server = await bench({ uses: [{ policy: 'rate-limit', config: { by: text, max: 1, count: 'failed' } }] })
  expect((await server.call()).status).toBe(200)
  expect((await server.call()).status).toBe(200)
  expect((await server.call({ path: '/?status=500' })).status).toBe(500)
  expect((await server.call()).status).toBe(429)
})

test('a template that throws makes the key undefined', async () => {
  server = await bench({
    uses: [{ policy: 'rate-limit', config: { by: { kind: 'template', source: '${nope.x}' }, max: 1 } }],
  })
  expect([(await server.call()).status, (await server.call()).status]).toEqual([200, 429])
  expect(server.served.events.some((event) => event.code === 'rate-limit/key')).toBe(true)
})
