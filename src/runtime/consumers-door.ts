/**
 * Wishes for a store → consumers, opened when the wish changes, closed when another has taken their place. A store that
 * cannot be opened is a diagnostic, and the one before stays.
 */
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { createConsumers, type Consumers } from '../consumers/consumers.ts'
import type { ModelFiles } from '../consumers/models.ts'
import { openStore } from '../consumers/open.ts'
import type { Store } from '../consumers/store.ts'
import type { Diagnostic } from '../model/diagnostic.ts'
import type { Events } from '../policies/services.ts'
import type { StoreWish, Wishes } from '../sources/source.ts'
import type { Settings } from './settings.ts'

export interface ConsumersDoor {
  readonly consumers: Consumers | undefined
  move(wishes: readonly Wishes[]): Promise<readonly Diagnostic[]>
  close(): Promise<void>
}

/**
 * `shared`: the folder that stands for memory where several processes serve. `emptied`: the store was lost, and has come back
 * without what was in it.
 */
export function consumersDoor(
  settings: Settings,
  folder: string,
  events: Events,
  { shared, emptied }: { readonly shared?: string | undefined; readonly emptied?: (() => void) | undefined } = {},
): ConsumersDoor {
  let consumers: Consumers | undefined
  let consumersFor: unknown
  let store: Store | undefined
  let storeFor: unknown
  return {
    get consumers() {
      return consumers
    },
    move: async (wishes) => {
      const wish = wishOf(settings, wishes)
      const configuration = wishes.find((each) => each.expressGateway !== undefined)?.expressGateway
      const wantedStore = { kind: wish.kind, redis: wish.redis, namespace: wish.namespace }
      const wanted = { wantedStore, crypto: wish.crypto, models: configuration?.models }
      if (consumers !== undefined && isDeepStrictEqual(consumersFor, wanted)) return []
      try {
        const before = { consumers, store }
        const moved = store === undefined || !isDeepStrictEqual(storeFor, wantedStore)
        if (moved) {
          const choice = wish.kind === 'memory' && shared !== undefined ? { ...wish, kind: 'embedded' as const } : wish
          store = await openStore(choice, { path: pathOf(wish), base: folder })
          store.onState((state) => {
            events.emit(state === 'back' ? 'info' : 'error', `store/${state}`, STATES[state])
            if (state === 'empty') emptied?.()
          })
          storeFor = wantedStore
        }
        if (store === undefined) return []
        consumers = createConsumers({
          // the store outlives consumers that are made anew for other models
          store: Object.assign(Object.create(store) as Store, { close: () => Promise.resolve() }),
          models: (configuration?.models ?? defaultModels) as unknown as ModelFiles,
          modelsOf: configuration?.models === undefined ? 'ours' : 'users',
          ...(wish.namespace === undefined ? {} : { namespace: wish.namespace }),
          ...(wish.crypto === undefined ? {} : { crypto: wish.crypto }),
        })
        consumersFor = wanted
        await before.consumers?.close()
        if (moved) await before.store?.close()
        return []
      } catch (error) {
        const diagnostic: Diagnostic = {
          code: 'runtime/store',
          severity: 'error',
          message: `the store of consumers cannot be opened: ${error instanceof Error ? error.message : String(error)}`,
          hint: 'GANTRY_DATA says where the embedded store lives, db.redis where Redis is',
          origin: { source: 'gantry', object: 'store' },
        }
        return [diagnostic]
      }
    },
    close: async () => {
      await consumers?.close()
      await store?.close()
    },
  }

  function pathOf(wish: StoreWish): string {
    if (wish.kind !== 'memory') return settings.data ?? join(folder, '.gantry')
    // several processes cannot share memory: a folder that goes with them is the same promise
    return shared ?? ''
  }
}

/** Where no source brings models: names, and the four types of credential. */
const defaultModels = {
  users: { type: 'object', properties: { username: { type: 'string' } }, required: ['username'] },
  applications: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] },
  credentials: {
    type: 'object',
    properties: {
      'basic-auth': {
        type: 'object',
        properties: {
          password: { type: 'string' },
          autoGeneratePassword: { type: 'boolean', default: true },
          passwordKey: { type: 'string', default: 'password' },
        },
      },
      'key-auth': { type: 'object', properties: {} },
      jwt: { type: 'object', properties: {} },
      oauth2: {
        type: 'object',
        properties: {
          secret: { type: 'string' },
          autoGeneratePassword: { type: 'boolean', default: true },
          passwordKey: { type: 'string', default: 'secret' },
        },
      },
    },
  },
}

const STATES = {
  lost: 'the store of consumers cannot be reached; who needs it is answered 503',
  back: 'the store of consumers is back',
  empty: 'the store of consumers has come back empty: was it restarted without its data?',
} as const

/** Settings win over the configuration; without either the store is embedded. */
function wishOf(settings: Settings, wishes: readonly Wishes[]): StoreWish {
  const wished = wishes.find((wish) => wish.store !== undefined)?.store ?? { kind: 'embedded' as const }
  const kind = settings.store.kind ?? wished.kind
  const url = settings.store.redis
  if (kind !== 'redis' || url === undefined) return { ...wished, kind }
  return { ...wished, kind, redis: redisOf(url) }
}

function redisOf(url: string): Readonly<Record<string, unknown>> {
  const { protocol, hostname, port, username, password, pathname } = new URL(url)
  return {
    host: hostname,
    port: port === '' ? 6379 : Number(port),
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    ...(pathname.length > 1 ? { db: Number(pathname.slice(1)) } : {}),
    ...(protocol === 'rediss:' ? { tls: {} } : {}),
  }
}
