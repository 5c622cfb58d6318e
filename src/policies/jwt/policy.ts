/** `jwt`: a signed token (RFC 7519) → who it speaks of, or 401 / 403. */
import { z } from 'zod'
import { type CompileContext, type Exchange, type Outcome, type Policy, unsupported } from '../policy.ts'
import type { ConsumerRecord, Soon } from '../services.ts'
import { algorithms } from '../shared/algorithms.ts'
import { authenticate, consumerOf, scopesOf, type Verdict } from '../shared/authenticate.ts'
import { schemeValue } from '../shared/bearer.ts'
import { cookieValue } from '../shared/cookie.ts'
import { queryValues } from '../shared/query.ts'
import { Recent } from '../shared/recent.ts'
import { ownCopy } from '../shared/remember.ts'
import { authentication, headerName, milliseconds, secret } from '../shared/schema.ts'
import { whenKnown } from '../shared/soon.ts'
import { type KeySet, keySet } from './jwks.ts'
import { compileKey, type VerificationKey } from './keys.ts'
import { type Claims, keyFits, parseToken, type ParsedToken, signatureHolds } from './verify.ts'

const algorithm = z.enum([...algorithms, 'EdDSA'])

const oneOrMore = z.union([
  z
    .string()
    .min(1)
    .transform((one) => [one]),
  z.array(z.string().min(1)).min(1),
])

const config = z.strictObject({
  ...authentication,
  /** Any of these may have signed. A token that names another `kid` is not tried with a key that has one. */
  keys: z
    .array(
      z.discriminatedUnion('kind', [
        /** HS*: the shared secret itself. */
        z.strictObject({
          kind: z.literal('secret'),
          secret,
          encoding: z.enum(['utf8', 'base64', 'hex']).default('utf8'),
          kid: z.string().optional(),
        }),
        /** RS*, PS*, ES*, EdDSA: a public key or a certificate, PEM. */
        z.strictObject({ kind: z.literal('pem'), pem: z.string().min(1), kid: z.string().optional() }),
        /** Any: one JSON Web Key (RFC 7517); its own `kid` and `alg` count. */
        z.strictObject({ kind: z.literal('jwk'), jwk: z.record(z.string(), z.unknown()) }),
        /** A key set fetched over HTTP and kept; fetched anew for a `kid` that it does not hold, at most every `cooldown`. */
        z.strictObject({
          kind: z.literal('jwks'),
          url: z.url({ protocol: /^https?$/ }),
          maxAge: milliseconds.default(600_000),
          cooldown: milliseconds.default(30_000),
          timeout: milliseconds.default(5000),
        }),
      ]),
    )
    .min(1),
  /** Absent: all that fit the keys. `none` is never one of them. */
  algorithms: z.array(algorithm).min(1).optional(),
  /** Where the token stands. `header`: it is the whole value, but for a scheme before it. */
  from: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('bearer') }),
      z.strictObject({ kind: z.literal('scheme'), scheme: z.string().min(1) }),
      z.strictObject({ kind: z.literal('header'), name: headerName }),
      z.strictObject({ kind: z.literal('query'), name: z.string().min(1) }),
      z.strictObject({ kind: z.literal('cookie'), name: z.string().min(1) }),
    ])
    .default({ kind: 'bearer' }),
  /** Accepted values of `iss`; a text or a list. */
  issuer: oneOrMore.optional(),
  /** One of these must be in `aud`; a text or a list. */
  audience: oneOrMore.optional(),
  /**
   * Who the consumer is. `credential`: the owner of the active jwt credential whose id is `sub`. `claims`: the claims
   * themselves. `{ claim }`: the active user or application with the id that stands in that claim.
   */
  consumer: z
    .union([z.enum(['credential', 'claims']), z.strictObject({ claim: z.string().min(1) })])
    .default('credential'),
  /** Where the token's scopes stand: a list, or a text with spaces. Those of a credential count too. */
  scopeClaims: z.array(z.string().min(1)).default(['scope', 'scopes', 'scp']),
  /** How wrong clocks may be, milliseconds. */
  clockTolerance: milliseconds.default(0),
  /** A token without `exp`: `accept` (Express Gateway's way) or `refuse`. */
  unlimited: z.enum(['accept', 'refuse']).default('accept'),
})
export type Config = z.infer<typeof config>

export const jwt: Policy<Config> = {
  name: 'jwt',
  summary: 'asks for a signed token',
  config,
  engine: (config, context) => {
    const find = tokenFinder(config.from)
    const verify = verifier(config, context)
    const now = (): number => context.services.now()
    const identify = identifier(config, context)
    // what was verified once needs no second look until it ends: a signature costs 3 to 100 µs, this 0.1
    const known = new Recent<Verified>(10_000)
    const { clockTolerance } = config

    const accept = (verified: Verified, exchange: Exchange, verdict: Verdict): Soon<Outcome | undefined> => {
      const at = now()
      if (at >= verified.until + clockTolerance || at < verified.from - clockTolerance) return verdict.refuse(exchange)
      return identify(verified, exchange, verdict)
    }
    return authenticate(config, 403, (exchange, verdict) => {
      const token = find(exchange)
      if (token === undefined) return verdict.refuse(exchange)
      const before = known.get(token)
      if (before !== undefined) {
        if (now() < before.trustedUntil) return accept(before, exchange, verdict)
        known.delete(token)
      }
      return whenKnown(verify(token), (verified) => {
        if (verified === undefined) return verdict.refuse(exchange)
        if (now() < verified.until) known.set(ownCopy(token), verified)
        return accept(verified, exchange, verdict)
      })
    })
  },
  nginx: () => unsupported('nginx itself verifies no tokens'),
}

interface Verified {
  readonly claims: Claims
  /** For `consumer: claims`. */
  readonly consumer: ConsumerRecord
  readonly scopes: readonly string[]
  /** Milliseconds since the epoch; Infinity for no end. */
  readonly until: number
  readonly from: number
  /** When the signature must be looked at again: a key may have been withdrawn from its set. */
  readonly trustedUntil: number
}

function tokenFinder(from: Config['from']): (exchange: Exchange) => string | undefined {
  switch (from.kind) {
    case 'bearer':
      return (exchange) => schemeValue(exchange.request.headers.get('authorization'), 'bearer')
    case 'scheme': {
      const scheme = from.scheme.toLowerCase()
      return (exchange) => schemeValue(exchange.request.headers.get('authorization'), scheme)
    }
    case 'header': {
      const name = from.name.toLowerCase()
      return (exchange) => {
        const value = exchange.request.headers.get(name)
        return value === undefined ? undefined : value.slice(value.lastIndexOf(' ') + 1)
      }
    }
    case 'query':
      return (exchange) => {
        const found = queryValues(exchange.request.query, from.name)
        return found.length === 1 ? found[0] : undefined
      }
    case 'cookie':
      return (exchange) => cookieValue(exchange.request.headers.get('cookie'), from.name)
  }
}

/** Signature, then the claims that do not change with time. */
function verifier(config: Config, context: CompileContext): (token: string) => Soon<Verified | undefined> {
  const keys: VerificationKey[] = []
  const sets: KeySet[] = []
  let setAge = Infinity
  for (const given of config.keys) {
    if (given.kind === 'jwks') {
      sets.push(keySet(given, context))
      setAge = Math.min(setAge, given.maxAge)
    } else keys.push(compileKey(given))
  }
  const { algorithms } = config
  const usable = keys.some((key) =>
    key.algorithms.some((name) => algorithms === undefined || algorithms.includes(name)),
  )
  if (!usable && sets.length === 0) throw new Error('none of the algorithms fits one of the keys')

  const holds = (token: ParsedToken, among: readonly VerificationKey[]): boolean =>
    among.some((key) => keyFits(key, token) && signatureHolds(token, key.key))
  const fromSets = async (token: ParsedToken): Promise<boolean> => {
    for (const set of sets) {
      const fresh = set.fresh()
      if (fresh !== undefined && holds(token, fresh)) return true
      // a known key that does not verify says enough; an unknown one may be new
      if (fresh?.some((key) => keyFits(key, token)) === true) continue
      if (holds(token, await set.refresh())) return true
    }
    return false
  }
  const finish = (token: ParsedToken, trusted: number): Verified | undefined => {
    const consumer = consumerOf(token.claims)
    const times = timesOf(token.claims, config)
    if (consumer === undefined || times === undefined || !claimsHold(token.claims, config)) return undefined
    return {
      claims: token.claims,
      consumer,
      scopes: scopesOf(token.claims, config.scopeClaims),
      ...times,
      trustedUntil: Math.min(times.until + config.clockTolerance, context.services.now() + trusted),
    }
  }
  return (text) => {
    const token = parseToken(text)
    if (token === undefined || (algorithms !== undefined && !algorithms.includes(token.algorithm))) return undefined
    if (holds(token, keys)) return finish(token, Infinity)
    if (sets.length === 0) return undefined
    return fromSets(token).then((held) => (held ? finish(token, setAge) : undefined))
  }
}

/** RFC 7519 4.1: `exp` and `nbf` are numbers of seconds; anything else in their place is refused. */
function timesOf(claims: Claims, config: Config): { readonly until: number; readonly from: number } | undefined {
  const { exp, nbf } = claims
  if (exp === undefined && config.unlimited === 'refuse') return undefined
  if (exp !== undefined && !(typeof exp === 'number' && Number.isFinite(exp))) return undefined
  if (nbf !== undefined && !(typeof nbf === 'number' && Number.isFinite(nbf))) return undefined
  return { until: exp === undefined ? Infinity : exp * 1000, from: nbf === undefined ? -Infinity : nbf * 1000 }
}

function claimsHold(claims: Claims, config: Config): boolean {
  const { iss, aud } = claims
  if (config.issuer !== undefined && !(typeof iss === 'string' && config.issuer.includes(iss))) return false
  if (config.audience === undefined) return true
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  return audiences.some((one) => typeof one === 'string' && config.audience?.includes(one))
}

type Identify = (verified: Verified, exchange: Exchange, verdict: Verdict) => Soon<Outcome | undefined>

/** The store is asked each time, so that who was deactivated is out at once. */
function identifier(config: Config, context: CompileContext): Identify {
  const { identities } = context.services
  if (config.consumer === 'claims') {
    return (verified, exchange, verdict) => verdict.accept(exchange, verified.consumer, verified.scopes)
  }
  if (config.consumer === 'credential') {
    return ({ claims, scopes }, exchange, verdict) => {
      const subject = claims['sub']
      if (typeof subject !== 'string' || subject === '') return verdict.refuse(exchange)
      return whenKnown(identities.credential('jwt', subject), (credential) => {
        if (credential === undefined || !credential.isActive) return verdict.refuse(exchange)
        return whenKnown(identities.consumer(credential.consumerId), (consumer) => {
          if (consumer === undefined) return verdict.refuse(exchange)
          const held = credential.scopes.length === 0 ? scopes : [...credential.scopes, ...scopes]
          return verdict.accept(exchange, consumer, held)
        })
      })
    }
  }
  const { claim } = config.consumer
  return ({ claims, scopes }, exchange, verdict) => {
    const id = claims[claim]
    if (typeof id !== 'string' || id === '') return verdict.refuse(exchange)
    return whenKnown(identities.consumer(id), (consumer) =>
      consumer === undefined ? verdict.refuse(exchange) : verdict.accept(exchange, consumer, scopes),
    )
  }
}
