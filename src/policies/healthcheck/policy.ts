/** `healthcheck`: GET and HEAD of one path → 200 OK. For listeners, before any route. */
import { z } from 'zod'
import { status } from '../shared/schema.ts'

export const config = z.strictObject({
  path: z.string().regex(/^\//, 'does not begin with /').default('/healthcheck'),
  status: status.default(200),
  body: z.string().default('OK'),
})
export type Config = z.infer<typeof config>
