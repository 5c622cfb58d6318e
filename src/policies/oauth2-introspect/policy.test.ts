/** The issuer is asked once for a while; what it does not call active is refused, and so is what it does not answer. */
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { answers, bench } from '../testing.ts'
import { oauth2Introspect } from './policy.ts'

let asked: { authorization: string | undefined; form: string }[]
let issuer: http.Server
let endpoint: string

const tokens: Readonly<Record<string, unknown>> = {
  good: { active: true, id: 'u-9', scope: 'read write' },
  spent: { active: true, exp: 1 },
  closing: { active: true, id: 'u-9', exp: Math.ceil(Date.now() / 1000) + 30 },
  bad: { active: false },
}

beforeEach(async () => {
  asked = []
  issuer = http.createServer((request, response) => {
    let form = ''
    request.on('data', (piece: Buffer) => (form += piece.toString()))
    request.on('end', () => {
      asked.push({ authorization: request.headers.authorization, form })
      const token = new URLSearchParams(form).get('token') ?? ''
      if (token === 'broken') return response.writeHead(500).end()
      if (token === 'rubbish') return response.end('<html>')
      if (token === 'silent') return undefined
      return response.end(JSON.stringify(tokens[token] ?? { active: false }))
    })
  })
  await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve))
  endpoint = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/introspect`
})
afterEach(() => {
  issuer.closeAllConnections()
  issuer.close()
})

const uses = (config: object = {}) => [{ policy: 'oauth2-introspect', config: { endpoint, timeout: 500, ...config } }]
const call = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

test('active tokens are let in, and remembered', async () => {
  const found = await answers({ uses: uses({ authorization: 'Basic eDp5' }) }, [
    call('good'),
    call('good'),
    call('closing'),
  ])
  expect(found.map(({ status, seen }) => [status, seen?.headers['eg-consumer-id']])).toEqual([
    [200, 'u-9'],
    [200, 'u-9'],
    [200, 'u-9'],
  ])
  expect(asked).toEqual([
    { authorization: 'Basic eDp5', form: 'token=good&token_type_hint=access_token' },
    { authorization: 'Basic eDp5', form: 'token=closing&token_type_hint=access_token' },
  ])
})

test('all others are refused, and nothing of it is remembered', async () => {
  const names = ['bad', 'spent', 'broken', 'rubbish', 'silent', 'bad']
  const found = await answers({ uses: uses() }, [...names.map(call), {}])
  expect(found.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401, 401, 401])
  expect(asked).toHaveLength(6)
})

test('scopes must all be there; remember 0 asks each time', async () => {
  const statuses = async (scopes: readonly string[]) =>
    (await answers({ uses: uses({ scopes, remember: 0 }) }, [call('good'), call('good')])).map(({ status }) => status)
  expect(await statuses(['read', 'write'])).toEqual([200, 200])
  expect(await statuses(['admin'])).toEqual([401, 401])
  expect(asked).toHaveLength(4)
})

test('an issuer that is not there is told, without the token', async () => {
  const server = await bench({ uses: uses({ endpoint: 'http://127.0.0.1:1/' }) })
  try {
    expect((await server.call(call('very-secret'))).status).toBe(401)
    expect(server.served.events.map(({ code }) => code)).toContain('oauth2-introspect/failed')
    expect(JSON.stringify(server.served.events)).not.toContain('very-secret')
  } finally {
    await server.stop()
  }
})

test.each([{}, { endpoint: 'ftp://x' }, { endpoint: 'nope' }, { endpoint: 'http://x', timeout: 0 }])(
  '%j is refused',
  (config) => {
    expect(oauth2Introspect.config.safeParse(config).success).toBe(false)
  },
)
