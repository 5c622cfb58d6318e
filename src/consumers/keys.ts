/** A namespace → the keys of Express Gateway's Redis layout. Pure. */
export type CredentialType = 'key-auth' | 'jwt' | 'basic-auth' | 'oauth2'
export type TokenType = 'access_token' | 'refresh_token'

export type Keys = ReturnType<typeof keysOf>

export function keysOf(namespace: string) {
  const key = (kind: string) => (id: string) => `${namespace}-${kind}:${id}`
  return {
    user: key('user'),
    /** A set with the one user's id. */
    username: key('username'),
    application: key('application'),
    /** A set: different users may have an application of the same name. */
    applicationName: key('application-name'),
    userApplications: key('user-applications'),
    scopes: `${namespace}-scope`,
    /** A hash from credential keys to `true`. */
    scopeCredentials: key('scope-credentials'),
    /**
     * basic-auth and oauth2: the one of a consumer, by the consumer's id. key-auth and jwt: a hash by key id, and under
     * the same prefix by the consumer's id the set of its key ids.
     */
    credential: (type: string, id: string) => `${namespace}-${type}:${id}`,
    token: (type: TokenType, id: string) => `${namespace}-${dashed(type)}:${id}`,
    /** A hash from token ids to when they expire. */
    consumerTokens: (type: TokenType, consumerId: string) => `${namespace}-consumer-${dashed(type)}s:${consumerId}`,
    consumerTokensExpired: (type: TokenType, consumerId: string) =>
      `${namespace}-consumer-${dashed(type)}s-expired:${consumerId}`,
    code: key('auth-code'),
  }
}

/** What is asked for while requests wait. */
export function watchedPrefixes(namespace: string): readonly string[] {
  const kinds = ['user', 'username', 'application', 'key-auth', 'jwt', 'basic-auth', 'oauth2', 'access-token']
  return kinds.map((kind) => `${namespace}-${kind}:`)
}

function dashed(type: TokenType): string {
  return type === 'access_token' ? 'access-token' : 'refresh-token'
}
