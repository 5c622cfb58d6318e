/** Namespaces, Pods and Secrets → who owns which host and which path of it. Pure. Every conflict has one stated winner. */
import type { Diagnostic } from '../../model/diagnostic.ts'
import { type Protection, protectionOf } from './certificates.ts'
import type { Configuration } from './environment.ts'
import { hostsOf, type WantedHost } from './hosts.ts'
import { claimsOf, pathsOf, type WantedPath } from './paths.ts'
import { type Right, Rights } from './rights.ts'
import { type NamespaceObject, originOf, type PodObject, type SecretObject, type World } from './world.ts'

export interface OwnedHost {
  readonly name: string
  readonly protection: Exclude<Protection, { kind: 'fault' }>
  readonly owner: NamespaceObject
  /** By key. */
  readonly paths: ReadonlyMap<string, OwnedPath>
}

export interface OwnedPath {
  readonly key: string
  readonly namespace: NamespaceObject
  /** The first says where it goes. */
  readonly offers: readonly Offer[]
  /** Is the same path without its last slash sent there? Not where an earlier namespace's expression may take it. */
  readonly redirects: boolean
}

export interface Offer {
  readonly pod: PodObject
  readonly path: WantedPath
}

/** What a namespace's Secret says of its keys: absent, there, or not known. */
export type SecretState = SecretObject | 'absent' | 'unknown'

export interface Table {
  /** By name. */
  readonly hosts: readonly OwnedHost[]
  secretOf(namespace: string): SecretState
}

export function ownership(world: World, configuration: Configuration, diagnostics: Diagnostic[]): Table {
  const secrets = new Map(world.secrets.map((secret) => [secret.namespace, secret]))
  const unknown = new Set(world.unknownSecrets)
  const secretOf = (namespace: string): SecretState =>
    unknown.has(namespace) ? 'unknown' : (secrets.get(namespace) ?? 'absent')

  const podsOf = new Map<string, PodObject[]>(world.namespaces.map(({ name }) => [name, []]))
  for (const pod of world.pods) {
    const pods = podsOf.get(pod.namespace)
    if (pods !== undefined) pods.push(pod)
    else if (pod.paths !== undefined)
      diagnostics.push({
        code: 'pods/namespace-not-routable',
        severity: 'info',
        message: `pod ${pod.namespace}/${pod.name} is not routed, for its namespace is not selected by ${configuration.selector.text}`,
        hint: 'label the namespace too',
        origin: originOf(pod),
      })
  }
  for (const pods of podsOf.values()) for (const pod of pods) diagnostics.push(...pathsOf(pod).diagnostics)

  const claims = new Map<string, Claim[]>()
  for (const namespace of [...world.namespaces].sort(bySeniority)) {
    const wanted = hostsOf(namespace)
    diagnostics.push(...wanted.diagnostics)
    for (const host of wanted.hosts) {
      const protection = protect(namespace, host, secretOf(namespace.name), configuration)
      const claim = { namespace, host, protection }
      const list = claims.get(host.name)
      if (list === undefined) claims.set(host.name, [claim])
      else list.push(claim)
      if (protection.kind === 'fault')
        diagnostics.push({
          code: 'pods/host-without-protection',
          severity: 'error',
          message: `namespace ${namespace.name}: host ${host.name}: ${protection.message}`,
          hint: protection.hint,
          origin: originOf(namespace, 'hosts'),
        })
    }
  }
  const hosts: OwnedHost[] = []
  for (const [name, list] of [...claims].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const host = ownHost(name, list, podsOf, diagnostics)
    if (host !== undefined) hosts.push(host)
  }
  return { hosts, secretOf }
}

interface Claim {
  readonly namespace: NamespaceObject
  readonly host: WantedHost
  readonly protection: Protection
}

function protect(
  namespace: NamespaceObject,
  host: WantedHost,
  secret: SecretState,
  configuration: Configuration,
): Protection {
  if (host.ssl === undefined) return { kind: 'plain' }
  const fault = (message: string, hint: string): Protection => ({
    kind: 'fault',
    message: `${message}; the host is left out`,
    hint,
  })
  if (configuration.tls === undefined)
    return fault('wants TLS, which is off', 'the operator switches it on with SSL_CERT and SSL_KEY')
  if (secret === 'unknown')
    return fault(
      `the secret ${configuration.keySecretName} could not be read`,
      'the right to list and watch it in this namespace',
    )
  if (secret === 'absent')
    return fault(`there is no secret ${configuration.keySecretName}`, `create it in the namespace ${namespace.name}`)
  return protectionOf(secret, host)
}

function ownHost(
  name: string,
  claims: readonly Claim[],
  podsOf: ReadonlyMap<string, readonly PodObject[]>,
  diagnostics: Diagnostic[],
): OwnedHost | undefined {
  const admitted = admittedTo(name, claims, diagnostics)
  const first = admitted.find(({ protection }) => protection.kind !== 'fault')
  if (first === undefined || first.protection.kind === 'fault') return undefined
  const { protection } = first
  const paths = new Map<string, OwnedPath & { readonly offers: Offer[] }>()
  const rights = new Rights()
  for (const { namespace, protection: wanted } of admitted) {
    if (wanted.kind === 'fault') continue
    if (!isEnough(protection, wanted)) {
      diagnostics.push({
        code: 'pods/host-taken',
        severity: 'error',
        message: `namespace ${namespace.name}: host ${name} belongs to namespace ${first.namespace.name}, which protects it less; none of these paths is served on it`,
        hint: 'the same ssl options in both namespaces, or another host',
        origin: originOf(namespace, 'hosts'),
        related: [originOf(first.namespace, 'hosts')],
      })
      continue
    }
    const own: Right[] = []
    const redirects = !rights.hasExpression
    for (const pod of podsOf.get(namespace.name) ?? []) {
      const offered = pathsOf(pod).paths.length > 0
      for (const path of claimsOf(pod)) {
        const rival = rights.rivalOf(path)
        if (rival === undefined) own.push({ namespace, pod, path })
        if (!offered) continue
        const owned = paths.get(path.key)
        if (rival !== undefined) diagnostics.push(taken(name, pod, path, rival))
        else if (owned !== undefined) owned.offers.push({ pod, path })
        else paths.set(path.key, { key: path.key, namespace, offers: [{ pod, path }], redirects })
      }
    }
    // only now: a namespace is no rival of itself
    for (const right of own) rights.add(right)
  }
  for (const owned of paths.values()) settle(name, owned, diagnostics)
  return { name, protection, owner: first.namespace, paths }
}

/** Does whoever asked for `wanted` get no less? */
function isEnough(given: Protection, wanted: Protection): boolean {
  if (wanted.kind !== 'tls') return true
  if (given.kind !== 'tls') return false
  return wanted.client === undefined || wanted.client.certificate === given.client?.certificate
}

function taken(host: string, pod: PodObject, path: WantedPath, rival: Right): Diagnostic {
  const same = rival.path.key === path.key
  const of = rival.namespace.name
  return {
    code: same ? 'pods/path-taken' : 'pods/path-overlaps',
    severity: 'error',
    message: `pod ${pod.namespace}/${pod.name}: ${host} ${path.text} ${
      same
        ? `belongs to namespace ${of}`
        : `could take requests of ${rival.path.text}, which belongs to namespace ${of}`
    }; this pod gets none of its requests`,
    hint: 'another host or path; the older namespace has it, then the first by name',
    origin: originOf(pod, 'paths'),
    related: [originOf(rival.pod, 'paths')],
  }
}

/** The first decides who else has paths here, even while its own protection is at fault. */
function admittedTo(host: string, claims: readonly Claim[], diagnostics: Diagnostic[]): readonly Claim[] {
  const [first, ...others] = claims
  const list = first?.host.namespaces
  for (const { namespace, host: wanted } of others) {
    const among = first === undefined ? [] : [originOf(first.namespace, 'hosts')]
    const refused = list !== undefined && !list.includes(namespace.name)
    if (!refused && wanted.namespaces === undefined) continue
    const own = `namespace ${namespace.name}: host ${host} belongs to namespace ${first?.namespace.name}`
    diagnostics.push({
      code: refused ? 'pods/host-not-shared' : 'pods/host-namespaces-ignored',
      severity: refused ? 'error' : 'warning',
      message: refused
        ? `${own}, which shares it with others only; none of these paths is served on it`
        : `${own}, which alone says who shares it; "namespaces" counts for nothing here`,
      hint: refused ? `"namespaces" of that host names ${namespace.name}, or another host` : 'a host of its own',
      origin: originOf(namespace, 'hosts'),
      related: among,
    })
  }
  return list === undefined ? claims : claims.filter((claim) => claim === first || list.includes(claim.namespace.name))
}

/** The first Pod by name that says where it goes, says it for all. */
function settle(host: string, owned: { offers: Offer[] }, diagnostics: Diagnostic[]): void {
  const saying = owned.offers.find(({ path }) => path.to !== undefined)
  if (saying === undefined) return
  for (const { pod, path } of owned.offers) {
    if (path.to === undefined || path.to === saying.path.to) continue
    diagnostics.push({
      code: 'pods/target-path-differs',
      severity: 'warning',
      message: `pod ${pod.namespace}/${pod.name}: ${host} ${path.text} goes to ${saying.path.to}, as pod ${saying.pod.name} says, not to ${path.to}`,
      hint: 'one targetPath for all Pods of a path',
      origin: originOf(pod, 'paths'),
      related: [originOf(saying.pod, 'paths')],
    })
  }
}

/** The older has precedence, then the first by name. */
function bySeniority(a: NamespaceObject, b: NamespaceObject): number {
  if (a.created !== b.created) return a.created < b.created ? -1 : 1
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0
}
