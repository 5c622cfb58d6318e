/** What an authentication policy has found out → a consumer on the exchange, or the refusal that is due. */
import type { Exchange, Outcome, Reply, Step } from '../policy.ts'
import { type ConsumerRecord, type Soon, StoreUnavailable } from '../services.ts'
import { headerValue } from './schema.ts'

export interface Authentication {
  readonly otherwise: 'refuse' | 'anonymous'
  readonly scopes: readonly string[]
  readonly consumerHeader: string
  readonly challenge?: string | undefined
}

/** What a policy calls when it knows. Each gives what its `request` must return. */
export interface Verdict {
  /** It is this one, and these scopes are held. */
  accept(exchange: Exchange, consumer: ConsumerRecord, scopes: readonly string[]): Outcome | undefined
  /** Nobody, or not proved. */
  refuse(exchange: Exchange): Outcome | undefined
}

/**
 * `insufficient`: the status of a known consumer who lacks a scope. `find` looks the consumer up; where the store cannot be
 * reached the answer is 503 at once, with `otherwise: anonymous` the request goes on as with any other failure.
 */
export function authenticate(
  config: Authentication,
  insufficient: 401 | 403,
  find: (exchange: Exchange, verdict: Verdict) => Soon<Outcome | undefined>,
): Step {
  const { scopes: required, consumerHeader, otherwise } = config
  const lowerHeader = consumerHeader.toLowerCase()
  const unauthorized = plain(401, 'Unauthorized', config.challenge)
  const forbidden = insufficient === 403 ? plain(403, 'Forbidden') : unauthorized
  const isAnonymous = Symbol('anonymous')

  const anonymous = (exchange: Exchange): undefined => {
    exchange.notes.set(isAnonymous, true)
    // an earlier policy knows somebody, and may have said so under another name: what stands here the client has said
    const { headers } = exchange.request
    if (exchange.consumer !== undefined && headers.get(lowerHeader) !== exchange.consumer.id) {
      headers.deleteAlike(lowerHeader)
    }
    return undefined
  }
  const verdict: Verdict = {
    accept: (exchange, consumer, scopes) => {
      for (const scope of required) {
        if (!scopes.includes(scope)) return otherwise === 'anonymous' ? anonymous(exchange) : forbidden
      }
      exchange.consumer = consumer
      const id = consumer.id
      exchange.request.headers.deleteAlike(lowerHeader)
      if (typeof id === 'string' && id !== '') exchange.request.headers.set(consumerHeader, id)
      return undefined
    },
    refuse: otherwise === 'anonymous' ? anonymous : () => unauthorized,
  }
  const failed = (exchange: Exchange, error: unknown): Outcome | undefined => {
    if (otherwise === 'anonymous') return anonymous(exchange)
    if (error instanceof StoreUnavailable) return unavailable
    throw error
  }
  const request = (exchange: Exchange): Soon<Outcome | undefined> => {
    const headers = exchange.request.headers
    // a client cannot say who it is; a policy before this one may have
    if (exchange.consumer === undefined) headers.deleteAlike(lowerHeader)
    try {
      const outcome = find(exchange, verdict)
      return outcome instanceof Promise ? outcome.catch((error: unknown) => failed(exchange, error)) : outcome
    } catch (error) {
      return failed(exchange, error)
    }
  }
  if (otherwise === 'refuse') return { request }
  return {
    request,
    response: (exchange) => {
      if (exchange.notes.has(isAnonymous)) exchange.response.headers.set(consumerHeader, 'anonymous')
    },
  }
}

const unavailable = plain(503, 'Service Unavailable')

function plain(status: number, body: string, challenge?: string): Reply {
  const headers: [string, string][] = [['Content-Type', 'text/plain; charset=utf-8']]
  if (challenge !== undefined) headers.push(['WWW-Authenticate', challenge])
  return { kind: 'reply', status, headers, body }
}

/** Claims or an issuer's answer → a consumer; undefined where its id could not be written into a header. */
export function consumerOf(claims: Readonly<Record<string, unknown>>): ConsumerRecord | undefined {
  const { id, ...rest } = claims
  if (id === undefined || id === null) return rest as ConsumerRecord
  if (typeof id !== 'string' && typeof id !== 'number') return undefined
  const text = String(id)
  return headerValue.safeParse(text).success && /^[\x20-\x7e]*$/.test(text)
    ? ({ ...rest, id: text } as ConsumerRecord)
    : undefined
}

/** Scopes as tokens say them: a list, or a text with spaces. */
export function scopesOf(claims: Readonly<Record<string, unknown>>, names: readonly string[]): readonly string[] {
  return names.flatMap((name) => {
    const said = claims[name]
    if (typeof said === 'string') return said.split(' ').filter((scope) => scope !== '')
    return Array.isArray(said) ? said.filter((scope): scope is string => typeof scope === 'string') : []
  })
}
