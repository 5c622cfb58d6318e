/** What a source wishes for a store → the store, opened. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { RedisOptions } from 'ioredis'
import { watchedPrefixes } from './keys.ts'
import { memoryStore } from './memory.ts'
import type { Store } from './store.ts'

/** Structurally a source's StoreWish, so that neither needs the other. */
export interface StoreChoice {
  readonly kind: 'embedded' | 'memory' | 'redis'
  readonly redis?: Readonly<Record<string, unknown>>
  readonly namespace?: string
}

export interface OpenOptions {
  /** The folder of the embedded store. */
  readonly path: string
  /** Against which relative paths of certificates are resolved; default: where the process runs. */
  readonly base?: string
}

/**
 * An embedded store that cannot be opened rejects with StoreUnavailable. A Redis that cannot be reached does not: it is
 * sought until it is there, and whoever asks meanwhile gets StoreUnavailable within a second. Drivers are loaded when
 * chosen. Certificate files that cannot be read throw.
 */
export async function openStore(choice: StoreChoice, { path, base = '.' }: OpenOptions): Promise<Store> {
  switch (choice.kind) {
    case 'memory':
      return memoryStore()
    case 'embedded': {
      const { lmdbStore } = await import('./lmdb.ts')
      return lmdbStore({ path })
    }
    case 'redis': {
      const { redisStore } = await import('./redis.ts')
      return redisStore({
        redis: redisOptions(choice.redis ?? {}, base),
        watched: watchedPrefixes(choice.namespace ?? 'EG'),
      })
    }
  }
}

/** `db.redis` as written → what ioredis takes: ours taken out, `tls.keyFile` and the like read. */
function redisOptions(said: Readonly<Record<string, unknown>>, base: string): RedisOptions {
  const { emulate: _emulate, namespace: _namespace, tls, ...rest } = said
  if (typeof tls !== 'object' || tls === null) return rest as RedisOptions
  const { keyFile, certFile, caFile, ...more } = tls as Record<string, unknown>
  const file = (name: string, path: unknown) =>
    typeof path === 'string' ? { [name]: readFileSync(resolve(base, path)) } : {}
  return {
    ...rest,
    tls: { ...more, ...file('key', keyFile), ...file('cert', certFile), ...file('ca', caFile) },
  } as RedisOptions
}
