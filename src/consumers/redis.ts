/** Redis options → the store in a Redis, in the layout that Express Gateway leaves there, and the connection itself. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis, type RedisOptions } from 'ioredis'
import { StoreUnavailable } from '../policies/services.ts'
import { watchChanges } from './redis-watch.ts'
import { type Change, type Fields, type Guard, InvalidCursor, type Page, type Store, type StoreState } from './store.ts'

export interface RedisStoreOptions {
  /** As `db.redis` has it, handed to ioredis: host, port, password, db, sentinels and name, keyPrefix, tls … */
  readonly redis: Readonly<RedisOptions>
  /** How long one command may take, milliseconds; default 1000. */
  readonly deadlineMs?: number
  /** How many values are remembered; default 20,000. */
  readonly remembered?: number
  /** Keys that begin so are remembered and watched: what is asked for on the data path. */
  readonly watched: readonly string[]
}

export interface RedisStore extends Store {
  /** For counters and caches on the same connection. */
  readonly connection: RedisConnection
  /** Does Redis tell of changes at this moment? */
  watched(): boolean
}

/**
 * What is remembered, and how stale it can be: Redis 6 and newer tells of every change to a watched key, whoever made
 * it (client-side caching, broadcast mode), so a change is seen after one network hop, and after 10 s at the very most
 * should the notice be lost. Where Redis cannot do that, what is remembered lives 1 s. With the connection lost nothing
 * is remembered: commands are refused within the deadline until it is back.
 */
export function redisStore({ redis, deadlineMs = 1000, remembered = 20_000, watched }: RedisStoreOptions): RedisStore {
  const connection = connect(redis, deadlineMs)
  const { client, ask } = connection
  let known = new Map<string, { readonly value: Fields | readonly string[] | undefined; readonly until: number }>()
  const underWay = new Map<string, Promise<unknown>>()
  let epoch = 0
  let heldSomething = false
  let connections = 0
  const listeners: ((state: StoreState) => void)[] = []
  const tell = (state: StoreState) => listeners.forEach((listener) => listener(state))

  const forget = (keys: readonly string[] | undefined): void => {
    // an answer that is still on its way may be older than this notice
    epoch++
    underWay.clear()
    if (keys === undefined) known = new Map()
    else for (const key of keys) known.delete(key)
  }
  const watch = watchChanges(client, redis, watched, forget)
  connection.onState((state) => {
    forget(undefined)
    tell(state)
    connections++
    if (state === 'back' && heldSomething) void lookWhetherEmpty(connections)
  })
  const nothingLeft = async (): Promise<boolean> => {
    const size = await ask(() => client.dbsize())
    if (size === 0 || size > 10_000) return size === 0
    // somebody who counts requests may have written already
    for (const prefix of watched) {
      const page = await scan(connection, redis.keyPrefix ?? '', prefix, '0', 1)
      if (page.keys.length > 0) return false
    }
    return true
  }
  /** Asks until there is an answer, or until the connection is another: who was promised to be told must be told. */
  const lookWhetherEmpty = async (connectionThen: number): Promise<void> => {
    while (connectionThen === connections) {
      try {
        if (await nothingLeft()) tell('empty')
        return
      } catch (error) {
        // a reply that refuses the question will refuse it again; anything else may be only late
        if (!(error instanceof StoreUnavailable)) return
        await sleep(100, undefined, { ref: false })
      }
    }
  }

  const remember = <T extends Fields | readonly string[] | undefined>(
    key: string,
    fetch: () => Promise<T>,
  ): T | Promise<T> => {
    const hit = known.get(key)
    if (hit !== undefined && hit.until > performance.now()) return hit.value as T
    const pending = underWay.get(key)
    if (pending !== undefined) return pending as Promise<T>
    const asked = epoch
    const answer = fetch().then((value) => {
      const isWatched = value !== undefined && watched.some((prefix) => key.startsWith(prefix))
      // also where a notice has come between question and answer: it was there
      heldSomething ||= isWatched
      if (asked === epoch) {
        underWay.delete(key)
        if (isWatched) {
          if (known.size >= remembered) known = new Map()
          known.set(key, { value, until: performance.now() + (watch.watching() ? 10_000 : 1000) })
        }
      }
      return value
    })
    answer.catch(() => underWay.get(key) === answer && underWay.delete(key))
    underWay.set(key, answer)
    return answer
  }
  const hash = (key: string) =>
    remember(key, () =>
      ask(() => client.hgetall(key)).then(
        (fields) => (Object.keys(fields).length === 0 ? undefined : Object.freeze(fields)),
        otherType(undefined),
      ),
    )

  return {
    kind: 'redis',
    connection,
    watched: watch.watching,
    hash,
    hashes: (keys) => Promise.all(keys.map(async (key) => hash(key))),
    members: (key) =>
      ask(() => client.smembers(key)).then((members) => members as readonly string[], otherType<readonly string[]>([])),
    text: (key) => ask(() => client.get(key)).then((text) => text ?? undefined, otherType(undefined)),
    scan: (prefix, cursor, count) => scan(connection, redis.keyPrefix ?? '', prefix, cursor, count),
    write: async (changes, guard = {}) => {
      const { keys, job } = jobOf(changes, guard)
      if (keys.length === 0) return true
      const done = await ask(() => client.eval(writeScript, keys.length, ...keys, job))
      forget(keys)
      heldSomething ||= changes.some(
        ({ kind, key }) => kind.startsWith('set') && watched.some((prefix) => key.startsWith(prefix)),
      )
      if (typeof done === 'string') throw new TypeError(done)
      return done === 1
    },
    onState: (listener) => void listeners.push(listener),
    close: async () => {
      watch.close()
      await connection.close()
    },
  }
}

export interface RedisConnection {
  readonly client: Redis
  /** Any failure to answer in time is a StoreUnavailable; what Redis itself refuses is thrown as it is. */
  ask<T>(command: () => Promise<T>): Promise<T>
  onState(listener: (state: 'lost' | 'back') => void): void
  close(): Promise<void>
}

/** Commands wait for a connection that is being made, but never longer than the deadline; a lost one is sought for ever. */
function connect(options: Readonly<RedisOptions>, deadlineMs = 1000): RedisConnection {
  const client = new Redis({
    connectTimeout: deadlineMs,
    enableAutoPipelining: true,
    maxRetriesPerRequest: 1,
    keepAlive: 5000,
    // a replica that was a master until a moment ago: leave it, and ask the sentinels again
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 2 : false),
    ...options,
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 6), 1000),
    sentinelRetryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 6), 1000),
    lazyConnect: false,
  })
  const listeners: ((state: 'lost' | 'back') => void)[] = []
  let lost = false
  let lastError: Error | undefined
  client.on('error', (error: Error) => (lastError = error))
  client.on('close', () => {
    if (lost) return
    lost = true
    for (const listener of listeners) listener('lost')
  })
  client.on('ready', () => {
    if (!lost) return
    lost = false
    for (const listener of listeners) listener('back')
  })
  return {
    client,
    ask: async (command) => {
      let timer: NodeJS.Timeout | undefined
      try {
        const late = new Promise<never>((_, reject) => {
          timer = setTimeout(
            () => reject(new StoreUnavailable(`Redis did not answer within ${deadlineMs} ms`)),
            deadlineMs,
          )
        })
        return await Promise.race([command(), late])
      } catch (error) {
        if (error instanceof StoreUnavailable || isReply(error)) throw error
        const why = lastError ?? error
        throw new StoreUnavailable(`Redis cannot be reached: ${why instanceof Error ? why.message : String(why)}`, {
          cause: error,
        })
      } finally {
        clearTimeout(timer)
      }
    },
    onState: (listener) => void listeners.push(listener),
    close: async () => {
      client.disconnect()
      return Promise.resolve()
    },
  }
}

/** An error that Redis answered with, other than those that mean: not now. */
function isReply(error: unknown): boolean {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return false
  return !/^(LOADING|MASTERDOWN|CLUSTERDOWN|READONLY|BUSY|OOM|MISCONF|NOAUTH|TRYAGAIN|WRONGPASS)\b/.test(error.message)
}

function otherType<T>(absent: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return absent
    throw error
  }
}

async function scan(
  { client, ask }: RedisConnection,
  keyPrefix: string,
  prefix: string,
  cursor: string,
  count: number,
): Promise<Page> {
  if (!/^\d{1,20}$/.test(cursor)) throw new InvalidCursor()
  const size = Math.max(1, count)
  const pattern = `${(keyPrefix + prefix).replaceAll(/[*?[\]\\]/g, '\\$&')}*`
  const keys = new Set<string>()
  let next = cursor
  do {
    // a large foreign keyspace must not cost a round trip for every few of its keys
    const answer = await ask(() => client.scan(next, 'MATCH', pattern, 'COUNT', Math.max(size, 1000)))
    next = answer[0]
    for (const key of answer[1]) keys.add(key.slice(keyPrefix.length))
  } while (next !== '0' && keys.size < size)
  return { keys: [...keys], next }
}

// --- writing ---------------------------------------------------------------------------------------------------------

/** The keys in KEYS, so that ioredis prefixes them; everything else as JSON that names keys by their place there. */
function jobOf(changes: readonly Change[], guard: Guard): { keys: readonly string[]; job: string } {
  const places = new Map<string, number>()
  const place = (key: string): number => {
    const known = places.get(key)
    if (known !== undefined) return known
    places.set(key, places.size + 1)
    return places.size
  }
  const job = {
    absent: (guard.absent ?? []).map(place),
    present: (guard.present ?? []).map(place),
    members: (guard.members ?? []).map(({ key, members }) => ({ k: place(key), a: members })),
    fields: (guard.fields ?? []).map(({ key, field, value }) => ({
      k: place(key),
      f: field,
      ...(value === undefined ? {} : { v: value }),
    })),
    changes: changes.map((change) => ({ k: place(change.key), ...commandOf(change) })),
  }
  return { keys: [...places.keys()], job: JSON.stringify(job) }
}

function commandOf(change: Change): { o: string; a: readonly (string | number)[] } {
  switch (change.kind) {
    case 'set-fields':
      return { o: 'HSET', a: Object.entries(change.fields).flat() }
    case 'delete-fields':
      return { o: 'HDEL', a: change.fields }
    case 'add-members':
      return { o: 'SADD', a: change.members }
    case 'remove-members':
      return { o: 'SREM', a: change.members }
    case 'set-text':
      return { o: 'SET', a: change.ttlMs > 0 ? [change.text, 'PX', String(Math.ceil(change.ttlMs))] : [change.text] }
    case 'delete':
      return { o: 'DEL', a: [] }
  }
}

/** Wrong types are looked for before the first change: a script that fails half way keeps what it has done. */
const writeScript = `
local job = cjson.decode(ARGV[1])
for _, i in ipairs(job.absent) do if redis.call('EXISTS', KEYS[i]) == 1 then return 0 end end
for _, i in ipairs(job.present) do if redis.call('EXISTS', KEYS[i]) == 0 then return 0 end end
for _, g in ipairs(job.members) do
  if redis.call('SCARD', KEYS[g.k]) ~= #g.a then return 0 end
  for _, m in ipairs(g.a) do if redis.call('SISMEMBER', KEYS[g.k], m) == 0 then return 0 end end
end
for _, g in ipairs(job.fields) do
  local now = redis.call('HGET', KEYS[g.k], g.f)
  if g.v == nil then if now then return 0 end elseif now ~= g.v then return 0 end
end
local types = { HSET = 'hash', HDEL = 'hash', SADD = 'set', SREM = 'set' }
local gone = {}
for _, c in ipairs(job.changes) do
  if c.o == 'DEL' then gone[c.k] = true end
  if types[c.o] and not gone[c.k] then
    local kind = redis.call('TYPE', KEYS[c.k]).ok
    if kind ~= 'none' and kind ~= types[c.o] then return KEYS[c.k] .. ' holds a ' .. kind .. ', not a ' .. types[c.o] end
  end
end
for _, c in ipairs(job.changes) do
  local a = c.a
  if c.o == 'DEL' or c.o == 'SET' then
    redis.call(c.o, KEYS[c.k], unpack(a))
  else
    for i = 1, #a, 1000 do redis.call(c.o, KEYS[c.k], unpack(a, i, math.min(i + 999, #a))) end
  end
end
return 1
`
