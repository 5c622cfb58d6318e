/** The kinds this source reads, as values: specs with defaults applied, core objects reduced to what is used. Types only. */
import type { Secret as Hidden } from '../../model/secret.ts'
import type { Diagnostic } from '../../model/diagnostic.ts'
import type * as T from './types.generated.ts'

export const group = 'gateway.networking.k8s.io'
export const experimentalGroup = 'gateway.networking.x-k8s.io'

export interface Metadata {
  readonly name: string
  /** '' for kinds of the cluster. */
  readonly namespace: string
  readonly uid?: string
  readonly generation?: number
  /** RFC 3339; absent for objects of files. */
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

export interface Resource<Kind extends string, Spec> {
  readonly kind: Kind
  readonly metadata: Metadata
  readonly spec: Spec
}

export type GatewayClass = Resource<'GatewayClass', T.GatewayClassSpec>
export type Gateway = Resource<'Gateway', T.GatewaySpec>
export type ListenerSet = Resource<'ListenerSet', T.ListenerSetSpec>
export type HTTPRoute = Resource<'HTTPRoute', T.HTTPRouteSpec>
export type GRPCRoute = Resource<'GRPCRoute', T.GRPCRouteSpec>
export type TLSRoute = Resource<'TLSRoute', T.TLSRouteSpec>
export type TCPRoute = Resource<'TCPRoute', T.TCPRouteSpec>
export type UDPRoute = Resource<'UDPRoute', T.UDPRouteSpec>
export type ReferenceGrant = Resource<'ReferenceGrant', T.ReferenceGrantSpec>
export type BackendTLSPolicy = Resource<'BackendTLSPolicy', T.BackendTLSPolicySpec>

export type AnyRoute = HTTPRoute | GRPCRoute | TLSRoute | TCPRoute | UDPRoute
export type RouteKind = AnyRoute['kind']
export const routeKinds: readonly RouteKind[] = ['HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute']

export interface ServicePort {
  readonly name?: string
  readonly port: number
  readonly targetPort?: number | string
  readonly protocol: string
  readonly appProtocol?: string
}

export type Service = Resource<
  'Service',
  {
    readonly type?: string
    readonly clusterIP?: string
    readonly externalName?: string
    readonly ports: readonly ServicePort[]
    /** What the load balancer gave it; of its status. */
    readonly assigned: readonly { readonly ip?: string; readonly hostname?: string }[]
  }
>

export type EndpointSlice = Resource<
  'EndpointSlice',
  {
    readonly service: string | undefined
    readonly addressType: string
    readonly ports: readonly { readonly name: string; readonly port: number | undefined; readonly protocol: string }[]
    readonly endpoints: readonly {
      readonly addresses: readonly string[]
      readonly ready: boolean
      readonly terminating: boolean
      readonly serving: boolean
      readonly label?: string
    }[]
  }
>

export type SecretObject = Resource<
  'Secret',
  { readonly type?: string; readonly data: Readonly<Record<string, Hidden>> }
>
export type ConfigMap = Resource<'ConfigMap', { readonly data: Readonly<Record<string, string>> }>
export type Namespace = Resource<'Namespace', undefined>
export type ClusterTrustBundle = Resource<'ClusterTrustBundle', { readonly trustBundle: string }>

export interface KindMap {
  readonly GatewayClass: GatewayClass
  readonly Gateway: Gateway
  readonly ListenerSet: ListenerSet
  readonly HTTPRoute: HTTPRoute
  readonly GRPCRoute: GRPCRoute
  readonly TLSRoute: TLSRoute
  readonly TCPRoute: TCPRoute
  readonly UDPRoute: UDPRoute
  readonly ReferenceGrant: ReferenceGrant
  readonly BackendTLSPolicy: BackendTLSPolicy
  readonly Service: Service
  readonly EndpointSlice: EndpointSlice
  readonly Secret: SecretObject
  readonly ConfigMap: ConfigMap
  readonly Namespace: Namespace
  readonly ClusterTrustBundle: ClusterTrustBundle
}
export type KnownKind = keyof KindMap
export type AnyResource = KindMap[KnownKind]

export type Objects = { readonly [K in KnownKind]: readonly KindMap[K][] }

/** Everything that was read, whole and immutable. An unchanged object is the same object as before. */
export interface World {
  /** Gateways of classes with this controllerName are ours. */
  readonly controllerName: string
  readonly place:
    | {
        readonly kind: 'files'
        /** Where clients on this machine find a listener that binds every address. */
        readonly address: string
      }
    | {
        readonly kind: 'cluster'
        /** Of the installed definitions; absent: unknown. */
        readonly bundleVersion?: string
        readonly channel?: 'standard' | 'experimental'
        /** Does the API server know ClusterTrustBundles? */
        readonly trustBundles?: boolean
      }
  readonly objects: Objects
  /** Objects that could not be read at all. */
  readonly problems: readonly Diagnostic[]
  /** True: some objects are as they were read before, because what stands in their file now is wrong. */
  readonly stale?: boolean
}

export const emptyObjects: Objects = Object.freeze({
  GatewayClass: [],
  Gateway: [],
  ListenerSet: [],
  HTTPRoute: [],
  GRPCRoute: [],
  TLSRoute: [],
  TCPRoute: [],
  UDPRoute: [],
  ReferenceGrant: [],
  BackendTLSPolicy: [],
  Service: [],
  EndpointSlice: [],
  Secret: [],
  ConfigMap: [],
  Namespace: [],
  ClusterTrustBundle: [],
})

/** `namespace/name` */
export function keyOf(object: { readonly metadata: Metadata }): string {
  return `${object.metadata.namespace}/${object.metadata.name}`
}

/** Oldest first, then by namespace and name: the order in which the Gateway API settles every tie. */
export function byAge(left: { readonly metadata: Metadata }, right: { readonly metadata: Metadata }): number {
  return (
    compareText(left.metadata.creationTimestamp ?? '', right.metadata.creationTimestamp ?? '') ||
    compareText(keyOf(left), keyOf(right))
  )
}

export function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}
