/** `basic-auth`: a name and a password (RFC 7617) → the consumer they belong to, or 401. */
import { z } from 'zod'
import { authentication, milliseconds } from '../shared/schema.ts'

export const config = z.strictObject({
  ...authentication,
  /**
   * `store`: name or id of a user, or id of an application, in the store. `group`: the static credentials of kind
   * `basic` with that group in the model: `id` is the name, the secret the password in clear or as a bcrypt hash.
   */
  credentials: z.union([z.literal('store'), z.strictObject({ group: z.string().min(1) })]).default('store'),
  /** How long a password that was right is not hashed again, milliseconds; 0: always hashed. A changed or deactivated credential counts at once. */
  remember: milliseconds.default(60_000),
})
export type Config = z.infer<typeof config>
