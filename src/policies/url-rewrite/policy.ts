/** `url-rewrite`: host and path of the request that the backend sees (Gateway API HTTPURLRewriteFilter). */
import { z } from 'zod'
import { pathReplacement } from '../shared/path.ts'

export const config = z
  .strictObject({
    /** Replaces Host. */
    hostname: z
      .string()
      .regex(/^[A-Za-z0-9._~:[\]-]+$/, 'is not a host name')
      .optional(),
    path: pathReplacement.optional(),
  })
  .refine((given) => given.hostname !== undefined || given.path !== undefined, 'says nothing: give hostname or path')
export type Config = z.infer<typeof config>
