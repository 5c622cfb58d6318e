/** `rewrite-location`: the Location of a backend's redirect to itself → the same place as the client knows it. */
import { z } from 'zod'

export const config = z
  .strictObject({
    /** Host and port of the backend, as they stand in its Location: others are left alone. */
    backends: z.array(z.string().min(1)).min(1),
    /** `client`: the Host that the client asked for. */
    host: z
      .union([
        z.strictObject({ kind: z.literal('client') }),
        z.strictObject({ kind: z.literal('set'), name: z.string().min(1) }),
      ])
      .optional(),
    scheme: z.enum(['http', 'https']).optional(),
  })
  .refine((given) => given.host !== undefined || given.scheme !== undefined, 'says nothing: give host or scheme')
export type Config = z.infer<typeof config>
