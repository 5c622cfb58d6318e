/** Where keys are looked for and whose they are, on the real engine. */
import { afterEach, expect, test } from 'vitest'
import { type Bench, bench } from '../testing.ts'

let server: Bench | undefined
afterEach(async () => {
  await server?.stop()
  server = undefined
})

const key = 'k1:s3cret:with:colons'

test.each<[string, object, { path?: string; headers?: Record<string, string> }, number]>([
  ['a scheme without case', {}, { headers: { authorization: `APIKEY ${key}` } }, 200],
  ['another scheme', {}, { headers: { authorization: `Bearer ${key}` } }, 401],
  ['no scheme', {}, { headers: { authorization: key } }, 401],
  ['in the query', {}, { path: `/?apiKey=${key}` }, 200],
  ['in the query twice', {}, { path: `/?apiKey=${key}&apiKey=${key}` }, 401],
  ['another scheme and the query', {}, { path: `/?apiKey=${key}`, headers: { authorization: 'Bearer x' } }, 200],
  ['a bad key and the query', {}, { path: `/?apiKey=${key}`, headers: { authorization: 'apiKey a:b' } }, 401],
  ['a nested name', { query: 'a[b]' }, { path: `/?a[b]=${key}` }, 200],
  ['an inactive key', {}, { path: '/?apiKey=old:x' }, 401],
  ['no headers', { header: false }, { headers: { authorization: `apiKey ${key}` } }, 401],
  ['a scope that is missing', { scopes: ['read', 'write'] }, { path: `/?apiKey=${key}` }, 403],
  ['a key of a group', { credentials: { group: 'partners' }, scopes: ['read'] }, { path: '/?apiKey=partner-key' }, 200],
  ['a key of no group', { credentials: { group: 'others' } }, { path: '/?apiKey=partner-key' }, 401],
])('%s', async (_what, config, call, expected) => {
  server = await bench({ uses: [{ policy: 'key-auth', config }] })
  expect((await server.call(call)).status).toBe(expected)
})

test('who is let through without a key is nobody, whatever it says', async () => {
  server = await bench({ uses: [{ policy: 'key-auth', config: { otherwise: 'anonymous' } }] })
  const answer = await server.call({ headers: { 'eg-consumer-id': 'forged' } })
  expect(answer.seen?.headers).not.toHaveProperty('eg-consumer-id')
  expect(answer.headers['eg-consumer-id']).toBe('anonymous')
})
