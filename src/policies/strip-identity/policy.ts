/** `strip-identity`: a request → the same without headers that only the gateway may say, unless it has said them. */
import { z } from 'zod'
import { headerName } from '../shared/schema.ts'

export const config = z.strictObject({
  /** Taken away while there is no consumer: a client cannot name one. */
  headers: z.array(headerName).min(1).default(['eg-consumer-id']),
})
export type Config = z.infer<typeof config>
