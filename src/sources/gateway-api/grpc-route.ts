/** GRPCRoute → routes of the model that take gRPC only. Pure. (GRPCRouteSpec.) */
import type { Action, Match, PathMatch } from '../../model/model.ts'
import { isRegularExpression, namedMatches, whole } from './http-route.ts'
import { originOf } from './origin.ts'
import type { GRPCRoute } from './resources.ts'
import { keyOf } from './resources.ts'
import type { RouteView } from './route.ts'
import { RouteScribe } from './route.ts'
import { persistenceOf } from './session.ts'
import type { Match as GRPCMatch, Method } from './types.generated.ts'
import type { View } from './view.ts'

export function translateGRPCRoute(route: GRPCRoute, view: View): RouteView {
  const hostnames = route.spec.hostnames ?? []
  const scribe = new RouteScribe(route, hostnames, view)
  const placements = scribe.placements(hostnames)
  const views = placements.length === 0 ? [undefined] : placements
  ;(route.spec.rules ?? []).forEach((rule, ruleIndex) => {
    const field = `spec.rules[${ruleIndex}]`
    const matches: readonly GRPCMatch[] = rule.matches === undefined || rule.matches.length === 0 ? [{}] : rule.matches
    for (const placement of views) {
      const options = { prefix: undefined, clientCertificate: placement?.clientCertificate }
      const filtered = scribe.filter(rule.filters ?? [], field, options)
      const backends = scribe.weigh(rule.backendRefs ?? [], field, options)
      if (placement === undefined) continue
      const persistence = persistenceOf(rule.sessionPersistence, `${keyOf(route)}/${field}`)
      const action: Action =
        filtered === undefined
          ? { kind: 'reply', status: 500 }
          : { kind: 'forward', forward: { backends, ...(persistence === undefined ? {} : { persistence }) } }
      matches.forEach((match, matchIndex) => {
        const invalid = regularExpressions(match).find((source) => !isRegularExpression(source))
        if (invalid !== undefined) {
          scribe.drop(
            { reason: 'UnsupportedValue', message: `${JSON.stringify(invalid)} is not a regular expression` },
            `${field}.matches[${matchIndex}]`,
          )
          return
        }
        scribe.entries.push({
          // gRPC is looked up among GRPCRoutes before all others
          rank: [
            1,
            placement.hostRank,
            match.method?.service?.length ?? 0,
            match.method?.method?.length ?? 0,
            headerCount(match),
          ],
          age: scribe.age,
          name: scribe.name,
          place: ruleIndex * 1000 + matchIndex,
          route: {
            id: `gateway-api/GRPCRoute/${keyOf(route)}/${ruleIndex}/${matchIndex}${placement.suffix}`,
            listeners: placement.listeners,
            ...(placement.hosts === undefined ? {} : { hosts: placement.hosts }),
            match: matchOf(match),
            policies: filtered?.uses ?? [],
            action,
            label: `GRPCRoute ${keyOf(route)}${rule.name === undefined ? '' : ` ${rule.name}`}`,
            origin: originOf(route, field),
          },
        })
      })
    }
  })
  return scribe.finish()
}

function matchOf(match: GRPCMatch): Match {
  const path = match.method === undefined ? undefined : pathOf(match.method)
  const headers = namedMatches(match.headers, true)
  return { content: 'grpc', ...(path === undefined ? {} : { path }), ...(headers.length === 0 ? {} : { headers }) }
}

/** A call is POST /package.Service/Method (gRPC over HTTP/2). */
function pathOf({ type, service, method }: Method): PathMatch | undefined {
  if (service === undefined && method === undefined) return undefined
  if (type === 'RegularExpression') {
    return { kind: 'regexp', source: `^/(?:${service ?? '[^/]+'})/(?:${method ?? '[^/]+'})$` }
  }
  if (service !== undefined && method !== undefined) return { kind: 'exact', value: `/${service}/${method}` }
  if (service !== undefined) return { kind: 'prefix', value: `/${service}` }
  return { kind: 'regexp', source: whole(`/[^/]+/${method!.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`) }
}

function headerCount(match: GRPCMatch): number {
  return new Set((match.headers ?? []).map((each) => each.name.toLowerCase())).size
}

function regularExpressions({ method, headers }: GRPCMatch): readonly string[] {
  const ofMethod = method?.type === 'RegularExpression' ? [method.service, method.method] : []
  const ofHeaders = (headers ?? []).flatMap((each) => (each.type === 'RegularExpression' ? [each.value] : []))
  return [...ofMethod.filter((each) => each !== undefined), ...ofHeaders]
}
