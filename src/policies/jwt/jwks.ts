/** The address of a key set (RFC 7517) → its keys, fetched when first needed and kept. */
import type { CompileContext } from '../policy.ts'
import { StoreUnavailable } from '../services.ts'
import { fetchJson } from '../shared/fetch-json.ts'
import type { Config } from './policy.ts'
import { compileJwk, type VerificationKey } from './keys.ts'

type Remote = Extract<Config['keys'][number], { readonly kind: 'jwks' }>

export interface KeySet {
  /** What is known now; undefined before the first fetch, or when it is older than `maxAge`. */
  fresh(): readonly VerificationKey[] | undefined
  /**
   * Fetches, unless that was done within `cooldown`: unknown `kid`s that clients invent must not become a flood. The keys of
   * before stay where the fetch fails; where there are none it rejects with StoreUnavailable.
   */
  refresh(): Promise<readonly VerificationKey[]>
}

export function keySet(remote: Remote, context: CompileContext): KeySet {
  const now = (): number => context.services.now()
  let keys: readonly VerificationKey[] | undefined
  let fetchedAt = -Infinity
  let triedAt = -Infinity
  let running: Promise<readonly VerificationKey[]> | undefined

  const fetchKeys = async (): Promise<readonly VerificationKey[]> => {
    triedAt = now()
    try {
      keys = await fetchSet(remote)
      fetchedAt = now()
      return keys
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      context.services.events.emit('warn', 'jwt/key-set', `the key set ${remote.url} cannot be fetched: ${why}`, {
        url: remote.url,
      })
      if (keys !== undefined) return keys
      throw new StoreUnavailable(`no key set from ${remote.url}`, { cause: error })
    }
  }
  return {
    fresh: () => (now() - fetchedAt < remote.maxAge ? keys : undefined),
    refresh: () => {
      if (running !== undefined) return running
      if (now() - triedAt < remote.cooldown) {
        return keys === undefined
          ? Promise.reject(new StoreUnavailable(`no key set from ${remote.url}`))
          : Promise.resolve(keys)
      }
      running = fetchKeys().finally(() => {
        running = undefined
      })
      return running
    },
  }
}

async function fetchSet({ url, timeout }: Remote): Promise<readonly VerificationKey[]> {
  const set = await fetchJson(url, { headers: { accept: 'application/jwk-set+json, application/json' }, timeout })
  const members: unknown = typeof set === 'object' && set !== null && 'keys' in set ? set.keys : undefined
  if (!Array.isArray(members)) throw new Error('it holds no "keys"')
  return members.flatMap(readable)
}

/** RFC 7517 5: keys that are not understood are left out. A symmetric key has no place in a published set. */
function readable(member: unknown): readonly VerificationKey[] {
  if (typeof member !== 'object' || member === null || ('kty' in member && member.kty === 'oct')) return []
  try {
    return [compileJwk(member as Record<string, unknown>)]
  } catch (error) {
    if (error instanceof Error) return []
    throw error
  }
}
