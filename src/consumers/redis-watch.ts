/** A Redis connection → a call for every change to watched keys, by Redis 6's client-side caching. */
import { Redis, type RedisOptions } from 'ioredis'

export interface Watch {
  /** Are changes told at this moment? */
  watching(): boolean
  close(): void
}

/**
 * Two connections: the one that reads is tracked (CLIENT TRACKING, broadcast mode, for the given prefixes), its notices
 * are redirected to a second one that does nothing but listen. Whenever either is lost everything is forgotten, and both
 * are set up again once they are back. A Redis that refuses (older than 6, a proxy in between) is not asked again until
 * it reconnects. `forget(undefined)` means: everything.
 */
export function watchChanges(
  client: Redis,
  options: Readonly<RedisOptions>,
  prefixes: readonly string[],
  forget: (keys: readonly string[] | undefined) => void,
): Watch {
  const keyPrefix = options.keyPrefix ?? ''
  const { keyPrefix: _, ...plain } = options
  const listener = new Redis({
    keepAlive: 5000,
    ...plain,
    autoResubscribe: false,
    maxRetriesPerRequest: null,
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 6), 1000),
  })
  let watching = false
  let attempt = 0
  const lost = (): void => {
    watching = false
    attempt++
    forget(undefined)
  }
  const setUp = async (): Promise<void> => {
    if (client.status !== 'ready' || listener.status !== 'ready') return
    lost()
    const mine = attempt
    try {
      if (listener.mode === 'subscriber') await listener.unsubscribe(channel)
      const id = await listener.client('ID')
      await listener.subscribe(channel)
      await client.call('CLIENT', 'TRACKING', 'OFF')
      const wanted = prefixes.flatMap((prefix) => ['PREFIX', keyPrefix + prefix])
      await client.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', String(id), 'BCAST', ...wanted)
      if (mine !== attempt) return
      forget(undefined)
      watching = true
    } catch {
      watching = false // refused or lost: what is remembered keeps its short life
    }
  }
  listener.on('error', () => undefined) // the reading connection meets the same trouble, and says so
  listener.on('close', lost)
  client.on('close', lost)
  listener.on('ready', () => void setUp())
  client.on('ready', () => void setUp())
  listener.on('messageBuffer', (_channel: Buffer, keys: unknown) => {
    if (!Array.isArray(keys)) return forget(undefined) // the database was flushed
    forget(keys.map((key) => String(key).slice(keyPrefix.length)))
  })
  return {
    watching: () => watching,
    close: () => {
      lost()
      listener.disconnect()
    },
  }
}

const channel = '__redis__:invalidate'
