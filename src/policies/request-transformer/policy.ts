/** `request-transformer`: a JSON or form body → the same with fields added and removed. */
import { z } from 'zod'
import { bodyChanges } from '../shared/body.ts'

export const config = z.strictObject({
  /** Other bodies, and none, go on untouched. */
  body: bodyChanges,
  /** Bytes, after decompression; a larger one gets 413. */
  limit: z.int().min(1).default(102_400),
})
export type Config = z.infer<typeof config>
