/** `response-transformer`: a backend's JSON body → the same with fields added and removed. */
import { z } from 'zod'
import { bodyChanges } from '../shared/body.ts'

export const config = z.strictObject({
  /** Bodies that are not a JSON object go on untouched. */
  body: bodyChanges,
  /** Bytes, after decompression. */
  limit: z.int().min(1).default(10_485_760),
  /** A JSON body beyond the limit: `refuse` answers 502, since a field that must be removed must not slip through; `pass` sends it as it is. */
  tooLarge: z.enum(['refuse', 'pass']).default('refuse'),
})
export type Config = z.infer<typeof config>
