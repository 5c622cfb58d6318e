/** What was granted → an access token, opaque or a JWT as configured, and how long it lasts. */
import type { Authorizations, TokenGrant } from '../services.ts'
import type { Config } from './config.ts'
import { signer } from './sign.ts'

export interface AccessToken {
  readonly token: string
  /** Seconds. */
  readonly expiresIn: number
}

export type IssueAccessToken = (grant: TokenGrant) => Promise<AccessToken>

/** Throws when the key for JWTs is missing or does not fit. */
export function issuer(
  config: Config['accessTokens'],
  authorizations: Authorizations,
  now: () => number,
): IssueAccessToken {
  const lifetime = config.timeToExpiry
  if (config.tokenType === 'opaque') {
    return async (grant) => {
      const { token, expiresAt, fresh } = await authorizations.accessToken(grant, lifetime)
      return { token, expiresIn: fresh ? Math.floor(lifetime / 1000) : remaining(expiresAt - now()) }
    }
  }
  if (config.secretOrPrivateKey === undefined) {
    throw new TypeError('accessTokens: tokenType jwt needs secretOrPrivateKey or secretOrPrivateKeyFile')
  }
  const sign = signer(config.algorithm, config.secretOrPrivateKey.reveal())
  return (grant) => {
    const iat = Math.floor(now() / 1000)
    const expiresIn = Math.floor(lifetime / 1000)
    const { scopes } = grant
    const claims = {
      consumerId: grant.consumerId,
      ...(scopes === undefined || scopes.length === 0 ? {} : { scopes }),
      iat,
      // timeToExpiry is in milliseconds, a claim in seconds
      exp: iat + expiresIn,
      ...(config.audience === undefined ? {} : { aud: config.audience }),
      ...(config.issuer === undefined ? {} : { iss: config.issuer }),
      ...(config.subject === undefined ? {} : { sub: config.subject }),
    }
    return Promise.resolve({ token: sign(claims), expiresIn })
  }
}

/**
 * A new token lasts its lifetime. One that is given out again lasts what is left of it, in whole minutes where there
 * are some: the same request twice in a row has the same answer, and nobody is promised more than there is.
 */
function remaining(leftMs: number): number {
  const seconds = Math.max(0, Math.floor(leftMs / 1000))
  return seconds < 120 ? seconds : seconds - (seconds % 60)
}
