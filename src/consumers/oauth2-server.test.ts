/** The authorization server on real consumers: the three flows and the refusals, session to token. */
import { createHash, createVerify, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Diagnostic } from '../model/diagnostic.ts'
import { oauth2Server } from '../policies/oauth2-server/policy.ts'
import { BodyTooLarge, type CompileContext, type Exchange, type Reply, type Step } from '../policies/policy.ts'
import { type Consumers, createConsumers } from './consumers.ts'
import { memoryStore } from './memory.ts'
import { exampleModels as models } from './testing/models.ts'

const redirectUri = 'http://client.test/cb'

let clock = Date.UTC(2026, 10, 21)
let consumers: Consumers
let app: string
let user: string
const reported: Diagnostic[] = []

beforeAll(async () => {
  consumers = createConsumers({ store: memoryStore(), models, crypto: { saltRounds: 4 }, now: () => clock })
  await consumers.scopes.insert(['read', 'write', 'admin'])
  user = (await consumers.users.insert({ username: 'jdoe', firstname: '<Jane>', lastname: 'D' })).id
  await consumers.credentials.insert(user, 'basic-auth', { password: 'pw' })
  app = (await consumers.applications.insert({ name: 'appy', redirectUri }, user)).id
  await consumers.credentials.insert(app, 'oauth2', { secret: 'sek', scopes: ['read', 'write'] })
})
afterAll(() => consumers.close())

function server(config: object = {}, folder?: string): Browser {
  const context = {
    services: { authorizations: consumers.authorizations, now: () => clock, folder },
    report: (diagnostic: Diagnostic) => reported.push(diagnostic),
    origin: { source: 'test' },
  } as unknown as CompileContext
  const parsed = oauth2Server.config.parse({ session: { secret: 'x' }, ...config })
  return new Browser(oauth2Server.engine(parsed, context))
}

/** Keeps cookies, follows nothing. */
class Browser {
  readonly #step: Step
  cookie: string | undefined

  constructor(step: Step) {
    this.#step = step
  }

  async ask(method: string, target: string, form?: Record<string, string>, headers: Record<string, string> = {}) {
    const body = form === undefined ? '' : new URLSearchParams(form).toString()
    const [path = '', query = ''] = target.split('?')
    const fields: Record<string, string> = { host: 'gw.test', ...headers }
    if (this.cookie !== undefined) fields['cookie'] = this.cookie
    const exchange = {
      request: {
        method,
        path,
        query,
        target,
        originalTarget: target,
        headers: { get: (name: string) => fields[name] },
        body: {
          read: (limit: number) =>
            body.length > limit ? Promise.reject(new BodyTooLarge(limit)) : Promise.resolve(Buffer.from(body)),
        },
      },
      connection: { scheme: 'http' },
    } as unknown as Exchange
    const reply = (await this.#step.request?.(exchange)) as Reply | undefined
    if (reply === undefined)
      return { status: 0, body: '', header: () => undefined, json: {} as Record<string, unknown> }
    const header = (name: string) => reply.headers?.find(([key]) => key.toLowerCase() === name)?.[1]
    const set = header('set-cookie')
    if (set !== undefined) this.cookie = set.split(';')[0]
    const text = typeof reply.body === 'string' ? reply.body : ''
    const json = header('content-type') === 'application/json' ? (JSON.parse(text) as Record<string, unknown>) : {}
    return { status: reply.status, body: text, header, json }
  }

  login(password = 'pw') {
    return this.ask('POST', '/login', { username: 'jdoe', password })
  }

  token(form: Record<string, string>) {
    return this.ask('POST', '/oauth2/token', { client_id: app, client_secret: 'sek', ...form })
  }

  async consent(type: string, more = '') {
    const page = await this.ask('GET', authorizeTarget(type, more))
    return page.header('transaction_id') ?? ''
  }
}

function authorizeTarget(type: string, more = '', uri = redirectUri): string {
  return `/oauth2/authorize?response_type=${type}&client_id=${app}&redirect_uri=${encodeURIComponent(uri)}&state=st${more}`
}

describe('paths', () => {
  it('takes its own, as Express finds them, and lets the rest go on', async () => {
    const browser = server()
    expect((await browser.ask('GET', '/Login/')).body).toContain('name="username"')
    expect((await browser.ask('HEAD', '/login')).status).toBe(200)
    expect((await browser.ask('GET', '/css/style.css')).header('content-type')).toContain('text/css')
    expect((await browser.ask('GET', '/assets/eg-icon.svg')).header('content-type')).toBe('image/svg+xml')
    for (const [method, path] of [
      ['GET', '/'],
      ['PUT', '/login'],
      ['GET', '/oauth2/token'],
      ['GET', '/loginx'],
      ['GET', '/loginxx'],
    ]) {
      expect((await browser.ask(method ?? '', path ?? '')).status).toBe(0)
    }
  })
})

describe('login', () => {
  it('sends back to where one wanted to go, under a new session', async () => {
    const browser = server()
    const first = await browser.ask('GET', authorizeTarget('code'))
    expect([first.status, first.header('location')]).toEqual([302, '/login'])
    expect(first.header('set-cookie')).toMatch(/^connect\.sid=s%3A[^;]+; Path=\/; HttpOnly; SameSite=Lax$/)
    const before = browser.cookie
    expect((await browser.login('no')).header('location')).toBe('/login')
    expect((await browser.login()).header('location')).toBe(authorizeTarget('code'))
    expect(browser.cookie).not.toBe(before)
    const after = browser.cookie
    browser.cookie = before
    expect((await browser.ask('GET', authorizeTarget('code'))).header('location')).toBe('/login')
    browser.cookie = after
    expect((await browser.ask('GET', authorizeTarget('code'))).status).toBe(200)
    expect((await browser.ask('GET', '/logout')).header('location')).toBe('/')
    expect((await browser.ask('GET', authorizeTarget('code'))).header('location')).toBe('/login')
  })

  it('is sent by no page of another site, and believes no cookie that it has not signed', async () => {
    const browser = server()
    const form = { username: 'jdoe', password: 'pw' }
    expect((await browser.ask('POST', '/login', form, { origin: 'http://evil.test' })).status).toBe(403)
    expect((await browser.ask('POST', '/login', form, { 'sec-fetch-site': 'cross-site' })).status).toBe(403)
    expect((await browser.ask('POST', '/login', form, { origin: 'http://gw.test' })).status).toBe(302)
    browser.cookie = `${browser.cookie?.slice(0, -1)}${browser.cookie?.endsWith('A') ? 'B' : 'A'}`
    expect((await browser.ask('GET', authorizeTarget('code'))).header('location')).toBe('/login')
  })
})

describe('authorization code', () => {
  it('is granted by consent, and spent once', async () => {
    const browser = server()
    await browser.login()
    const page = await browser.ask('GET', authorizeTarget('code', '&scope=read'))
    expect(page.body.match(/name="cancel"/g)).toHaveLength(1)
    expect(page.body).toContain('&#60;Jane&#62;')
    expect(page.header('transaction_id')).toMatch(/^.{8}$/)
    const decided = await browser.ask('POST', '/oauth2/authorize/decision', {
      transaction_id: page.header('transaction_id') ?? '',
    })
    const code =
      /^http:\/\/client\.test\/cb\?code=([0-9a-f]{32})&state=st$/.exec(decided.header('location') ?? '')?.[1] ?? ''
    const again = await browser.ask('POST', '/oauth2/authorize/decision', {
      transaction_id: page.header('transaction_id') ?? '',
    })
    expect(again.status).toBe(403)
    const wrong = await browser.token({ grant_type: 'authorization_code', code, redirect_uri: 'http://zz' })
    expect([wrong.status, wrong.json['error_description']]).toEqual([403, 'Invalid authorization code'])
    const right = await browser.token({ grant_type: 'authorization_code', code, redirect_uri: redirectUri })
    expect(right.json).toMatchObject({ expires_in: 720, token_type: 'Bearer' })
    expect(await consumers.identities.accessToken(String(right.json['access_token']))).toMatchObject({
      consumerId: app,
      authenticatedUserId: user,
      scopes: ['read'],
    })
    expect((await browser.token({ grant_type: 'authorization_code', code, redirect_uri: redirectUri })).status).toBe(
      403,
    )
  })

  it('is denied by Cancel', async () => {
    const browser = server()
    await browser.login()
    const decision = { transaction_id: await browser.consent('code'), cancel: '1' }
    expect((await browser.ask('POST', '/oauth2/authorize/decision', decision)).header('location')).toBe(
      `${redirectUri}?error=access_denied&state=st`,
    )
  })

  it('asks for the proof that it was asked for with (PKCE)', async () => {
    const browser = server()
    await browser.login()
    const verifier = 'a'.repeat(43)
    const challenge = createHash('sha256').update(verifier).digest('base64url')
    const id = await browser.consent('code', `&code_challenge=${challenge}&code_challenge_method=S256`)
    const decided = await browser.ask('POST', '/oauth2/authorize/decision', { transaction_id: id })
    const code = /code=([0-9a-f]{32})/.exec(decided.header('location') ?? '')?.[1] ?? ''
    const redeem = (more: Record<string, string>) =>
      browser.token({ grant_type: 'authorization_code', code, redirect_uri: redirectUri, ...more })
    expect((await redeem({})).status).toBe(403)
    expect((await redeem({ code_verifier: 'b'.repeat(43) })).status).toBe(403)
    expect((await redeem({ code_verifier: verifier })).status).toBe(200)
    expect(
      (await browser.ask('GET', authorizeTarget('code', '&code_challenge=x&code_challenge_method=zz'))).status,
    ).toBe(400)
  })

  it('is asked for by the right client in the right way', async () => {
    const browser = server()
    await browser.login()
    const status = async (target: string) => (await browser.ask('GET', target)).status
    expect(await status(authorizeTarget('code', '', 'http://evil'))).toBe(403)
    expect(await status(authorizeTarget('code').replace(app, 'zz'))).toBe(403)
    expect(await status(authorizeTarget('code', '&scope=admin'))).toBe(403)
    expect(await status(`/oauth2/authorize?client_id=${app}`)).toBe(400)
    expect(await status(authorizeTarget('zz'))).toBe(501)
    expect((await browser.ask('POST', '/oauth2/authorize/decision', {})).status).toBe(400)
  })
})

describe('implicit grant', () => {
  it('gives the token in the fragment', async () => {
    const browser = server()
    await browser.login()
    const decided = await browser.ask('POST', '/oauth2/authorize/decision', {
      transaction_id: await browser.consent('token'),
    })
    expect(decided.header('location')).toMatch(
      /^http:\/\/client\.test\/cb#access_token=[0-9a-f]{32}%7C[0-9a-f]{32}&token_type=Bearer&state=st$/,
    )
  })
})

describe('tokens', () => {
  it('are the same for the same request, and never promised for longer than they last', async () => {
    const browser = server({ accessTokens: { timeToExpiry: 7_200_000 } })
    const first = await browser.token({ grant_type: 'password', username: 'jdoe', password: 'pw' })
    expect(Object.keys(first.json)).toEqual(['access_token', 'refresh_token', 'expires_in', 'token_type'])
    expect([first.status, first.json['expires_in'], first.header('cache-control')]).toEqual([200, 7200, 'no-store'])
    clock += 61_500
    const second = await browser.token({ grant_type: 'password', username: 'jdoe', password: 'pw' })
    expect(second.json).toEqual({ ...first.json, expires_in: 7080 })
  })

  it('are refreshed for the client they belong to', async () => {
    const browser = server()
    const grant = { grant_type: 'password', username: 'jdoe', password: 'pw', scope: 'read write' }
    const refresh = String((await browser.token(grant)).json['refresh_token'])
    const again = await browser.token({ grant_type: 'refresh_token', refresh_token: refresh })
    expect(again.json).not.toHaveProperty('refresh_token')
    const less = await browser.token({ grant_type: 'refresh_token', refresh_token: refresh, scope: 'read' })
    expect((await consumers.identities.accessToken(String(less.json['access_token'])))?.scopes).toEqual(['read'])
    const bad = await browser.token({ grant_type: 'refresh_token', refresh_token: 'a|b' })
    expect([bad.status, bad.json['error_description']]).toEqual([403, 'Invalid refresh token'])
    const other = (await consumers.applications.insert({ name: 'other' }, user)).id
    await consumers.credentials.insert(other, 'oauth2', { secret: 'sek2' })
    const stolen = { client_id: other, client_secret: 'sek2', grant_type: 'refresh_token', refresh_token: refresh }
    expect((await browser.ask('POST', '/oauth2/token', stolen)).status).toBe(403)
  })

  it('are refused as the original refuses them', async () => {
    const browser = server()
    const asked = async (form: Record<string, string>) => {
      const { status, json, body } = await browser.token(form)
      return [status, json['error'] ?? body, json['error_description']]
    }
    expect(await asked({ grant_type: 'password', username: 'jdoe', password: 'no' })).toEqual([
      403,
      'invalid_grant',
      'Invalid resource owner credentials',
    ])
    expect(await asked({ grant_type: 'password' })).toEqual([
      400,
      'invalid_request',
      'Missing required parameter: username',
    ])
    expect(await asked({ grant_type: 'zzz' })).toEqual([501, 'unsupported_grant_type', 'Unsupported grant type: zzz'])
    expect(await asked({ grant_type: 'client_credentials', scope: 'admin' })).toEqual([401, 'Unauthorized', undefined])
    expect(await asked({ grant_type: 'client_credentials', client_secret: 'x' })).toEqual([
      401,
      'Unauthorized',
      undefined,
    ])
    const basic = `Basic ${Buffer.from(`${app}:sek`).toString('base64')}`
    const byHeader = await browser.ask(
      'POST',
      '/oauth2/token',
      { grant_type: 'client_credentials' },
      { authorization: basic },
    )
    expect(byHeader.status).toBe(200)
    expect((await browser.ask('POST', '/oauth2/token', { a: 'x'.repeat(110_000) })).status).toBe(413)
  })

  it('are JWTs that live for their lifetime, where so configured', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const accessTokens = {
      tokenType: 'jwt',
      algorithm: 'RS256',
      secretOrPrivateKey: pem,
      timeToExpiry: 7_200_000,
      issuer: 'iss',
    }
    const { json } = await server({ accessTokens }).token({ grant_type: 'client_credentials', scope: 'read' })
    const [head = '', claims = '', signature = ''] = String(json['access_token']).split('.')
    const payload = JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, number>
    expect(payload).toMatchObject({ consumerId: app, scopes: ['read'], iss: 'iss' })
    expect((payload['exp'] ?? 0) - (payload['iat'] ?? 0)).toBe(7200)
    expect(createVerify('sha256').update(`${head}.${claims}`).verify(publicKey, signature, 'base64url')).toBe(true)
  })
})

describe('session stores', () => {
  it('takes a module made for express-session', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gantry-session-'))
    writeFileSync(
      join(folder, 'store.cjs'),
      `module.exports = (session) => class extends session.Store {
         constructor(options) { super(); this.kept = globalThis[options.name] = new Map() }
         get(id, done) { done(null, this.kept.get(id)) }
         set(id, data, done) { this.kept.set(id, data); done() }
         destroy(id, done) { this.kept.delete(id); done() }
       }`,
    )
    const session = { secret: 'x', storeProvider: './store.cjs', storeOptions: { name: 'kept' } }
    const browser = server({ session }, folder)
    await browser.login()
    expect((await browser.ask('GET', authorizeTarget('code'))).status).toBe(200)
    const kept = (globalThis as unknown as { kept: Map<string, { passport: unknown }> }).kept
    expect([...kept.values()].map(({ passport }) => passport)).toEqual([{ user }])
    rmSync(folder, { recursive: true })
  })

  it('says what is wrong with one that is not there, and with a secret that is missing', async () => {
    reported.length = 0
    await server({ session: { storeProvider: 'not-there' } }).login()
    expect(reported.map(({ code }) => code)).toEqual(['oauth2-server/session-store', 'oauth2-server/session-secret'])
  })
})
