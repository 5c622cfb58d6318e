/** `key-auth`: an API key in a header or in the query → the consumer it belongs to, or 401 / 403. */
import { createHmac, randomBytes } from 'node:crypto'
import { z } from 'zod'
import { type CompileContext, type Exchange, type Outcome, type Policy, unsupported } from '../policy.ts'
import type { Soon } from '../services.ts'
import { authenticate, type Verdict } from '../shared/authenticate.ts'
import { equalSecrets } from '../shared/equal.ts'
import { groupMembers } from '../shared/group.ts'
import { queryValues } from '../shared/query.ts'
import { authentication, headerName } from '../shared/schema.ts'
import { whenKnown } from '../shared/soon.ts'

const config = z.strictObject({
  ...authentication,
  /** The header that carries the key. `scheme` (without case) must stand before it; `any`: whatever stands before the last space. `false`: headers are not looked at. */
  header: z
    .union([
      z.literal(false),
      z.strictObject({
        name: headerName,
        scheme: z.union([z.strictObject({ name: z.string().min(1) }), z.literal('any')]),
      }),
    ])
    .default({ name: 'authorization', scheme: { name: 'apiKey' } }),
  /** The query parameter that carries the key when the header has none; brackets are part of the name. `false`: not looked at. */
  query: z.union([z.literal(false), z.string().min(1)]).default('apiKey'),
  /**
   * `store`: keys `<id>:<secret>` of the users and applications in the store. `group`: the static credentials of kind
   * `key` with that group in the model; the key is the whole secret.
   */
  credentials: z.union([z.literal('store'), z.strictObject({ group: z.string().min(1) })]).default('store'),
})
export type Config = z.infer<typeof config>

export const keyAuth: Policy<Config> = {
  name: 'key-auth',
  summary: 'asks for an API key and finds the consumer it belongs to',
  config,
  engine: (config, context) => {
    const find = keyFinder(config)
    const lookUp = config.credentials === 'store' ? fromStore(context) : fromGroup(config.credentials.group, context)
    return authenticate(config, 403, (exchange, verdict) => {
      const key = find(exchange)
      return key === undefined ? verdict.refuse(exchange) : lookUp(key, exchange, verdict)
    })
  },
  nginx: () => unsupported('a key is looked up in the store, and its consumer with it'),
}

/** A key in the header that has the wrong scheme is none, and the query is looked at; one that is wrong is not tried again from there. */
function keyFinder(config: Config): (exchange: Exchange) => string | undefined {
  const { header, query } = config
  const name = header === false ? undefined : header.name.toLowerCase()
  const scheme = header === false || header.scheme === 'any' ? undefined : header.scheme.name.toLowerCase()
  return (exchange) => {
    if (name !== undefined) {
      const value = exchange.request.headers.get(name)
      const key = value === undefined ? undefined : keyIn(value, scheme)
      if (key !== undefined) return key
    }
    if (query === false || exchange.request.query === '') return undefined
    const found = queryValues(exchange.request.query, query)
    // two keys are none: which of them would be meant?
    return found.length === 1 && found[0] !== '' ? found[0] : undefined
  }
}

function keyIn(value: string, lowerScheme: string | undefined): string | undefined {
  if (lowerScheme !== undefined) {
    const first = value.indexOf(' ')
    if ((first === -1 ? value : value.slice(0, first)).toLowerCase() !== lowerScheme) return undefined
  }
  const key = value.slice(value.lastIndexOf(' ') + 1)
  return key === '' ? undefined : key
}

type LookUp = (key: string, exchange: Exchange, verdict: Verdict) => Soon<Outcome | undefined>

/** `<keyId>:<keySecret>`, parted at the first colon. */
function fromStore(context: CompileContext): LookUp {
  const { identities } = context.services
  return (key, exchange, verdict) => {
    const colon = key.indexOf(':')
    if (colon === -1) return verdict.refuse(exchange)
    const secret = key.slice(colon + 1)
    return whenKnown(identities.credential('key-auth', key.slice(0, colon)), (credential) => {
      if (credential === undefined || !credential.isActive || credential.keySecret === undefined) {
        return verdict.refuse(exchange)
      }
      if (!equalSecrets(credential.keySecret, secret)) return verdict.refuse(exchange)
      return whenKnown(identities.consumer(credential.consumerId, byName), (consumer) =>
        consumer === undefined ? verdict.refuse(exchange) : verdict.accept(exchange, consumer, credential.scopes),
      )
    })
  }
}

const byName = { byName: true } as const

/** Found by a keyed digest, so that the time of the search says nothing about the keys. */
function fromGroup(group: string, context: CompileContext): LookUp {
  const salt = randomBytes(32)
  const digest = (key: string): string => createHmac('sha256', salt).update(key).digest('base64')
  const known = new Map(
    groupMembers(context.model, group, 'key').map((member) => [digest(member.secret), member] as const),
  )
  return (key, exchange, verdict) => {
    const member = known.get(digest(key))
    return member === undefined ? verdict.refuse(exchange) : verdict.accept(exchange, member.consumer, member.scopes)
  }
}
