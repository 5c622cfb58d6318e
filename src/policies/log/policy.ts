/** `log`: a line in the event log for each request. */
import { z } from 'zod'

export const config = z.strictObject({
  /** The text of a JavaScript template literal. What it throws is logged, and the request goes on. */
  message: z.string(),
  level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
})
export type Config = z.infer<typeof config>
