/**
 * `oauth2`: an opaque access token of our own authorization server → the application it was issued to, or 401.
 * Tokens that are JWTs are verified by the policy `jwt` with `from: bearer` and `consumer: { claim: consumerId }`.
 */
import { z } from 'zod'
import { type Exchange, type Outcome, type Policy, unsupported } from '../policy.ts'
import type { Soon, TokenRecord } from '../services.ts'
import { authenticate, type Verdict } from '../shared/authenticate.ts'
import { bearerFinder } from '../shared/bearer.ts'
import { authentication, bearerPlaces } from '../shared/schema.ts'
import { whenKnown } from '../shared/soon.ts'

const config = z.strictObject({
  ...authentication,
  /** Where a token is looked for. Found in two places: 401 (RFC 6750 2). */
  places: bearerPlaces.default(['header', 'query', 'body']),
  /** Is `Authorization` taken away before the backend sees it? */
  authorization: z.enum(['remove', 'forward']).default('remove'),
})
export type Config = z.infer<typeof config>

export const oauth2: Policy<Config> = {
  name: 'oauth2',
  summary: 'asks for an access token of our own authorization server',
  config,
  engine: (config, context) => {
    const { identities } = context.services
    const find = bearerFinder(config.places)
    const remove = config.authorization === 'remove'

    const check = (token: string, exchange: Exchange, verdict: Verdict): Soon<Outcome | undefined> =>
      whenKnown(identities.accessToken(token), (record) => {
        if (record === undefined || record.expiresAt <= context.services.now()) return verdict.refuse(exchange)
        return whenKnown(identities.consumer(record.consumerId), (consumer) => {
          if (consumer === undefined) return verdict.refuse(exchange)
          const accept = (): Outcome | undefined => {
            // the token is ours, and no business of the backend's
            if (remove) exchange.request.headers.delete('authorization')
            return verdict.accept(exchange, { ...consumer, token: publicPart(record) }, record.scopes)
          }
          const userId = record.authenticatedUserId
          if (userId === undefined) return accept()
          return whenKnown(identities.consumer(userId), (user) =>
            user === undefined ? verdict.refuse(exchange) : accept(),
          )
        })
      })

    return authenticate(config, 401, (exchange, verdict) =>
      whenKnown(find(exchange), (token) =>
        token === undefined || token === 'ambiguous' ? verdict.refuse(exchange) : check(token, exchange, verdict),
      ),
    )
  },
  nginx: () => unsupported('tokens are looked up in the store'),
}

/** What expressions and plugins may see of a token: everything but its secret. */
function publicPart(record: TokenRecord): Record<string, unknown> {
  const { tokenEncrypted: _encrypted, ...rest } = record
  return rest
}
