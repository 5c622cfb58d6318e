/** Windows that are counted: in this process, or in a Redis for all that share it. */
import { MOST_WINDOWS, Windows } from '../lib/windows.ts'
import { type Counters, type CounterState, StoreUnavailable } from '../policies/services.ts'
import type { RedisConnection } from './redis.ts'

/** Exact over this process. */
export function memoryCounters(now: () => number = Date.now): Counters {
  const windows = new Windows()
  return {
    add: (key, windowMs, amount = 1) => {
      const state = windows.add(now(), key, windowMs, amount)
      if (state === undefined)
        throw new StoreUnavailable(`${MOST_WINDOWS} windows are counted, and none of them is over`)
      return state
    },
  }
}

/**
 * Express Gateway's counters, under the keys it uses (`rl:<key>`, without a namespace): a window begins with the first
 * count, and again where a counter has lost its time. One call to Redis for each.
 */
export function redisCounters({ client, ask }: RedisConnection, now: () => number = Date.now): Counters {
  client.defineCommand('gantryCount', { numberOfKeys: 1, lua: countScript })
  const counting = client as typeof client & {
    gantryCount(key: string, windowMs: number, amount: number): Promise<[count: number, ttl: number]>
  }
  return {
    add: async (key, windowMs, amount = 1): Promise<CounterState> => {
      const [count, ttl] = await ask(() => counting.gantryCount(`rl:${key}`, Math.max(1, Math.ceil(windowMs)), amount))
      return { count, resetAt: now() + ttl }
    },
  }
}

const countScript = `
local ttl = redis.call('PTTL', KEYS[1])
local amount = tonumber(ARGV[2])
if ttl == -2 and amount < 0 then return { 0, tonumber(ARGV[1]) } end
local count = redis.call('INCRBY', KEYS[1], amount)
if count < 0 then redis.call('INCRBY', KEYS[1], -count) count = 0 end
if ttl < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  ttl = tonumber(ARGV[1])
end
return { count, ttl }
`
