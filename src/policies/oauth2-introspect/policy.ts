/** `oauth2-introspect`: a bearer token → what its issuer says about it (RFC 7662), or 401. */
import { z } from 'zod'
import { authentication, bearerPlaces, milliseconds, secret } from '../shared/schema.ts'

export const config = z.strictObject({
  ...authentication,
  /** Asked by POST with a form of `token` and `token_type_hint=access_token`. */
  endpoint: z.url({ protocol: /^https?$/ }),
  /** The whole value of `Authorization` in that request. */
  authorization: secret.optional(),
  /** Until the first byte of the answer, milliseconds. */
  timeout: milliseconds.min(1).default(10_000),
  /** How long an active token is not asked for again, milliseconds; never beyond its `exp`. 0: asked each time. */
  remember: milliseconds.default(60_000),
  places: bearerPlaces.default(['header', 'query', 'body']),
})
export type Config = z.infer<typeof config>
