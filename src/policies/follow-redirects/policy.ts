/** `follow-redirects`: the redirect of a backend → what stands there, fetched by the gateway. */
import { z } from 'zod'
import { milliseconds } from '../shared/schema.ts'

export const config = z.strictObject({
  /** More than these: 502. */
  max: z.int().min(1).max(50).default(21),
  /** For each fetch, until its head, milliseconds. */
  timeout: milliseconds.min(1).default(30_000),
  /** How much of a request's body is kept to send it again after 307 and 308, bytes. A larger one: the redirect goes to the client. */
  bodyLimit: z.int().min(0).default(1_048_576),
  /** Which hosts may be followed to, `name` or `name:port`; absent: any. */
  hosts: z.array(z.string().min(1)).optional(),
})
export type Config = z.infer<typeof config>
