/**
 * Gateway with its ListenerSets → listeners of the model, what routes may attach to, and the faults their statuses tell.
 * Pure. (GatewaySpec, ListenerSetSpec; conflicts after ListenerConditionConflicted.)
 */
import type { Diagnostic } from '../../model/diagnostic.ts'
import type { Certificate, Listener as ModelListener, ListenerTls, Protocol } from '../../model/model.ts'
import { readKeyPair } from './pem.ts'
import type { Need } from './backends.ts'
import type { Conflict, Entry } from './conflicts.ts'
import { findConflicts, findOverlaps } from './conflicts.ts'
import { translateListenerFilters, type ListenerFilters } from './external-auth.ts'
import { frontendValidation } from './frontend.ts'
import { permitted } from './grants.ts'
import { hostMatch } from './hostname.ts'
import { diagnose, originOf } from './origin.ts'
import type { Gateway, ListenerSet, RouteKind } from './resources.ts'
import { group, keyOf } from './resources.ts'
import { selects } from './selector.ts'
import type { Fault } from './status.ts'
import type { CertificateRef, Listener, Selector } from './types.generated.ts'
import type { View } from './view.ts'

export interface GatewayView {
  readonly key: string
  readonly gateway: Gateway
  readonly listeners: readonly ListenerView[]
  readonly sets: readonly SetView[]
  /** Why the Gateway itself cannot be accepted. */
  readonly refused?: Fault
  /** What is wrong with `spec.tls.backend`; undefined with no certificate when nothing is asked for. */
  readonly backendFault?: Fault
  /** Id of the certificate that TLS backends are shown. */
  readonly clientCertificate?: string
  /** Does any frontend validation let clients in without a valid certificate? */
  readonly insecureFrontend: boolean
  readonly modelListeners: readonly ModelListener[]
  readonly certificates: readonly Certificate[]
  /** What filters of listeners ask. */
  readonly needs: readonly Need[]
  /** Services that they lead to, `namespace/name`. */
  readonly services: readonly string[]
  readonly diagnostics: readonly Diagnostic[]
}

export interface SetView {
  readonly set: ListenerSet
  readonly refused?: Fault
  readonly listeners: readonly ListenerView[]
}

/** One listener of a Gateway or one entry of a ListenerSet. */
export interface ListenerView {
  readonly spec: Listener
  readonly owner: Gateway | ListenerSet
  /** The listeners of the model that it became, one for each address; none when it must not serve. */
  readonly ids: readonly string[]
  /** Which kinds of route it takes. */
  readonly kinds: readonly RouteKind[]
  readonly accepted?: Fault
  readonly resolved?: Fault
  readonly conflict?: Conflict
  readonly overlap?: Fault
}

/** What a route that names this parent must know. Plain data: it stays the same object while its content does. */
export interface ParentView {
  /** `namespace/name` of the Gateway. */
  readonly gateway: string
  readonly clientCertificate?: string
  readonly listeners: readonly ParentListener[]
}

export interface ParentListener {
  readonly ids: readonly string[]
  /** For counting the attached routes. */
  readonly key: string
  readonly name: string
  readonly port: number
  readonly hostname?: string
  readonly kinds: readonly RouteKind[]
  /** Of the Gateway or ListenerSet it stands in. */
  readonly namespace: string
  readonly from: string
  readonly selector?: Selector
  readonly mode?: 'Terminate' | 'Passthrough'
}

/** A Gateway of ours; undefined for everybody else's. */
export function translateGateway(gateway: Gateway, view: View): GatewayView | undefined {
  if (!isOurs(gateway, view)) return undefined
  const key = keyOf(gateway)
  const diagnostics: Diagnostic[] = []
  const certificates = new Map<string, Certificate>()
  const refused = refuse(gateway, view)
  const backend = backendCertificate(gateway, view)
  if (backend?.certificate !== undefined) certificates.set(backend.certificate.id, backend.certificate)

  const sets = view.listenerSetsOf(key).map((set) => ({ set, refused: refuseSet(gateway, set, view) }))
  const entries: Entry[] = gateway.spec.listeners.map((spec) => ({ spec, owner: gateway, rank: 'gateway' }))
  for (const { set, refused } of sets) {
    if (refused === undefined) for (const spec of set.spec.listeners) entries.push({ spec, owner: set, rank: 'set' })
  }
  const conflicts = findConflicts(entries, claimedBefore(gateway, view))
  const judged = entries.map((entry) =>
    judgeListener(gateway, entry, {
      conflict: conflicts.get(entry),
      clientCertificate: backend?.certificate?.id,
      view,
    }),
  )
  const overlaps = findOverlaps(judged.filter((each) => each.accepted === undefined && each.conflict === undefined))

  const addresses = bindAddresses(gateway, view)
  const modelListeners: ModelListener[] = []
  const views = judged.map((each): ListenerView => {
    const { spec, owner } = each.entry
    const serves =
      refused === undefined &&
      each.accepted === undefined &&
      each.conflict === undefined &&
      each.protocol !== undefined &&
      each.usable
    const ids: string[] = []
    if (serves) {
      for (const certificate of each.certificates) certificates.set(certificate.id, certificate)
      addresses.forEach((address, index) => {
        const id = `${listenerPath(gateway, owner)}/${spec.name}${index === 0 ? '' : `@${address}`}`
        ids.push(id)
        modelListeners.push({
          id,
          address,
          port: spec.port,
          protocol: each.protocol!,
          ...(spec.hostname === undefined || spec.hostname === '' ? {} : { host: hostMatch(spec.hostname) }),
          ...(each.tls === undefined ? {} : { tls: each.tls }),
          ...(each.filters.uses.length === 0 ? {} : { policies: each.filters.uses }),
          origin: originOf(owner, `spec.listeners[${owner.spec.listeners.indexOf(spec)}]`),
        })
      })
    }
    return {
      spec,
      owner,
      ids,
      kinds: each.kinds,
      ...defined('accepted', each.accepted),
      ...defined('resolved', each.resolved),
      ...defined('conflict', each.conflict),
      ...defined('overlap', overlaps.get(each)),
    }
  })
  for (const each of views) report(each, diagnostics)
  if (refused !== undefined) diagnostics.push(diagnose('gateway-refused', 'error', gateway, 'spec', refused.message))
  if (backend?.fault !== undefined) {
    diagnostics.push(
      diagnose('reference', 'error', gateway, 'spec.tls.backend.clientCertificateRef', backend.fault.message),
    )
  }
  for (const { set, refused } of sets)
    if (refused !== undefined)
      diagnostics.push(diagnose('not-allowed', 'error', set, 'spec.parentRef', refused.message))

  return {
    key,
    gateway,
    listeners: views.filter((each) => each.owner === gateway),
    sets: sets.map(({ set, refused }) => ({
      set,
      ...defined('refused', refused),
      listeners: views.filter((each) => each.owner === set),
    })),
    ...defined('refused', refused),
    ...defined('backendFault', backend?.fault),
    ...defined('clientCertificate', backend?.certificate?.id),
    insecureFrontend: judged.some((each) => each.insecure),
    modelListeners,
    certificates: [...certificates.values()],
    needs: [...new Map(judged.flatMap((each) => each.filters.needs.map((need) => [need.id, need]))).values()],
    services: [...new Set(judged.flatMap((each) => each.filters.services))],
    diagnostics,
  }
}

/** The part of a Gateway that a route with this parentRef sees. */
export function parentView(
  view: GatewayView,
  parent: { readonly kind: string; readonly key: string },
): ParentView | undefined {
  const set = view.sets.find((each) => keyOf(each.set) === parent.key)
  const listeners = parent.kind === 'Gateway' ? view.listeners : set?.refused === undefined ? set?.listeners : []
  if (listeners === undefined) return undefined
  return {
    gateway: view.key,
    ...defined('clientCertificate', view.clientCertificate),
    listeners: listeners.map(({ spec, owner, ids, kinds }) => ({
      ids,
      key: countKey(owner, spec.name),
      name: spec.name,
      port: spec.port,
      ...(spec.hostname === undefined || spec.hostname === '' ? {} : { hostname: spec.hostname.toLowerCase() }),
      kinds,
      namespace: owner.metadata.namespace,
      from: spec.allowedRoutes.namespaces.from,
      ...defined('selector', spec.allowedRoutes.namespaces.selector),
      ...(spec.protocol === 'TLS' ? { mode: spec.tls?.mode ?? 'Terminate' } : {}),
    })),
  }
}

export function countKey(owner: Gateway | ListenerSet, name: string): string {
  return `${owner.kind} ${keyOf(owner)} ${name}`
}

function listenerPath(gateway: Gateway, owner: Gateway | ListenerSet): string {
  return owner.kind === 'Gateway' ? `gateway-api/${keyOf(gateway)}` : `gateway-api/${keyOf(gateway)}/${keyOf(owner)}`
}

/** Files need no GatewayClass: who writes a Gateway and runs it with us means us. */
function isOurs(gateway: Gateway, view: View): boolean {
  const found = view.object('GatewayClass', `/${gateway.spec.gatewayClassName}`)
  if (found === undefined) return view.place().kind === 'files'
  return found.spec.controllerName === view.controllerName()
}

function refuse(gateway: Gateway, view: View): Fault | undefined {
  const parameters = gateway.spec.infrastructure?.parametersRef
  if (parameters !== undefined) {
    const name = `${parameters.kind} ${parameters.name}`
    if (parameters.group !== '' || parameters.kind !== 'ConfigMap') {
      return { reason: 'InvalidParameters', message: `parametersRef: ${name} is not a ConfigMap` }
    }
    if (view.object('ConfigMap', `${gateway.metadata.namespace}/${parameters.name}`) === undefined) {
      return { reason: 'InvalidParameters', message: `parametersRef: there is no ${name}` }
    }
  }
  const unsupported = gateway.spec.addresses?.find((each) => each.type !== 'IPAddress')
  if (unsupported !== undefined) {
    return {
      reason: 'UnsupportedAddress',
      message: `addresses of type ${unsupported.type} cannot be given; only IPAddress`,
    }
  }
  return undefined
}

function refuseSet(gateway: Gateway, set: ListenerSet, view: View): Fault | undefined {
  const { from, selector } = gateway.spec.allowedListeners?.namespaces ?? { from: 'None' as const, selector: undefined }
  const allowed = (): boolean => {
    switch (from) {
      case 'All':
        return true
      case 'Same':
        return set.metadata.namespace === gateway.metadata.namespace
      case 'Selector':
        return selects(selector, view.namespaceLabels(set.metadata.namespace))
      case 'None':
        return false
    }
  }
  return allowed()
    ? undefined
    : { reason: 'NotAllowed', message: `Gateway ${keyOf(gateway)} allows ListenerSets from namespaces: ${from}` }
}

/** Where to bind: Pods have an address of their own, a machine has those that were asked for. */
function bindAddresses(gateway: Gateway, view: View): readonly string[] {
  if (view.place().kind === 'cluster') return ['*']
  const asked = (gateway.spec.addresses ?? []).flatMap((each) =>
    each.value === undefined || each.value === '' ? [] : [each.value],
  )
  return asked.length === 0 ? ['*'] : asked
}

/** In files several Gateways may share a machine: what older ones listen on, they keep. */
function claimedBefore(gateway: Gateway, view: View): readonly Entry[] {
  if (view.place().kind === 'cluster') return []
  return view.claimedBefore(keyOf(gateway))
}

interface Judged {
  readonly entry: Entry
  readonly spec: Listener
  readonly protocol: Protocol | undefined
  readonly kinds: readonly RouteKind[]
  readonly accepted?: Fault
  readonly resolved?: Fault
  readonly conflict?: Conflict
  readonly tls?: ListenerTls
  /** Certificates and keys are there, so that it can serve. */
  readonly usable: boolean
  readonly insecure: boolean
  readonly certificates: readonly Certificate[]
  readonly names: readonly string[]
  readonly filters: ListenerFilters
}

function judgeListener(
  gateway: Gateway,
  entry: Entry,
  {
    conflict,
    clientCertificate,
    view,
  }: { readonly conflict: Conflict | undefined; readonly clientCertificate: string | undefined; readonly view: View },
): Judged {
  const { spec, owner } = entry
  const protocol = protocols[spec.protocol]
  if (protocol === undefined) {
    const message = `protocol ${spec.protocol} is not supported; HTTP, HTTPS, TLS, TCP and UDP are`
    return {
      entry,
      spec,
      protocol,
      kinds: [],
      accepted: { reason: 'UnsupportedProtocol', message },
      ...defined('conflict', conflict),
      usable: false,
      insecure: false,
      certificates: [],
      names: [],
      filters: { uses: [], needs: [], services: [] },
    }
  }
  const { kinds, fault: kindFault } = allowedKinds(spec)
  const filters = translateListenerFilters(owner, spec, { clientCertificate, view })
  const secured = secure(gateway, owner, spec, protocol, view)
  return {
    entry,
    spec,
    protocol,
    kinds,
    ...defined('accepted', filters.accepted ?? secured.accepted),
    ...defined('resolved', secured.resolved ?? kindFault ?? filters.resolved),
    ...defined('conflict', conflict),
    ...defined('tls', secured.tls),
    usable: secured.usable,
    insecure: secured.insecure,
    certificates: secured.certificates,
    names: secured.names,
    filters,
  }
}

const protocols: Readonly<Record<string, Protocol | undefined>> = {
  HTTP: 'http',
  HTTPS: 'https',
  TLS: 'tls',
  TCP: 'tcp',
  UDP: 'udp',
}

function allowedKinds(spec: Listener): { readonly kinds: readonly RouteKind[]; readonly fault?: Fault } {
  const supported = kindsOf(spec)
  const asked = spec.allowedRoutes.kinds ?? []
  if (asked.length === 0) return { kinds: supported }
  const kinds = supported.filter((kind) => asked.some((each) => each.group === group && each.kind === kind))
  const wrong = asked.filter((each) => each.group !== group || !supported.includes(each.kind as RouteKind))
  if (wrong.length === 0) return { kinds }
  const names = wrong.map((each) => each.kind).join(', ')
  return {
    kinds,
    fault: {
      reason: 'InvalidRouteKinds',
      message: `protocol ${spec.protocol} does not take ${names}; it takes ${supported.join(', ')}`,
    },
  }
}

function kindsOf(spec: Listener): readonly RouteKind[] {
  switch (spec.protocol) {
    case 'HTTP':
    case 'HTTPS':
      return ['HTTPRoute', 'GRPCRoute']
    case 'TLS':
      return spec.tls?.mode === 'Passthrough' ? ['TLSRoute'] : ['TLSRoute', 'TCPRoute']
    case 'TCP':
      return ['TCPRoute']
    case 'UDP':
      return ['UDPRoute']
    default:
      return []
  }
}

interface Secured {
  readonly tls?: ListenerTls
  readonly usable: boolean
  readonly accepted?: Fault
  readonly resolved?: Fault
  readonly insecure: boolean
  readonly certificates: readonly Certificate[]
  readonly names: readonly string[]
}

function secure(
  gateway: Gateway,
  owner: Gateway | ListenerSet,
  spec: Listener,
  protocol: Protocol,
  view: View,
): Secured {
  const open: Secured = { usable: true, insecure: false, certificates: [], names: [] }
  if (protocol !== 'https' && protocol !== 'tls') return open
  if (spec.tls?.mode === 'Passthrough') return { ...open, tls: { mode: 'passthrough', certificates: [] } }
  const certificates: Certificate[] = []
  const names: string[] = []
  let resolved: Fault | undefined
  for (const reference of spec.tls?.certificateRefs ?? []) {
    const read = readCertificate(reference, owner, view)
    if ('reason' in read) resolved ??= read
    else {
      certificates.push(read.certificate)
      names.push(...read.names)
    }
  }
  if (certificates.length === 0) {
    resolved ??= { reason: 'InvalidCertificateRef', message: 'certificateRefs names no certificate' }
  }
  const frontend = protocol === 'https' ? frontendValidation(gateway, spec.port, view) : undefined
  resolved ??= frontend?.resolved
  return {
    // with one good certificate of several the listener serves those names
    usable: certificates.length > 0,
    insecure: frontend?.mode === 'AllowInsecureFallback',
    ...defined('accepted', frontend?.accepted),
    ...defined('resolved', resolved),
    certificates: [...certificates, ...(frontend?.certificates ?? [])],
    names,
    tls: {
      mode: 'terminate',
      certificates: certificates.map((each) => each.id),
      ...(protocol === 'https' ? { alpn: ['h2', 'http/1.1'] as const, misdirected: 'refuse' as const } : {}),
      ...minVersion(spec),
      ...(frontend === undefined || frontend.certificates.length === 0
        ? {}
        : {
            clientValidation: {
              mode: frontend.mode === 'AllowInsecureFallback' ? ('request' as const) : ('require' as const),
              ca: frontend.certificates.map((each) => each.id),
            },
          }),
    },
  }
}

function minVersion(spec: Listener): Pick<ListenerTls, 'minVersion'> {
  const asked = spec.tls?.options?.['gantry.dev/min-version']
  return asked === 'TLSv1.2' || asked === 'TLSv1.3' ? { minVersion: asked } : {}
}

function readCertificate(
  reference: CertificateRef,
  owner: Gateway | ListenerSet,
  view: View,
): Fault | { readonly certificate: Certificate; readonly names: readonly string[] } {
  const namespace = reference.namespace ?? owner.metadata.namespace
  const name = `${reference.group === '' ? '' : `${reference.group} `}${reference.kind} ${namespace}/${reference.name}`
  if (reference.group !== '' || reference.kind !== 'Secret')
    return { reason: 'InvalidCertificateRef', message: `${name} is not a Secret` }
  const from = { group, kind: owner.kind, namespace: owner.metadata.namespace }
  if (!permitted(view, from, { group: '', kind: 'Secret', namespace, name: reference.name })) {
    return {
      reason: 'RefNotPermitted',
      message: `no ReferenceGrant in ${namespace} lets this ${owner.kind} use ${name}`,
    }
  }
  const secret = view.object('Secret', `${namespace}/${reference.name}`)
  if (secret === undefined) return { reason: 'InvalidCertificateRef', message: `there is no ${name}` }
  const read = readKeyPair(secret)
  if (read.kind === 'fault') return { reason: 'InvalidCertificateRef', message: `${name} ${read.message}` }
  return read
}

function backendCertificate(
  gateway: Gateway,
  view: View,
): { readonly certificate?: Certificate; readonly fault?: Fault } | undefined {
  const reference = gateway.spec.tls?.backend?.clientCertificateRef
  if (reference === undefined) return undefined
  const read = readCertificate(reference, gateway, view)
  if (!('reason' in read)) return { certificate: read.certificate }
  return { fault: { ...read, reason: read.reason === 'RefNotPermitted' ? read.reason : 'InvalidClientCertificateRef' } }
}

function report({ spec, owner, accepted, resolved, conflict }: ListenerView, diagnostics: Diagnostic[]): void {
  const field = `spec.listeners[${owner.spec.listeners.indexOf(spec)}]`
  if (conflict !== undefined) diagnostics.push(diagnose('conflict', 'error', owner, field, conflict.message))
  if (accepted !== undefined) diagnostics.push(diagnose('listener-refused', 'error', owner, field, accepted.message))
  if (resolved !== undefined) diagnostics.push(diagnose('reference', 'error', owner, field, resolved.message))
  const asked = spec.tls?.options ?? {}
  for (const [name, value] of Object.entries(asked)) {
    if (name !== 'gantry.dev/min-version') {
      diagnostics.push(
        diagnose(
          'unknown-option',
          'warning',
          owner,
          `${field}.tls.options`,
          `${name} is not known, it is ignored`,
          'gantry.dev/min-version',
        ),
      )
    } else if (value !== 'TLSv1.2' && value !== 'TLSv1.3') {
      diagnostics.push(
        diagnose(
          'unknown-option',
          'warning',
          owner,
          `${field}.tls.options`,
          `${name}: ${JSON.stringify(value)} is not a version`,
          'TLSv1.2 or TLSv1.3',
        ),
      )
    }
  }
}

/** Absent members stay absent: the model has no undefined in it. */
function defined<Name extends string, Value>(name: Name, value: Value | undefined): { readonly [K in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [K in Name]?: Value })
}
