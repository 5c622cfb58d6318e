/** `oauth2-introspect`: a bearer token → what its issuer says about it (RFC 7662), or 401. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { type CompileContext, type Policy, unsupported } from '../policy.ts'
import type { Soon } from '../services.ts'
import { authenticate, consumerOf, scopesOf } from '../shared/authenticate.ts'
import { bearerFinder } from '../shared/bearer.ts'
import { fetchJson } from '../shared/fetch-json.ts'
import { authentication, bearerPlaces, milliseconds, secret } from '../shared/schema.ts'
import { whenKnown } from '../shared/soon.ts'

const config = z.strictObject({
  ...authentication,
  /** Asked by POST with a form of `token` and `token_type_hint=access_token`. */
  endpoint: z.url({ protocol: /^https?$/ }),
  /** The whole value of `Authorization` in that request. */
  authorization: secret.optional(),
  /** Until the first byte of the answer, milliseconds. */
  timeout: milliseconds.min(1).default(10_000),
  /** How long an active token is not asked for again, milliseconds; never beyond its `exp`. 0: asked each time. */
  remember: milliseconds.default(60_000),
  places: bearerPlaces.default(['header', 'query', 'body']),
})
export type Config = z.infer<typeof config>

export const oauth2Introspect: Policy<Config> = {
  name: 'oauth2-introspect',
  summary: 'asks the issuer of a token whether it is active',
  config,
  engine: (config, context) => {
    const find = bearerFinder(config.places)
    const introspect = cached(config, context)
    return authenticate(config, 401, (exchange, verdict) =>
      whenKnown(find(exchange), (token) => {
        if (token === undefined || token === 'ambiguous') return verdict.refuse(exchange)
        return whenKnown(introspect(token), (facts) => {
          const consumer = facts === undefined ? undefined : consumerOf(facts)
          if (facts === undefined || consumer === undefined) return verdict.refuse(exchange)
          return verdict.accept(exchange, consumer, scopesOf(facts, ['scope', 'scopes']))
        })
      }),
    )
  },
  nginx: () => unsupported('the issuer is asked over HTTP, and its answer kept'),
}

type Facts = Readonly<Record<string, unknown>>

/** Kept under the endpoint and a digest: two issuers never answer for one another, and the cache holds no tokens. */
function cached(config: Config, context: CompileContext): (token: string) => Soon<Facts | undefined> {
  const { cache, now } = { cache: context.services.cache, now: () => context.services.now() }
  const running = new Map<string, Promise<Facts | undefined>>()

  const ask = async (token: string, key: string): Promise<Facts | undefined> => {
    const facts = await introspection(config, token, context)
    const expiry = typeof facts?.['exp'] === 'number' ? facts['exp'] * 1000 : Infinity
    if (facts === undefined || expiry <= now()) return undefined
    const ttl = Math.floor(Math.min(config.remember, expiry - now()))
    if (ttl > 0) await cache.set(key, JSON.stringify(facts), ttl)
    return facts
  }
  return (token) => {
    const key = `introspect:${createHash('sha256').update(`${config.endpoint} ${token}`).digest('base64url')}`
    return whenKnown(config.remember === 0 ? undefined : cache.get(key), (text): Soon<Facts | undefined> => {
      if (text !== undefined) {
        const facts = JSON.parse(text) as Facts
        // a cache that keeps things for too long must not keep a token alive
        return typeof facts['exp'] === 'number' && facts['exp'] * 1000 <= now() ? undefined : facts
      }
      const before = running.get(key)
      if (before !== undefined) return before
      const result = ask(token, key).finally(() => running.delete(key))
      running.set(key, result)
      return result
    })
  }
}

/** undefined for a token that is not active, and for an issuer that cannot be asked: both are a refusal. */
async function introspection(config: Config, token: string, context: CompileContext): Promise<Facts | undefined> {
  try {
    const facts = await fetchJson(config.endpoint, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        accept: 'application/json',
        ...(config.authorization === undefined ? {} : { authorization: config.authorization.reveal() }),
      },
      body: new URLSearchParams({ token, token_type_hint: 'access_token' }).toString(),
      timeout: config.timeout,
    })
    const isActive = typeof facts === 'object' && facts !== null && 'active' in facts && facts.active === true
    return isActive ? (facts as Facts) : undefined
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    context.services.events.emit('warn', 'oauth2-introspect/failed', `${config.endpoint} cannot be asked: ${why}`, {
      endpoint: config.endpoint,
    })
    return undefined
  }
}
