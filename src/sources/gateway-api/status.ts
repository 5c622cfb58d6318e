/** Conditions and statuses as values. A writer merges them into the cluster's and adds the times. */
import type { KnownKind, Metadata, RouteKind } from './resources.ts'

export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
  readonly observedGeneration: number
}

export interface ListenerStatus {
  readonly name: string
  readonly supportedKinds: readonly { readonly group: string; readonly kind: string }[]
  readonly attachedRoutes: number
  readonly conditions: readonly Condition[]
}

export interface ParentStatus {
  readonly parentRef: {
    readonly group: string
    readonly kind: string
    readonly namespace: string
    readonly name: string
    readonly sectionName?: string
    readonly port?: number
  }
  readonly controllerName: string
  readonly conditions: readonly Condition[]
}

export interface AncestorStatus {
  readonly ancestorRef: {
    readonly group: string
    readonly kind: string
    readonly namespace: string
    readonly name: string
  }
  readonly controllerName: string
  readonly conditions: readonly Condition[]
}

export interface StatusAddress {
  readonly type: string
  readonly value: string
  readonly routability?: string
}

interface Said<Kind extends KnownKind, Status> {
  readonly kind: Kind
  readonly metadata: Metadata
  readonly status: Status
}

/** What we say about one object; nothing here speaks for other controllers. */
export type ObjectStatus =
  | Said<
      'GatewayClass',
      { readonly conditions: readonly Condition[]; readonly supportedFeatures: readonly { readonly name: string }[] }
    >
  | Said<
      'Gateway',
      {
        readonly addresses: readonly StatusAddress[]
        readonly conditions: readonly Condition[]
        readonly listeners: readonly ListenerStatus[]
        readonly attachedListenerSets: number
      }
    >
  | Said<'ListenerSet', { readonly conditions: readonly Condition[]; readonly listeners: readonly ListenerStatus[] }>
  | { readonly [Kind in RouteKind]: Said<Kind, { readonly parents: readonly ParentStatus[] }> }[RouteKind]
  | Said<'BackendTLSPolicy', { readonly ancestors: readonly AncestorStatus[] }>

/** Every condition type that we write, by where it stands; all others belong to somebody else. */
export const ownConditions = {
  GatewayClass: ['Accepted', 'SupportedVersion'],
  Gateway: ['Accepted', 'Programmed', 'ResolvedRefs', 'InsecureFrontendValidationMode', 'AddressesAssigned'],
  listener: ['Accepted', 'Programmed', 'ResolvedRefs', 'Conflicted', 'OverlappingTLSConfig'],
  ListenerSet: ['Accepted', 'Programmed'],
} as const

/** Objects of files have no generation; they are at their first. */
function generationOf(metadata: Metadata): number {
  return metadata.generation ?? 1
}

export function holds(metadata: Metadata, type: string, reason: string, message: string): Condition {
  return { type, status: 'True', reason, message, observedGeneration: generationOf(metadata) }
}

export function fails(metadata: Metadata, type: string, reason: string, message: string): Condition {
  return { type, status: 'False', reason, message, observedGeneration: generationOf(metadata) }
}

/** A finding that makes a condition false, before it is known whose. */
export interface Fault {
  readonly reason: string
  readonly message: string
}
