/** Header fields ↔ the `headers` object that Node gives to middleware. */
import type { HeaderFields } from '../../policies/policy.ts'

export type NodeHeaders = Record<string, string | string[] | undefined>

/** The names of which Node keeps the first value and drops the rest. */
const single = new Set(
  (
    'age authorization content-length content-type etag expires from host if-modified-since if-unmodified-since ' +
    'last-modified location max-forwards proxy-authorization referer retry-after server user-agent'
  ).split(' '),
)

/** As `http.IncomingMessage` joins them: lower-case names; cookies by '; ', the rest by ', '. */
export function toNodeHeaders(fields: HeaderFields): NodeHeaders {
  const headers: NodeHeaders = {}
  for (const [name, value] of fields) {
    const lower = name.toLowerCase()
    const before = headers[lower]
    if (lower === 'set-cookie') headers[lower] = [...(Array.isArray(before) ? before : []), value]
    else if (before === undefined) headers[lower] = value
    else if (!single.has(lower)) headers[lower] = `${String(before)}${lower === 'cookie' ? '; ' : ', '}${value}`
  }
  return headers
}

export function toRawHeaders(fields: HeaderFields): string[] {
  const raw: string[] = []
  for (const [name, value] of fields) raw.push(name, value)
  return raw
}

/** What middleware has changed since `before` was made → the fields. Throws a TypeError on what cannot be written. */
export function carryBack(before: Readonly<NodeHeaders>, after: NodeHeaders, fields: HeaderFields): void {
  for (const name of Object.keys(after)) {
    const value = after[name]
    if (value === before[name]) continue
    if (value === undefined || value === null) fields.delete(name)
    else if (Array.isArray(value)) {
      fields.delete(name)
      for (const one of value) fields.append(name, String(one))
    } else fields.set(name, String(value))
  }
  for (const name of Object.keys(before)) if (!Object.hasOwn(after, name)) fields.delete(name)
}

/** What policies have changed since `before` was made → the object that middleware sees. */
export function carryIn(before: Readonly<NodeHeaders>, now: Readonly<NodeHeaders>, headers: NodeHeaders): void {
  for (const name of Object.keys(now)) if (now[name] !== before[name]) headers[name] = now[name]
  for (const name of Object.keys(before)) if (!Object.hasOwn(now, name)) delete headers[name]
}
