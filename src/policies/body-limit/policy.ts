/** `body-limit`: a request with a larger body → 413. */
import { z } from 'zod'

export const config = z.strictObject({
  /** Bytes. */
  limit: z.int().min(0),
})
export type Config = z.infer<typeof config>
