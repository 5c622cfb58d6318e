/** `rate-limit`: so many requests of one key in a fixed window; the rest is delayed or refused. */
import { z } from 'zod'
import {
  type CompileContext,
  type Exchange,
  type HeaderFields,
  type Outcome,
  type Policy,
  type Reply,
  type Step,
  unsupported,
} from '../policy.ts'
import type { CounterState, Soon } from '../services.ts'
import { remember } from '../shared/remember.ts'
import { whenKnown } from '../shared/soon.ts'
import { preferredType } from '../shared/accept.ts'
import { headerName, milliseconds, status } from '../shared/schema.ts'

const config = z.strictObject({
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

export const rateLimit: Policy<Config> = {
  name: 'rate-limit',
  summary: 'counts requests in a window, delays and refuses the rest',
  config,
  engine: (config, context) => {
    const { counters } = context.services
    const { window, max, delay } = config
    const keyOf = named(config.namespace, keyMaker(config.by, context))
    const mine = Symbol('rate-limit')

    const decide = (exchange: Exchange, state: CounterState): Soon<Outcome | undefined> => {
      const { count, resetAt } = state
      // a copy: a counter may go on counting in the object that it has given
      exchange.notes.set(mine, { count, resetAt } satisfies CounterState)
      if (max !== 0 && count > max) return refusal(config, exchange, resetAt - context.services.now())
      if (delay === undefined || count <= delay.after) return undefined
      return pause((count - delay.after) * delay.each, exchange.signal)
    }
    const step: Step = {
      request: (exchange) => {
        const state = counters.add(keyOf(exchange), window)
        return state instanceof Promise ? state.then((known) => decide(exchange, known)) : decide(exchange, state)
      },
    }
    const names = headerNames[config.headers]
    const tell = teller(config, context)
    const giveBack = config.count === 'all' ? undefined : giver(config, keyOf, context)
    if (names === undefined && giveBack === undefined) return step
    return {
      ...step,
      response: (exchange) => {
        const state = exchange.notes.get(mine) as CounterState | undefined
        if (state === undefined) return undefined
        if (names !== undefined) tell(exchange.response.headers, names, state)
        return giveBack?.(exchange)
      },
    }
  },
  nginx: () => unsupported('its limit_req is a leaky bucket and tells nobody what is left'),
}

/** With the namespace before it. The same few clients come again. */
function named(namespace: string, keyOf: (exchange: Exchange) => string): (exchange: Exchange) => string {
  const join = remember((key) => namespace + key)
  return (exchange) => join(keyOf(exchange))
}

function keyMaker(by: Config['by'], context: CompileContext): (exchange: Exchange) => string {
  switch (by.kind) {
    case 'client-address':
      return (exchange) => exchange.connection.clientAddress
    case 'consumer':
      return (exchange) => {
        const id = exchange.consumer?.id
        return id === undefined ? exchange.connection.clientAddress : `consumer ${id}`
      }
    case 'header': {
      const name = by.name.toLowerCase()
      return (exchange) => exchange.request.headers.get(name) ?? ''
    }
    case 'text':
      return () => by.value
    case 'template': {
      const compiled = context.services.expressions.compile('template', by.source)
      return (exchange) => {
        try {
          return String(compiled.evaluate(exchange))
        } catch (error) {
          const why = error instanceof Error ? error.message : String(error)
          context.services.events.emit('warn', 'rate-limit/key', `failed to build the key of a rate limit: ${why}`, {
            route: exchange.route.id,
          })
          return 'undefined'
        }
      }
    }
  }
}

/** Retry-After is the rest of the window: who comes back then is served. */
function refusal(config: Config, exchange: Exchange, restMs: number): Reply {
  const json =
    preferredType(exchange.request.headers.get('accept'), ['text/html', 'application/json']) === 'application/json'
  return {
    kind: 'reply',
    status: config.status,
    headers: [
      ['Retry-After', String(Math.max(1, Math.ceil(restMs / 1000)))],
      ['Content-Type', json ? 'application/json; charset=utf-8' : 'text/html; charset=utf-8'],
    ],
    body: json ? JSON.stringify({ message: config.message }) : config.message,
  }
}

/** Ends early when the client has gone: nobody is left to wait for. */
function pause(ms: number, signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve(undefined)
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end)
  })
}

const headerNames = {
  'x-ratelimit': ['X-RateLimit-Limit', 'X-RateLimit-Remaining', 'X-RateLimit-Reset'],
  ratelimit: ['RateLimit-Limit', 'RateLimit-Remaining', 'RateLimit-Reset'],
  none: undefined,
} as const

/** What a backend, or a limit further inside, has said stays. */
function teller(
  config: Config,
  context: CompileContext,
): (fields: HeaderFields, names: readonly [string, string, string], state: CounterState) => void {
  const { max } = config
  const most = String(max)
  const absolute = config.headers === 'x-ratelimit'
  // a window's end is the same for all that are counted in it
  let resetAt = -1
  let resetText = ''
  return (fields, [limit, remaining, reset], state) => {
    if (fields.has(limit.toLowerCase())) return
    fields.set(limit, most)
    fields.set(remaining, String(Math.max(0, max - state.count)))
    if (!absolute) {
      fields.set(reset, String(Math.max(0, Math.ceil((state.resetAt - context.services.now()) / 1000))))
      return
    }
    if (resetAt !== state.resetAt) {
      resetAt = state.resetAt
      resetText = String(Math.max(0, Math.ceil(resetAt / 1000)))
    }
    fields.set(reset, resetText)
  }
}

/** A request whose answer does not count is given back, to the window that it was counted in. */
function giver(
  config: Config,
  keyOf: (exchange: Exchange) => string,
  context: CompileContext,
): (exchange: Exchange) => void | Promise<void> {
  const { counters } = context.services
  return (exchange) => {
    const failed = exchange.response.status >= 400
    const counts = config.count === 'successful' ? !failed : config.count === 'failed' && failed
    if (counts) return undefined
    const result = whenKnown(counters.add(keyOf(exchange), config.window, -1), () => undefined)
    return result instanceof Promise ? result : undefined
  }
}
