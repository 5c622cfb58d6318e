/** Questions about the world, typed. Whoever asks is told again when the answer changes. */
import type { PolicyView, TlsDecision } from './backend-tls-policy.ts'
import type { Entry } from './conflicts.ts'
import type { GatewayView, ParentView } from './gateway.ts'
import type { Ask } from './graph.ts'
import type {
  BackendTLSPolicy,
  EndpointSlice,
  Gateway,
  KindMap,
  KnownKind,
  ListenerSet,
  ReferenceGrant,
  World,
} from './resources.ts'

export interface View {
  controllerName(): string
  place(): World['place']
  /** `key` is `namespace/name`, `/name` for kinds of the cluster. */
  object<K extends KnownKind>(kind: K, key: string): KindMap[K] | undefined
  grantsIn(namespace: string): readonly ReferenceGrant[]
  slicesOf(service: string): readonly EndpointSlice[]
  /** Oldest first. */
  listenerSetsOf(gateway: string): readonly ListenerSet[]
  /** Oldest first. */
  policiesFor(service: string): readonly BackendTLSPolicy[]
  /** A namespace that nobody declared exists all the same in files; its own name is always a label. */
  namespaceLabels(namespace: string): Readonly<Record<string, string>>
  /** A Gateway of ours. */
  gateway(key: string): GatewayView | undefined
  /** All that are there, whoever's they are. Oldest first. */
  gateways(): readonly Gateway[]
  /** What routes see of a Gateway or ListenerSet of ours. */
  parent(kind: 'Gateway' | 'ListenerSet', key: string): ParentView | undefined
  tlsOf(service: string, port: number): TlsDecision
  policy(key: string): PolicyView
  /** Listeners of older Gateways of this machine; only in files. */
  claimedBefore(gateway: string): readonly Entry[]
}

export function viewOf(ask: Ask): View {
  return {
    controllerName: () => ask('controllerName') as string,
    place: () => ask('place') as World['place'],
    object: (kind, key) => ask(`object ${kind} ${key}`) as never,
    grantsIn: (namespace) => ask(`grants ${namespace}`) as readonly ReferenceGrant[],
    slicesOf: (service) => ask(`slices ${service}`) as readonly EndpointSlice[],
    listenerSetsOf: (gateway) => ask(`sets ${gateway}`) as readonly ListenerSet[],
    policiesFor: (service) => ask(`policies ${service}`) as readonly BackendTLSPolicy[],
    namespaceLabels: (namespace) => ask(`labels ${namespace}`) as Readonly<Record<string, string>>,
    gateway: (key) => ask(`gateway ${key}`) as GatewayView | undefined,
    gateways: () => ask('gateways') as readonly Gateway[],
    parent: (kind, key) => ask(`parent ${kind} ${key}`) as ParentView | undefined,
    tlsOf: (service, port) => ask(`tls ${service} ${port}`) as TlsDecision,
    policy: (key) => ask(`policy ${key}`) as PolicyView,
    claimedBefore: (gateway) => ask(`claimed ${gateway}`) as readonly Entry[],
  }
}
