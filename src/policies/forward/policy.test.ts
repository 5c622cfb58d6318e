/** A request is sent to other backends in the middle of its policies; what stands behind is not reached. */
import { expect, test } from 'vitest'
import { answers, bench } from '../testing.ts'
import { forward } from './policy.ts'

const to = (id: string, more: object = {}) => ({
  policy: 'forward',
  config: { backends: [{ target: { kind: 'backend', id } }], ...more },
})
const reply = { policy: 'reply', config: { status: 299 } }

test('it goes there and nowhere else', async () => {
  const server = await bench({ uses: [to('copy'), reply] })
  try {
    expect((await server.call({ path: '/x' })).status).toBe(200)
    expect([server.copies.map(({ target }) => target), server.seen]).toEqual([['/x'], []])
  } finally {
    await server.stop()
  }
})

test('only where its condition holds', async () => {
  const when = { kind: 'method', methods: ['POST'] } as const
  const found = await answers({ uses: [{ ...to('shop'), when }, reply] }, [{ method: 'POST' }, {}])
  expect(found.map(({ status }) => status)).toEqual([200, 299])
})

test('a share that fails, no backends, and the words of a failure', async () => {
  const fail = { policy: 'forward', config: { backends: [{ target: { kind: 'fail', status: 503 } }] } }
  const nobody = { policy: 'forward', config: { backends: [], emptyStatus: 504 } }
  expect((await answers({ uses: [fail] }, [{}]))[0]?.status).toBe(503)
  expect((await answers({ uses: [nobody] }, [{}]))[0]?.status).toBe(504)
  const model = { endpoints: [{ backend: 'copy', addresses: [{ host: '127.0.0.1', port: 1 }] }] }
  const failure = { status: 502, body: 'gone', contentType: 'text/x' }
  const [answer] = await answers({ uses: [to('copy', { failure })], model }, [{}])
  expect(answer).toMatchObject({ status: 502, body: 'gone', headers: { 'content-type': 'text/x' } })
})

test.each([
  {},
  { backends: [{ target: { kind: 'backend' } }] },
  { backends: [{ target: { kind: 'fail', status: 99 } }] },
  { backends: [], retry: { attempts: 101 } },
  { backends: [], timeouts: { idle: -1 } },
  { backends: [{ target: { kind: 'backend', id: 'a' }, policies: [{ policy: 'reply' }] }] },
])('%j is refused', (config) => {
  expect(forward.config.safeParse(config).success).toBe(false)
})
