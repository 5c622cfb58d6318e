/** A store → who somebody is, as the data path asks: at once where the store is in the process. */
import { timingSafeEqual } from 'node:crypto'
import { remember } from '../policies/shared/remember.ts'
import type { ConsumerRecord, CredentialRecord, Identities, Soon, TokenRecord } from '../policies/services.ts'
import { type ConsumerContext, scopesOf } from './context.ts'
import { defaultPasswordKey } from './credentials.ts'
import { type Fields, whenReady } from './store.ts'
import { isValid, partsOf } from './tokens.ts'

/**
 * Whatever is made of a stored object is made once: the store gives the same object until something changes it, and
 * what was made hangs on that. How stale an answer can be is the store's promise (none but Redis remembers anything
 * that could be).
 */
export function identitiesOf({ store, keys, passwords, cipher, now }: ConsumerContext): Identities {
  const credentials = new WeakMap<Fields, CredentialRecord>()
  const users = new WeakMap<Fields, ConsumerRecord>()
  const applications = new WeakMap<Fields, ConsumerRecord>()
  const tokens = new WeakMap<Fields, { readonly secret: Buffer; readonly record: TokenRecord }>()

  // a name in the store is joined, and hashed, for every look-up: those of who comes often are kept
  const keyOf = {
    application: remember(keys.application),
    user: remember(keys.user),
    username: remember(keys.username),
    'key-auth': remember((id) => keys.credential('key-auth', id)),
    jwt: remember((id) => keys.credential('jwt', id)),
    'basic-auth': remember((id) => keys.credential('basic-auth', id)),
    oauth2: remember((id) => keys.credential('oauth2', id)),
  }

  const active = (
    made: WeakMap<Fields, ConsumerRecord>,
    type: 'user' | 'application',
    id: string,
    fields: Fields | undefined,
  ): ConsumerRecord | undefined => {
    if (fields === undefined || fields['isActive'] !== 'true') return undefined
    const known = made.get(fields)
    if (known !== undefined) return known
    const record = Object.freeze({ ...fields, id: fields['id'] ?? id, isActive: true, type })
    made.set(fields, record)
    return record
  }
  const application = (id: string): Soon<ConsumerRecord | undefined> =>
    whenReady(store.hash(keyOf.application(id)), (fields) => active(applications, 'application', id, fields))
  const user = (id: string): Soon<ConsumerRecord | undefined> =>
    whenReady(store.hash(keyOf.user(id)), (fields) => active(users, 'user', id, fields))
  const named = (username: string): Soon<ConsumerRecord | undefined> =>
    whenReady(store.members(keyOf.username(username)), ([id]) => (id === undefined ? undefined : user(id)))

  return {
    credential: (type, id) =>
      whenReady(store.hash(keyOf[type](id)), (fields) => {
        if (fields === undefined) return undefined
        const known = credentials.get(fields)
        if (known !== undefined) return known
        const record = credentialRecord(type, id, fields)
        credentials.set(fields, record)
        return record
      }),

    consumer: (id, options) =>
      whenReady(
        application(id),
        (found) => found ?? whenReady(user(id), (other) => other ?? (options?.byName === true ? named(id) : undefined)),
      ),

    verifyPassword: (credential, password) => passwords.verify(password, credential.passwordHash),

    accessToken: (token) => {
      const { id, secret } = partsOf(token)
      return whenReady(store.hash(keys.token('access_token', id)), (fields) => {
        if (fields === undefined) return undefined
        const known = tokens.get(fields)
        // decrypted once for each stored token; a revoked one is another object
        if (known !== undefined) {
          return same(known.secret, secret) && known.record.expiresAt > now() ? known.record : undefined
        }
        if (!isValid(fields, secret, cipher.matches, now())) return undefined
        const record = tokenRecord(id, fields)
        tokens.set(fields, { secret: Buffer.from(secret), record })
        return record
      })
    },
  }
}

function same(known: Buffer, text: string): boolean {
  const given = Buffer.from(text)
  return known.length === given.length && timingSafeEqual(known, given)
}

function credentialRecord(type: string, id: string, fields: Fields): CredentialRecord {
  const common = {
    type,
    id,
    isActive: fields['isActive'] === 'true',
    scopes: Object.freeze([...scopesOf(fields['scopes'])]),
  }
  if (type === 'key-auth' || type === 'jwt') {
    return Object.freeze({ ...common, consumerId: fields['consumerId'] ?? '', keySecret: fields['keySecret'] ?? '' })
  }
  const passwordHash = fields[fields['passwordKey'] ?? defaultPasswordKey(type)]
  return Object.freeze({ ...common, consumerId: id, ...(passwordHash === undefined ? {} : { passwordHash }) })
}

function tokenRecord(id: string, fields: Fields): TokenRecord {
  const { tokenEncrypted: _secret, archived: _archived, scopes, expiresAt, consumerId = '', ...rest } = fields
  return Object.freeze({
    ...rest,
    id,
    consumerId,
    expiresAt: Number(expiresAt),
    scopes: Object.freeze([...scopesOf(scopes)]),
  })
}
