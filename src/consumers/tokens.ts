/** Opaque tokens `id|secret` and authorization codes: issued, found again, revoked, redeemed. */
import type { CodeGrant, IssuedToken, TokenGrant } from '../policies/services.ts'
import { type ConsumerContext, fieldsOf, scopesOf, timeText } from './context.ts'
import { newHexId } from './ids.ts'
import type { TokenType } from './keys.ts'
import { ConsumerMistake } from './mistake.ts'
import type { Change, Fields } from './store.ts'

export type Tokens = ReturnType<typeof tokensOf>

export function tokensOf({ store, keys, cipher, now }: ConsumerContext) {
  /** The live token that says the same, after those whose time is over have been put aside. */
  const findSame = async (type: TokenType, wanted: Fields): Promise<Fields | undefined> => {
    const index = keys.consumerTokens(type, wanted['consumerId'] ?? '')
    const live = Object.entries((await store.hash(index)) ?? {})
    const over = live.filter(([, expiresAt]) => Number(expiresAt) <= now()).map(([id]) => id)
    if (over.length > 0) await store.write(putAside(type, wanted['consumerId'] ?? '', over))
    const left = live.map(([id]) => id).filter((id) => !over.includes(id))
    const hashes = await store.hashes(left.map((id) => keys.token(type, id)))
    const same = (fields: Fields | undefined) =>
      fields !== undefined &&
      fields['archived'] === undefined &&
      criteria.every((name) => fields[name] === wanted[name])
    return hashes.find(same)
  }

  /** Redis keeps what the original keeps there; an embedded store must not grow with every token that ever was. */
  const putAside = (type: TokenType, consumerId: string, ids: readonly string[]): readonly Change[] => {
    const live: Change = { kind: 'delete-fields', key: keys.consumerTokens(type, consumerId), fields: ids }
    if (store.kind !== 'redis')
      return [live, ...ids.map((id): Change => ({ kind: 'delete', key: keys.token(type, id) }))]
    const expired = Object.fromEntries(ids.map((id) => [id, 'true']))
    return [live, { kind: 'set-fields', key: keys.consumerTokensExpired(type, consumerId), fields: expired }]
  }

  const findOrSave = async (type: TokenType, grant: TokenGrant, lifetimeMs: number): Promise<IssuedToken> => {
    const wanted = fieldsOf({ ...grant, scopes: sortedScopes(grant.scopes) })
    const same = await findSame(type, wanted)
    const secret = same === undefined ? undefined : cipher.decrypt(same['tokenEncrypted'] ?? '')
    if (same !== undefined && secret !== undefined) {
      return { token: `${same['id']}|${secret}`, fresh: false, expiresAt: Number(same['expiresAt']) }
    }
    const id = newHexId()
    const fresh = newHexId()
    const expiresAt = now() + lifetimeMs
    const fields = {
      ...wanted,
      id,
      tokenEncrypted: cipher.encrypt(fresh),
      expiresAt: String(expiresAt),
      createdAt: timeText(now()),
    }
    await store.write([
      { kind: 'set-fields', key: keys.token(type, id), fields },
      { kind: 'set-fields', key: keys.consumerTokens(type, grant.consumerId), fields: { [id]: String(expiresAt) } },
    ])
    return { token: `${id}|${fresh}`, fresh: true, expiresAt }
  }

  return {
    /** The same token for the same grant, until it expires. */
    findOrSave,

    /** The grant behind a valid token. */
    grantOf: async (
      type: TokenType,
      token: string,
    ): Promise<(TokenGrant & { readonly expiresAt: number }) | undefined> => {
      const { id, secret } = partsOf(token)
      const fields = await store.hash(keys.token(type, id))
      if (fields === undefined || !isValid(fields, secret, cipher.matches, now())) return undefined
      return { ...grantOfFields(fields), expiresAt: Number(fields['expiresAt']) }
    },

    /** By its id part alone. Throws ConsumerMistake('missing') for what is unknown or revoked already. */
    revoke: async (token: string, type: TokenType | 'any' = 'any'): Promise<void> => {
      const { id } = partsOf(token)
      const types: readonly TokenType[] = type === 'any' ? ['access_token', 'refresh_token'] : [type]
      for (const each of types) {
        const key = keys.token(each, id)
        const fields = await store.hash(key)
        const consumerId = fields?.['consumerId']
        if (fields === undefined || consumerId === undefined || fields['archived'] !== undefined) continue
        const done = await store.write(
          [
            { kind: 'delete-fields', key: keys.consumerTokens(each, consumerId), fields: [id] },
            { kind: 'set-fields', key: keys.consumerTokensExpired(each, consumerId), fields: { [id]: 'true' } },
            { kind: 'set-fields', key, fields: { archived: timeText(now()) } },
          ],
          { fields: [{ key, field: 'archived', value: undefined }] },
        )
        if (done) return
      }
      throw new ConsumerMistake('missing', 'Token not found null')
    },

    saveCode: async (grant: CodeGrant, lifetimeMs: number): Promise<string> => {
      const id = newHexId()
      const fields = fieldsOf({
        ...grant,
        scopes: sortedScopes(grant.scopes),
        id,
        expiresAt: now() + lifetimeMs,
        createdAt: timeText(now()),
      })
      await store.write([{ kind: 'set-fields', key: keys.code(id), fields }])
      return id
    },

    /** Once: of several that come with the same code, one gets the grant. `fits` says whether it is theirs; if not, it stays. */
    redeemCode: async (code: string, fits: (grant: CodeGrant) => boolean): Promise<CodeGrant | undefined> => {
      const key = keys.code(code)
      const fields = await store.hash(key)
      if (fields === undefined) return undefined
      const grant = codeOfFields(fields)
      const expired = Number(fields['expiresAt']) <= now()
      if (!expired && !fits(grant)) return undefined
      const mine = await store.write([{ kind: 'delete', key }], { present: [key] })
      return mine && !expired ? grant : undefined
    },
  }
}

/** Unexpired, not revoked, and the secret is the one that was given out. */
export function isValid(
  fields: Fields,
  secret: string,
  matches: (encrypted: string, secret: string) => boolean,
  now: number,
): boolean {
  if (fields['archived'] !== undefined || !(Number(fields['expiresAt']) > now)) return false
  return matches(fields['tokenEncrypted'] ?? '', secret)
}

export function partsOf(token: string): { readonly id: string; readonly secret: string } {
  const bar = token.indexOf('|')
  return bar === -1 ? { id: token, secret: '' } : { id: token.slice(0, bar), secret: token.slice(bar + 1) }
}

const criteria = ['consumerId', 'authType', 'authenticatedUserId', 'authenticatedUser', 'redirectUri', 'scopes']

function sortedScopes(scopes: readonly string[] | undefined): string | undefined {
  return scopes === undefined || scopes.length === 0 ? undefined : JSON.stringify([...new Set(scopes)].sort())
}

function grantOfFields(fields: Fields): TokenGrant {
  const { consumerId = '', authType, authenticatedUserId, redirectUri, scopes } = fields
  return {
    consumerId,
    ...(authType === undefined ? {} : { authType }),
    ...(authenticatedUserId === undefined ? {} : { authenticatedUserId }),
    ...(redirectUri === undefined ? {} : { redirectUri }),
    ...(scopes === undefined ? {} : { scopes: scopesOf(scopes) }),
  }
}

function codeOfFields(fields: Fields): CodeGrant {
  const { consumerId = '', userId = '', redirectUri = '', scopes, codeChallenge, codeChallengeMethod } = fields
  return {
    consumerId,
    userId,
    redirectUri,
    ...(scopes === undefined ? {} : { scopes: scopesOf(scopes) }),
    ...(codeChallenge === undefined ? {} : { codeChallenge }),
    ...(codeChallengeMethod === 'S256' || codeChallengeMethod === 'plain' ? { codeChallengeMethod } : {}),
  }
}
