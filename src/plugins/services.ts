/** Consumers → `pluginContext.services`: the promises that Express Gateway's services gave, with their words and answers. */
import type { Consumers } from '../consumers/consumers.ts'
import { hashedTypes } from '../consumers/context.ts'
import type { TokenGrant } from '../policies/services.ts'
import type { PluginContext } from './types.ts'

type Record_ = Record<string, unknown>
interface Paging {
  readonly start?: string | number
  readonly count?: string | number
  readonly [filter: string]: unknown
}
const defaultLifetime = 7_200_000

/**
 * What is not found is `false` or `null`, as there; changes answer `true`; everything else that is wrong rejects. Records are
 * the caller's own copies.
 */
export function pluginServices(consumers: Consumers | undefined): PluginContext['services'] {
  if (consumers === undefined) return {}
  const { users, applications, credentials, scopes, tokens, authorizations, identities } = consumers

  const validateConsumer = async (
    id: string,
    options: { readonly checkUsername?: boolean } = {},
  ): Promise<Record_ | null> => {
    const found = await identities.consumer(id, { byName: options.checkUsername === true })
    return found === undefined ? null : { ...found }
  }

  const user = {
    insert: async (properties: Record_) => ({ ...(await users.insert(properties)) }),
    get: async (id: string) => copyOr(await users.get(id), false),
    find: async (username: string) => copyOr(await users.find(username), false),
    findByUsernameOrId: async (value: string) => copyOr(await users.findByNameOrId(value), false),
    findAll: async (query: Paging = {}) => {
      const { objects, next } = await users.list(cursorOf(query), countOf(query))
      return { users: filter(objects, query), nextKey: next === '0' ? 0 : next }
    },
    update: async (id: string, properties: Record_) => {
      if ((await users.get(id)) === undefined) return false
      await users.update(id, properties)
      return true
    },
    activate: async (id: string) => isDone(users.setActive(id, true)),
    deactivate: async (id: string) => isDone(users.setActive(id, false)),
    remove: async (id: string) => isThere(users.remove(id), 'user delete failed'),
  }

  const application = {
    insert: async (properties: Record_, userId: string) => ({ ...(await applications.insert(properties, userId)) }),
    get: async (id: string) => copyOr(await applications.get(id), false),
    find: async (name: string) => copyOr(await applications.find(name), false),
    findByNameOrId: async (value: string) => copyOr(await applications.findByNameOrId(value), false),
    findAll: async (query: Paging = {}) => {
      const { objects, next } = await applications.list(cursorOf(query), countOf(query))
      return { apps: filter(objects, query), nextKey: next === '0' ? 0 : next }
    },
    getAll: async (userId: string) => (await applications.ofUser(userId)).map((one) => ({ ...one })),
    update: async (id: string, properties: Record_) => {
      await applications.update(id, properties)
      return true
    },
    activate: async (id: string) => isDone(applications.setActive(id, true)),
    deactivate: async (id: string) => isDone(applications.setActive(id, false)),
    deactivateAll: async (userId: string) => {
      for (const one of await applications.ofUser(userId)) await applications.setActive(one.id, false)
      return true
    },
    remove: async (id: string) => isThere(applications.remove(id), 'failed to remove app'),
    removeAll: async (userId: string) => {
      for (const one of await applications.ofUser(userId)) await applications.remove(one.id)
      return true
    },
  }

  /** With the password's hash only where it is asked for; nobody gets it by accident. */
  const getCredential = async (id: string, type: string): Promise<Record_ | null> =>
    copyOr(await credentials.get(type, id), null)

  const credential = {
    insertScopes: async (names: string | readonly string[]) => {
      await scopes.insert([names].flat())
      return true
    },
    removeScopes: async (names: string | readonly string[]) => {
      for (const name of [names].flat()) await scopes.remove(name)
      return true
    },
    existsScope: async (name: string) => (await scopes.list()).includes(name),
    getAllScopes: async () => [...(await scopes.list())],
    insertCredential: async (id: string, type: string, details: Record_ = {}) => ({
      ...(await credentials.insert(id, type, details)),
    }),
    getCredential,
    getCredentials: async (consumerId: string) => (await credentials.ofConsumer(consumerId)).map((one) => ({ ...one })),
    activateCredential: async (id: string, type: string) => isDone(credentials.setActive(type, id, true)),
    deactivateCredential: async (id: string, type: string) => isDone(credentials.setActive(type, id, false)),
    removeCredential: async (id: string, type: string) => credentials.remove(type, id),
    removeAllCredentials: async (consumerId: string) => {
      for (const one of await credentials.ofConsumer(consumerId)) await credentials.remove(String(one['type']), one.id)
      return true
    },
    addScopesToCredential: async (id: string, type: string, names: string | readonly string[]) => {
      await credentials.addScopes(type, id, [names].flat())
      return true
    },
    removeScopesFromCredential: async (id: string, type: string, names: string | readonly string[]) => {
      await credentials.removeScopes(type, id, [names].flat())
      return true
    },
    setScopesForCredential: async (id: string, type: string, names: string | readonly string[]) => {
      await credentials.setScopes(type, id, [names].flat())
      return true
    },
  }

  const save = async (grant: TokenGrant): Promise<string> =>
    (await tokens.findOrSave('access_token', grant, defaultLifetime)).token
  const getToken = async (token: string): Promise<Record_ | null> => copyOr(await identities.accessToken(token), null)
  const token = {
    save,
    findOrSave: save,
    get: getToken,
    getTokenObject: getToken,
    revokeToken: async (value: string) => {
      await tokens.revoke(value)
      return true
    },
  }

  const authorizationCode = {
    save: async (grant: Parameters<typeof tokens.saveCode>[0]) => ({
      id: await tokens.saveCode(grant, 300_000),
      ...grant,
    }),
    find: async (wanted: { readonly id: string; readonly consumerId?: string }) =>
      copyOr(
        await tokens.redeemCode(
          wanted.id,
          (grant) => wanted.consumerId === undefined || grant.consumerId === wanted.consumerId,
        ),
        null,
      ),
  }

  const auth = {
    validateConsumer,
    authenticateCredential: async (id: string, secret: string, type: string): Promise<Record_ | false> => {
      if (!id || !secret || !type) return false
      if (isHashed(type)) return copyOr(await authorizations.authenticate(type, id, secret), false)
      if (type !== 'key-auth' && type !== 'jwt') return false
      const found = await identities.credential(type, id)
      if (found?.isActive !== true || found.keySecret !== secret) return false
      return (await validateConsumer(found.consumerId, { checkUsername: true })) ?? false
    },
    authenticateToken: async (value: string) => {
      const found = await identities.accessToken(value)
      const consumer = found === undefined ? null : await validateConsumer(found.consumerId)
      return consumer === null ? false : { token: { ...found }, consumer }
    },
    authorizeToken: async (value: string, _type: string, names?: string | readonly string[]) => {
      const wanted = [names ?? []].flat()
      if (wanted.length === 0) return true
      const held = (await identities.accessToken(value))?.scopes ?? []
      return wanted.every((name) => held.includes(name))
    },
    authorizeCredential: async (id: string, type: string, names?: string | readonly string[]) => {
      const wanted = [names ?? []].flat()
      if (wanted.length === 0) return true
      const held = (await getCredential(id, type))?.['scopes']
      return Array.isArray(held) && wanted.every((name) => held.includes(name))
    },
  }

  return { user, application, credential, token, authorizationCode, auth }
}

function copyOr<None>(found: object | undefined, none: None): Record_ | None {
  return found === undefined ? none : { ...found }
}

function cursorOf({ start }: Paging): string {
  return String(start ?? 0)
}

function countOf({ count }: Paging): number {
  return Math.max(1, Number(count ?? 10) || 10)
}

function filter(objects: readonly object[], { start: _start, count: _count, ...wanted }: Paging): Record_[] {
  const copies = objects.map((one) => ({ ...one }) as Record_)
  return copies.filter((one) => Object.entries(wanted).every(([name, value]) => String(one[name]) === String(value)))
}

/** Whether it changed anything is not asked. */
async function isDone(change: Promise<boolean>): Promise<true> {
  await change
  return true
}

async function isThere(removal: Promise<boolean>, otherwise: string): Promise<true> {
  if (!(await removal)) throw new Error(otherwise)
  return true
}

function isHashed(type: string): type is 'basic-auth' | 'oauth2' {
  return (hashedTypes as readonly string[]).includes(type)
}
