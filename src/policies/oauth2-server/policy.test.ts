/** The routes in front of all others: which are its own, what a missing store and a wrong configuration cost. The flows are tested with a store. */
import { expect, test } from 'vitest'
import { type Authorizations, StoreUnavailable } from '../services.ts'
import { answers, bench } from '../testing.ts'
import { oauth2Server } from './policy.ts'

const down = (): never => {
  throw new StoreUnavailable('no store is open')
}
const authorizations = new Proxy({} as Authorizations, {
  get: (_, name) => (name === 'sessions' ? { newId: () => 'id', get: down, set: down, delete: down } : down),
})
const session = { secret: 'a secret' }
const form = { 'content-type': 'application/x-www-form-urlencoded' }

test('its own paths without case and slash, and nobody else’s', async () => {
  const found = await answers(
    { uses: [{ policy: 'oauth2-server', config: { session } }], services: { authorizations } },
    [
      { path: '/LOGIN/' },
      { path: '/css/style.css', method: 'HEAD' },
      { path: '/assets/eg-icon.svg' },
      { path: '/oauth2/token' },
      { path: '/login/x' },
      { path: '/oauth2/tokem', method: 'POST' },
    ],
  )
  expect(
    found.map(({ status, seen, headers }) => [status, seen !== undefined, headers['content-type']?.split(';')[0]]),
  ).toEqual([
    [200, false, 'text/html'],
    [200, false, 'text/css'],
    [200, false, 'image/svg+xml'],
    [200, true, 'application/json'],
    [200, true, 'application/json'],
    [200, true, 'application/json'],
  ])
})

test('a store that is down is 503 for who needs it', async () => {
  const uses = [{ policy: 'oauth2-server', config: { session } }]
  const [answer] = await answers({ uses, services: { authorizations } }, [
    { path: '/login', method: 'POST', headers: form, body: 'username=a&password=b' },
  ])
  expect(answer?.status).toBe(503)
})

test('without consumers to grant anything it stands aside', async () => {
  const [answer] = await answers({ uses: [{ policy: 'oauth2-server' }] }, [{ path: '/login' }])
  expect(answer?.seen?.target).toBe('/login')
})

test('a missing secret and a session store that is not there are said', async () => {
  const config = { session: { storeProvider: './no-such-module.cjs' } }
  const server = await bench({ uses: [{ policy: 'oauth2-server', config }], services: { authorizations, folder: '/' } })
  await server.stop()
  expect(server.served.diagnostics.map(({ severity, code }) => `${severity} ${code}`).toSorted()).toEqual([
    'warning oauth2-server/session-secret',
    'warning oauth2-server/session-store',
  ])
})

test.each([
  { session: { secret: '' } },
  { session: { name: 'a b' } },
  { accessTokens: { algorithm: 'none' } },
  { accessTokens: { tokenType: 'paper' } },
  { refreshTokens: { timeToExpiry: 0 } },
  { sessions: {} },
])('%j is refused', (config) => {
  expect(oauth2Server.config.safeParse(config).success).toBe(false)
})
