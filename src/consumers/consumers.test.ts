/** Users, applications, scopes, credentials and tokens on every driver; the Redis is a real server. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type RedisServer, startRedis } from '../../test/servers/redis.ts'
import { type Consumers, createConsumers } from './consumers.ts'
import { watchedPrefixes } from './keys.ts'
import { lmdbStore } from './lmdb.ts'
import { memoryStore } from './memory.ts'
import { ConsumerMistake } from './mistake.ts'
import { redisStore } from './redis.ts'
import type { Store } from './store.ts'
import { exampleModels as models } from './testing/models.ts'

let clock = Date.UTC(2026, 10, 21)
let server: RedisServer
beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.close())

const drivers: readonly { name: string; open(): Promise<{ store: Store; clean(): void }> }[] = [
  { name: 'memory', open: () => Promise.resolve({ store: memoryStore(() => clock), clean: () => undefined }) },
  {
    name: 'lmdb',
    open: () => {
      const path = mkdtempSync(join(tmpdir(), 'gantry-store-'))
      return Promise.resolve({
        store: lmdbStore({ path, now: () => clock }),
        clean: () => rmSync(path, { recursive: true }),
      })
    },
  },
  {
    name: 'redis',
    open: async () => {
      const store = redisStore({ redis: { port: server.port }, watched: watchedPrefixes('EG') })
      await store.connection.client.flushall()
      return { store, clean: () => undefined }
    },
  },
]

async function mistake(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    if (error instanceof ConsumerMistake) return `${error.kind}: ${error.message}`
    throw error
  }
  return 'none'
}

async function allKeys(store: Store): Promise<readonly string[]> {
  return [...(await store.scan('EG-', '0', 10_000)).keys].sort()
}

describe.each(drivers)('$name', ({ open }) => {
  let consumers: Consumers
  let store: Store
  const jane = { username: 'jane', firstname: 'J', lastname: 'D' }
  beforeEach(async () => {
    const opened = await open()
    store = opened.store
    consumers = createConsumers({ store, models, crypto: { saltRounds: 4 }, now: () => clock })
    return async () => {
      await consumers.close()
      opened.clean()
    }
  })

  it('creates a user as the original stores it', async () => {
    const user = await consumers.users.insert({ ...jane, id: 'chosen', isActive: false })
    expect(Object.keys(user).slice(0, 3)).toEqual(['isActive', 'username', 'id'])
    expect(user.id).toMatch(/^[0-9a-f-]{36}$/)
    expect(user.isActive).toBe(true)
    expect(await store.hash(`EG-user:${user.id}`)).toMatchObject({ username: 'jane', firstname: 'J', isActive: 'true' })
    expect(await store.members('EG-username:jane')).toEqual([user.id])
    expect(await consumers.users.findByNameOrId('jane')).toEqual(user)
    expect(await consumers.users.findByNameOrId(user.id)).toEqual(user)
    expect(await mistake(consumers.users.insert(jane))).toBe('exists: username already exists')
    expect(await mistake(consumers.users.insert({ username: 'x' }))).toBe(
      "invalid: data should have required property 'firstname'",
    )
    expect(await mistake(consumers.users.insert({ ...jane, username: 'e', email: 'no' }))).toBe(
      'invalid: data.email should match format "email"',
    )
  })

  it('changes what may be changed of a user', async () => {
    const { id } = await consumers.users.insert(jane)
    expect(await consumers.users.update(id, { firstname: 'K', username: 'other' })).toMatchObject({
      username: 'jane',
      firstname: 'K',
    })
    expect(await mistake(consumers.users.update(id, { nope: 1 }))).toBe('invalid: one or more properties is invalid')
    expect(await mistake(consumers.users.update('none', { firstname: 'K' }))).toBe('missing: User not found: none')
  })

  it('makes an application unique for its user, and finds a renamed one by its new name', async () => {
    const first = await consumers.users.insert(jane)
    const second = await consumers.users.insert({ ...jane, username: 'john' })
    const app = await consumers.applications.insert({ name: 'shop', redirectUri: 'http://x/cb' }, first.id)
    expect(await mistake(consumers.applications.insert({ name: 'shop' }, first.id))).toMatch(
      /^exists: Failed to insert/,
    )
    const other = await consumers.applications.insert({ name: 'shop' }, second.id)
    expect(await mistake(consumers.applications.findByNameOrId('shop'))).toMatch(
      /^ambiguous: Multiple applications with shop/,
    )
    await consumers.applications.update(app.id, { name: 'new' })
    expect((await consumers.applications.findByNameOrId('new'))?.id).toBe(app.id)
    expect((await consumers.applications.findByNameOrId('shop'))?.id).toBe(other.id)
    expect(await mistake(consumers.applications.insert({ name: 'q', nope: 1 }, first.id))).toBe(
      'invalid: data should NOT have additional properties',
    )
    expect(await mistake(consumers.applications.insert({ name: 'q' }, 'nobody'))).toBe(
      'unknown-consumer: The specified user does not exist',
    )
  })

  it('gives the same name of one user only once, however many ask', async () => {
    const user = await consumers.users.insert(jane)
    const tries = await Promise.allSettled(
      Array.from({ length: 8 }, () => consumers.applications.insert({ name: 'shop' }, user.id)),
    )
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  it('switches a user off with its applications, and on without them', async () => {
    const user = await consumers.users.insert(jane)
    const app = await consumers.applications.insert({ name: 'shop' }, user.id)
    const { identities } = consumers
    expect(await identities.consumer(user.id)).toMatchObject({ id: user.id, type: 'user', username: 'jane' })
    expect(await identities.consumer(app.id)).toMatchObject({ id: app.id, type: 'application', userId: user.id })
    expect(await identities.consumer('jane')).toBeUndefined()
    expect(await identities.consumer('jane', { byName: true })).toMatchObject({ id: user.id })
    expect(await consumers.users.setActive(user.id, false)).toBe(true)
    expect(await consumers.users.setActive(user.id, false)).toBe(false)
    expect(await identities.consumer(user.id)).toBeUndefined()
    expect(await identities.consumer(app.id)).toBeUndefined()
    expect(await consumers.users.setActive(user.id, true)).toBe(true)
    expect(await identities.consumer('jane', { byName: true })).toMatchObject({ id: user.id })
    expect(await identities.consumer(app.id)).toBeUndefined()
  })

  it('holds keys in clear, by key id', async () => {
    await consumers.scopes.insert(['read', 'write'])
    const user = await consumers.users.insert(jane)
    const made = await consumers.credentials.insert(user.id, 'key-auth', { scopes: ['read'] })
    expect(made).toMatchObject({ isActive: true, consumerId: user.id, scopes: ['read'] })
    const supplied = await consumers.credentials.insert(user.id, 'key-auth', { keyId: 'kk', keySecret: 'ss' })
    expect(JSON.stringify(supplied)).toContain('"keyId":"kk","keySecret":"ss","scopes":null')
    expect(await store.hash('EG-key-auth:kk')).toMatchObject({ scopes: 'null', keySecret: 'ss', id: 'kk' })
    expect(await consumers.identities.credential('key-auth', 'kk')).toEqual({
      type: 'key-auth',
      id: 'kk',
      consumerId: user.id,
      isActive: true,
      keySecret: 'ss',
      scopes: [],
    })
    expect(await consumers.identities.credential('key-auth', user.id)).toBeUndefined()
    expect(await mistake(consumers.credentials.insert(user.id, 'key-auth', { keyId: 'kk' }))).toMatch(/^exists/)
    expect(await mistake(consumers.credentials.insert(user.id, 'key-auth', { keyId: user.id }))).toMatch(/^exists/)
    await consumers.credentials.setActive('key-auth', 'kk', false)
    expect(await consumers.identities.credential('key-auth', 'kk')).toMatchObject({ isActive: false })
    await consumers.credentials.setSecret('key-auth', 'kk', 'new')
    expect(await consumers.identities.credential('key-auth', 'kk')).toMatchObject({ keySecret: 'new' })
  })

  it('refuses credentials as the original does', async () => {
    const user = await consumers.users.insert(jane)
    const insert = (type: unknown, details: object) =>
      mistake(consumers.credentials.insert(user.id, type, details as never))
    expect(await insert('zz', {})).toBe('invalid: Invalid credential type: zz')
    expect(await insert(undefined, {})).toBe('invalid: Invalid credentials')
    expect(await insert('key-auth', { scopes: ['nope'] })).toBe("invalid: One or more scopes don't exist")
    expect(await insert('key-auth', { scopes: 'read' })).toBe("invalid: One or more scopes don't exist")
    expect(await mistake(consumers.credentials.setActive('key-auth', 'none', true))).toBe(
      'missing: No credential found with id: none',
    )
  })

  it('hashes passwords and shows a generated one once', async () => {
    const user = await consumers.users.insert(jane)
    const made: Record<string, unknown> = await consumers.credentials.insert(user.id, 'basic-auth')
    const password = String(made['password'])
    expect(password).toMatch(/^[0-9a-f-]{36}$/)
    expect(made).toMatchObject({ id: user.id, autoGeneratePassword: true, passwordKey: 'password' })
    expect(await consumers.credentials.get('basic-auth', user.id)).not.toHaveProperty('password')
    const credential = await consumers.identities.credential('basic-auth', user.id)
    expect(credential?.passwordHash).toMatch(/^\$2[aby]\$04\$/)
    if (credential === undefined) throw new Error('no credential')
    expect(await consumers.identities.verifyPassword(credential, password)).toBe(true)
    expect(await consumers.identities.verifyPassword(credential, password)).toBe(true)
    expect(await consumers.identities.verifyPassword(credential, 'x')).toBe(false)
    expect(await mistake(consumers.credentials.insert(user.id, 'basic-auth', { password: 'x' }))).toBe(
      'exists: Credential already exists and is active',
    )
    await consumers.credentials.setActive('basic-auth', user.id, false)
    expect(await consumers.credentials.insert(user.id, 'basic-auth', { password: 'p:w' })).not.toHaveProperty(
      'password',
    )
    expect(await consumers.authorizations.authenticate('basic-auth', 'jane', 'p:w')).toMatchObject({ id: user.id })
    expect(await consumers.authorizations.authenticate('basic-auth', 'jane', password)).toBeUndefined()
    expect(await consumers.authorizations.authenticate('basic-auth', 'nobody', 'x')).toBeUndefined()
  })

  it('keeps scopes and the index of who holds them', async () => {
    await consumers.scopes.insert(['read', 'write'])
    expect(await mistake(consumers.scopes.insert(['exec', 'read']))).toBe('exists: One or more scopes already exist.')
    expect([...(await consumers.scopes.list())].sort()).toEqual(['read', 'write'])
    expect(await store.hash('EG-scope')).toEqual({ read: 'true', write: 'true' })
    const user = await consumers.users.insert(jane)
    await consumers.credentials.insert(user.id, 'key-auth', { keyId: 'k', scopes: ['read'] })
    expect(await store.hash('EG-scope-credentials:read')).toEqual({ 'EG-key-auth:k': 'true' })
    await consumers.credentials.addScopes('key-auth', 'k', ['write'])
    await consumers.credentials.removeScopes('key-auth', 'k', ['read', 'never'])
    expect(await store.hash('EG-scope-credentials:read')).toBeUndefined()
    await consumers.credentials.setScopes('key-auth', 'k', ['read', 'write'])
    expect(await mistake(consumers.credentials.setScopes('key-auth', 'k', ['nope']))).toMatch(/^invalid/)
    expect(await consumers.scopes.remove('read')).toBe(true)
    expect(await consumers.scopes.remove('read')).toBe(false)
    expect((await consumers.identities.credential('key-auth', 'k'))?.scopes).toEqual(['write'])
  })

  it('leaves nothing behind of a user who is removed', async () => {
    await consumers.scopes.insert(['read'])
    const before = await allKeys(store)
    const user = await consumers.users.insert(jane)
    const app = await consumers.applications.insert({ name: 'shop' }, user.id)
    for (const id of [user.id, app.id]) {
      await consumers.credentials.insert(id, 'key-auth', { scopes: ['read'] })
      await consumers.credentials.insert(id, 'jwt')
      await consumers.credentials.insert(id, 'basic-auth', { scopes: ['read'] })
      await consumers.credentials.insert(id, 'oauth2')
      await consumers.tokens.findOrSave('access_token', { consumerId: id }, 1000)
      await consumers.tokens.findOrSave('refresh_token', { consumerId: id }, 1000)
    }
    expect((await consumers.credentials.list()).length).toBe(8)
    expect(await consumers.credentials.ofConsumer(app.id)).toHaveLength(4)
    expect(await consumers.users.remove(user.id)).toBe(true)
    expect(await allKeys(store)).toEqual(before)
    expect(await consumers.users.remove(user.id)).toBe(false)
  })

  it('reuses tokens, and knows valid from expired, forged and revoked', async () => {
    const grant = { consumerId: 'app', scopes: ['write', 'read'] }
    const first = await consumers.tokens.findOrSave('access_token', grant, 10_000)
    expect(first.token).toMatch(/^[0-9a-f]{32}\|[0-9a-f]{32}$/)
    expect(await consumers.tokens.findOrSave('access_token', { ...grant, scopes: ['read', 'write'] }, 10_000)).toEqual({
      ...first,
      fresh: false,
    })
    expect((await consumers.tokens.findOrSave('access_token', { consumerId: 'app' }, 10_000)).token).not.toBe(
      first.token,
    )
    const { identities } = consumers
    for (let times = 0; times < 2; times++) {
      expect(await identities.accessToken(first.token)).toMatchObject({ consumerId: 'app', scopes: ['read', 'write'] })
      expect(await identities.accessToken(`${first.token.slice(0, 33)}${'0'.repeat(32)}`)).toBeUndefined()
      expect(await identities.accessToken(first.token.slice(0, 33))).toBeUndefined()
    }
    await consumers.tokens.revoke(first.token)
    expect(await identities.accessToken(first.token)).toBeUndefined()
    expect(await mistake(consumers.tokens.revoke(first.token))).toBe('missing: Token not found null')
    const second = await consumers.tokens.findOrSave('access_token', grant, 10_000)
    expect(second.token).not.toBe(first.token)
    clock += 10_001
    expect(await identities.accessToken(second.token)).toBeUndefined()
    expect((await consumers.tokens.findOrSave('access_token', grant, 10_000)).token).not.toBe(second.token)
  })

  it('gives the grant of a code once', async () => {
    const grant = { consumerId: 'app', userId: 'u', redirectUri: 'http://x', scopes: ['read'] }
    const code = await consumers.tokens.saveCode(grant, 1000)
    expect(await consumers.tokens.redeemCode(code, () => false)).toBeUndefined()
    const tries = await Promise.all([1, 2, 3].map(() => consumers.tokens.redeemCode(code, () => true)))
    expect(tries.filter((found) => found !== undefined)).toEqual([grant])
    const late = await consumers.tokens.saveCode(grant, 1000)
    clock += 1001
    expect(await consumers.tokens.redeemCode(late, () => true)).toBeUndefined()
  })

  it('counts in windows', async () => {
    const { counters } = consumers
    expect((await counters.add('a', 60_000)).count).toBe(1)
    const second = await counters.add('a', 60_000, 2)
    expect(second.count).toBe(3)
    expect(Math.abs(second.resetAt - clock - 60_000)).toBeLessThan(1000)
    expect((await counters.add('a', 60_000, -5)).count).toBe(0)
    expect((await counters.add('b', 60_000)).count).toBe(1)
    expect((await counters.add('c', 60_000, -1)).count).toBe(0)
  })

  it('caches for a time', async () => {
    await consumers.cache.set('accesstoken.x', 'y', 1000.7)
    expect(await consumers.cache.get('accesstoken.x')).toBe('y')
    expect(await consumers.cache.get('accesstoken.z')).toBeUndefined()
  })
})
