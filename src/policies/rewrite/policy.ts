/** `rewrite`: a target that matches a pattern → another target, or a redirect to it (express-gateway-plugin-rewrite). */
import { z } from 'zod'
import { regexpSource } from '../shared/schema.ts'

export const config = z.strictObject({
  /**
   * On path and query as policies before have left them. `path`: a pattern as `/users/:id` or `/files/(.*)`, anchored,
   * without case; `to` names its parameters again. `regexp`: `to` may hold `$1`, `$&`, `$<name>`; what is around the match stays.
   * A request that does not match goes on unchanged.
   */
  match: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('path'), pattern: z.string().min(1) }),
    z.strictObject({ kind: z.literal('regexp'), source: regexpSource }),
  ]),
  to: z.string().min(1),
  /** Absent: the request goes on with the new target. */
  redirect: z.int().min(300).max(399).optional(),
})
export type Config = z.infer<typeof config>
