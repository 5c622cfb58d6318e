/** The services of plugins over a real store. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Consumers, createConsumers } from '../consumers/consumers.ts'
import { memoryStore } from '../consumers/memory.ts'
import { exampleModels as models } from '../consumers/testing/models.ts'
import { pluginServices } from './services.ts'

type Loose = Record<string, Record<string, (...args: unknown[]) => Promise<Record<string, unknown>>>>

let consumers: Consumers
let services: Record<'user' | 'application' | 'credential' | 'token' | 'auth' | 'authorizationCode', Loose[string]>

beforeEach(() => {
  consumers = createConsumers({ store: memoryStore(), models, crypto: { saltRounds: 4 } })
  services = pluginServices(consumers) as unknown as typeof services
})
afterEach(() => consumers.close())

const call = (service: keyof typeof services, name: string, ...args: unknown[]): Promise<Record<string, unknown>> =>
  (services[service][name] as (...given: unknown[]) => Promise<Record<string, unknown>>)(...args)

test('users, applications, credentials and scopes', async () => {
  const user = await call('user', 'insert', { username: 'u', firstname: 'f', lastname: 'l' })
  const id = user['id'] as string
  expect(await call('user', 'find', 'u')).toMatchObject({ id, isActive: true })
  expect(await call('user', 'find', 'nobody')).toBe(false)
  expect(await call('user', 'findAll')).toMatchObject({ users: [{ id }], nextKey: 0 })
  expect(await call('user', 'update', id, { firstname: 'g' })).toBe(true)
  expect(await call('user', 'findByUsernameOrId', id)).toMatchObject({ firstname: 'g' })
  const app = await call('application', 'insert', { name: 'a' }, id)
  expect(await call('application', 'findByNameOrId', 'a')).toMatchObject({ id: app['id'], userId: id })
  expect(await call('application', 'getAll', id)).toHaveLength(1)
  expect(await call('credential', 'insertScopes', ['s', 't'])).toBe(true)
  expect(await call('credential', 'getAllScopes')).toEqual(['s', 't'])
  const key = await call('credential', 'insertCredential', id, 'key-auth', { scopes: ['s'] })
  const keyId = key['keyId'] as string
  expect(await call('auth', 'authenticateCredential', keyId, key['keySecret'], 'key-auth')).toMatchObject({
    id,
    type: 'user',
  })
  expect(await call('auth', 'authenticateCredential', keyId, 'wrong', 'key-auth')).toBe(false)
  expect(await call('auth', 'authorizeCredential', keyId, 'key-auth', ['s'])).toBe(true)
  expect(await call('auth', 'authorizeCredential', keyId, 'key-auth', ['s', 't'])).toBe(false)
  expect(await call('credential', 'addScopesToCredential', keyId, 'key-auth', 't')).toBe(true)
  expect(await call('credential', 'getCredential', keyId, 'key-auth')).toMatchObject({ scopes: ['s', 't'] })
  await call('credential', 'insertCredential', id, 'basic-auth', { password: 'p' })
  expect(await call('auth', 'authenticateCredential', 'u', 'p', 'basic-auth')).toMatchObject({ id })
  expect(await call('auth', 'authenticateCredential', 'u', 'q', 'basic-auth')).toBe(false)
  expect(JSON.stringify(await call('credential', 'getCredentials', id))).not.toContain('$2')
  expect(await call('user', 'deactivate', id)).toBe(true)
  expect(await call('auth', 'validateConsumer', id)).toBeNull()
  expect(await call('user', 'remove', id)).toBe(true)
  await expect(call('user', 'remove', id)).rejects.toThrow('user delete failed')
})

test('tokens', async () => {
  const user = await call('user', 'insert', { username: 'u', firstname: 'f', lastname: 'l' })
  const app = await call('application', 'insert', { name: 'a' }, user['id'])
  const token = await call('token', 'findOrSave', { consumerId: app['id'], scopes: ['s'] })
  expect(await call('auth', 'authenticateToken', token)).toMatchObject({
    consumer: { id: app['id'], type: 'application' },
  })
  expect(await call('auth', 'authorizeToken', token, 'oauth2', 's')).toBe(true)
  expect(await call('auth', 'authorizeToken', token, 'oauth2', 't')).toBe(false)
  expect(await call('token', 'revokeToken', token)).toBe(true)
  expect(await call('auth', 'authenticateToken', token)).toBe(false)
})

test('without consumers there are no services', () => {
  expect(pluginServices(undefined)).toEqual({})
})
