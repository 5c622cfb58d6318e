/** populate over every store: idempotent, several at once, secrets that change. The Redis is a real server. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RedisServer, startRedis } from '../../test/servers/redis.ts'
import { type Consumers, createConsumers } from '../consumers/consumers.ts'
import { watchedPrefixes } from '../consumers/keys.ts'
import { memoryStore } from '../consumers/memory.ts'
import type { ModelFiles } from '../consumers/models.ts'
import { redisStore } from '../consumers/redis.ts'
import type { Store } from '../consumers/store.ts'
import { exampleModels } from '../consumers/testing/models.ts'
import { checkConsumers, type ConsumersFile, readConsumers } from './consumers-file.ts'
import { derivedId, populate } from './populate.ts'

const { applications } = exampleModels
const models: ModelFiles = {
  ...exampleModels,
  // Kargo's model of an application has scopes
  applications: {
    ...applications,
    properties: { ...applications.properties, scopes: { type: 'array', items: { type: 'string' } } },
  },
}

let server: RedisServer
beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.close())

const file = (users: unknown, scopes: readonly string[] = ['wms', 'k2']): ConsumersFile => {
  const { wanted, diagnostics } = checkConsumers({ scopes, users })
  if (wanted === undefined) throw new Error(diagnostics.map(({ message }) => message).join('\n'))
  return wanted
}
const sample = file({
  acme: {
    kano: { scopes: ['wms', 'k2'], credential: { type: 'jwt', keyId: 'acme-kano', keySecret: 's1' } },
    qgis: { scopes: ['wms'], credential: { type: 'basic-auth', password: 'p1' } },
  },
  bravo: { kano: { scopes: ['wms'], credential: { type: 'jwt', keyId: 'bravo-kano', keySecret: 's2' } } },
  corp: { kano: { credential: { type: 'jwt' } }, probe: { credential: { type: 'key-auth' } } },
})

describe.each(['memory', 'redis'] as const)('on %s', (kind) => {
  let count = 0
  const open = (namespace: string, store: Store = memoryStore()): Consumers =>
    createConsumers({
      store:
        kind === 'redis'
          ? redisStore({ redis: { host: '127.0.0.1', port: server.port }, watched: watchedPrefixes(namespace) })
          : store,
      models,
      namespace,
      crypto: { saltRounds: 4 },
    })
  const use = async (run: (consumers: Consumers) => Promise<void>): Promise<void> => {
    const consumers = open(`P${++count}`)
    try {
      await run(consumers)
    } finally {
      await consumers.close()
    }
  }

  test('creates, and changes nothing the second time', () =>
    use(async (consumers) => {
      expect(await populate(consumers, sample)).toEqual({ created: 8, updated: 0, removed: 0, unchanged: 0 })
      expect(await populate(consumers, sample)).toEqual({ created: 0, updated: 0, removed: 0, unchanged: 5 })
      const id = derivedId('acme', 'qgis')
      expect(await consumers.applications.get(id)).toMatchObject({ name: 'qgis', scopes: '["wms"]' })
      expect(await consumers.authorizations.authenticate('basic-auth', id, 'p1')).toMatchObject({ name: 'qgis' })
      expect(await consumers.identities.credential('jwt', 'bravo-kano')).toMatchObject({
        keySecret: 's2',
        scopes: ['wms'],
      })
      expect(await consumers.applications.named('kano')).toHaveLength(3)
      expect([...(await consumers.scopes.list())].sort()).toEqual(['k2', 'wms'])
    }))

  test('changes what has changed, and keeps the id', () =>
    use(async (consumers) => {
      await populate(consumers, sample)
      const changed = file({
        acme: {
          kano: { scopes: ['wms'], credential: { type: 'jwt', keyId: 'acme-kano', keySecret: 'new' } },
          qgis: { scopes: ['wms'], credential: { type: 'basic-auth', password: 'p2' } },
        },
        bravo: { kano: { scopes: ['wms'], credential: { type: 'jwt', keyId: 'bravo-2', keySecret: 's2' } } },
        corp: {
          kano: { credential: { type: 'basic-auth', password: 'c' } },
          probe: { credential: { type: 'key-auth' } },
        },
      })
      expect(await populate(consumers, changed)).toEqual({ created: 0, updated: 4, removed: 0, unchanged: 1 })
      const id = derivedId('acme', 'qgis')
      expect(await consumers.authorizations.authenticate('basic-auth', id, 'p2')).toMatchObject({ id })
      expect(await consumers.authorizations.authenticate('basic-auth', id, 'p1')).toBeUndefined()
      expect(await consumers.identities.credential('jwt', 'acme-kano')).toMatchObject({
        keySecret: 'new',
        scopes: ['wms'],
      })
      expect(await consumers.identities.credential('jwt', 'bravo-kano')).toBeUndefined()
      expect(await consumers.credentials.ofConsumer(derivedId('corp', 'kano'))).toMatchObject([{ type: 'basic-auth' }])
      expect(await populate(consumers, changed)).toMatchObject({ created: 0, updated: 0, removed: 0 })
    }))

  test('who is not wanted goes, credentials and all; foreign keys do not matter', () =>
    use(async (consumers) => {
      await populate(consumers, sample)
      await consumers.users.insert({ username: 'stranger', firstname: 's', lastname: 's' })
      const less = file(
        { acme: { kano: { scopes: ['wms'], credential: { type: 'jwt', keyId: 'acme-kano', keySecret: 's1' } } } },
        ['wms'],
      )
      expect(await populate(consumers, less)).toEqual({ created: 0, updated: 1, removed: 4, unchanged: 0 })
      expect(await consumers.identities.credential('jwt', 'bravo-kano')).toBeUndefined()
      expect(await consumers.identities.credential('basic-auth', derivedId('acme', 'qgis'))).toBeUndefined()
      expect(await consumers.scopes.list()).toEqual(['wms'])
    }))

  test('several at once', async () => {
    const namespace = `Q${++count}`
    const store = memoryStore()
    const replicas = [1, 2, 3].map(() => open(namespace, store))
    try {
      await Promise.all(replicas.map((one) => populate(one, sample)))
      const [first] = replicas as [Consumers, ...Consumers[]]
      expect(await populate(first, sample)).toEqual({ created: 0, updated: 0, removed: 0, unchanged: 5 })
      expect((await first.users.list('0', 1000)).objects).toHaveLength(3)
      expect((await first.applications.list('0', 1000)).objects).toHaveLength(5)
    } finally {
      await Promise.all(replicas.map((one) => one.close()))
    }
  })

  test('those whom an older program made keep their ids', () =>
    use(async (consumers) => {
      const user = await consumers.users.insert({ username: 'acme', firstname: 'a', lastname: 'b' })
      const application = await consumers.applications.insert({ name: 'qgis', scopes: ['wms'] }, user.id)
      await consumers.scopes.insert(['wms'])
      await consumers.credentials.insert(application.id, 'basic-auth', { password: 'old', scopes: ['wms'] })
      await populate(consumers, sample)
      expect(await consumers.authorizations.authenticate('basic-auth', application.id, 'p1')).toMatchObject({
        name: 'qgis',
      })
    }))
})

test('five users may each have an application of one name', async () => {
  const users = Object.fromEntries(
    [1, 2, 3, 4, 5].map((n) => [`u${n}`, { kano: { credential: { type: 'key-auth' } } }]),
  )
  const consumers = createConsumers({ store: memoryStore(), models, crypto: { saltRounds: 4 } })
  try {
    const done = await populate(consumers, file(users))
    expect(done.created).toBe(10)
  } finally {
    await consumers.close()
  }
})

test('all that is wrong with the file is said at once', () => {
  const { wanted, diagnostics } = checkConsumers({
    scopes: ['wms', 'k2'],
    users: {
      acme: { kano: { scopes: ['wms'], credential: { type: 'jwt', keyId: 'acme-kano', keySecret: 's1' } } },
      corp: { kano: { scopes: ['wms', 'wfs'], credential: { type: 'jwt', keyId: 'acme-kano', password: 'x' } } },
    },
  })
  expect(wanted).toBeUndefined()
  expect(diagnostics.map(({ severity, message }) => `${severity} ${message}`)).toEqual([
    'error users.corp.kano: scope wfs is not declared',
    'warning users.corp.kano: password means nothing to jwt',
    'error users.corp.kano: keyId acme-kano is already that of users.acme.kano',
  ])
  expect(checkConsumers({ users: { a: { b: {} } } }).diagnostics).toMatchObject([
    { code: 'populate/invalid', message: expect.stringContaining('users.a.b.credential') },
  ])
})

test('the file is run, each time anew', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-consumers-'))
  try {
    expect((await readConsumers(folder)).diagnostics).toMatchObject([{ severity: 'warning', code: 'populate/missing' }])
    const write = (text: string): void => writeFileSync(join(folder, 'consumers.config.js'), text)
    write(`const scope = process.env.NOT_SET || 'wms'; module.exports = { scopes: [scope], users: {} }`)
    expect((await readConsumers(folder)).wanted).toEqual({ scopes: ['wms'], users: {} })
    write(`module.exports = { scopes: ['other'], users: {} }`)
    expect((await readConsumers(folder)).wanted).toEqual({ scopes: ['other'], users: {} })
    write(`throw new Error('no secret')`)
    expect(await readConsumers(folder)).toMatchObject({
      wanted: undefined,
      diagnostics: [{ code: 'populate/failed', message: 'consumers.config.js failed: no secret' }],
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
})
