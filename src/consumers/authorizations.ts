/** Consumers → what an authorization server asks of them. */
import type { Authorizations, Identities } from '../policies/services.ts'
import { type ConsumerContext, scopesOf } from './context.ts'
import { newHexId } from './ids.ts'
import type { Tokens } from './tokens.ts'

export function authorizationsOf(context: ConsumerContext, identities: Identities, tokens: Tokens): Authorizations {
  const { store, keys, passwords } = context
  const sessionKey = (id: string) => `sess:${id}`

  return {
    application: async (id) => {
      const found = await identities.consumer(id)
      return found?.type === 'application' ? found : undefined
    },
    user: async (id) => {
      const found = await identities.consumer(id)
      return found?.type === 'user' ? found : undefined
    },
    authenticate: async (type, name, secret) => {
      const consumer = await identities.consumer(name, { byName: true })
      const credential = consumer?.id === undefined ? undefined : await identities.credential(type, consumer.id)
      const hash = credential?.isActive === true ? credential.passwordHash : undefined
      // as slow for somebody who is not there: names cannot be found out by the clock
      return (await passwords.verify(secret, hash)) ? consumer : undefined
    },
    holdsScopes: async (applicationId, scopes) => {
      const fields = await store.hash(keys.credential('oauth2', applicationId))
      const held = fields?.['isActive'] === 'true' ? scopesOf(fields['scopes']) : []
      return scopes.every((scope) => held.includes(scope))
    },
    accessToken: (grant, lifetimeMs) => tokens.findOrSave('access_token', grant, lifetimeMs),
    refreshToken: (grant, lifetimeMs) => tokens.findOrSave('refresh_token', grant, lifetimeMs),
    refreshGrant: (token) => tokens.grantOf('refresh_token', token),
    code: (grant, lifetimeMs) => tokens.saveCode(grant, lifetimeMs),
    redeemCode: (code, fits) => tokens.redeemCode(code, fits),
    sessions: {
      newId: () => newHexId() + newHexId(),
      get: (id) => store.text(sessionKey(id)),
      set: async (id, text, ttlMs) => {
        await store.write([{ kind: 'set-text', key: sessionKey(id), text, ttlMs }])
      },
      delete: async (id) => {
        await store.write([{ kind: 'delete', key: sessionKey(id) }])
      },
    },
  }
}
