/**
 * Services without a cluster: what `endpoints.yml` and annotations say → EndpointSlices, and Services that nobody
 * declared; what leads nowhere is said. Pure.
 *
 *     # endpoints.yml: Service (namespace/name; namespace "default" may be left out) → where it answers from here
 *     shop/web: 127.0.0.1:3000
 *     api: [127.0.0.1:3001, 127.0.0.1:3002]
 *     both: 80=127.0.0.1:3000, 9000=127.0.0.1:9000        # by number of the Service's port
 *     named: http=127.0.0.1:3000, grpc=127.0.0.1:9000     # by name, where the Service is declared
 *
 * The same on a Service: annotation `gantry.dev/endpoints`.
 */
import { isIP } from 'node:net'
import { nearestWord } from '../../lib/yaml/words.ts'
import { addressOf } from '../../model/address.ts'
import type { Diagnostic, Origin } from '../../model/diagnostic.ts'
import type { BackendReference } from './backends.ts'
import { diagnoseAt } from './origin.ts'
import type { AnyResource, EndpointSlice, Objects, Service, ServicePort } from './resources.ts'
import { keyOf, routeKinds } from './resources.ts'

/** One address of a Service; `port` names one of its ports, absent: all of them. */
export interface LocalEndpoint {
  readonly port?: string
  readonly host: string
  readonly number: number
  readonly origin: Origin
}

export interface LocalService {
  /** `namespace/name` */
  readonly key: string
  /** As it was written, for messages. */
  readonly title: string
  readonly endpoints: readonly LocalEndpoint[]
  /** What the resulting objects stand for, so that they keep their identity while it does. */
  readonly source: object
  readonly origin: Origin
}

/** Objects of the files with the Services and slices that the local ones stand for. */
export function withLocalServices(
  objects: Objects,
  locals: readonly LocalService[],
): { readonly objects: Objects; readonly problems: readonly Diagnostic[] } {
  if (locals.length === 0) return { objects, problems: [] }
  const declared = new Map(objects.Service.map((each) => [keyOf(each), each]))
  const called = portsCalled(objects)
  const services: Service[] = []
  const slices: EndpointSlice[] = []
  const problems: Diagnostic[] = []
  for (const local of locals) {
    const own = declared.get(local.key)
    const service = own ?? impliedService(local, called.get(local.key) ?? [])
    if (own === undefined) services.push(service)
    slices.push(...slicesOf(service, local))
    if (own === undefined && service.spec.ports.length === 0)
      problems.push(unused(local, [...declared.keys(), ...called.keys()]))
    else problems.push(...local.endpoints.flatMap((each) => strayPort(local, each, service, own !== undefined)))
  }
  // what was said by hand stands in for what the files declare
  const answered = new Set(locals.map((each) => each.key))
  const others = objects.EndpointSlice.filter(
    (each) => !answered.has(`${each.metadata.namespace}/${each.spec.service ?? ''}`),
  )
  return {
    objects: { ...objects, Service: [...objects.Service, ...services], EndpointSlice: [...others, ...slices] },
    problems,
  }
}

function unused({ key, title, origin }: LocalService, known: readonly string[]): Diagnostic {
  const [namespace, name] = key.split('/') as [string, string]
  const here = known.filter((each) => each.startsWith(`${namespace}/`)).map((each) => each.slice(namespace.length + 1))
  const near = nearestWord(name, here)
  const meant = near === undefined ? known.find((each) => each.endsWith(`/${name}`)) : `${namespace}/${near}`
  const message = `${title}: no Service of this name is declared, and no route calls one`
  const hint =
    meant === undefined ? 'a route names it under backendRefs' : `did you mean "${meant.replace(/^default\//, '')}"?`
  return diagnoseAt('endpoints-unused', 'warning', message, origin, hint)
}

/** An address for a port that the Service does not have answers nobody. */
function strayPort(
  { title }: LocalService,
  { port, host, number, origin }: LocalEndpoint,
  { spec: { ports } }: Service,
  declared: boolean,
): readonly Diagnostic[] {
  if (port === undefined || ports.some((each) => isPort(each, port))) return []
  const numbers = [...new Set(ports.map((each) => String(each.port)))]
  const names = [...ports.flatMap((each) => each.name ?? []), ...numbers]
  const near = nearestWord(port, names)
  if (declared) {
    const hint = near === undefined ? `it has ${names.join(', ')}` : `did you mean "${near}"?`
    return [diagnoseAt('endpoints', 'error', `${title}: the Service has no port "${port}"`, origin, hint)]
  }
  if (/^\d+$/.test(port)) {
    const hint = `routes call ${numbers.join(', ')}`
    return [diagnoseAt('endpoints-unused', 'warning', `${title}: no route calls port ${port}`, origin, hint)]
  }
  const address = addressOf({ host, port: number })
  const message = `${title}: "${port}" names a port of a Service that is not declared`
  const hint = `${numbers.map((each) => `${each}=${address}`).join(' or ')}, or declare the Service with a port of this name`
  return [diagnoseAt('endpoints', 'error', message, origin, hint)]
}

function isPort({ name, port }: ServicePort, said: string): boolean {
  return said === name || said === String(port)
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
      .filter((each) => each.port === undefined || isPort(port, each.port))
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
