/** Passwords are hashed once, and right ones only are remembered; on the real engine. */
import { afterEach, expect, test } from 'vitest'
import { StoreUnavailable } from '../services.ts'
import { type Bench, bench, people } from '../testing.ts'

let server: Bench | undefined
afterEach(async () => {
  await server?.stop()
  server = undefined
})

const basic = (text: string): { headers: Record<string, string> } => ({
  headers: { authorization: `Basic ${Buffer.from(text).toString('base64')}` },
})

test('a right password is hashed once, a wrong one and an unknown name each time', async () => {
  let hashed = 0
  let now = 0
  const identities: typeof people = {
    ...people,
    verifyPassword: (credential, password) => {
      hashed++
      return people.verifyPassword(credential, password)
    },
  }
  server = await bench({ uses: [{ policy: 'basic-auth' }], services: { identities, now: () => now } })
  const statuses = async (text: string): Promise<readonly number[]> => [
    (await server!.call(basic(text))).status,
    (await server!.call(basic(text))).status,
  ]
  expect([await statuses('jane:pa:ss'), hashed]).toEqual([[200, 200], 1])
  expect([await statuses('jane:no'), hashed]).toEqual([[401, 401], 3])
  expect([await statuses('nobody:pa:ss'), hashed]).toEqual([[401, 401], 5])
  now = 60_001
  expect([await statuses('u-1:pa:ss'), hashed]).toEqual([[200, 200], 6])
  expect([await statuses('jane:pa:ss'), hashed]).toEqual([[200, 200], 7])
})

test('a scope that is missing is 401, a malformed header too', async () => {
  server = await bench({ uses: [{ policy: 'basic-auth', config: { scopes: ['write'] } }] })
  expect((await server.call(basic('jane:pa:ss'))).status).toBe(401)
  expect((await server.call({ headers: { authorization: 'Basic !' } })).status).toBe(401)
})

test('a store that cannot be reached is 503, or anonymous where that is let through', async () => {
  const consumer = (): never => {
    throw new StoreUnavailable('gone')
  }
  const services = { identities: { ...people, consumer } }
  server = await bench({ uses: [{ policy: 'basic-auth' }], services })
  expect((await server.call(basic('jane:pa:ss'))).status).toBe(503)
  await server.stop()
  server = await bench({ uses: [{ policy: 'basic-auth', config: { otherwise: 'anonymous' } }], services })
  const answer = await server.call(basic('jane:pa:ss'))
  expect([answer.status, answer.headers['eg-consumer-id']]).toEqual([200, 'anonymous'])
})

test('static credentials of a group, in clear', async () => {
  server = await bench({ uses: [{ policy: 'basic-auth', config: { credentials: { group: 'partners' } } }] })
  expect((await server.call(basic('acme:open sesame'))).seen?.headers['eg-consumer-id']).toBe('acme')
  expect((await server.call(basic('acme:no'))).status).toBe(401)
})
