/**
 * Services without a cluster: what `endpoints.yml` and annotations say → EndpointSlices, and Services that nobody
 * declared. Pure.
 *
 *     # endpoints.yml: Service (namespace/name; namespace "default" may be left out) → where it answers from here
 *     shop/web: 127.0.0.1:3000
 *     api: [127.0.0.1:3001, 127.0.0.1:3002]
 *     both: http=127.0.0.1:3000, grpc=127.0.0.1:9000      # by name or number of the Service's port
 *
 * The same on a Service: annotation `gantry.dev/endpoints`.
 */
import { isIP } from 'node:net'
import type { BackendReference } from './backends.ts'
import type { AnyResource, EndpointSlice, Objects, Service, ServicePort } from './resources.ts'
import { keyOf, routeKinds } from './resources.ts'

export const endpointsAnnotation = 'gantry.dev/endpoints'

/** One address of a Service; `port` names one of its ports, absent: all of them. */
export interface LocalEndpoint {
  readonly port?: string
  readonly host: string
  readonly number: number
}

export interface LocalService {
  /** `namespace/name` */
  readonly key: string
  readonly endpoints: readonly LocalEndpoint[]
  /** What the resulting objects stand for, so that they keep their identity while it does. */
  readonly source: object
}

/** `http=127.0.0.1:3000, [::1]:3001` → endpoints, or the piece that is none. */
export function parseEndpoints(text: string): readonly LocalEndpoint[] | { readonly wrong: string } {
  const result: LocalEndpoint[] = []
  for (const piece of text.split(',').map((each) => each.trim())) {
    if (piece === '') continue
    const found = /^(?:([A-Za-z0-9-]+)=)?(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(piece)
    const number = Number(found?.[4])
    if (found === null || number < 1 || number > 65535) return { wrong: piece }
    const host = found[2] ?? found[3]!
    result.push({ ...(found[1] === undefined ? {} : { port: found[1] }), host, number })
  }
  return result
}

/** Objects of the files with the Services and slices that the local ones stand for. */
export function withLocalServices(objects: Objects, locals: readonly LocalService[]): Objects {
  if (locals.length === 0) return objects
  const declared = new Map(objects.Service.map((each) => [keyOf(each), each]))
  const wanted = portsCalled(objects)
  const services: Service[] = []
  const slices: EndpointSlice[] = []
  for (const local of locals) {
    const service = declared.get(local.key) ?? impliedService(local, wanted.get(local.key) ?? [])
    if (!declared.has(local.key)) services.push(service)
    slices.push(...slicesOf(service, local))
  }
  // what was said by hand stands in for what the files declare
  const answered = new Set(locals.map((each) => each.key))
  const others = objects.EndpointSlice.filter(
    (each) => !answered.has(`${each.metadata.namespace}/${each.spec.service ?? ''}`),
  )
  return { ...objects, Service: [...objects.Service, ...services], EndpointSlice: [...others, ...slices] }
}

interface Leading {
  readonly backendRef: BackendReference
}

interface Filters {
  readonly filters?: readonly { readonly requestMirror?: Leading; readonly externalAuth?: Leading }[]
}

interface RuleOfAnyKind extends Filters {
  readonly backendRefs?: readonly (BackendReference & Filters)[]
}

/** Service → the ports by which routes and filters of listeners call it. */
function portsCalled(objects: Objects): ReadonlyMap<string, readonly ServicePort[]> {
  const result = new Map<string, ServicePort[]>()
  const add = (route: AnyResource, { kind, name, namespace, port }: BackendReference, protocol: string): void => {
    if (kind !== 'Service' || port === undefined) return
    const key = `${namespace ?? route.metadata.namespace}/${name}`
    const list = result.get(key) ?? []
    if (!list.some((each) => each.port === port && each.protocol === protocol)) list.push({ port, protocol })
    result.set(key, list)
  }
  for (const kind of routeKinds) {
    for (const route of objects[kind]) {
      const protocol = kind === 'UDPRoute' ? 'UDP' : 'TCP'
      // the five kinds differ in their filters only
      const rules = (route.spec.rules ?? []) as readonly RuleOfAnyKind[]
      for (const rule of rules) {
        const filters = [...(rule.filters ?? []), ...(rule.backendRefs ?? []).flatMap((each) => each.filters ?? [])]
        for (const reference of [
          ...(rule.backendRefs ?? []),
          ...filters.flatMap((each) => [each.requestMirror?.backendRef, each.externalAuth?.backendRef]),
        ]) {
          if (reference !== undefined) add(route, reference, protocol)
        }
      }
    }
  }
  for (const owner of [...objects.Gateway, ...objects.ListenerSet]) {
    for (const { filters } of owner.spec.listeners)
      for (const { externalAuth } of filters?.requests ?? [])
        if (externalAuth !== undefined) add(owner, externalAuth.backendRef, 'TCP')
  }
  return result
}

const implied = new WeakMap<object, { readonly key: string; readonly service: Service }>()

function impliedService(local: LocalService, ports: readonly ServicePort[]): Service {
  const key = `${local.key} ${JSON.stringify(ports)}`
  const known = implied.get(local.source)
  if (known?.key === key) return known.service
  const [namespace, name] = local.key.split('/') as [string, string]
  const service: Service = { kind: 'Service', metadata: { namespace, name }, spec: { ports, assigned: [] } }
  implied.set(local.source, { key, service })
  return service
}

const sliced = new WeakMap<object, { readonly service: Service; readonly slices: readonly EndpointSlice[] }>()

function slicesOf(service: Service, local: LocalService): readonly EndpointSlice[] {
  const known = sliced.get(local.source)
  if (known?.service === service) return known.slices
  const slices = service.spec.ports.flatMap((port) =>
    local.endpoints
      .filter((each) => each.port === undefined || each.port === port.name || each.port === String(port.port))
      .map((each): EndpointSlice => ({
        kind: 'EndpointSlice',
        metadata: {
          namespace: service.metadata.namespace,
          name: `${service.metadata.name}-${port.protocol.toLowerCase()}-${port.port}-${each.host}-${each.number}`,
        },
        spec: {
          service: service.metadata.name,
          addressType: isIP(each.host) === 0 ? 'FQDN' : isIP(each.host) === 4 ? 'IPv4' : 'IPv6',
          ports: [{ name: port.name ?? '', port: each.number, protocol: port.protocol }],
          endpoints: [{ addresses: [each.host], ready: true, terminating: false, serving: true }],
        },
      })),
  )
  sliced.set(local.source, { service, slices })
  return slices
}
