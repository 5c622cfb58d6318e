/** Tokens of every algorithm, and those that must not pass, on the real engine. */
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { type Bench, bench } from '../testing.ts'

let server: Bench | undefined
afterEach(async () => {
  await server?.stop()
  server = undefined
})

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

function hmacToken(claims: object, secret = 'sec', header: object = { alg: 'HS256' }): string {
  const input = `${part(header)}.${part(claims)}`
  const hash = `sha${(header as { alg: string }).alg.slice(2)}`
  return `${input}.${createHmac(hash, secret).update(input).digest('base64url')}`
}

function signedToken(alg: string, hash: string | null, key: KeyObject, header: object = {}): string {
  const input = `${part({ alg, ...header })}.${part({ id: 'someone' })}`
  return `${input}.${sign(hash, Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

const secretKey = [{ kind: 'secret', secret: 'sec' }]

async function statusOf(config: object, token: string): Promise<number> {
  server ??= await bench({ uses: [{ policy: 'jwt', config }] })
  return (await server.call({ headers: { authorization: `Bearer ${token}` } })).status
}

describe('claims', () => {
  const config = { keys: secretKey, consumer: 'claims', issuer: 'iss', audience: 'aud' }
  const good = { iss: 'iss', aud: ['other', 'aud'] }
  test.each<[string, object, number]>([
    ['all as asked for', good, 200],
    ['an issuer of nobody', { ...good, iss: 'no' }, 401],
    ['no issuer', { aud: 'aud' }, 401],
    ['another audience', { ...good, aud: 'no' }, 401],
    ['over', { ...good, exp: 1 }, 401],
    ['not yet', { ...good, nbf: 9_999_999_999 }, 401],
    ['an end that is a text', { ...good, exp: '9999999999' }, 401],
    ['an id that is no header value', { ...good, id: 'a\r\nX: y' }, 401],
  ])('%s', async (_what, claims, expected) => {
    expect(await statusOf(config, hmacToken(claims))).toBe(expected)
  })
})

describe('writing', () => {
  const config = { keys: secretKey, consumer: 'claims' }
  const good = hmacToken({ id: 'someone' })
  const [head = '', claims = '', signature = ''] = good.split('.')
  const next = (text: string): string => text.slice(0, -1) + String.fromCharCode(text.charCodeAt(text.length - 1) + 1)
  const signed = (input: string): string => `${input}.${createHmac('sha256', 'sec').update(input).digest('base64url')}`

  test.each<[string, string, number]>([
    ['as it should be', good, 200],
    // 32 bytes are 43 letters, the last of which has two bits too many
    ['bits left over in the signature', `${head}.${claims}.${next(signature)}`, 401],
    [
      'bits left over in the claims',
      signed(`${head}.${next(Buffer.from('{"id":"some"}').toString('base64url'))}`),
      401,
    ],
    ['a letter too many', signed(`${head}.${claims}A`), 401],
    ['padding', `${head}.${claims}.${signature}=`, 401],
    ['the other alphabet', `${head}.${claims}.${signature.slice(0, -1)}+`, 401],
    [
      'claims that are no UTF-8',
      signed(`${head}.${Buffer.from('{"id":"\xff"}', 'latin1').toString('base64url')}`),
      401,
    ],
    ['two signatures', `${good}.${signature}`, 401],
  ])('%s', async (_what, token, expected) => {
    expect(await statusOf(config, token)).toBe(expected)
  })
})

describe('signatures', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const ed = generateKeyPairSync('ed25519')
  const pem = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }).toString()

  test.each<[string, object, string, number]>([
    ['RS256', { kind: 'pem', pem: pem(rsa.publicKey) }, signedToken('RS256', 'sha256', rsa.privateKey), 200],
    ['ES256', { kind: 'pem', pem: pem(ec.publicKey) }, signedToken('ES256', 'sha256', ec.privateKey), 200],
    [
      'EdDSA',
      { kind: 'jwk', jwk: ed.publicKey.export({ format: 'jwk' }) },
      signedToken('EdDSA', null, ed.privateKey),
      200,
    ],
    [
      'ES256 with a key of RSA',
      { kind: 'pem', pem: pem(rsa.publicKey) },
      signedToken('ES256', 'sha256', ec.privateKey),
      401,
    ],
    // the public key as the secret of an HMAC
    ['confused', { kind: 'pem', pem: pem(rsa.publicKey) }, hmacToken({ id: 'x' }, pem(rsa.publicKey)), 401],
    ['another secret', { kind: 'secret', secret: 'sec' }, hmacToken({ id: 'x' }, 'bad'), 401],
    ['none', { kind: 'secret', secret: 'sec' }, `${part({ alg: 'none' })}.${part({ id: 'x' })}.`, 401],
    [
      'a critical extension',
      { kind: 'secret', secret: 'sec' },
      hmacToken({}, 'sec', { alg: 'HS256', crit: ['b64'] }),
      401,
    ],
    ['rubbish', { kind: 'secret', secret: 'sec' }, 'a.b.c', 401],
  ])('%s', async (_what, key, token, expected) => {
    expect(await statusOf({ keys: [key], consumer: 'claims' }, token)).toBe(expected)
  })

  test('algorithms can be narrowed', async () => {
    const config = { keys: secretKey, consumer: 'claims', algorithms: ['HS512'] }
    expect(await statusOf(config, hmacToken({}, 'sec', { alg: 'HS512' }))).toBe(200)
    expect(await statusOf(config, hmacToken({}))).toBe(401)
  })

  test('a key set is fetched once, and again for a key that it does not hold', async () => {
    let keys = [{ ...ec.publicKey.export({ format: 'jwk' }), kid: 'one' }]
    let fetched = 0
    const issuer = createServer((_request, response) => {
      fetched++
      response.end(JSON.stringify({ keys }))
    })
    await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve))
    try {
      const url = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/keys`
      const config = { keys: [{ kind: 'jwks', url, cooldown: 0 }], consumer: 'claims' }
      const one = signedToken('ES256', 'sha256', ec.privateKey, { kid: 'one' })
      expect([await statusOf(config, one), await statusOf(config, one)]).toEqual([200, 200])
      expect(fetched).toBe(1)
      const next = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
      keys = [{ ...next.publicKey.export({ format: 'jwk' }), kid: 'two' }]
      expect(await statusOf(config, signedToken('ES256', 'sha256', next.privateKey, { kid: 'two' }))).toBe(200)
      expect(fetched).toBe(2)
    } finally {
      await new Promise((resolve) => issuer.close(resolve))
    }
  })
})

describe('who it is', () => {
  test('a remembered token ends when it ends', async () => {
    let now = 1_000_000
    server = await bench({
      uses: [{ policy: 'jwt', config: { keys: secretKey, consumer: 'claims' } }],
      services: { now: () => now },
    })
    const call = { headers: { authorization: `bearer ${hmacToken({ exp: 1010 })}` } }
    expect((await server.call(call)).status).toBe(200)
    expect((await server.call(call)).status).toBe(200)
    now = 1_010_000
    expect((await server.call(call)).status).toBe(401)
  })

  test('a deactivated credential is out at once, remembered token or not', async () => {
    let active = true
    server = await bench({
      uses: [{ policy: 'jwt', config: { keys: secretKey } }],
      services: {
        identities: {
          credential: (_type, id) => ({ type: 'jwt', id, consumerId: 'u', isActive: active, scopes: [] }),
          consumer: (id) => ({ id }),
          verifyPassword: () => Promise.resolve(false),
          accessToken: () => undefined,
        },
      },
    })
    const call = { headers: { authorization: `Bearer ${hmacToken({ sub: 'x' })}` } }
    expect((await server.call(call)).seen?.headers['eg-consumer-id']).toBe('u')
    active = false
    expect((await server.call(call)).status).toBe(401)
  })

  test('scopes of the token are enforced', async () => {
    const config = { keys: secretKey, consumer: 'claims', scopes: ['admin'] }
    expect(await statusOf(config, hmacToken({ sub: 'x' }))).toBe(403)
    expect(await statusOf(config, hmacToken({ scope: 'read admin' }))).toBe(200)
    expect(await statusOf(config, hmacToken({ scopes: ['admin'] }))).toBe(200)
  })
})
