/** Texts kept for a time: in this process, or in a Redis for all that share it. */
import type { Cache } from '../policies/services.ts'
import type { RedisConnection } from './redis.ts'

/** The oldest go when there are more than `size`. */
export function memoryCache(now: () => number = Date.now, size = 10_000): Cache {
  const texts = new Map<string, { readonly text: string; readonly until: number }>()
  return {
    get: (key) => {
      const entry = texts.get(key)
      if (entry === undefined) return undefined
      if (entry.until > now()) return entry.text
      texts.delete(key)
      return undefined
    },
    set: (key, text, ttlMs) => {
      if (!(ttlMs > 0)) return
      texts.delete(key)
      texts.set(key, { text, until: now() + ttlMs })
      for (const oldest of texts.keys()) {
        if (texts.size <= size) break
        texts.delete(oldest)
      }
    },
  }
}

/** Keys as they are given, without a namespace, as Express Gateway's `accesstoken.<token>`. */
export function redisCache({ client, ask }: RedisConnection): Cache {
  return {
    get: async (key) => (await ask(() => client.get(key))) ?? undefined,
    set: async (key, text, ttlMs) => {
      // whole milliseconds: Redis refuses fractions, and 0 would be for ever
      if (ttlMs > 0) await ask(() => client.set(key, text, 'PX', Math.max(1, Math.floor(ttlMs))))
    },
  }
}
