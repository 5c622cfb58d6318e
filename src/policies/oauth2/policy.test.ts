/** An opaque token lets its application in, from any of three places, and is not shown to the backend. */
import { expect, test } from 'vitest'
import { answers, people } from '../testing.ts'
import { oauth2 } from './policy.ts'

const token = '0123|4567'
const uses = (config: object = {}) => [{ policy: 'oauth2', config }]
const form = { 'content-type': 'application/x-www-form-urlencoded' }

test('in the header, the query or the body; twice is once too many', async () => {
  const bearer = { authorization: `Bearer ${token}` }
  const found = await answers({ uses: uses() }, [
    { headers: bearer },
    { path: `/?access_token=${encodeURIComponent(token)}` },
    { method: 'POST', headers: form, body: `access_token=${encodeURIComponent(token)}` },
    { path: `/?access_token=${encodeURIComponent(token)}`, headers: bearer },
    { headers: { authorization: 'Bearer other|token' } },
    {},
  ])
  expect(found.map(({ status }) => status)).toEqual([200, 200, 200, 401, 401, 401])
  expect(found[0]?.seen?.headers).toMatchObject({ 'eg-consumer-id': 'app-1' })
  expect(found[0]?.seen?.headers).not.toHaveProperty('authorization')
  expect([found[5]?.body, found[5]?.headers['www-authenticate']]).toEqual(['Unauthorized', undefined])
})

test('scopes must all be held', async () => {
  const call = { headers: { authorization: `Bearer ${token}` } }
  expect((await answers({ uses: uses({ scopes: ['read'] }) }, [call]))[0]?.status).toBe(200)
  expect((await answers({ uses: uses({ scopes: ['read', 'write'] }) }, [call]))[0]?.status).toBe(401)
})

test('who cannot prove it may go on as nobody', async () => {
  const [answer] = await answers({ uses: uses({ otherwise: 'anonymous' }) }, [
    { headers: { 'eg-consumer-id': 'forged' } },
  ])
  expect([answer?.status, answer?.headers['eg-consumer-id']]).toEqual([200, 'anonymous'])
  expect(answer?.seen?.headers).not.toHaveProperty('eg-consumer-id')
})

test('a token that is over, or whose user has gone, is none', async () => {
  const call = { headers: { authorization: `Bearer ${token}` } }
  const record = { id: '0123', consumerId: 'app-1', expiresAt: 1, scopes: [], tokenEncrypted: 'x' }
  const late = { ...people, accessToken: () => record }
  expect((await answers({ uses: uses(), services: { identities: late } }, [call]))[0]?.status).toBe(401)
  const gone = {
    ...people,
    accessToken: () => ({ ...record, expiresAt: Number.MAX_SAFE_INTEGER, authenticatedUserId: 'nobody' }),
  }
  expect((await answers({ uses: uses(), services: { identities: gone } }, [call]))[0]?.status).toBe(401)
})

test.each([{ places: [] }, { places: ['cookie'] }, { otherwise: 'maybe' }, { consumerHeader: 'a b' }])(
  '%j is refused',
  (config) => {
    expect(oauth2.config.safeParse(config).success).toBe(false)
  },
)
