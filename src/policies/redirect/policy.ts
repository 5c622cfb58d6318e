/** `redirect`: a request → 30x with a Location built from it (Gateway API HTTPRequestRedirectFilter). */
import { z } from 'zod'
import { pathReplacement } from '../shared/path.ts'

export const config = z.strictObject({
  /** Absent: that of the listener. */
  scheme: z.enum(['http', 'https']).optional(),
  /** Absent: the host that was asked for. */
  hostname: z
    .string()
    .regex(/^[A-Za-z0-9._~:[\]-]+$/, 'is not a host name')
    .optional(),
  /** Absent: the default one of `scheme` where that is given, else the listener's. The default port of a scheme is not written. */
  port: z.int().min(1).max(65535).optional(),
  path: pathReplacement.optional(),
  /** `keep`: the query goes with it. */
  query: z.enum(['keep', 'drop']).default('keep'),
  status: z.union([z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)]).default(302),
})
export type Config = z.infer<typeof config>
