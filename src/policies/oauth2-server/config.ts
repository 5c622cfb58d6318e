/** The configuration of the authorization server: the sections of Express Gateway's system configuration, as they are. */
import { z } from 'zod'
import { Secret } from '../../model/secret.ts'
import { algorithms } from '../shared/algorithms.ts'
import { secret } from '../shared/schema.ts'

const signingSecret = secret.refine((given) => given.reveal() !== '', 'is empty')

const lifetime = (fallback: number) => z.looseObject({ timeToExpiry: z.number().positive().default(fallback) })

/** Sections are open, as they are in the original. Times in milliseconds. */
export const config = z.strictObject({
  session: z
    .looseObject({
      /** Signs the cookie; of several the first signs, all are believed. None: one is made up, and ends with the process. */
      secret: z
        .union([z.array(signingSecret).min(1), signingSecret])
        .transform((given) => (Array.isArray(given) ? given : [given]))
        .optional(),
      name: z
        .string()
        .regex(/^[\w!#$%&'*+.^`|~-]+$/)
        .default('connect.sid'),
      cookie: z
        .looseObject({
          path: z.string().default('/'),
          domain: z.string().optional(),
          maxAge: z.number().positive().nullish(),
          secure: z.union([z.boolean(), z.literal('auto')]).default(false),
          httpOnly: z.boolean().default(true),
          sameSite: z.union([z.boolean(), z.enum(['lax', 'strict', 'none'])]).default('lax'),
        })
        .prefault({}),
      /** An npm module made for express-session. Absent: the store of the consumers. */
      storeProvider: z.string().optional(),
      /** JSON, as a secret: passwords of the store are in it. */
      storeOptions: z
        .union([z.instanceof(Secret), z.unknown().transform((given) => new Secret(JSON.stringify(given)))])
        .optional(),
    })
    .prefault({}),
  accessTokens: z
    .looseObject({
      timeToExpiry: z.number().positive().default(720_000),
      tokenType: z.enum(['opaque', 'jwt']).default('opaque'),
      algorithm: z.enum(algorithms).default('HS256'),
      issuer: z.string().optional(),
      audience: z.union([z.string(), z.array(z.string())]).optional(),
      subject: z.string().optional(),
      /** A shared secret, or a private key in PEM. Needed for `jwt`. */
      secretOrPrivateKey: secret.optional(),
    })
    .prefault({}),
  refreshTokens: lifetime(720_000).prefault({}),
  authorizationCodes: lifetime(300_000).prefault({}),
})
export type Config = z.infer<typeof config>
