/**
 * `oauth2`: an opaque access token of our own authorization server → the application it was issued to, or 401.
 * Tokens that are JWTs are verified by the policy `jwt` with `from: bearer` and `consumer: { claim: consumerId }`.
 */
import { z } from 'zod'
import { authentication, bearerPlaces } from '../shared/schema.ts'

export const config = z.strictObject({
  ...authentication,
  /** Where a token is looked for. Found in two places: 401 (RFC 6750 2). */
  places: bearerPlaces.default(['header', 'query', 'body']),
  /** Is `Authorization` taken away before the backend sees it? */
  authorization: z.enum(['remove', 'forward']).default('remove'),
})
export type Config = z.infer<typeof config>
