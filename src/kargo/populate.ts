/** Who shall be a consumer → the store says so. Said twice, or by several replicas at once, it is the same. */
import { createHash } from 'node:crypto'
import type { Consumers } from '../consumers/consumers.ts'
import type { ConsumerObject } from '../consumers/context.ts'
import { ConsumerMistake } from '../consumers/mistake.ts'
import { scopesOf } from '../policies/scopes/policy.ts'
import type { ConsumersFile, Wanted } from './consumers-file.ts'

/** How many users and applications each. */
export interface Populated {
  readonly created: number
  readonly updated: number
  readonly removed: number
  readonly unchanged: number
}

type Tally = { -readonly [Name in keyof Populated]: number }

/**
 * Users and applications that are not wanted go, with all they have. Who is there already keeps the id; who is new gets one
 * made of the names, the same in every store: with basic-auth it is what the customer logs in with. Secrets that have
 * changed are changed. Where another replica was faster, it looks again: what that one has done is not done twice.
 */
export async function populate(consumers: Consumers, wanted: ConsumersFile): Promise<Populated> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt(consumers, wanted)
    } catch (error) {
      const raced = error instanceof ConsumerMistake && ['exists', 'missing', 'unknown-consumer'].includes(error.kind)
      if (!raced || tries === 10) throw error
    }
  }
}

async function attempt(consumers: Consumers, wanted: ConsumersFile): Promise<Populated> {
  const tally: Tally = { created: 0, updated: 0, removed: 0, unchanged: 0 }
  const known = await consumers.scopes.list()
  const missing = wanted.scopes.filter((scope) => !known.includes(scope))
  if (missing.length > 0) await consumers.scopes.insert([...new Set(missing)])

  for (const [username, applications] of Object.entries(wanted.users)) {
    const user = (await consumers.users.find(username)) ?? (await createUser(consumers, username, tally))
    const there = await consumers.applications.ofUser(user.id)
    for (const [name, application] of Object.entries(applications)) {
      const same = there.filter((one) => one['name'] === name)
      await settle(consumers, user, name, application, same[0], tally)
      // an older program could leave two of one name
      for (const twin of same.slice(1)) if (await consumers.applications.remove(twin.id)) tally.removed++
    }
    for (const one of there) {
      if (!Object.hasOwn(applications, String(one['name'])) && (await consumers.applications.remove(one.id)))
        tally.removed++
    }
  }
  for (const user of await allUsers(consumers)) {
    if (!Object.hasOwn(wanted.users, String(user['username'])) && (await consumers.users.remove(user.id)))
      tally.removed++
  }
  for (const scope of known) if (!wanted.scopes.includes(scope)) await consumers.scopes.remove(scope)
  return tally
}

async function createUser(consumers: Consumers, username: string, tally: Tally): Promise<ConsumerObject> {
  // what a model asks for beyond the name (Express Gateway's own: first and last name) is the name
  const required = consumers.models.users.schema.required ?? []
  const properties = { ...Object.fromEntries(required.map((property) => [property, username])), username }
  const user = await consumers.users.insert(properties, derivedId(username))
  tally.created++
  return user
}

async function settle(
  consumers: Consumers,
  user: ConsumerObject,
  name: string,
  wanted: Wanted,
  before: ConsumerObject | undefined,
  tally: Tally,
): Promise<void> {
  const scopes = [...new Set(wanted.scopes)].sort()
  let changed = false
  let application = before
  if (application === undefined) {
    application = await consumers.applications.insert(
      { name, scopes },
      user.id,
      derivedId(String(user['username']), name),
    )
    tally.created++
  } else if (!isSame(scopesOf(application['scopes']), scopes)) {
    await consumers.applications.update(application.id, { scopes })
    changed = true
  }
  if (await settleCredential(consumers, application.id, wanted, scopes)) changed = true
  if (before !== undefined) tally[changed ? 'updated' : 'unchanged']++
}

/** Did that change anything? */
async function settleCredential(
  consumers: Consumers,
  applicationId: string,
  { credential: { type, keyId, keySecret, password } }: Wanted,
  scopes: readonly string[],
): Promise<boolean> {
  const { credentials } = consumers
  const keyed = type === 'jwt' || type === 'key-auth'
  let kept: ConsumerObject | undefined
  let changed = false
  for (const one of await credentials.ofConsumer(applicationId)) {
    const fits = one['type'] === type && (!keyed || keyId === undefined || one.id === keyId)
    if (fits && kept === undefined) kept = one
    else if (await credentials.remove(String(one['type']), one.id)) changed = true
  }
  if (kept === undefined) {
    const details = keyed
      ? { keyId: keyId ?? derivedKey(applicationId), keySecret }
      : type === 'oauth2'
        ? { secret: password }
        : { password }
    await credentials.insert(applicationId, type, {
      ...withoutNothing(details),
      ...(scopes.length === 0 ? {} : { scopes }),
    })
    return true
  }
  const secret = keyed ? keySecret : password
  if (secret !== undefined && !(await holdsSecret(consumers, type, kept.id, secret))) {
    await credentials.setSecret(type, kept.id, secret)
    changed = true
  }
  if (!isSame(scopesOf(kept['scopes']), scopes)) {
    await credentials.setScopes(type, kept.id, scopes)
    changed = true
  }
  return changed
}

async function holdsSecret(
  consumers: Consumers,
  type: Wanted['credential']['type'],
  id: string,
  secret: string,
): Promise<boolean> {
  const found = await consumers.identities.credential(type, id)
  if (found === undefined) return false
  return type === 'jwt' || type === 'key-auth'
    ? found.keySecret === secret
    : consumers.identities.verifyPassword(found, secret)
}

async function allUsers(consumers: Consumers): Promise<readonly ConsumerObject[]> {
  const users: ConsumerObject[] = []
  let cursor = '0'
  do {
    const page = await consumers.users.list(cursor, 1000)
    users.push(...page.objects)
    cursor = page.next
  } while (cursor !== '0')
  return users
}

/** RFC 9562 5.5: a UUID of version 5 in a namespace of our own, over names that no name can be mistaken for. */
export function derivedId(...names: readonly string[]): string {
  const namespace = Buffer.from('8f6b1d0a4c3e4f71a2d95b0c7e61f3d8', 'hex')
  const digest = createHash('sha1').update(namespace).update(JSON.stringify(names)).digest().subarray(0, 16)
  digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x50
  digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80
  const hex = digest.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

/** A key id where none was said: of the application, so that every replica names the same. */
function derivedKey(applicationId: string): string {
  return createHash('sha256').update(`key ${applicationId}`).digest('hex').slice(0, 22)
}

function isSame(left: readonly string[], right: readonly string[]): boolean {
  return JSON.stringify([...left].sort()) === JSON.stringify([...right].sort())
}

function withoutNothing(details: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(details).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}
