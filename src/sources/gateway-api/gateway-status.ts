/** Gateway and its ListenerSets, with their attached routes and what was made for them → their statuses. Pure. */
import { countKey } from './gateway.ts'
import type { GatewayView, ListenerView, SetView } from './gateway.ts'
import { addressServiceName, infrastructureName } from './names.ts'
import type { Gateway, ListenerSet, Service } from './resources.ts'
import { group } from './resources.ts'
import type { Condition, Fault, ListenerStatus, ObjectStatus, StatusAddress } from './status.ts'
import { fails, holds } from './status.ts'
import type { View } from './view.ts'

/** What stands between the definition and a client: addresses, and somebody who listens. */
export interface Ground {
  readonly addresses: readonly StatusAddress[]
  /** Why it cannot be reached, if so. */
  readonly fault?: Fault
  /** Is there a data plane? */
  readonly ready: boolean
  /** Of addresses with a routability; absent where none was asked for. */
  readonly assigned?: 'all' | 'some' | 'none'
}

export function gatewayStatuses(
  gateway: GatewayView,
  ground: Ground,
  attached: (key: string) => number,
): readonly ObjectStatus[] {
  const sets = gateway.sets.map((set) => setStatus(gateway, set, ground, attached))
  return [gatewayStatus(gateway, ground, attached), ...sets]
}

function gatewayStatus(view: GatewayView, ground: Ground, attached: (key: string) => number): ObjectStatus {
  const { gateway } = view
  const { metadata } = gateway
  const listeners = view.listeners.map((each) => listenerStatus(gateway, each, view, ground, attached))
  const bad = view.listeners.filter((each) => acceptFault(each) !== undefined)
  const conditions: Condition[] = []
  const none = bad.length === view.listeners.length
  const message =
    bad.length === 0
      ? ''
      : `${bad.length} of ${view.listeners.length} listeners are not valid: ${bad.map((each) => each.spec.name).join(', ')}`
  const accepted =
    view.refused !== undefined
      ? fails(metadata, 'Accepted', view.refused.reason, view.refused.message)
      : none
        ? fails(metadata, 'Accepted', 'ListenersNotValid', message)
        : bad.length > 0
          ? holds(metadata, 'Accepted', 'ListenersNotValid', message)
          : holds(metadata, 'Accepted', 'Accepted', 'the Gateway is served')
  conditions.push(accepted)
  const serving = [...view.listeners, ...view.sets.flatMap((each) => each.listeners)].some(
    (each) => each.ids.length > 0,
  )
  conditions.push(
    view.refused !== undefined
      ? fails(metadata, 'Programmed', 'Invalid', view.refused.message)
      : !serving
        ? fails(metadata, 'Programmed', 'ListenersNotValid', 'no listener can serve')
        : ground.fault !== undefined
          ? fails(metadata, 'Programmed', ground.fault.reason, ground.fault.message)
          : holds(metadata, 'Programmed', 'Programmed', 'the data plane serves it'),
  )
  const resolved = resolvedFault(view)
  conditions.push(
    resolved === undefined
      ? holds(metadata, 'ResolvedRefs', 'ResolvedRefs', 'all references are good')
      : fails(metadata, 'ResolvedRefs', resolved.reason, resolved.message),
  )
  if (view.insecureFrontend) {
    const words = 'a listener lets clients in without a valid certificate'
    conditions.push(holds(metadata, 'InsecureFrontendValidationMode', 'ConfigurationChanged', words))
  }
  if (ground.assigned === 'all')
    conditions.push(holds(metadata, 'AddressesAssigned', 'AddressesAssigned', 'every address was given'))
  else if (ground.assigned !== undefined) {
    const reason = ground.assigned === 'some' ? 'PartiallyAssigned' : 'NotAssigned'
    conditions.push(
      fails(metadata, 'AddressesAssigned', reason, 'not every address can be given with the routability asked for'),
    )
  }
  return {
    kind: 'Gateway',
    metadata,
    status: {
      addresses: view.refused === undefined ? ground.addresses : [],
      conditions,
      listeners,
      attachedListenerSets: view.sets.filter((each) => setFault(view, each) === undefined).length,
    },
  }
}

function resolvedFault(view: GatewayView): Fault | undefined {
  if (view.backendFault !== undefined) return view.backendFault
  const broken = view.listeners.filter((each) => each.resolved !== undefined)
  if (broken.length === 0) return undefined
  return {
    reason: 'ListenersNotResolved',
    message: `references of listeners are not good: ${broken.map((each) => each.spec.name).join(', ')}`,
  }
}

function setStatus(
  gateway: GatewayView,
  view: SetView,
  ground: Ground,
  attached: (key: string) => number,
): ObjectStatus {
  const { set } = view
  const fault = setFault(gateway, view)
  const { metadata } = set
  const listeners = view.listeners.map((each) => listenerStatus(set, each, gateway, ground, attached))
  const conditions =
    fault !== undefined
      ? [
          fails(metadata, 'Accepted', fault.reason, fault.message),
          fails(metadata, 'Programmed', programmedReason(fault), fault.message),
        ]
      : [acceptedSet(view), programmedSet(view, ground)]
  return { kind: 'ListenerSet', metadata, status: { conditions, listeners } }
}

/** Why the whole set is not accepted. */
function setFault(gateway: GatewayView, view: SetView): Fault | undefined {
  if (view.refused !== undefined) return view.refused
  if (gateway.refused !== undefined)
    return { reason: 'ParentNotAccepted', message: `its Gateway is not accepted: ${gateway.refused.message}` }
  if (view.listeners.some((each) => each.ids.length > 0)) return undefined
  return { reason: 'ListenersNotValid', message: 'none of its listeners can serve' }
}

function programmedReason(fault: Fault): string {
  return fault.reason === 'ParentNotAccepted' ? 'ParentNotProgrammed' : fault.reason
}

function acceptedSet({ set, listeners }: SetView): Condition {
  const bad = listeners.filter((each) => each.ids.length === 0)
  if (bad.length === 0) return holds(set.metadata, 'Accepted', 'Accepted', 'the ListenerSet is served')
  return holds(
    set.metadata,
    'Accepted',
    'ListenersNotValid',
    `listeners cannot serve: ${bad.map((each) => each.spec.name).join(', ')}`,
  )
}

function programmedSet({ set }: SetView, ground: Ground): Condition {
  if (ground.fault === undefined) return holds(set.metadata, 'Programmed', 'Programmed', 'the data plane serves it')
  return fails(set.metadata, 'Programmed', 'ParentNotProgrammed', ground.fault.message)
}

function acceptFault({ accepted, conflict }: ListenerView): Fault | undefined {
  return conflict ?? accepted
}

function listenerStatus(
  owner: Gateway | ListenerSet,
  listener: ListenerView,
  gateway: GatewayView,
  ground: Ground,
  attached: (key: string) => number,
): ListenerStatus {
  const { metadata } = owner
  const fault = acceptFault(listener)
  const { resolved, conflict, overlap } = listener
  const conditions: Condition[] = [
    fault === undefined
      ? holds(metadata, 'Accepted', 'Accepted', 'the listener is valid')
      : fails(metadata, 'Accepted', fault.reason, fault.message),
    programmed(owner, listener, gateway, ground),
    resolved === undefined
      ? holds(metadata, 'ResolvedRefs', 'ResolvedRefs', 'all references are good')
      : fails(metadata, 'ResolvedRefs', resolved.reason, resolved.message),
  ]
  if (conflict !== undefined && conflict.reason !== 'PortUnavailable')
    conditions.push(holds(metadata, 'Conflicted', conflict.reason, conflict.message))
  else conditions.push(fails(metadata, 'Conflicted', 'NoConflicts', 'it stands beside all others'))
  if (overlap !== undefined) conditions.push(holds(metadata, 'OverlappingTLSConfig', overlap.reason, overlap.message))
  return {
    name: listener.spec.name,
    supportedKinds: listener.kinds.map((kind) => ({ group, kind })),
    attachedRoutes: attached(countKey(owner, listener.spec.name)),
    conditions,
  }
}

function programmed(
  owner: Gateway | ListenerSet,
  listener: ListenerView,
  gateway: GatewayView,
  ground: Ground,
): Condition {
  const { metadata } = owner
  const fault = acceptFault(listener) ?? gateway.refused ?? (listener.ids.length === 0 ? listener.resolved : undefined)
  if (fault !== undefined) {
    // entries of a ListenerSet tell the conflict itself
    const own = owner.kind === 'ListenerSet' && listener.conflict !== undefined
    return fails(
      metadata,
      'Programmed',
      own ? fault.reason : fault.reason === 'PortUnavailable' ? 'PortUnavailable' : 'Invalid',
      fault.message,
    )
  }
  if (!ground.ready) return fails(metadata, 'Programmed', 'Pending', 'no data plane is ready yet')
  return holds(metadata, 'Programmed', 'Programmed', 'the data plane serves it')
}

/** Addresses and readiness: in files what was asked for, in a cluster what the Services of the Gateway were given. */
export function groundOf(gateway: Gateway, view: View): Ground {
  const place = view.place()
  const asked = gateway.spec.addresses ?? []
  if (place.kind === 'files') {
    const given = asked.map((each) => ({
      type: 'IPAddress',
      value: each.value === undefined || each.value === '' ? place.address : each.value,
    }))
    return { addresses: given.length === 0 ? [{ type: 'IPAddress', value: place.address }] : given, ready: true }
  }
  const key = `${gateway.metadata.namespace}/${infrastructureName(gateway.metadata)}`
  const main = view.object('Service', key)
  const ready = view.slicesOf(key).some((slice) => slice.spec.endpoints.some((each) => each.ready))
  const addresses: StatusAddress[] = []
  const missing: string[] = []
  for (const { value, routability } of asked.length === 0 ? [{ value: undefined, routability: undefined }] : asked) {
    const found =
      value === undefined || value === ''
        ? assignedTo(main, routability)
        : staticAddress(gateway, value, routability, view)
    if (found === undefined) missing.push(value === undefined || value === '' ? (routability ?? 'any') : value)
    else if (!addresses.some((each) => each.value === found.value && each.routability === found.routability))
      addresses.push(found)
  }
  const scoped = asked.some((each) => each.routability !== undefined)
  const assigned = missing.length === 0 ? 'all' : addresses.length > 0 ? 'some' : 'none'
  return {
    addresses,
    ready,
    ...(scoped ? { assigned } : {}),
    ...groundFault({
      asked: asked.some((each) => each.value !== undefined && each.value !== ''),
      scoped,
      missing,
      found: addresses.length,
      ready,
    }),
  }
}

function groundFault(facts: {
  readonly asked: boolean
  readonly scoped: boolean
  readonly missing: readonly string[]
  readonly found: number
  readonly ready: boolean
}): { readonly fault?: Fault } {
  const { asked, scoped, missing, found, ready } = facts
  // with scopes a part may serve; without, an address that was asked for is a demand
  if (missing.length > 0 && !(scoped && found > 0)) {
    if (asked && !scoped)
      return { fault: { reason: 'AddressNotUsable', message: `the cluster does not give ${missing.join(', ')}` } }
    return { fault: { reason: 'AddressNotAssigned', message: 'the Service has no address yet' } }
  }
  return ready ? {} : { fault: { reason: 'NoResources', message: 'no data plane is ready yet' } }
}

/** The sentinel of the conformance tests stands for a scope of the implementation: an ordinary address. */
const sentinel = 'testing.x-k8s.io/sentinel'

function assignedTo(service: Service | undefined, routability: string | undefined): StatusAddress | undefined {
  if (service === undefined) return undefined
  const scope = routability === undefined ? {} : { routability }
  if (routability === 'Cluster') return clusterAddress(service, routability)
  if (routability !== undefined && routability !== '' && routability !== sentinel) return undefined
  if (service.spec.type === 'ClusterIP') return clusterAddress(service, routability)
  const { ip, hostname } = service.spec.assigned[0] ?? {}
  if (ip !== undefined) return { type: 'IPAddress', value: ip, ...scope }
  return hostname === undefined ? undefined : { type: 'Hostname', value: hostname, ...scope }
}

function clusterAddress({ spec }: Service, routability: string | undefined): StatusAddress | undefined {
  if (spec.clusterIP === undefined || spec.clusterIP === '' || spec.clusterIP === 'None') return undefined
  return { type: 'IPAddress', value: spec.clusterIP, ...(routability === undefined ? {} : { routability }) }
}

function staticAddress(
  gateway: Gateway,
  value: string,
  routability: string | undefined,
  view: View,
): StatusAddress | undefined {
  const service = view.object('Service', `${gateway.metadata.namespace}/${addressServiceName(gateway.metadata, value)}`)
  if (service === undefined || (routability !== undefined && routability !== '' && routability !== sentinel))
    return undefined
  if (!service.spec.assigned.some((each) => each.ip === value)) return undefined
  return { type: 'IPAddress', value, ...(routability === undefined ? {} : { routability }) }
}
