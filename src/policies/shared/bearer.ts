/** Exchange → the bearer token it carries (RFC 6750 2): text, undefined for none, `ambiguous` for more than one. */
import type { Exchange } from '../policy.ts'
import { BodyTooLarge } from '../policy.ts'
import type { Soon } from '../services.ts'
import { readForm } from './form.ts'
import { queryValues } from './query.ts'

export type BearerPlace = 'header' | 'query' | 'body'
/** `ambiguous` is refused, and with it a token that is written so: nobody issues one. */
type Found = string | undefined

/** The body is looked into only where nothing else carries a token, and only a form or JSON of at most 100 kB. */
export function bearerFinder(places: readonly BearerPlace[]): (exchange: Exchange) => Soon<Found> {
  const inHeader = places.includes('header')
  const inQuery = places.includes('query')
  const inBody = places.includes('body')
  return (exchange) => {
    const header = inHeader ? schemeValue(exchange.request.headers.get('authorization'), 'bearer') : undefined
    const { query } = exchange.request
    const queried = inQuery && query !== '' ? queryValues(query, 'access_token') : nothing
    if (queried.length > 1 || (header !== undefined && queried.length === 1)) return 'ambiguous'
    const token = header ?? queried[0]
    if (token !== undefined || !inBody || exchange.request.body.empty) return token
    return fromBody(exchange)
  }
}

const nothing: readonly string[] = []
const bodyLimit = 102_400

async function fromBody(exchange: Exchange): Promise<Found> {
  const type = mediaType(exchange.request.headers.get('content-type'))
  if (type !== 'application/x-www-form-urlencoded' && type !== 'application/json') return undefined
  try {
    const text = (await exchange.request.body.read(bodyLimit)).toString('utf8')
    const fields: unknown = type === 'application/json' ? JSON.parse(text) : readForm(text)
    const said =
      typeof fields === 'object' && fields !== null && 'access_token' in fields ? fields.access_token : undefined
    if (said === undefined) return undefined
    return typeof said === 'string' ? said : 'ambiguous'
  } catch (error) {
    // a body that cannot be read carries no token
    if (error instanceof BodyTooLarge || error instanceof SyntaxError) return undefined
    throw error
  }
}

/** `Bearer abc` with the scheme in lower case → `abc`. The scheme of the header is compared without case. */
export function schemeValue(header: string | undefined, lowerScheme: string): string | undefined {
  if (header === undefined || header.length <= lowerScheme.length) return undefined
  if (header.charCodeAt(lowerScheme.length) !== 32) return undefined
  if (header.slice(0, lowerScheme.length).toLowerCase() !== lowerScheme) return undefined
  const value = header.slice(lowerScheme.length + 1).trim()
  return value === '' ? undefined : value
}

/** `Application/JSON; charset=utf-8` → `application/json`; '' for none. */
export function mediaType(contentType: string | undefined): string {
  if (contentType === undefined) return ''
  const semicolon = contentType.indexOf(';')
  return (semicolon === -1 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase()
}
