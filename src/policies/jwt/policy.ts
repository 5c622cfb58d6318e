/** `jwt`: a signed token (RFC 7519) → who it speaks of, or 401 / 403. */
import { z } from 'zod'
import { authentication, headerName, milliseconds, secret } from '../shared/schema.ts'

export const algorithm = z.enum([
  'HS256',
  'HS384',
  'HS512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
])

const oneOrMore = z.union([
  z
    .string()
    .min(1)
    .transform((one) => [one]),
  z.array(z.string().min(1)).min(1),
])

export const config = z.strictObject({
  ...authentication,
  /** Any of these may have signed. `kid`: only tokens that name it. */
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
