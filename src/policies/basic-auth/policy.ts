/** `basic-auth`: a name and a password (RFC 7617) → the consumer they belong to, or 401. */
import { createHmac, randomBytes } from 'node:crypto'
import bcrypt from 'bcryptjs'
import { z } from 'zod'
import { type CompileContext, type Exchange, type Outcome, type Policy, unsupported } from '../policy.ts'
import type { ConsumerRecord, CredentialRecord, Soon } from '../services.ts'
import { authenticate, type Verdict } from '../shared/authenticate.ts'
import { equalSecrets } from '../shared/equal.ts'
import { groupMembers } from '../shared/group.ts'
import { Recent } from '../shared/recent.ts'
import { authentication, milliseconds } from '../shared/schema.ts'
import { whenKnown } from '../shared/soon.ts'

const config = z.strictObject({
  ...authentication,
  /**
   * `store`: name or id of a user, or id of an application, in the store. `group`: the static credentials of kind
   * `basic` with that group in the model: `id` is the name, the secret the password in clear or as a bcrypt hash.
   */
  credentials: z.union([z.literal('store'), z.strictObject({ group: z.string().min(1) })]).default('store'),
  /** How long a password that was right is not hashed again, milliseconds; 0: always hashed. A changed or deactivated credential counts at once. */
  remember: milliseconds.default(60_000),
})
export type Config = z.infer<typeof config>

export const basicAuth: Policy<Config> = {
  name: 'basic-auth',
  summary: 'asks for a name and a password',
  config,
  engine: (config, context) => {
    const remembered = rememberPasswords(config.remember, context)
    const check =
      config.credentials === 'store'
        ? fromStore(context, remembered)
        : fromGroup(config.credentials.group, context, remembered)
    return authenticate(config, 401, (exchange, verdict) => {
      const shown = readCredentials(exchange.request.headers.get('authorization'))
      return shown === undefined ? verdict.refuse(exchange) : check(shown, exchange, verdict)
    })
  },
  nginx: () => unsupported('names and passwords are looked up in the store, and the consumer with them'),
}

interface Shown {
  readonly name: string
  readonly password: string
}

/** RFC 7617: the name ends at the first colon; the password may hold more of them. */
function readCredentials(header: string | undefined): Shown | undefined {
  if (header === undefined || header.length < 7 || header.slice(0, 6).toLowerCase() !== 'basic ') return undefined
  const encoded = header.slice(6).trim()
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(encoded)) return undefined
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon === -1 ? undefined : { name: text.slice(0, colon), password: text.slice(colon + 1) }
}

type Check = (shown: Shown, exchange: Exchange, verdict: Verdict) => Soon<Outcome | undefined>
type Verify = (name: string, password: string, hash: string, hashing: () => Promise<boolean>) => Soon<boolean>

function fromStore(context: CompileContext, remembered: Verify): Check {
  const { identities } = context.services
  // a name that nobody has must cost what a wrong password costs, or the time would tell which names exist
  const nobody = (password: string): Promise<boolean> => identities.verifyPassword(unknownCredential, password)
  return (shown, exchange, verdict) =>
    whenKnown(identities.consumer(shown.name, byName), (consumer): Soon<Outcome | undefined> => {
      const id = consumer?.id
      if (consumer === undefined || id === undefined) return nobody(shown.password).then(() => verdict.refuse(exchange))
      return whenKnown(identities.credential('basic-auth', id), (credential): Soon<Outcome | undefined> => {
        const hash = credential?.passwordHash
        if (credential === undefined || hash === undefined || !credential.isActive) {
          return nobody(shown.password).then(() => verdict.refuse(exchange))
        }
        const verified = remembered(shown.name, shown.password, hash, () =>
          identities.verifyPassword(credential, shown.password),
        )
        return whenKnown(verified, (right) =>
          right ? verdict.accept(exchange, consumer, credential.scopes) : verdict.refuse(exchange),
        )
      })
    })
}

const byName = { byName: true } as const

/** The hash (cost 10, as new ones are made) of a password that nobody has been told. */
const unknownHash = '$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy'
const unknownCredential: CredentialRecord = {
  type: 'basic-auth',
  id: '',
  consumerId: '',
  isActive: false,
  passwordHash: unknownHash,
  scopes: [],
}

function fromGroup(group: string, context: CompileContext, remembered: Verify): Check {
  const members = new Map(groupMembers(context.model, group, 'basic').map((member) => [member.id, member]))
  const hashed = [...members.values()].some((member) => isHash(member.secret))
  return (shown, exchange, verdict) => {
    const member = members.get(shown.name)
    if (member === undefined) {
      return hashed
        ? bcrypt.compare(shown.password, unknownHash).then(() => verdict.refuse(exchange))
        : verdict.refuse(exchange)
    }
    const consumer: ConsumerRecord = member.consumer
    const verified = isHash(member.secret)
      ? remembered(shown.name, shown.password, member.secret, () => bcrypt.compare(shown.password, member.secret))
      : equalSecrets(member.secret, shown.password)
    return whenKnown(verified, (right) =>
      right ? verdict.accept(exchange, consumer, member.scopes) : verdict.refuse(exchange),
    )
  }
}

function isHash(secret: string): boolean {
  return /^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/.test(secret)
}

/**
 * bcrypt costs some 60 ms of processor time by design, and clients send the same password with each request. A password
 * that was right is remembered as an HMAC under a key of this process over name, password and hash: a memory dump shows no
 * password, and a changed hash is another entry. Wrong ones are not remembered. Requests that come while the first is being
 * hashed wait for the same result.
 */
function rememberPasswords(ttl: number, context: CompileContext): Verify {
  if (ttl === 0) return (_name, _password, _hash, hashing) => hashing()
  const key = randomBytes(32)
  const right = new Recent<number>(10_000)
  const running = new Map<string, Promise<boolean>>()
  return (name, password, hash, hashing) => {
    const digest = createHmac('sha256', key)
      .update(`${Buffer.byteLength(name)}:${name}${hash}${password}`)
      .digest('base64')
    const until = right.get(digest)
    if (until !== undefined && until > context.services.now()) return true
    const before = running.get(digest)
    if (before !== undefined) return before
    const result = hashing()
      .then((isRight) => {
        if (isRight) right.set(digest, context.services.now() + ttl)
        else right.delete(digest)
        return isRight
      })
      .finally(() => running.delete(digest))
    running.set(digest, result)
    return result
  }
}
