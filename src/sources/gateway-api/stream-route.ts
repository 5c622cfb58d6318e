/** TLSRoute, TCPRoute, UDPRoute → stream routes of the model. Pure. (TLSRouteSpec, TCPRouteSpec, UDPRouteSpec.) */
import { originOf } from './origin.ts'
import type { TCPRoute, TLSRoute, UDPRoute } from './resources.ts'
import { keyOf } from './resources.ts'
import type { RouteView } from './route.ts'
import { RouteScribe } from './route.ts'
import type { View } from './view.ts'

/**
 * Of several TCPRoutes or UDPRoutes on one listener the oldest serves: it comes first, and the first that matches wins.
 */
export function translateStreamRoute(route: TLSRoute | TCPRoute | UDPRoute, view: View): RouteView {
  const hostnames = route.kind === 'TLSRoute' ? route.spec.hostnames : []
  const scribe = new RouteScribe(route, hostnames, view)
  const placements = scribe.placements(hostnames)
  route.spec.rules.forEach((rule, index) => {
    const field = `spec.rules[${index}]`
    for (const placement of placements.length === 0 ? [undefined] : placements) {
      const backends = scribe.weigh(rule.backendRefs, field, {
        clientCertificate: placement?.clientCertificate,
        prefix: undefined,
      })
      if (placement === undefined) continue
      scribe.streams.push({
        rank: [placement.hostRank],
        age: scribe.age,
        name: scribe.name,
        place: index,
        stream: {
          id: `gateway-api/${route.kind}/${keyOf(route)}/${index}${placement.suffix}`,
          listeners: placement.listeners,
          ...(placement.hosts === undefined ? {} : { hosts: placement.hosts }),
          backends,
          origin: originOf(route, field),
        },
      })
    }
  })
  return scribe.finish()
}
