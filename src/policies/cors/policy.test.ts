/** Origins, preflights and a backend with headers of its own, on the real engine. */
import { afterEach, expect, test } from 'vitest'
import { type Bench, bench } from '../testing.ts'

let server: Bench | undefined
afterEach(async () => {
  await server?.stop()
  server = undefined
})

const wildcard = { kind: 'list', of: [{ kind: 'wildcard', value: 'https://*.bar.com' }] }
const pattern = { kind: 'list', of: [{ kind: 'regexp', source: '^http://[a-z]+\\.re\\.com$' }] }

test.each<[object, string, string | undefined]>([
  [{}, 'http://a.com', '*'],
  [{ origins: { kind: 'reflect' } }, 'http://a.com', 'http://a.com'],
  [{ origins: { kind: 'fixed', value: 'http://b.com' } }, 'http://a.com', 'http://b.com'],
  [{ origins: wildcard }, 'https://a.b.bar.com', 'https://a.b.bar.com'],
  [{ origins: wildcard }, 'https://bar.com', undefined],
  [{ origins: wildcard }, 'https://evil.com/.bar.com', undefined],
  [{ origins: wildcard }, 'https://evil.com:1.bar.com', undefined],
  [{ origins: wildcard }, 'http://a.bar.com', undefined],
  [{ origins: pattern }, 'http://q.re.com', 'http://q.re.com'],
  [{ origins: pattern }, 'http://evil.com', undefined],
])('%j tells %s: %s', async (config, origin, expected) => {
  server = await bench({ uses: [{ policy: 'cors', config }] })
  const answer = await server.call({ headers: { origin } })
  expect(answer.headers['access-control-allow-origin']).toBe(expected)
})

test('every OPTIONS is answered where that is asked for, even without an origin', async () => {
  server = await bench({ uses: [{ policy: 'cors', config: { answer: 'options', withoutOrigin: 'serve' } }] })
  const answer = await server.call({ method: 'OPTIONS', headers: { 'access-control-request-headers': 'x-q' } })
  expect([answer.status, answer.headers['access-control-allow-origin'], answer.seen]).toEqual([204, '*', undefined])
  expect(answer.headers['access-control-allow-methods']).toBe('GET,HEAD,PUT,PATCH,POST,DELETE')
  expect(answer.headers['access-control-allow-headers']).toBe('x-q')
  expect((await server.call()).headers['access-control-allow-origin']).toBe('*')
})

test.each([
  ['replace', 'https://a.com'],
  ['keep', 'backend'],
])('%s what the backend says', async (backendHeaders, expected) => {
  server = await bench({
    uses: [{ policy: 'cors', config: { origins: { kind: 'reflect' }, backendHeaders } }],
    backend: (_request, _body, response) => {
      response.setHeader('Access-Control-Allow-Origin', 'backend')
      response.end()
    },
  })
  const answer = await server.call({ headers: { origin: 'https://a.com' } })
  expect(answer.headers['access-control-allow-origin']).toBe(expected)
})
