/** Scopes: names that credentials may hold. */
import { type ConsumerContext, scopesOf } from './context.ts'
import { ConsumerMistake } from './mistake.ts'
import type { Change } from './store.ts'

export type Scopes = ReturnType<typeof scopesOfStore>

export function scopesOfStore({ store, keys }: ConsumerContext) {
  const has = async (scope: string): Promise<boolean> => Object.hasOwn((await store.hash(keys.scopes)) ?? {}, scope)

  return {
    has,
    list: async (): Promise<readonly string[]> => Object.keys((await store.hash(keys.scopes)) ?? {}),

    /** All of them or, when one exists already, none. */
    insert: async (scopes: unknown): Promise<void> => {
      if (!isList(scopes)) throw new ConsumerMistake('invalid', 'scopes should be a list of names')
      const written = await store.write(
        [{ kind: 'set-fields', key: keys.scopes, fields: Object.fromEntries(scopes.map((scope) => [scope, 'true'])) }],
        { fields: scopes.map((field) => ({ key: keys.scopes, field, value: undefined })) },
      )
      if (!written) throw new ConsumerMistake('exists', 'One or more scopes already exist.')
    },

    /** Taken from the credentials that hold it, too. False: there was none. */
    remove: async (scope: string): Promise<boolean> => {
      const holders = Object.keys((await store.hash(keys.scopeCredentials(scope))) ?? {})
      const hashes = await store.hashes(holders)
      const changes: Change[] = [
        { kind: 'delete-fields', key: keys.scopes, fields: [scope] },
        { kind: 'delete', key: keys.scopeCredentials(scope) },
      ]
      for (const [index, key] of holders.entries()) {
        const fields = hashes[index]
        if (fields === undefined) continue
        const left = scopesOf(fields['scopes']).filter((other) => other !== scope)
        changes.push({ kind: 'set-fields', key, fields: { scopes: JSON.stringify(left) } })
      }
      return store.write(changes, { fields: [{ key: keys.scopes, field: scope, value: 'true' }] })
    },
  }
}

/** A list of at least one name, none twice over. */
export function isList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string' && item !== '')
}
