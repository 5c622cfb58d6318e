/** A store, models and crypto → everything there is to do with consumers. */
import type { Authorizations, Cache, Counters, Identities } from '../policies/services.ts'
import { type Applications, applicationsOf } from './applications.ts'
import { authorizationsOf } from './authorizations.ts'
import { memoryCache, redisCache } from './cache.ts'
import type { ConsumerContext, ConsumerObject } from './context.ts'
import { memoryCounters, redisCounters } from './counters.ts'
import { type Credentials, credentialsOf } from './credentials.ts'
import { identitiesOf } from './identities.ts'
import { keysOf } from './keys.ts'
import type { ModelFiles, Models } from './models.ts'
import { modelsOf } from './models.ts'
import { passwords } from './passwords.ts'
import type { RedisStore } from './redis.ts'
import { type Scopes, scopesOfStore } from './scopes.ts'
import type { Store } from './store.ts'
import { tokenCipher } from './token-cipher.ts'
import { type Tokens, tokensOf } from './tokens.ts'
import { type Users, usersOf } from './users.ts'

export interface ConsumersOptions {
  readonly store: Store
  readonly models: ModelFiles
  /** Whose the models are: those of users are checked at once. Default `users`. */
  readonly modelsOf?: 'users' | 'ours'
  /** `db.redis.namespace`; default EG. */
  readonly namespace?: string
  /** As `crypto` of the system configuration; its defaults are taken where something is not said. */
  readonly crypto?: { readonly cipherKey?: string; readonly algorithm?: string; readonly saltRounds?: number }
  readonly now?: () => number
}

export interface Consumers {
  readonly users: Users
  readonly applications: Applications
  readonly scopes: Scopes
  readonly credentials: Credentials
  readonly tokens: Tokens
  readonly models: Models
  readonly identities: Identities
  readonly authorizations: Authorizations
  readonly counters: Counters
  readonly cache: Cache
  readonly store: Store
  /** By username or user id, else by application id or name: what an administrator may call a consumer. */
  find(nameOrId: string): Promise<(ConsumerObject & { readonly type: 'user' | 'application' }) | undefined>
  /** Ends the threads and the store. */
  close(): Promise<void>
}

/** Throws for models that are no JSON schemas and for ciphers that do not exist: mistakes of start-up. */
export function createConsumers(options: ConsumersOptions): Consumers {
  const { store, now = Date.now } = options
  const context: ConsumerContext = {
    store,
    keys: keysOf(options.namespace ?? 'EG'),
    models: modelsOf(options.models, options.modelsOf === 'ours' ? 'when used' : 'at once'),
    passwords: passwords({ rounds: options.crypto?.saltRounds ?? 10, now }),
    cipher: tokenCipher(options.crypto?.algorithm ?? 'aes256', options.crypto?.cipherKey ?? 'sensitiveKey'),
    now,
  }
  const users = usersOf(context)
  const applications = applicationsOf(context)
  const tokens = tokensOf(context)
  const identities = identitiesOf(context)
  const connection = store.kind === 'redis' ? (store as RedisStore).connection : undefined
  return {
    users,
    applications,
    scopes: scopesOfStore(context),
    credentials: credentialsOf(context),
    tokens,
    models: context.models,
    identities,
    authorizations: authorizationsOf(context, identities, tokens),
    counters: connection === undefined ? memoryCounters(now) : redisCounters(connection, now),
    cache: connection === undefined ? memoryCache(now) : redisCache(connection),
    store,
    find: async (nameOrId) => {
      const user = await users.findByNameOrId(nameOrId)
      if (user !== undefined) return { ...user, type: 'user' }
      const application = await applications.findByNameOrId(nameOrId)
      return application === undefined ? undefined : { ...application, type: 'application' }
    },
    close: async () => {
      await context.passwords.close()
      await store.close()
    },
  }
}
