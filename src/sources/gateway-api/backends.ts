/**
 * backendRef of a route → the backend that it means, or the fault of the reference. Service and EndpointSlices →
 * Backend and Endpoints. Pure.
 */
import { isIP } from 'node:net'
import type { Backend, BackendTls, Endpoint, Endpoints } from '../../model/model.ts'
import { permitted } from './grants.ts'
import { originOf } from './origin.ts'
import type { RouteKind, ServicePort } from './resources.ts'
import { group } from './resources.ts'
import type { Fault } from './status.ts'
import type { TlsDecision } from './backend-tls-policy.ts'
import type { View } from './view.ts'

export interface BackendReference {
  readonly group: string
  readonly kind: string
  readonly name: string
  readonly namespace?: string
  readonly port?: number
}

/** What a route needs of a Service port. Plain data; the same need has the same id. */
export interface Need {
  readonly id: string
  /** `namespace/name` */
  readonly service: string
  readonly port: number
  readonly protocol: Backend['protocol']
  /** Id of the certificate that the Gateway shows to it. */
  readonly clientCertificate?: string
}

/** `fault`: the reference leads nowhere. `refused`: it leads to a Service that must not be spoken to. */
export type Resolved =
  | { readonly kind: 'backend'; readonly need: Need }
  | { readonly kind: 'fault'; readonly fault: Fault }
  | { readonly kind: 'refused'; readonly service: string }

/** What the route speaks to its backends where the Service says nothing. */
export type Speech = 'http' | 'grpc' | 'tcp' | 'udp'

export function speechOf(kind: RouteKind): Speech {
  return kind === 'HTTPRoute' ? 'http' : kind === 'GRPCRoute' ? 'grpc' : kind === 'UDPRoute' ? 'udp' : 'tcp'
}

/** Who names a backend: a route, or a listener whose filters ask somebody. */
export interface Referrer {
  readonly kind: RouteKind | 'Gateway' | 'ListenerSet'
  readonly namespace: string
  readonly speech: Speech
}

export function resolveBackend(
  referrer: Referrer,
  reference: BackendReference,
  clientCertificate: string | undefined,
  view: View,
): Resolved {
  const { kind, speech } = referrer
  const namespace = reference.namespace ?? referrer.namespace
  const name = `${reference.kind} ${namespace}/${reference.name}`
  if (reference.group !== '' || reference.kind !== 'Service')
    return fault('InvalidKind', `${name}: only a Service can be a backend`)
  const from = { group, kind, namespace: referrer.namespace }
  if (!permitted(view, from, { group: '', kind: 'Service', namespace, name: reference.name })) {
    return fault('RefNotPermitted', `no ReferenceGrant in ${namespace} lets this ${kind} use ${name}`)
  }
  const service = view.object('Service', `${namespace}/${reference.name}`)
  if (service === undefined) return fault('BackendNotFound', `there is no ${name}`)
  const transport = speech === 'udp' ? 'UDP' : 'TCP'
  const ofNumber = service.spec.ports.filter((each) => each.port === reference.port)
  const port = ofNumber.find((each) => each.protocol === transport)
  if (port === undefined) {
    if (ofNumber.length > 0)
      return fault(
        'UnsupportedProtocol',
        `${name} port ${reference.port} speaks ${ofNumber[0]!.protocol}, not ${transport}`,
      )
    return fault('BackendNotFound', `${name} has no port ${reference.port ?? '(the reference names none)'}`)
  }
  const protocol = protocolOf(speech, port)
  if (protocol === undefined) {
    return fault(
      'UnsupportedProtocol',
      `${name} port ${port.port} says appProtocol ${port.appProtocol}, which a ${kind} cannot speak`,
    )
  }
  const decision = view.tlsOf(`${namespace}/${reference.name}`, port.port)
  // a policy that cannot be followed: neither in clear nor unverified
  if (decision.kind === 'refused') return { kind: 'refused', service: `${namespace}/${reference.name}` }
  const secured = decision.kind === 'tls' || port.appProtocol === 'kubernetes.io/wss'
  const shown = secured ? clientCertificate : undefined
  const variant = `${protocol === 'auto' ? '' : `/${protocol}`}${shown === undefined ? '' : `/shows/${shown.replace('gateway-api/', '')}`}`
  return {
    kind: 'backend',
    need: {
      id: `gateway-api/Service/${namespace}/${reference.name}/${port.port}${variant}`,
      service: `${namespace}/${reference.name}`,
      port: port.port,
      protocol,
      ...(shown === undefined ? {} : { clientCertificate: shown }),
    },
  }
}

/** appProtocol of KEP-3726; others are hints for others. */
function protocolOf(speech: Speech, port: ServicePort): Backend['protocol'] | undefined {
  if (speech === 'tcp' || speech === 'udp') return speech
  switch (port.appProtocol) {
    case 'kubernetes.io/h2c':
      return 'h2c'
    case 'kubernetes.io/ws':
    case 'kubernetes.io/wss':
      return speech === 'grpc' ? undefined : 'http1'
    default:
      return speech === 'grpc' ? 'h2c' : 'auto'
  }
}

/** Undefined when the Service has gone meanwhile: nobody needs it then. */
export function backendOf(need: Need, view: View): Backend | undefined {
  const service = view.object('Service', need.service)
  const port = service?.spec.ports.find((each) => each.port === need.port)
  if (service === undefined || port === undefined) return undefined
  const tls = tlsOf(need, port, view.tlsOf(need.service, need.port))
  return {
    id: need.id,
    protocol: need.protocol,
    ...(tls === undefined ? {} : { tls }),
    origin: originOf(service),
  }
}

function tlsOf(need: Need, port: ServicePort, decision: TlsDecision): BackendTls | undefined {
  const alpn =
    need.protocol === 'h2c' ? { alpn: ['h2'] as const } : need.protocol === 'tcp' ? {} : { alpn: ['http/1.1'] as const }
  const shown = need.clientCertificate === undefined ? {} : { clientCertificate: need.clientCertificate }
  switch (decision.kind) {
    case 'clear':
      // wss without a policy: encrypted, against the machine's own trust
      return port.appProtocol === 'kubernetes.io/wss' ? { trust: { kind: 'system' }, ...alpn, ...shown } : undefined
    case 'refused':
      return undefined
    case 'tls':
      return { ...decision.tls, ...alpn, ...shown }
  }
}

/** Addresses of a Service port, ready first; those that are going away but still serve stand in when nothing is ready. */
export function endpointsOf(need: Need, view: View): Endpoints {
  const service = view.object('Service', need.service)
  const port = service?.spec.ports.find(
    (each) => each.port === need.port && (each.protocol === 'UDP') === (need.protocol === 'udp'),
  )
  if (service === undefined || port === undefined) return { backend: need.id, addresses: [] }
  if (service.spec.type === 'ExternalName') {
    // an alias of DNS could lead anywhere, also back inside (CVE-2021-25740 and kin); it is not a backend
    return { backend: need.id, addresses: [] }
  }
  const ready = new Map<string, Endpoint>()
  const leaving = new Map<string, Endpoint>()
  for (const slice of view.slicesOf(need.service)) {
    const at = slice.spec.ports.find((each) => each.name === (port.name ?? '') && each.protocol === port.protocol)
    if (at?.port === undefined) continue
    for (const endpoint of slice.spec.endpoints) {
      const into = endpoint.ready ? ready : endpoint.serving && endpoint.terminating ? leaving : undefined
      for (const host of endpoint.addresses) {
        if (into === undefined || (isIP(host) === 0 && slice.spec.addressType !== 'FQDN')) continue
        into.set(`${host} ${at.port}`, {
          host,
          port: at.port,
          ...(endpoint.label === undefined ? {} : { label: endpoint.label }),
        })
      }
    }
  }
  const chosen = ready.size > 0 ? ready : leaving
  return {
    backend: need.id,
    addresses: [...chosen.entries()].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, each]) => each),
  }
}

function fault(reason: string, message: string): Resolved {
  return { kind: 'fault', fault: { reason, message } }
}
