/** A path and its replacement → the new path. Pure. */
import { z } from 'zod'

export const pathReplacement = z.discriminatedUnion('kind', [
  /** The whole path; the query stays. */
  z.strictObject({ kind: z.literal('full'), value: z.string() }),
  /** The segments of `prefix` at the front; '' or `/` takes them away. A path outside of the prefix stays as it is. */
  z.strictObject({
    kind: z.literal('prefix'),
    prefix: z.string().regex(/^\//, 'does not begin with /'),
    value: z.string(),
  }),
  /** What the expression finds in the path; `$1` to `$9` and `$<name>` are its groups. */
  z.strictObject({ kind: z.literal('regexp'), source: z.string().min(1), value: z.string() }),
])
export type PathReplacement = z.infer<typeof pathReplacement>
