/** Question → answer, where the answer is itself a translation. Pure but for what the graph remembers. */
import type { Need } from './backends.ts'
import { backendOf, endpointsOf } from './backends.ts'
import { conflictOf, decide, translatePolicy } from './backend-tls-policy.ts'
import type { Entry } from './conflicts.ts'
import type { Facts } from './facts.ts'
import { gatewayClassStatus } from './gateway-class.ts'
import { groundOf } from './gateway-status.ts'
import type { GatewayView } from './gateway.ts'
import { parentView, translateGateway } from './gateway.ts'
import type { Answer, Ask } from './graph.ts'
import { sameData, sameList } from './graph.ts'
import { translateGRPCRoute } from './grpc-route.ts'
import { translateHTTPRoute } from './http-route.ts'
import type { AnyRoute, Gateway, RouteKind } from './resources.ts'
import { group, keyOf } from './resources.ts'
import type { RouteView } from './route.ts'
import { translateStreamRoute } from './stream-route.ts'
import type { View } from './view.ts'
import { viewOf } from './view.ts'

/** `needs`: what the routes of this round ask of backends, by id; the same id always means the same need. */
export function answerFor(facts: Facts, needs: ReadonlyMap<string, Need>): Answer {
  return (question, ask, before) => {
    const space = question.indexOf(' ')
    const verb = space < 0 ? question : question.slice(0, space)
    const rest = space < 0 ? '' : question.slice(space + 1)
    const view = viewOf(ask)
    switch (verb) {
      case 'gateway': {
        const gateway = view.object('Gateway', rest)
        return gateway === undefined ? undefined : translateGateway(gateway, view)
      }
      case 'parent': {
        const [kind, key] = rest.split(' ') as ['Gateway' | 'ListenerSet', string]
        const gateway = gatewayOfParent(kind, key, view)
        return gateway === undefined ? undefined : sameData(before, parentView(gateway, { kind, key }))
      }
      case 'claimed':
        return sameList(before as readonly Entry[] | undefined, claimedBefore(rest, ask))
      case 'tls': {
        const [key, port] = rest.split(' ') as [string, string]
        const service = view.object('Service', key)
        return sameData(before, service === undefined ? { kind: 'clear' } : decide(service, Number(port), view))
      }
      case 'policy': {
        const policy = view.object('BackendTLSPolicy', rest)
        return policy === undefined ? undefined : translatePolicy(policy, view)
      }
      case 'conflict': {
        const policy = view.object('BackendTLSPolicy', rest)
        return sameData(before, policy === undefined ? undefined : conflictOf(policy, view))
      }
      case 'route': {
        const [kind, key] = rest.split(' ') as [RouteKind, string]
        const route = view.object(kind, key)
        return route === undefined ? undefined : translateRoute(route, view)
      }
      case 'backend':
        return backendOf(needs.get(rest)!, view)
      case 'endpoints':
        return sameData(before, endpointsOf(needs.get(rest)!, view))
      case 'class': {
        const found = view.object('GatewayClass', rest)
        return found === undefined ? undefined : gatewayClassStatus(found, view)
      }
      case 'ground': {
        const gateway = view.object('Gateway', rest)
        return gateway === undefined ? undefined : sameData(before, groundOf(gateway, view))
      }
      default:
        return facts.answer(verb, rest, before)
    }
  }
}

function translateRoute(route: AnyRoute, view: View): RouteView {
  switch (route.kind) {
    case 'HTTPRoute':
      return translateHTTPRoute(route, view)
    case 'GRPCRoute':
      return translateGRPCRoute(route, view)
    case 'TLSRoute':
    case 'TCPRoute':
    case 'UDPRoute':
      return translateStreamRoute(route, view)
  }
}

function gatewayOfParent(kind: 'Gateway' | 'ListenerSet', key: string, view: View): GatewayView | undefined {
  if (kind === 'Gateway') return view.gateway(key)
  const set = view.object('ListenerSet', key)
  if (set === undefined || set.spec.parentRef.group !== group || set.spec.parentRef.kind !== 'Gateway') return undefined
  return view.gateway(`${set.spec.parentRef.namespace ?? set.metadata.namespace}/${set.spec.parentRef.name}`)
}

const entriesOf = new WeakMap<Gateway, readonly Entry[]>()

/** Listeners of older Gateways that bind an address of this one. */
function claimedBefore(key: string, ask: Ask): readonly Entry[] {
  const ordered = ask('gateways') as readonly Gateway[]
  const index = ordered.findIndex((each) => keyOf(each) === key)
  const own = addressesOf(ordered[index]!)
  return ordered.slice(0, index).flatMap((other) => {
    const theirs = addressesOf(other)
    if (own.size > 0 && theirs.size > 0 && ![...own].some((each) => theirs.has(each))) return []
    let entries = entriesOf.get(other)
    if (entries === undefined) {
      entries = other.spec.listeners.map((spec) => ({ spec, owner: other, rank: 'gateway' as const }))
      entriesOf.set(other, entries)
    }
    return entries
  })
}

/** None: it binds every address. */
function addressesOf(gateway: Gateway): ReadonlySet<string> {
  return new Set(
    (gateway.spec.addresses ?? []).flatMap((each) =>
      each.value === undefined || each.value === '' ? [] : [each.value],
    ),
  )
}
