/** Consumers → the services that plugins find in their context, by the names of Express Gateway 1.16. */
import type { Consumers } from '../consumers/consumers.ts'
import { StoreUnavailable } from '../policies/services.ts'
import type { PluginContext } from './types.ts'

type Properties = Readonly<Record<string, unknown>>

/** Before there are consumers every call rejects with StoreUnavailable. What is not found is `false`, as it was there. */
export function pluginServices(current: () => Consumers | undefined): PluginContext['services'] {
  const open = (): Consumers => {
    const consumers = current()
    if (consumers === undefined) throw new StoreUnavailable('no store of consumers is open')
    return consumers
  }
  const found = <T>(value: T | undefined): T | false => value ?? false
  return {
    user: {
      insert: async (user: Properties) => open().users.insert(user),
      get: async (id: string) => found(await open().users.get(id)),
      find: async (name: string) => found(await open().users.find(name)),
      findByUsernameOrId: async (value: string) => found(await open().users.findByNameOrId(value)),
      update: async (id: string, properties: Properties) => found(await open().users.update(id, properties)),
      activate: async (id: string) => open().users.setActive(id, true),
      deactivate: async (id: string) => open().users.setActive(id, false),
      remove: async (id: string) => open().users.remove(id),
    },
    application: {
      insert: async (application: Properties, userId: string) => open().applications.insert(application, userId),
      get: async (id: string) => found(await open().applications.get(id)),
      find: async (name: string) => found(await open().applications.find(name)),
      findByNameOrId: async (value: string) => found(await open().applications.findByNameOrId(value)),
      getAll: async (userId: string) => open().applications.ofUser(userId),
      update: async (id: string, properties: Properties) => found(await open().applications.update(id, properties)),
      activate: async (id: string) => open().applications.setActive(id, true),
      deactivate: async (id: string) => open().applications.setActive(id, false),
      remove: async (id: string) => open().applications.remove(id),
    },
    credential: {
      insertScopes: async (scopes: unknown) => open().scopes.insert(Array.isArray(scopes) ? scopes : [scopes]),
      removeScopes: async (scopes: string | readonly string[]) => {
        for (const scope of typeof scopes === 'string' ? [scopes] : scopes) await open().scopes.remove(scope)
        return true
      },
      existsScope: async (scope: string) => (await open().scopes.list()).includes(scope),
      getAllScopes: async () => open().scopes.list(),
      insertCredential: async (id: string, type: string, details?: Properties) =>
        open().credentials.insert(id, type, details),
      getCredential: async (id: string, type: string) => found(await open().credentials.get(type, id)),
      getCredentials: async (consumerId: string) => open().credentials.ofConsumer(consumerId),
      activateCredential: async (id: string, type: string) => open().credentials.setActive(type, id, true),
      deactivateCredential: async (id: string, type: string) => open().credentials.setActive(type, id, false),
      addScopesToCredential: async (id: string, type: string, scopes: unknown) =>
        open().credentials.addScopes(type, id, scopes),
      removeScopesFromCredential: async (id: string, type: string, scopes: readonly string[]) =>
        open().credentials.removeScopes(type, id, scopes),
      setScopesForCredential: async (id: string, type: string, scopes: unknown) =>
        open().credentials.setScopes(type, id, scopes),
      removeCredential: async (id: string, type: string) => open().credentials.remove(type, id),
    },
    token: {
      revokeToken: async (token: string) => open().tokens.revoke(token),
      find: async (token: string) => found(await open().identities.accessToken(token)),
    },
    authorizationCode: {},
    auth: {
      authenticateCredential: async (id: string, password: string, type: 'basic-auth' | 'oauth2') =>
        found(await open().authorizations.authenticate(type, id, password)),
      authenticateToken: async (token: string) => found(await open().identities.accessToken(token)),
      validateConsumer: async (id: string, options?: { readonly checkUsername?: boolean }) =>
        found(await open().identities.consumer(id, { byName: options?.checkUsername === true })),
      authorizeCredential: async (
        id: string,
        type: 'key-auth' | 'jwt' | 'basic-auth' | 'oauth2',
        scopes: readonly string[] = [],
      ) => {
        const credential = await open().identities.credential(type, id)
        return credential !== undefined && scopes.every((scope) => credential.scopes.includes(scope))
      },
    },
  }
}
