/** An exchange → what an authorization server reads from it, and the answers it gives. */
import { BodyTooLarge, type Exchange, type Reply } from '../policy.ts'
import { readForm } from '../shared/form.ts'
import { queryValues } from '../shared/query.ts'
import { errorPage } from './pages.ts'

export type Parameters = (name: string) => string | undefined

/** A parameter said twice counts as not said (RFC 6749 3.1). */
export function queryOf(exchange: Exchange): Parameters {
  return (name) => {
    const values = queryValues(exchange.request.query, name)
    return values.length === 1 && values[0] !== '' ? values[0] : undefined
  }
}

/** A form or JSON; a Reply where it is neither or too large. */
export async function bodyOf(exchange: Exchange): Promise<Parameters | Reply> {
  let text: string
  try {
    text = (await exchange.request.body.read(102_400)).toString('utf8')
  } catch (error) {
    if (error instanceof BodyTooLarge) return html(413, 'Payload Too Large', 'The request is too large.')
    throw error
  }
  const type = (exchange.request.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json') {
    const form = readForm(text)
    return (name) => textOf(form[name])
  }
  try {
    const value: unknown = JSON.parse(text)
    const fields = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
    return (name) => (Object.hasOwn(fields, name) ? textOf(fields[name]) : undefined)
  } catch {
    return html(400, 'Bad Request', 'The body is not JSON.')
  }
}

/** Does a page of somebody else's send this? Browsers say where a POST comes from; programs say nothing. */
export function isForeign(exchange: Exchange): boolean {
  const { headers } = exchange.request
  if (headers.get('sec-fetch-site') === 'cross-site') return true
  const origin = headers.get('origin')
  if (origin === undefined) return false
  try {
    return new URL(origin).host !== headers.get('host')
  } catch {
    return true // `null`: a sandboxed page, or one that hides itself
  }
}

export type HeaderList = readonly (readonly [name: string, value: string])[]

export function html(status: number, reason: string, message: string, headers: HeaderList = []): Reply {
  return page(status, errorPage(status, reason, message), headers)
}

/** Never in a frame: a click must be meant for what it hits. */
export function page(status: number, body: string, headers: HeaderList = []): Reply {
  return {
    kind: 'reply',
    status,
    headers: [
      ['Content-Type', 'text/html; charset=utf-8'],
      ['Cache-Control', 'no-store'],
      ['X-Frame-Options', 'DENY'],
      ['Content-Security-Policy', "default-src 'self'; frame-ancestors 'none'"],
      ...headers,
    ],
    body,
  }
}

export function redirect(location: string, headers: HeaderList = []): Reply {
  return {
    kind: 'reply',
    status: 302,
    headers: [['Location', location], ['Cache-Control', 'no-store'], ...headers],
    body: '',
  }
}

export function json(status: number, value: unknown, headers: HeaderList = []): Reply {
  return {
    kind: 'reply',
    status,
    headers: [['Content-Type', 'application/json'], ['Cache-Control', 'no-store'], ['Pragma', 'no-cache'], ...headers],
    body: JSON.stringify(value),
  }
}

export function isReply(value: Parameters | Reply): value is Reply {
  return typeof value !== 'function'
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value)
  return typeof value === 'string' && value !== '' ? value : undefined
}
