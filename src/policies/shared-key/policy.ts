/** `shared-key`: one secret that every caller must show in a header, or 403. Nobody is identified by it. */
import { z } from 'zod'
import { headerName, secret, status } from '../shared/schema.ts'

export const config = z.strictObject({
  header: headerName,
  /** The exact value of the header. */
  key: secret,
  status: status.default(403),
})
export type Config = z.infer<typeof config>
