/** Routes in order → which can never be reached, because an earlier one takes everything of theirs. Pure, and cheap: no theorem prover. */
import type { Diagnostic } from '../model/diagnostic.ts'
import type { HostMatch, Route } from '../model/model.ts'
import { canonical } from './canonical.ts'
import { matchKey } from './merge.ts'
import { remembered } from './memo.ts'

/** A route that takes the same match before, or every path of the same hosts. Policies that pass on to the next route are left to them. */
export const neverReached: (routes: readonly Route[]) => readonly Diagnostic[] = remembered((routes) => {
  const byListener = new Map<string, Map<string, Route>>()
  const diagnostics: Diagnostic[] = []
  for (const route of routes) {
    const all = route.listeners.map((listener) => {
      let takers = byListener.get(listener)
      if (takers === undefined) byListener.set(listener, (takers = new Map()))
      return takers
    })
    const takenBy = all.map((takers) => taker(takers, route))
    const [first] = takenBy
    if (first !== undefined && takenBy.every((one) => one !== undefined)) diagnostics.push(shadowed(route, first))
    if (mayPassOn(route)) continue
    for (const claim of claimsOf(route)) for (const takers of all) if (!takers.has(claim)) takers.set(claim, route)
  }
  return diagnostics
})

function taker(takers: ReadonlyMap<string, Route>, route: Route): Route | undefined {
  const same = takers.get(matchKey(route)) ?? takers.get('every host')
  if (same !== undefined || (route.hosts ?? []).length === 0) return same
  const each = hostKeys(route).map((host) => takers.get(`host ${host}`))
  return each.every((one) => one !== undefined) ? each[0] : undefined
}

function shadowed(route: Route, by: Route): Diagnostic {
  return {
    code: 'check/never-reached',
    severity: 'info',
    message: `route ${route.id} is never reached: ${by.id} takes its requests first`,
    hint: 'put it before the other, or make its match narrower',
    origin: route.origin,
    related: [by.origin],
  }
}

/** Only what a policy does tells whether it leaves a request to the next route; plugins and conditions may. */
function mayPassOn(route: Route): boolean {
  return route.action.kind === 'next' || route.policies.some((use) => use.policy === 'plugin')
}

const claimsOf: (route: Route) => readonly string[] = remembered((route) => {
  const claims = [matchKey(route)]
  if (!takesEveryPath(route)) return claims
  return (route.hosts ?? []).length === 0
    ? [...claims, 'every host']
    : [...claims, ...hostKeys(route).map((host) => `host ${host}`)]
})

const hostKeys: (route: Route) => readonly string[] = remembered((route) =>
  (route.hosts ?? []).map((host: HostMatch) => canonical(host)),
)

function takesEveryPath({ match }: Route): boolean {
  const { path, methods, headers = [], query = [], content, clientCertificate } = match
  const everyPath =
    path === undefined ||
    ((path.kind === 'prefix' || path.kind === 'start') && (path.value === '/' || path.value === ''))
  return (
    everyPath &&
    methods === undefined &&
    headers.length === 0 &&
    query.length === 0 &&
    content === undefined &&
    clientCertificate === undefined
  )
}
