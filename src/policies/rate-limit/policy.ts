/** `rate-limit`: so many requests of one key in a fixed window; the rest is delayed or refused. */
import { z } from 'zod'
import { headerName, milliseconds, status } from '../shared/schema.ts'

export const config = z.strictObject({
  /**
   * Whose requests are counted together. `template` is the text of a JavaScript template literal; where it throws the key is
   * `undefined`. `consumer`: the consumer's id, or the client's address for who is none.
   */
  by: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('client-address') }),
      z.strictObject({ kind: z.literal('consumer') }),
      z.strictObject({ kind: z.literal('header'), name: headerName }),
      z.strictObject({ kind: z.literal('template'), source: z.string() }),
      z.strictObject({ kind: z.literal('text'), value: z.string() }),
    ])
    .default({ kind: 'client-address' }),
  /** Stands before the key in the store. Policies with the same one and the same key share a counter. */
  namespace: z.string().default('rl:'),
  /** Milliseconds. */
  window: milliseconds.min(1).default(60_000),
  /** Requests in a window; 0: counted, never refused. */
  max: z.int().min(0).default(5),
  /**
   * Requests beyond `after` wait `each` milliseconds for every one they are beyond. Absent: nobody waits.
   * (Express Gateway's own default is `{ after: 1, each: 1000 }`: its source writes that.)
   */
  delay: z.strictObject({ after: z.int().min(1), each: milliseconds.min(1) }).optional(),
  message: z.string().default('Too many requests, please try again later.'),
  status: status.default(429),
  /** `x-ratelimit`: X-RateLimit-Limit, -Remaining, -Reset (seconds since the epoch). `ratelimit`: the same without X-, with seconds to go. */
  headers: z.enum(['x-ratelimit', 'ratelimit', 'none']).default('x-ratelimit'),
  /** Which answers count. `successful`: below 400; `failed`: from 400, or none at all. The others are given back. */
  count: z.enum(['all', 'successful', 'failed', 'none']).default('all'),
})
export type Config = z.infer<typeof config>
