/** `proxy-path`: the path of a request → the path at a service that lies under a path of its own. */
import { z } from 'zod'
import { regexpSource } from '../shared/schema.ts'

export const config = z.strictObject({
  /**
   * What is taken from the front of the target **as the client sent it** (after changes by others for `none`).
   * `path`: all of the path, the query stays. `characters`: so many of the target. `match`: what the expression finds at the
   * front of the path; nothing where it finds nothing. The rest always begins with one `/`.
   */
  strip: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('none') }),
      z.strictObject({ kind: z.literal('path') }),
      z.strictObject({ kind: z.literal('characters'), count: z.int().min(0) }),
      z.strictObject({ kind: z.literal('match'), source: regexpSource, ignoreCase: z.boolean().default(false) }),
    ])
    .default({ kind: 'none' }),
  /** `join`: the service's path, then the request's. `ignore`: the service's alone, and the request's query is dropped. */
  request: z.enum(['join', 'ignore']).default('join'),
  /** The path of the service's address, without query; '' for none. */
  prepend: z
    .string()
    .regex(/^(\/[^?#\s]*)?$/, 'is not a path')
    .default(''),
  /** The query of the service's address, without `?`. It stands before that of the request. */
  query: z
    .string()
    .regex(/^[^#\s]*$/, 'is not a query')
    .default(''),
  /** Runs of slashes in the path: `collapse` to one, or `keep`. */
  slashes: z.enum(['collapse', 'keep']).default('collapse'),
})
export type Config = z.infer<typeof config>
