/** Credentials: what proves that somebody is a consumer. Keys in clear, passwords as bcrypt hashes. */
import {
  type ConsumerContext,
  type ConsumerObject,
  credentialTypes,
  fieldsOf,
  hashedTypes,
  keyedTypes,
  scopesOf,
  timeText,
} from './context.ts'
import { newId, newShortId } from './ids.ts'
import type { CredentialType } from './keys.ts'
import { ConsumerMistake } from './mistake.ts'
import { isList } from './scopes.ts'
import type { Change, Fields } from './store.ts'

export type Credentials = ReturnType<typeof credentialsOf>

export function credentialsOf(context: ConsumerContext) {
  const { store, keys, models, passwords, now } = context

  const get = async (type: string, id: string): Promise<ConsumerObject | undefined> => {
    if (!isType(type)) return undefined
    const fields = await store.hash(keys.credential(type, id))
    return fields === undefined ? undefined : shown(type, id, fields)
  }
  const checkScopes = async (scopes: unknown): Promise<readonly string[]> => {
    if (!isList(scopes)) throw new ConsumerMistake('invalid', "One or more scopes don't exist")
    const known = (await store.hash(keys.scopes)) ?? {}
    if (!scopes.every((scope) => Object.hasOwn(known, scope))) {
      throw new ConsumerMistake('invalid', "One or more scopes don't exist")
    }
    return [...new Set(scopes)]
  }
  const replaceScopes = async (
    type: string,
    id: string,
    scopesAfter: (before: readonly string[]) => readonly string[],
    refusal: string,
  ): Promise<void> => {
    const key = keys.credential(type, id)
    for (let tries = 0; tries < 10; tries++) {
      const fields = isType(type) ? await store.hash(key) : undefined
      if (fields === undefined) throw new ConsumerMistake('missing', refusal)
      const before = scopesOf(fields['scopes'])
      const after = scopesAfter(before)
      const changes: Change[] = [
        { kind: 'set-fields', key, fields: { scopes: JSON.stringify(after), updatedAt: timeText(now()) } },
        ...indexChanges(context, key, before, after),
      ]
      if (await store.write(changes, { fields: [{ key, field: 'scopes', value: fields['scopes'] }] })) return
    }
    throw new ConsumerMistake('exists', 'the scopes of this credential are being changed by others')
  }

  return {
    get,

    /** All of one consumer; undefined where there is none at all. */
    ofConsumer: async (consumerId: string): Promise<readonly ConsumerObject[]> => {
      const wanted: { type: CredentialType; id: string }[] = hashedTypes.map((type) => ({ type, id: consumerId }))
      for (const type of keyedTypes) {
        const ids = await store.members(keys.credential(type, consumerId))
        wanted.push(...[...ids].sort().map((id) => ({ type, id })))
      }
      const found = await Promise.all(wanted.map(({ type, id }) => get(type, id)))
      return found.filter((credential) => credential !== undefined)
    },

    /** All of everybody. */
    list: async (): Promise<readonly ConsumerObject[]> => {
      const all: ConsumerObject[] = []
      for (const type of credentialTypes) {
        const prefix = keys.credential(type, '')
        let cursor = '0'
        do {
          const page = await store.scan(prefix, cursor, 1000)
          cursor = page.next
          const hashes = await store.hashes(page.keys)
          for (const [index, key] of page.keys.entries()) {
            const fields = hashes[index]
            if (fields === undefined) continue // the set of a consumer's key ids stands under the same prefix
            const id = key.slice(prefix.length)
            all.push({ consumerId: fields['consumerId'] ?? id, ...shown(type, id, fields) })
          }
        } while (cursor !== '0')
      }
      return all
    },

    /**
     * The consumer is there: who does not know that asks first. What comes back holds a generated password or secret in
     * clear, this once; one that the caller brought is not said back.
     */
    insert: async (consumerId: string, type: unknown, details: Readonly<Record<string, unknown>> = {}) => {
      if (typeof type !== 'string' || type === '') throw new ConsumerMistake('invalid', 'Invalid credentials')
      const model = models.credential(type)
      if (model === undefined || !isType(type)) throw new ConsumerMistake('invalid', `Invalid credential type: ${type}`)
      const {
        isActive: _active,
        createdAt: _created,
        updatedAt: _updated,
        consumerId: _consumer,
        id: _id,
        ...said
      } = details
      const complete = model.complete(said)
      const scopes = isNothing(complete['scopes']) ? null : await checkScopes(complete['scopes'])
      const time = timeText(now())
      const index = (key: string) => indexChanges(context, key, [], scopes ?? [])

      if (type === 'key-auth' || type === 'jwt') {
        const keyId = textOf(complete['keyId']) ?? newShortId()
        const keySecret = textOf(complete['keySecret']) ?? newShortId()
        const rest = without(complete, ['keyId', 'keySecret', 'scopes'])
        const credential = {
          isActive: true,
          keyId,
          keySecret,
          scopes,
          consumerId,
          id: keyId,
          ...rest,
          createdAt: time,
          updatedAt: time,
        }
        const key = keys.credential(type, keyId)
        const written = await store.write(
          [
            { kind: 'set-fields', key, fields: fieldsOf(credential) },
            { kind: 'add-members', key: keys.credential(type, consumerId), members: [keyId] },
            ...index(key),
          ],
          // also: a key id must not be the id of a consumer who has keys, for they share the prefix
          { absent: [key] },
        )
        if (!written) throw new ConsumerMistake('exists', 'Credential already exists and is active')
        return credential
      }

      const passwordKey = textOf(complete['passwordKey']) ?? (type === 'oauth2' ? 'secret' : 'password')
      const brought = textOf(complete[passwordKey])
      if (brought === undefined && complete['autoGeneratePassword'] === false) {
        throw new ConsumerMistake('invalid', `${passwordKey} is required`)
      }
      const password = brought ?? newId()
      const key = keys.credential(type, consumerId)
      const before = await store.hash(key)
      if (before !== undefined && before['isActive'] === 'true') throw alreadyActive()
      const rest = without(complete, [passwordKey, 'scopes'])
      const stored = { isActive: true, ...rest, passwordKey, scopes, createdAt: time, updatedAt: time }
      const fields = { ...fieldsOf(stored), [passwordKey]: await passwords.hash(password) }
      const written = await store.write(
        [
          { kind: 'delete', key },
          { kind: 'set-fields', key, fields },
          ...indexChanges(context, key, scopesOf(before?.['scopes']), scopes ?? []),
        ],
        { fields: [{ key, field: 'isActive', value: before?.['isActive'] }] },
      )
      if (!written) throw alreadyActive()
      return { ...stored, id: consumerId, ...(brought === undefined ? { [passwordKey]: password } : {}) }
    },

    /** Did that change anything? */
    setActive: async (type: string, id: string, active: boolean): Promise<boolean> => {
      const credential = await get(type, id)
      if (credential === undefined) throw new ConsumerMistake('missing', `No credential found with id: ${id}`)
      if (credential.isActive === active) return false
      const key = keys.credential(type, id)
      const fields = { isActive: String(active), updatedAt: timeText(now()) }
      await store.write([{ kind: 'set-fields', key, fields }], { present: [key] })
      return true
    },

    /** Another password or secret, or key secret, for a credential that stays what it is. */
    setSecret: async (type: string, id: string, secret: string): Promise<void> => {
      const key = keys.credential(type, id)
      const before = isType(type) ? await store.hash(key) : undefined
      if (before === undefined) throw new ConsumerMistake('missing', `No credential found with id: ${id}`)
      const fields: Fields = isHashed(type)
        ? { [before['passwordKey'] ?? defaultPasswordKey(type)]: await passwords.hash(secret) }
        : { keySecret: secret }
      await store.write([{ kind: 'set-fields', key, fields: { ...fields, updatedAt: timeText(now()) } }], {
        present: [key],
      })
    },

    addScopes: async (type: string, id: string, scopes: unknown): Promise<void> => {
      const added = await checkScopes(scopes)
      await replaceScopes(type, id, (before) => [...new Set([...before, ...added])], 'credential not found')
    },
    removeScopes: async (type: string, id: string, scopes: readonly string[]): Promise<void> => {
      const left = (before: readonly string[]) => before.filter((scope) => !scopes.includes(scope))
      await replaceScopes(type, id, left, 'Credential not found')
    },
    setScopes: async (type: string, id: string, scopes: unknown): Promise<void> => {
      const wanted = Array.isArray(scopes) && scopes.length === 0 ? [] : await checkScopes(scopes)
      await replaceScopes(type, id, () => wanted, 'Credential not found')
    },

    /** False: there is none. */
    remove: async (type: string, id: string): Promise<boolean> => {
      const key = keys.credential(type, id)
      const fields = isType(type) ? await store.hash(key) : undefined
      if (fields === undefined) return false
      const changes: Change[] = [{ kind: 'delete', key }, ...indexChanges(context, key, scopesOf(fields['scopes']), [])]
      if (!isHashed(type) && fields['consumerId'] !== undefined) {
        changes.push({ kind: 'remove-members', key: keys.credential(type, fields['consumerId']), members: [id] })
      }
      return store.write(changes, { present: [key] })
    },
  }
}

/** What goes when a consumer goes: credentials of every type, their places in the scope index, tokens. */
export async function removalOfConsumer(
  { store, keys }: ConsumerContext,
  consumerId: string,
): Promise<readonly Change[]> {
  const changes: Change[] = []
  const credential = async (key: string): Promise<void> => {
    const fields = await store.hash(key)
    if (fields === undefined) return
    changes.push({ kind: 'delete', key })
    for (const scope of scopesOf(fields['scopes'])) {
      changes.push({ kind: 'delete-fields', key: keys.scopeCredentials(scope), fields: [key] })
    }
  }
  for (const type of hashedTypes) await credential(keys.credential(type, consumerId))
  for (const type of keyedTypes) {
    const ids = keys.credential(type, consumerId)
    for (const id of await store.members(ids)) {
      const fields = await store.hash(keys.credential(type, id))
      if (fields?.['consumerId'] === consumerId) await credential(keys.credential(type, id))
    }
    if ((await store.members(ids)).length > 0) changes.push({ kind: 'delete', key: ids })
  }
  for (const type of ['access_token', 'refresh_token'] as const) {
    for (const index of [keys.consumerTokens(type, consumerId), keys.consumerTokensExpired(type, consumerId)]) {
      const tokens = await store.hash(index)
      if (tokens === undefined) continue
      for (const id of Object.keys(tokens)) changes.push({ kind: 'delete', key: keys.token(type, id) })
      changes.push({ kind: 'delete', key: index })
    }
  }
  return changes
}

function isType(type: string): type is CredentialType {
  return (credentialTypes as readonly string[]).includes(type)
}

export function defaultPasswordKey(type: string): string {
  return type === 'oauth2' ? 'secret' : 'password'
}

function isHashed(type: string): boolean {
  return (hashedTypes as readonly string[]).includes(type)
}

/** Without the hash of a password or secret: that leaves the store for nobody. */
function shown(type: CredentialType, id: string, fields: Fields): ConsumerObject {
  const hidden = isHashed(type) ? [fields['passwordKey'] ?? defaultPasswordKey(type), 'password', 'secret'] : []
  const scopes = fields['scopes'] === undefined || fields['scopes'] === 'null' ? null : scopesOf(fields['scopes'])
  return { ...without(fields, hidden), isActive: fields['isActive'] === 'true', scopes, id: fields['id'] ?? id, type }
}

function indexChanges(
  { keys }: ConsumerContext,
  key: string,
  before: readonly string[],
  after: readonly string[],
): readonly Change[] {
  const gone = before.filter((scope) => !after.includes(scope))
  const fresh = after.filter((scope) => !before.includes(scope))
  return [
    ...gone.map((scope): Change => ({ kind: 'delete-fields', key: keys.scopeCredentials(scope), fields: [key] })),
    ...fresh.map((scope): Change => ({
      kind: 'set-fields',
      key: keys.scopeCredentials(scope),
      fields: { [key]: 'true' },
    })),
  ]
}

function alreadyActive(): ConsumerMistake {
  return new ConsumerMistake('exists', 'Credential already exists and is active')
}

function without(properties: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(properties).filter(([name]) => !names.includes(name)))
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value)
  return typeof value === 'string' && value !== '' ? value : undefined
}

function isNothing(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0)
}
