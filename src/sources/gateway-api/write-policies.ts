/** Policy uses of the model → filters of an HTTPRoute, and what has no equivalent. Pure. */
import type { PathMatch, PolicyUse } from '../../model/model.ts'
import { isPlainPath } from './write-match.ts'

export type WrittenFilter = Readonly<Record<string, unknown>> & { readonly type: string }

/** `closed`: the request must not go on without it. `lost`: it may, and the difference is said. */
export interface Loss {
  readonly kind: 'closed' | 'lost'
  readonly words: string
  readonly hint?: string
  readonly use: PolicyUse
}

export interface FilterPlace {
  /** What the rule matches, where it is one prefix. */
  readonly prefix: string | undefined
  /** What the route takes. */
  readonly path: PathMatch | undefined
  /** Id of a backend → the Service of it. */
  serviceOf(backend: string): { readonly name: string; readonly port: number } | undefined
}

export interface WrittenFilters {
  readonly filters: readonly WrittenFilter[]
  readonly losses: readonly Loss[]
}

/** Without these a request is answered all the same, and by the same backend. */
const harmless: ReadonlySet<string> = new Set([
  'log',
  'metrics-label',
  'cors',
  'rewrite-cookies',
  'rewrite-location',
  'follow-redirects',
  'strip-identity',
])

export function writePolicies(uses: readonly PolicyUse[], place: FilterPlace): WrittenFilters {
  const filters: WrittenFilter[] = []
  const losses: Loss[] = []
  const lose = (use: PolicyUse, kind: Loss['kind'], words: string, hint?: string): void => {
    losses.push({ kind, words, use, ...(hint === undefined ? {} : { hint }) })
  }
  for (const use of uses) {
    const { policy, when } = use
    const config = recordOf(use.config)
    if (when !== undefined) {
      lose(use, harmless.has(policy) ? 'lost' : 'closed', `${policy} has a condition, which a filter cannot have`)
      continue
    }
    if (policy === 'headers') {
      for (const side of ['request', 'response'] as const) writeHeaders(use, config[side], side)
    } else if (policy === 'strip-identity' && Array.isArray(config['headers'])) {
      filters.push({ type: 'RequestHeaderModifier', requestHeaderModifier: { remove: config['headers'] } })
    } else if (policy === 'proxy-path') writeProxyPath(use, config)
    else if (policy === 'target-path') writeTargetPath(use, config)
    else if (policy === 'normal-request') writeNormalRequest(use, config)
    else if (policy === 'url-rewrite' || policy === 'redirect') writeRewrite(use, config)
    else if (policy === 'mirror') writeMirror(use, config)
    else if (policy === 'cors') writeCors(use, config)
    else if (harmless.has(policy)) lose(use, 'lost', `there is no equivalent of ${policy} yet; it is left out`)
    else lose(use, 'closed', `there is no equivalent of ${policy} yet`)
  }
  return { filters: joined(filters), losses }

  function writeCors(use: PolicyUse, config: Readonly<Record<string, unknown>>): void {
    if (filters.some((filter) => filter.type === 'CORS')) {
      lose(use, 'lost', 'a rule has one CORS filter; a second one is left out')
      return
    }
    const cors = corsOf(config)
    if (typeof cors === 'string') lose(use, 'lost', `cors is left out: ${cors}`)
    else {
      if (config['answer'] !== undefined && config['answer'] !== 'preflight')
        lose(use, 'lost', 'the CORS filter answers preflights, and no other OPTIONS')
      if (config['backendHeaders'] === 'keep')
        lose(use, 'lost', 'the CORS filter replaces what the backend says of CORS')
      filters.push({ type: 'CORS', cors })
    }
  }

  function writeHeaders(use: PolicyUse, given: unknown, side: 'request' | 'response'): void {
    const changes = recordOf(given)
    const fields = (key: 'set' | 'add'): readonly { readonly name: string; readonly value: string }[] =>
      listOf(changes[key]).flatMap((item) => {
        const { name, value } = recordOf(item)
        if (typeof name !== 'string') return []
        if (/^(?:proxy-)?authorization$|^cookie$|api-?key|token|secret/i.test(name)) {
          lose(use, 'lost', `the value of ${name} is not printed, it may be a secret`, 'add the header by hand')
          return []
        }
        if (typeof value === 'string' && /^[!-~]+([\t ]?[!-~]+)*$/.test(value)) return [{ name, value }]
        lose(use, 'lost', `the value of ${name} is computed for each request, which a filter cannot do`)
        return []
      })
    const set = fields('set')
    const add = fields('add')
    const remove = listOf(changes['remove'])
    if (set.length + add.length + remove.length === 0) return
    const modifier = {
      ...(set.length === 0 ? {} : { set }),
      ...(add.length === 0 ? {} : { add }),
      ...(remove.length === 0 ? {} : { remove }),
    }
    filters.push(
      side === 'request'
        ? { type: 'RequestHeaderModifier', requestHeaderModifier: modifier }
        : { type: 'ResponseHeaderModifier', responseHeaderModifier: modifier },
    )
  }

  function writeProxyPath(use: PolicyUse, config: Readonly<Record<string, unknown>>): void {
    const strip = recordOf(config['strip'])
    const prepend = typeof config['prepend'] === 'string' ? config['prepend'].replace(/\/$/, '') : ''
    const ignore = config['request'] === 'ignore'
    if (typeof config['query'] === 'string' && config['query'] !== '') {
      lose(use, 'closed', 'a filter cannot put a query before that of the request')
    } else if (strip['kind'] === 'path' && !ignore) {
      replace({ type: 'ReplaceFullPath', replaceFullPath: `${prepend}/` })
    } else if (ignore) lose(use, 'closed', 'a filter cannot drop the query of the request')
    else if (strip['kind'] === 'none' && prepend === '') return
    else if (strip['kind'] === 'none' && place.prefix !== undefined) {
      replace({ type: 'ReplacePrefixMatch', replacePrefixMatch: `${prepend}${place.prefix}` })
    } else if (strip['kind'] === 'characters' && stripsPrefix(strip['count'])) {
      replace({ type: 'ReplacePrefixMatch', replacePrefixMatch: prepend === '' ? '/' : prepend })
    } else lose(use, 'closed', 'a filter can only replace the whole path, or the prefix that the rule matches')
  }

  function writeNormalRequest(use: PolicyUse, config: Readonly<Record<string, unknown>>): void {
    const headers =
      config['underscores'] === 'keep' ? '' : ', and header fields with an underscore in their name are passed on'
    const words =
      'paths are matched and passed on as clients write them: escapes, empty and dot segments may lead to another route ' +
      `than under nginx, a path that cannot be decoded is no 400${headers}`
    lose(use, 'lost', words, 'a backend must not take a closed route as protection of paths that an open one reaches')
  }

  function writeTargetPath(use: PolicyUse, config: Readonly<Record<string, unknown>>): void {
    const change = targetPathOf(config)
    if (filters.some((filter) => filter.type === 'URLRewrite'))
      lose(use, 'closed', 'a filter cannot replace a path that another one has replaced')
    // what the client sent is what is passed on
    else if (change === undefined) return
    else {
      const path = replacedFront(change, place.path)
      if (path === undefined || (path.type === 'ReplacePrefixMatch' && place.prefix === undefined)) {
        const words = `a filter replaces whole segments, not ${change.from}* by ${change.to}*`
        lose(use, 'closed', words, 'let both end in a slash, or neither')
      } else replace(path)
    }
  }

  function stripsPrefix(count: unknown): boolean {
    const length = place.prefix === '/' ? 0 : place.prefix?.length
    return length !== undefined && (count === length || count === length + 1)
  }

  function replace(path: Readonly<Record<string, unknown>>): void {
    filters.push({ type: 'URLRewrite', urlRewrite: { path } })
  }

  function writeRewrite(use: PolicyUse, config: Readonly<Record<string, unknown>>): void {
    const given = config['path'] === undefined ? undefined : recordOf(config['path'])
    const value = typeof given?.['value'] === 'string' ? given['value'] : '/'
    if (
      given !== undefined &&
      (given['kind'] === 'regexp' || (given['kind'] === 'prefix' && place.prefix === undefined))
    ) {
      lose(use, 'closed', 'a filter cannot replace this part of the path')
      return
    }
    if (given !== undefined && !isPlainPath(value === '' ? '/' : value)) {
      lose(use, 'closed', `${JSON.stringify(value)} cannot be written as a path`)
      return
    }
    const path =
      given === undefined
        ? {}
        : given['kind'] === 'full'
          ? { path: { type: 'ReplaceFullPath', replaceFullPath: value } }
          : { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: value } }
    const hostname = config['hostname'] === undefined ? {} : { hostname: config['hostname'] }
    if (use.policy === 'url-rewrite') {
      filters.push({ type: 'URLRewrite', urlRewrite: { ...hostname, ...path } })
      return
    }
    if (config['query'] === 'drop') lose(use, 'lost', 'the redirect keeps the query, which was to be dropped')
    const { scheme, port, status } = config
    const requestRedirect = {
      ...(scheme === undefined ? {} : { scheme }),
      ...hostname,
      ...(port === undefined ? {} : { port }),
      ...path,
      statusCode: status ?? 302,
    }
    filters.push({ type: 'RequestRedirect', requestRedirect })
  }

  function writeMirror(use: PolicyUse, config: Readonly<Record<string, unknown>>): void {
    const service = place.serviceOf(String(config['backend']))
    if (service === undefined) lose(use, 'lost', 'the copy goes to no backend that can be written')
    else {
      const fraction = config['share'] === undefined ? {} : { fraction: config['share'] }
      filters.push({ type: 'RequestMirror', requestMirror: { backendRef: service, ...fraction } })
    }
  }
}

interface TargetPath {
  readonly from: string
  readonly to: string
}

/** Undefined: the path stays what it was. */
export function targetPathOf(config: unknown): TargetPath | undefined {
  const { from, to } = recordOf(config)
  return typeof from !== 'string' || typeof to !== 'string' || from === to ? undefined : { from, to }
}

/** `target-path` counts by characters, a filter by segments; undefined: they do not make the same of what a route takes. */
export function replacedFront(
  { from, to }: TargetPath,
  path: PathMatch | undefined,
):
  | { readonly type: 'ReplaceFullPath'; readonly replaceFullPath: string }
  | { readonly type: 'ReplacePrefixMatch'; readonly replacePrefixMatch: string }
  | undefined {
  if (path?.kind === 'regexp' || (path?.value ?? '/') !== from || !isPlainPath(to)) return undefined
  if (path !== undefined && 'ignoreCase' in path && path.ignoreCase === true) return undefined
  if (path?.kind === 'exact')
    return path.optionalSlash === true ? undefined : { type: 'ReplaceFullPath', replaceFullPath: to }
  // /a → / makes //b of /a/b, where a filter makes /b
  if (from.endsWith('/') !== to.endsWith('/')) return undefined
  // by segments /a/ takes /a too, which does not begin with it
  if (path?.kind === 'prefix' && from !== '/' && from.endsWith('/')) return undefined
  return { type: 'ReplacePrefixMatch', replacePrefixMatch: to }
}

const corsMethods: ReadonlySet<unknown> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
])

/** The configuration of the policy → that of the filter, or why there is none. What is missing has the policy's defaults. */
function corsOf(config: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> | string {
  const origins = recordOf(config['origins'])
  const credentials = config['credentials'] === true
  let allowOrigins: readonly unknown[]
  switch (origins['kind'] ?? 'any') {
    case 'any':
      if (credentials) return 'with credentials, the filter tells every origin its own name; this tells them *'
      allowOrigins = ['*']
      break
    case 'reflect':
      allowOrigins = ['*']
      break
    case 'fixed':
      if (origins['value'] !== '*' || credentials) return 'the filter compares origins; this tells all of them the same'
      allowOrigins = ['*']
      break
    default: {
      const list = listOf(origins['of']).map(recordOf)
      if (list.some((each) => each['kind'] === 'regexp')) return 'an origin is a regular expression'
      allowOrigins = list.map((each) => each['value'])
      if (
        !allowOrigins.every(
          (each) => typeof each === 'string' && /^[A-Za-z][A-Za-z0-9+.-]*:\/\/[A-Za-z0-9.*-]+(:\d{1,5})?$/.test(each),
        )
      )
        return 'an origin is no scheme://host:port'
    }
  }
  const methods = config['methods'] ?? ['GET', 'HEAD', 'PUT', 'PATCH', 'POST', 'DELETE']
  if (Array.isArray(methods) && !methods.every((each) => corsMethods.has(each)))
    return 'a method is none that the filter knows'
  const headers = config['allowHeaders'] ?? 'reflect'
  const expose = listOf(config['exposeHeaders'])
  return {
    allowOrigins,
    allowMethods: methods === 'reflect' ? ['*'] : methods,
    allowHeaders: headers === 'reflect' ? ['*'] : headers,
    ...(expose.length === 0 ? {} : { exposeHeaders: expose }),
    ...(credentials ? { allowCredentials: true } : {}),
    ...(typeof config['maxAge'] === 'number' && config['maxAge'] > 0 ? { maxAge: config['maxAge'] } : {}),
  }
}

/** The definition allows one filter of most types: several are made one, where they do not speak of the same. */
function joined(filters: readonly WrittenFilter[]): readonly WrittenFilter[] {
  const result: WrittenFilter[] = []
  for (const filter of filters) {
    const at = result.findIndex((each) => each.type === filter.type && filter.type !== 'RequestMirror')
    const before = result[at]
    if (before === undefined) {
      result.push(filter)
      continue
    }
    const key = filter.type.replace(/^URL/, 'url').replace(/^R/, 'r')
    const left = recordOf(before[key])
    const right = recordOf(filter[key])
    const merged: Record<string, unknown> = { ...left }
    for (const [name, value] of Object.entries(right)) {
      merged[name] = Array.isArray(value) ? [...listOf(left[name]), ...(value as readonly unknown[])] : value
    }
    result[at] = { ...before, [key]: merged }
  }
  return result
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {}
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
