/** HTTPRoute → routes of the model, one for each rule, match and rank of hostname. Pure. (HTTPRouteSpec.) */
import type { Action, Forward, Match, NamedMatch, PathMatch, ValueMatch } from '../../model/model.ts'
import { milliseconds } from './duration.ts'
import { originOf } from './origin.ts'
import type { HTTPRoute } from './resources.ts'
import { keyOf } from './resources.ts'
import type { RouteView } from './route.ts'
import { RouteScribe } from './route.ts'
import { persistenceOf } from './session.ts'
import type { RuleMatch } from './types.generated.ts'
import type { View } from './view.ts'

type Rule = HTTPRoute['spec']['rules'][number]

export function translateHTTPRoute(route: HTTPRoute, view: View): RouteView {
  const hostnames = route.spec.hostnames ?? []
  const scribe = new RouteScribe(route, hostnames, view)
  const placements = scribe.placements(hostnames)
  // references are judged also where the route is attached to nothing
  const views = placements.length === 0 ? [undefined] : placements
  route.spec.rules.forEach((rule, ruleIndex) => {
    const field = `spec.rules[${ruleIndex}]`
    const matches: readonly RuleMatch[] = rule.matches.length === 0 ? [anything] : rule.matches
    const prefix = matches.length === 1 && matches[0]!.path.type === 'PathPrefix' ? matches[0]!.path.value : undefined
    for (const placement of views) {
      const { policies, action } = serve(scribe, rule, field, {
        prefix,
        clientCertificate: placement?.clientCertificate,
      })
      if (placement === undefined) continue
      matches.forEach((match, matchIndex) => {
        const invalid = regularExpressions(match).find((source) => !isRegularExpression(source))
        if (invalid !== undefined) {
          scribe.drop(
            { reason: 'UnsupportedValue', message: `${JSON.stringify(invalid)} is not a regular expression` },
            `${field}.matches[${matchIndex}]`,
          )
          return
        }
        const id = `gateway-api/HTTPRoute/${keyOf(route)}/${ruleIndex}/${matchIndex}${placement.suffix}`
        scribe.entries.push({
          rank: rankOf(placement.hostRank, match),
          age: scribe.age,
          name: scribe.name,
          place: ruleIndex * 1000 + matchIndex,
          route: {
            id,
            listeners: placement.listeners,
            ...(placement.hosts === undefined ? {} : { hosts: placement.hosts }),
            match: matchOf(match),
            policies,
            action,
            label: `HTTPRoute ${keyOf(route)}${rule.name === undefined ? '' : ` ${rule.name}`}`,
            origin: originOf(route, field),
          },
        })
      })
    }
  })
  return scribe.finish()
}

const anything: RuleMatch = { path: { type: 'PathPrefix', value: '/' } }

function serve(
  scribe: RouteScribe,
  rule: Rule,
  field: string,
  options: { readonly prefix: string | undefined; readonly clientCertificate: string | undefined },
): { readonly policies: NonNullable<ReturnType<RouteScribe['filter']>>['uses']; readonly action: Action } {
  const filtered = scribe.filter(rule.filters ?? [], field, options)
  const backends = scribe.weigh(rule.backendRefs ?? [], field, options)
  if (filtered === undefined) return { policies: [], action: { kind: 'reply', status: 500 } }
  if (filtered.redirects) return { policies: filtered.uses, action: { kind: 'reply', status: 500 } }
  const persistence = persistenceOf(rule.sessionPersistence, `${keyOf(scribe.route)}/${field}`)
  const forward: Forward = {
    backends,
    ...timeoutsOf(rule),
    ...retryOf(rule),
    ...(persistence === undefined ? {} : { persistence }),
  }
  return { policies: filtered.uses, action: { kind: 'forward', forward } }
}

function timeoutsOf({ timeouts }: Rule): Pick<Forward, 'timeouts'> {
  const { request, backendRequest } = timeouts ?? {}
  if (request === undefined && backendRequest === undefined) return {}
  return {
    timeouts: {
      ...(request === undefined ? {} : { request: milliseconds(request) }),
      ...(backendRequest === undefined ? {} : { backendRequest: milliseconds(backendRequest) }),
    },
  }
}

function retryOf({ retry }: Rule): Pick<Forward, 'retry'> {
  if (retry === undefined) return {}
  return {
    retry: {
      attempts: Math.min(retry.attempts, 100),
      ...(retry.codes === undefined ? {} : { statuses: retry.codes }),
      ...(retry.backoff === undefined ? {} : { backoff: milliseconds(retry.backoff) }),
    },
  }
}

/** Kind of route, host, path, method, headers, query: the order of HTTPRouteRule.matches after that of hostnames. */
function rankOf(hostRank: number, match: RuleMatch): readonly number[] {
  const { type } = match.path
  const kind = type === 'Exact' ? 2 : type === 'RegularExpression' ? 1 : 0
  return [
    0,
    hostRank,
    kind,
    pathLength(match),
    match.method === undefined ? 0 : 1,
    distinct(match.headers, true),
    distinct(match.queryParams, false),
  ]
}

/** A trailing slash of a prefix means nothing. */
function pathLength({ path: { type, value } }: RuleMatch): number {
  return type === 'PathPrefix' ? value.replace(/\/+$/, '').length : value.length
}

function distinct(list: RuleMatch['headers'], ignoreCase: boolean): number {
  return new Set((list ?? []).map((each) => (ignoreCase ? each.name.toLowerCase() : each.name))).size
}

function matchOf(match: RuleMatch): Match {
  const path = pathOf(match.path)
  const headers = namedMatches(match.headers, true)
  const query = namedMatches(match.queryParams, false)
  return {
    ...(path === undefined ? {} : { path }),
    ...(match.method === undefined ? {} : { methods: [match.method] }),
    ...(headers.length === 0 ? {} : { headers }),
    ...(query.length === 0 ? {} : { query }),
  }
}

/** Undefined: every path. */
function pathOf({ type, value }: RuleMatch['path']): PathMatch | undefined {
  switch (type) {
    case 'Exact':
      return { kind: 'exact', value }
    case 'RegularExpression':
      return { kind: 'regexp', source: whole(value) }
    case 'PathPrefix': {
      const prefix = value.replace(/\/+$/, '')
      return prefix === '' ? undefined : { kind: 'prefix', value: prefix }
    }
  }
}

/** Of a name that stands twice only the first counts. */
export function namedMatches(list: RuleMatch['headers'], ignoreCase: boolean): readonly NamedMatch[] {
  const seen = new Set<string>()
  return (list ?? []).flatMap(({ name, type, value }) => {
    const key = ignoreCase ? name.toLowerCase() : name
    if (seen.has(key)) return []
    seen.add(key)
    const match: ValueMatch =
      type === 'RegularExpression' ? { kind: 'regexp', source: whole(value) } : { kind: 'exact', value }
    return [{ name: key, value: match }]
  })
}

/** Regular expressions match the whole value, as in the data planes that this API was written for. */
export function whole(source: string): string {
  return `^(?:${source})$`
}

function regularExpressions(match: RuleMatch): readonly string[] {
  const all = [match.path, ...(match.headers ?? []), ...(match.queryParams ?? [])]
  return all.flatMap((each) => (each.type === 'RegularExpression' ? [each.value] : []))
}

export function isRegularExpression(source: string): boolean {
  try {
    new RegExp(source, 'u')
    return true
  } catch {
    return false
  }
}
