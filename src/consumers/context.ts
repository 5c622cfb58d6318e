/** What every part of the consumers works on, and small pure helpers: stored fields → records. */
import type { CredentialType, Keys } from './keys.ts'
import type { Models } from './models.ts'
import type { Passwords } from './passwords.ts'
import type { Fields, Page, Store } from './store.ts'
import type { TokenCipher } from './token-cipher.ts'

export interface ConsumerContext {
  readonly store: Store
  readonly keys: Keys
  readonly models: Models
  readonly passwords: Passwords
  readonly cipher: TokenCipher
  now(): number
}

/** A user, an application or a credential as it is read: strings, but `isActive` a truth and `scopes` a list. */
export type ConsumerObject = Readonly<Record<string, unknown>> & { readonly id: string; readonly isActive: boolean }

export const hashedTypes = ['basic-auth', 'oauth2'] as const satisfies readonly CredentialType[]
export const keyedTypes = ['key-auth', 'jwt'] as const satisfies readonly CredentialType[]
export const credentialTypes: readonly CredentialType[] = [...keyedTypes, ...hashedTypes]

/** `Sat Nov 21 2026 07:16:18 GMT+0000 (Coordinated Universal Time)`: times as they stand in existing stores. */
export function timeText(now: number): string {
  return String(new Date(now))
}

export function consumerOf(id: string, fields: Fields): ConsumerObject {
  return { ...fields, id: fields['id'] ?? id, isActive: fields['isActive'] === 'true' }
}

/** Anything → what is stored: truths and numbers as their words, lists and objects as JSON. */
export function fieldsOf(properties: Readonly<Record<string, unknown>>): Fields {
  const fields: Record<string, string> = {}
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined) continue
    fields[name] = typeof value === 'string' ? value : value === null ? 'null' : JSON.stringify(value)
  }
  return fields
}

export function scopesOf(text: string | undefined): readonly string[] {
  if (text === undefined || text === '') return []
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value.filter((scope): scope is string => typeof scope === 'string') : []
  } catch {
    return []
  }
}

/** One page of objects behind keys with a common prefix. */
export async function pageOfObjects(
  store: Store,
  prefix: string,
  cursor: string,
  count: number,
): Promise<{ readonly objects: readonly ConsumerObject[]; readonly next: string }> {
  const page: Page = await store.scan(prefix, cursor, count)
  const hashes = await store.hashes(page.keys)
  const objects = page.keys.flatMap((key, index) => {
    const fields = hashes[index]
    return fields === undefined ? [] : [consumerOf(key.slice(prefix.length), fields)]
  })
  return { objects, next: page.next }
}
