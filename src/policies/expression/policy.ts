/** `expression`: a program of the user's runs in the sandbox, with the request to read and to change. */
import { z } from 'zod'

export const config = z.strictObject({
  /** JavaScript statements. What they throw answers 500. */
  program: z.string(),
})
export type Config = z.infer<typeof config>
