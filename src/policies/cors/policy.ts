/** `cors`: cross-origin requests (Fetch standard 3.2) → answers to preflights, headers on the others. */
import { z } from 'zod'
import { headerName, regexpSource, status } from '../shared/schema.ts'

export const origin = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('exact'), value: z.string().min(1) }),
  /** `https://*.example.com:8443`: `*` stands for one or more labels. `https://*` for any host. */
  z.strictObject({
    kind: z.literal('wildcard'),
    value: z.string().regex(/^[a-z][a-z0-9+.-]*:\/\/\*(\.[^*/?#]+|:\d+)?$/i, 'is not scheme://*.suffix[:port]'),
  }),
  z.strictObject({ kind: z.literal('regexp'), source: regexpSource, ignoreCase: z.boolean().default(false) }),
])

export const config = z.strictObject({
  /**
   * Which origins are welcome, and what they are told in `Access-Control-Allow-Origin`.
   * `any`: every origin, told `*`. `reflect`: every origin, told itself. `list`: those that match, told themselves; others
   * nothing. `fixed`: every request is told this value, wherever it comes from. All but `any` also say `Vary: Origin`.
   */
  origins: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('any') }),
      z.strictObject({ kind: z.literal('reflect') }),
      z.strictObject({ kind: z.literal('list'), of: z.array(origin) }),
      z.strictObject({ kind: z.literal('fixed'), value: z.string().min(1) }),
    ])
    .default({ kind: 'any' }),
  /** Told in a preflight. `reflect`: the method that is asked for. */
  methods: z
    .union([z.literal('reflect'), z.array(z.string().min(1))])
    .default(['GET', 'HEAD', 'PUT', 'PATCH', 'POST', 'DELETE']),
  /** Told in a preflight. `reflect`: the headers that are asked for, with `Vary: Access-Control-Request-Headers`. */
  allowHeaders: z.union([z.literal('reflect'), z.array(headerName)]).default('reflect'),
  exposeHeaders: z.array(z.union([headerName, z.literal('*')])).default([]),
  credentials: z.boolean().default(false),
  /** Seconds. */
  maxAge: z.int().min(0).optional(),
  /**
   * Which requests are answered here. `options`: every OPTIONS. `preflight`: OPTIONS with `Origin` and
   * `Access-Control-Request-Method`. `none`: a preflight gets its headers, but the route answers.
   */
  answer: z.enum(['options', 'preflight', 'none']).default('preflight'),
  /** A request without `Origin`: `ignore` leaves it alone, `serve` treats it as one from a welcome origin where no origin must be compared. */
  withoutOrigin: z.enum(['ignore', 'serve']).default('ignore'),
  /** Of an answered OPTIONS. */
  status: status.default(204),
  /** Who wins when the backend says CORS headers of its own. */
  backendHeaders: z.enum(['replace', 'keep']).default('replace'),
})
export type Config = z.infer<typeof config>
