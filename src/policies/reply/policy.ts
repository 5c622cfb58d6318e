/** `reply`: every request that comes here gets this answer. */
import { z } from 'zod'
import { headerName, headerValue, status } from '../shared/schema.ts'

export const config = z.strictObject({
  status: status.default(200),
  body: z.string().default(''),
  /** Not sent where there is no body. */
  contentType: headerValue.default('text/html; charset=utf-8'),
  headers: z.array(z.strictObject({ name: headerName, value: headerValue })).default([]),
  /** `weak`: an ETag as Express makes it, and 304 to who has it. */
  etag: z.enum(['weak', 'none']).default('none'),
})
export type Config = z.infer<typeof config>
