/** `rewrite-cookies`: Domain and Path of the cookies that a backend sets → those that the client shall see. */
import { z } from 'zod'

/** From what stands there (without case for domains; `*` for anything else) to what shall; '' takes the attribute away. */
const table = z.record(z.string().min(1), z.string().regex(/^[^;\r\n\0]*$/, 'holds a semicolon or a line break'))

export const config = z
  .strictObject({ domain: table.optional(), path: table.optional() })
  .refine((given) => given.domain !== undefined || given.path !== undefined, 'says nothing: give domain or path')
export type Config = z.infer<typeof config>
