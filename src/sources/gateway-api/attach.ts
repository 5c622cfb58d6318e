/**
 * Route with parentRefs → the listeners it is attached to and, for each parent of ours, whether it was accepted. Pure.
 * (ParentReference; RouteConditionAccepted.)
 */
import { nearestWord } from '../../lib/yaml/words.ts'
import type { Diagnostic } from '../../model/diagnostic.ts'
import { overlap } from './hostname.ts'
import type { ParentListener, ParentView } from './gateway.ts'
import { diagnose } from './origin.ts'
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

/** In files, where nobody else could hold them: parentRefs that name what is not there. */
export function missingParents(route: AnyRoute, view: View): readonly Diagnostic[] {
  if (view.place().kind !== 'files') return []
  return (route.spec.parentRefs ?? []).flatMap(({ group: its, kind, name, namespace: given }, index) => {
    if (its !== group || (kind !== 'Gateway' && kind !== 'ListenerSet')) return []
    const namespace = given ?? route.metadata.namespace
    if (view.object(kind, `${namespace}/${name}`) !== undefined) return []
    const message = `there is no ${kind} ${namespace}/${name}: the route is not served there`
    const hint = kind === 'Gateway' ? meantGateway(name, namespace, view) : undefined
    return [diagnose('unknown-parent', 'warning', route, `spec.parentRefs[${index}].name`, message, hint)]
  })
}

function meantGateway(name: string, namespace: string, view: View): string | undefined {
  const all = view.gateways().map((each) => each.metadata)
  const near = nearestWord(
    name,
    all.flatMap((each) => (each.namespace === namespace ? [each.name] : [])),
  )
  if (near !== undefined) return `did you mean ${near}?`
  const elsewhere = all.find((each) => each.name === name)
  return elsewhere === undefined
    ? undefined
    : `one of this name is in another one; add namespace: ${elsewhere.namespace}`
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
