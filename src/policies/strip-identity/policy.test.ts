/** What clients say about themselves, in every way that a backend could read it; on the real engine. */
import { afterEach, expect, test } from 'vitest'
import { type Bench, bench } from '../testing.ts'

let server: Bench | undefined
afterEach(async () => {
  await server?.stop()
  server = undefined
})

const forged = {
  'eg-consumer-id': 'a',
  eg_consumer_id: 'b',
  'Eg-Consumer_ID': 'c',
  'EG_CONSUMER-ID': 'd',
}

const identities = (headers: object | undefined): readonly string[] =>
  Object.entries(headers ?? {}).flatMap(([name, value]) =>
    name.replaceAll('_', '-') === 'eg-consumer-id' ? [`${name}=${String(value)}`] : [],
  )

test('no spelling of it passes', async () => {
  server = await bench({ uses: [{ policy: 'strip-identity', config: {} }] })
  const { seen } = await server.call({ headers: { ...forged, 'eg-consumer-idx': 'kept' } })
  expect(identities(seen?.headers)).toEqual([])
  expect(seen?.headers['eg-consumer-idx']).toBe('kept')
})

test('what the gateway says stands alone', async () => {
  server = await bench({ uses: [{ policy: 'strip-identity' }, { policy: 'key-auth' }] })
  const { seen } = await server.call({ path: '/?apiKey=k1:s3cret:with:colons', headers: forged })
  expect(identities(seen?.headers)).toEqual(['eg-consumer-id=u-1'])
})

test('a policy that proves somebody takes the other spellings away by itself', async () => {
  server = await bench({ uses: [{ policy: 'key-auth' }] })
  const { seen } = await server.call({ path: '/?apiKey=k1:s3cret:with:colons', headers: forged })
  expect(identities(seen?.headers)).toEqual(['eg-consumer-id=u-1'])
})

test('a second policy that finds nobody does not let pass what the client says in its header', async () => {
  server = await bench({
    uses: [
      { policy: 'key-auth', config: { consumerHeader: 'x-caller' } },
      { policy: 'basic-auth', config: { otherwise: 'anonymous' } },
    ],
  })
  const { seen } = await server.call({ path: '/?apiKey=k1:s3cret:with:colons', headers: forged })
  expect(identities(seen?.headers)).toEqual([])
  expect(seen?.headers['x-caller']).toBe('u-1')
})

test('Proxy, and X-Forwarded-* in the spelling of variables, end here', async () => {
  server = await bench({ uses: [] })
  const { seen } = await server.call({
    headers: {
      Proxy: 'http://evil',
      X_Forwarded_For: '1.2.3.4',
      'x_forwarded-host': 'evil',
      'X-Forwarded-For': '1.2.3.4',
    },
  })
  expect(seen?.headers).not.toHaveProperty('proxy')
  expect(seen?.headers).not.toHaveProperty('x_forwarded_for')
  expect(seen?.headers).not.toHaveProperty('x_forwarded-host')
  expect(seen?.headers['x-forwarded-for']).toBe('127.0.0.1')
})
