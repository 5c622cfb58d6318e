/** What an expression is evaluated against: as much of an exchange as users' code may see. Types, and the facts of a request. */

/** Any exchange of the engine is one; nothing here knows the engine. */
export interface Subject {
  readonly request: {
    method: string
    target: string
    readonly originalTarget: string
    readonly path: string
    readonly query: string
    readonly version: string
    readonly host: string
    readonly headers: Fields
  }
  readonly response: { readonly headers: Fields; readonly from: 'backend' | 'gateway' }
  readonly connection: {
    readonly clientAddress: string
    readonly remotePort: number
    readonly scheme: 'http' | 'https'
  }
  readonly route: {
    readonly match: { readonly path?: { readonly kind: string; readonly value?: string } }
    readonly annotations?: Readonly<Record<string, unknown>>
  }
  readonly parameters: Readonly<Record<string, string>>
  consumer: Readonly<Record<string, unknown>> | undefined
  readonly id: string
  readonly notes: Map<symbol, unknown>
}

export interface Fields extends Iterable<readonly [name: string, value: string]> {
  get(lowerName: string): string | undefined
  set(name: string, value: string): void
  append(name: string, value: string): void
  delete(name: string): void
}

/** Where a policy leaves a parsed body. */
const parsedBody = Symbol.for('gantry.parsedBody')

export function bodyOf(subject: Subject): unknown {
  return subject.notes.get(parsedBody)
}

/** As Node shows them: lower case, fields of one name joined. */
export function headersOf(subject: Subject): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name] of subject.request.headers) {
    const lower = name.toLowerCase()
    if (Object.hasOwn(headers, lower)) continue
    const value = subject.request.headers.get(lower)
    if (value !== undefined) headers[lower] = value
  }
  return headers
}

/** Captures of the path; for a pattern that ends with `*` and for one that takes every path, what `*` stands for. */
export function parametersOf(subject: Subject): Readonly<Record<string, string>> {
  const { path } = subject.route.match
  if (path === undefined) return { 0: decoded(subject.request.path) }
  if (path.kind === 'start') return { 0: decoded(subject.request.path.slice(path.value?.length ?? 0)) }
  return subject.parameters
}

function decoded(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text // nothing reads it but the user's own code, which then sees what the client wrote
  }
}

/** The host as the client names it, without port. */
export function hostnameOf(subject: Subject): string | undefined {
  const host = subject.request.headers.get('host')
  if (host === undefined) return undefined
  const end = host.indexOf(':', host.startsWith('[') ? host.indexOf(']') : 0)
  return end === -1 ? host : host.slice(0, end)
}

/** A query as Express reads it: `a=1&a=2` is a list, `a[b]=1` a mapping, `a[]=1` a list; at most five deep, 1000 pairs. */
export function parseQuery(query: string): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  if (query === '') return result
  for (const pair of query.split('&', 1000)) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = plain(equals === -1 ? pair : pair.slice(0, equals))
    const value = equals === -1 ? '' : plain(pair.slice(equals + 1))
    const keys = keysOf(name)
    if (keys !== undefined) place(result, keys, value)
  }
  return result
}

function plain(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text
  return decoded(spaced)
}

function keysOf(name: string): readonly string[] | undefined {
  const bracket = name.indexOf('[')
  if (bracket <= 0) return forbidden(name) ? undefined : [name]
  const keys = [name.slice(0, bracket)]
  let rest = name.slice(bracket)
  while (keys.length <= 5) {
    const found = /^\[([^[\]]*)\]/.exec(rest)
    if (found === null) break
    keys.push(found[1] ?? '')
    rest = rest.slice(found[0].length)
  }
  if (rest !== '') keys.push(rest)
  return keys.some(forbidden) ? undefined : keys
}

/** Names that everything has already: a client must not shadow them. */
function forbidden(name: string): boolean {
  return name in Object.prototype
}

type Holder = Record<string, unknown> | unknown[]

function place(root: Record<string, unknown>, keys: readonly string[], value: string): void {
  let holder: Holder = root
  for (const [index, key] of keys.entries()) {
    const last = index === keys.length - 1
    if (Array.isArray(holder)) {
      // in a list the name of the place does not matter; qs keeps the order
      if (last) holder.push(value)
      else {
        const inner: Record<string, unknown> = {}
        holder.push(inner)
        holder = inner
      }
      continue
    }
    const before: unknown = holder[key]
    if (last) {
      if (before === undefined) holder[key] = value
      else if (Array.isArray(before)) before.push(value)
      else holder[key] = [before, value]
      return
    }
    const list: boolean = keys[index + 1] === '' || /^\d{1,2}$/.test(keys[index + 1] ?? '')
    if (typeof before === 'object' && before !== null) holder = before as Holder
    else {
      const made: Holder = list ? [] : {}
      if (before !== undefined && Array.isArray(made)) made.push(before)
      holder[key] = made
      holder = made
    }
  }
}
