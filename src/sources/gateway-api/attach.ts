/**
 * Route with parentRefs → the listeners it is attached to and, for each parent of ours, whether it was accepted. Pure.
 * (ParentReference; RouteConditionAccepted.)
 */
import { overlap } from './hostname.ts'
import type { ParentListener, ParentView } from './gateway.ts'
import type { AnyRoute } from './resources.ts'
import { group } from './resources.ts'
import { selects } from './selector.ts'
import type { Fault } from './status.ts'
import type { ParentRef } from './types.generated.ts'
import type { View } from './view.ts'

export interface Attachment {
  readonly parentRef: ParentRef
  /** Index in spec.parentRefs. */
  readonly index: number
  readonly gateway: string
  readonly clientCertificate?: string
  readonly refused?: Fault
  /** Those it is attached to; also ones that cannot serve. */
  readonly listeners: readonly ParentListener[]
}

/** One for each parentRef that names a Gateway or ListenerSet of ours. */
export function attach(route: AnyRoute, hostnames: readonly string[], view: View): readonly Attachment[] {
  return (route.spec.parentRefs ?? []).flatMap((parentRef, index) => {
    if (parentRef.group !== group || (parentRef.kind !== 'Gateway' && parentRef.kind !== 'ListenerSet')) return []
    const namespace = parentRef.namespace ?? route.metadata.namespace
    const parent = view.parent(parentRef.kind, `${namespace}/${parentRef.name}`)
    if (parent === undefined) return []
    const result = choose(route, hostnames, parentRef, parent, view)
    return {
      parentRef,
      index,
      gateway: parent.gateway,
      ...(parent.clientCertificate === undefined ? {} : { clientCertificate: parent.clientCertificate }),
      ...('reason' in result ? { refused: result, listeners: [] } : { listeners: result }),
    }
  })
}

function choose(
  route: AnyRoute,
  hostnames: readonly string[],
  parentRef: ParentRef,
  parent: ParentView,
  view: View,
): readonly ParentListener[] | Fault {
  const { sectionName, port } = parentRef
  const named = parent.listeners.filter(
    (each) => (sectionName === undefined || each.name === sectionName) && (port === undefined || each.port === port),
  )
  if (named.length === 0) {
    const wanted = [
      ...(sectionName === undefined ? [] : [`named ${sectionName}`]),
      ...(port === undefined ? [] : [`on port ${port}`]),
    ]
    const message = `${parentRef.kind} ${parentRef.name} has no listener${wanted.length === 0 ? '' : ` ${wanted.join(' ')}`}`
    return { reason: 'NoMatchingParent', message }
  }
  const kinds = named.filter((each) => each.kinds.includes(route.kind))
  if (kinds.length === 0) return { reason: 'NotAllowedByListeners', message: `no listener there takes a ${route.kind}` }
  const allowed = kinds.filter((each) => allows(each, route.metadata.namespace, view))
  if (allowed.length === 0) {
    return {
      reason: 'NotAllowedByListeners',
      message: `no listener there takes routes of namespace ${route.metadata.namespace}`,
    }
  }
  if (hostnames.length === 0) return allowed
  const fitting = allowed.filter((each) => hostnames.some((hostname) => overlap(each.hostname, hostname)))
  if (fitting.length === 0) {
    const message = `no hostname of the route fits one of the listeners (${allowed.map((each) => each.hostname).join(', ')})`
    return { reason: 'NoMatchingListenerHostname', message }
  }
  return fitting
}

function allows(listener: ParentListener, namespace: string, view: View): boolean {
  switch (listener.from) {
    case 'All':
      return true
    case 'Same':
      return listener.namespace === namespace
    case 'Selector':
      return selects(listener.selector, view.namespaceLabels(namespace))
    default:
      return false
  }
}
