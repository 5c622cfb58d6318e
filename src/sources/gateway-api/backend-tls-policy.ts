/** BackendTLSPolicies of a Service → how its ports are spoken to, and what each policy is told. Pure. (GEP-1897, GEP-713.) */
import type { Diagnostic } from '../../model/diagnostic.ts'
import type { BackendTls, Certificate } from '../../model/model.ts'
import { diagnose } from './origin.ts'
import { knowsTrustBundles, noTrustBundles, readAnchors } from './pem.ts'
import type { BackendTLSPolicy, Service } from './resources.ts'
import { keyOf } from './resources.ts'
import type { AncestorStatus, Condition, Fault, ObjectStatus } from './status.ts'
import { fails, holds } from './status.ts'
import { group } from './resources.ts'
import type { View } from './view.ts'

/** Plain data. `refused`: a policy wants TLS but cannot be followed; never in clear, never unverified. */
export type TlsDecision =
  | { readonly kind: 'clear' }
  | { readonly kind: 'tls'; readonly tls: BackendTls }
  | { readonly kind: 'refused'; readonly message: string }

export interface PolicyView {
  readonly policy: BackendTLSPolicy
  readonly accepted?: Fault
  readonly resolved?: Fault
  readonly tls?: BackendTls
  readonly certificates: readonly Certificate[]
  readonly diagnostics: readonly Diagnostic[]
}

/** The policy on its own: are its references good? */
export function translatePolicy(policy: BackendTLSPolicy, view: View): PolicyView {
  const judged = judge(policy, view)
  const fault = judged.accepted ?? judged.resolved
  return {
    ...judged,
    diagnostics: fault === undefined ? [] : [diagnose('policy', 'error', policy, 'spec.validation', fault.message)],
  }
}

function judge(policy: BackendTLSPolicy, view: View): Omit<PolicyView, 'diagnostics'> {
  const { validation } = policy.spec
  const names = {
    serverName: validation.hostname,
    ...(validation.subjectAltNames === undefined || validation.subjectAltNames.length === 0
      ? {}
      : {
          subjectAltNames: validation.subjectAltNames.map((each) =>
            each.type === 'URI'
              ? { kind: 'uri' as const, value: each.uri ?? '' }
              : { kind: 'dns' as const, value: each.hostname ?? '' },
          ),
        }),
  }
  if (validation.wellKnownCACertificates !== undefined && validation.wellKnownCACertificates !== '') {
    if (validation.wellKnownCACertificates !== 'System') {
      const message = `wellKnownCACertificates ${validation.wellKnownCACertificates} is not known; System is`
      return { policy, accepted: { reason: 'Invalid', message }, certificates: [] }
    }
    return { policy, tls: { ...names, trust: { kind: 'system' } }, certificates: [] }
  }
  const certificates: Certificate[] = []
  let resolved: Fault | undefined
  for (const reference of validation.caCertificateRefs ?? []) {
    const read = readReference(reference, policy, view)
    if ('reason' in read) resolved ??= read
    else certificates.push(read)
  }
  const fault = resolved === undefined ? {} : { resolved }
  if (certificates.length === 0) {
    const message = resolved?.message ?? 'caCertificateRefs names no certificate'
    return { policy, accepted: { reason: 'NoValidCACertificate', message }, ...fault, certificates }
  }
  const trust = { kind: 'ca' as const, certificates: certificates.map((each) => each.id) }
  return { policy, tls: { ...names, trust }, ...fault, certificates }
}

function readReference(
  reference: { readonly group: string; readonly kind: string; readonly name: string },
  policy: BackendTLSPolicy,
  view: View,
): Fault | Certificate {
  const name = `${reference.kind} ${reference.name}`
  const bundle = reference.group === 'certificates.k8s.io' && reference.kind === 'ClusterTrustBundle'
  if (!bundle && (reference.group !== '' || (reference.kind !== 'ConfigMap' && reference.kind !== 'Secret'))) {
    return { reason: 'InvalidKind', message: `${name} is neither a ConfigMap nor a Secret` }
  }
  if (bundle && !knowsTrustBundles(view)) return { reason: 'InvalidKind', message: noTrustBundles }
  const object = bundle
    ? view.object('ClusterTrustBundle', `/${reference.name}`)
    : view.object(reference.kind as 'ConfigMap' | 'Secret', `${policy.metadata.namespace}/${reference.name}`)
  if (object === undefined) return { reason: 'InvalidCACertificateRef', message: `there is no ${name} here` }
  const read = readAnchors(object)
  return read.kind === 'certificate'
    ? read.certificate
    : { reason: 'InvalidCACertificateRef', message: `${name} ${read.message}` }
}

/** A policy that names the port goes before one for the whole Service; then the oldest wins. */
export function decide(service: Service, port: number, view: View): TlsDecision {
  const name = service.spec.ports.find((each) => each.port === port)?.name
  const policies = view.policiesFor(keyOf(service))
  const winner =
    (name === undefined
      ? undefined
      : policies.find((policy) => targets(policy, service).some((each) => each === name))) ??
    policies.find((policy) => targets(policy, service).includes(undefined))
  if (winner === undefined) return { kind: 'clear' }
  const { tls, accepted } = view.policy(keyOf(winner))
  return tls === undefined
    ? { kind: 'refused', message: accepted?.message ?? 'the policy is not accepted' }
    : { kind: 'tls', tls }
}

/** Port names that a policy targets of this Service; undefined: all of it. */
function targets(policy: BackendTLSPolicy, service: Service): readonly (string | undefined)[] {
  return policy.spec.targetRefs
    .filter((each) => each.group === '' && each.kind === 'Service' && each.name === service.metadata.name)
    .map((each) => each.sectionName)
}

/** `gateways`: `namespace/name` of each Gateway of ours through which a route reaches a target of the policy. */
export function policyStatus(
  view: PolicyView,
  conflict: Fault | undefined,
  gateways: readonly string[],
  controllerName: string,
): ObjectStatus {
  const { metadata } = view.policy
  const refused = view.accepted ?? conflict
  const conditions: readonly Condition[] = [
    refused === undefined
      ? holds(metadata, 'Accepted', 'Accepted', 'the policy is followed')
      : fails(metadata, 'Accepted', refused.reason, refused.message),
    view.resolved === undefined
      ? holds(metadata, 'ResolvedRefs', 'ResolvedRefs', 'all references are good')
      : fails(metadata, 'ResolvedRefs', view.resolved.reason, view.resolved.message),
  ]
  // the list holds 16 entries and may have some of other controllers
  const ancestors = gateways.slice(0, 16).map((key): AncestorStatus => {
    const [namespace, name] = key.split('/') as [string, string]
    return { ancestorRef: { group, kind: 'Gateway', namespace, name }, controllerName, conditions }
  })
  return { kind: 'BackendTLSPolicy', metadata, status: { ancestors } }
}

/** It is in conflict when an older policy has every one of its targets. */
export function conflictOf(policy: BackendTLSPolicy, view: View): Fault | undefined {
  let older: BackendTLSPolicy | undefined
  for (const target of policy.spec.targetRefs) {
    if (target.group !== '' || target.kind !== 'Service') continue
    const rivals = view.policiesFor(`${policy.metadata.namespace}/${target.name}`)
    const first = rivals.find((each) =>
      each.spec.targetRefs.some(
        (other) =>
          other.group === '' &&
          other.kind === 'Service' &&
          other.name === target.name &&
          (other.sectionName ?? '') === (target.sectionName ?? ''),
      ),
    )
    if (first === policy || first === undefined) return undefined
    older = first
  }
  return older === undefined
    ? undefined
    : { reason: 'Conflicted', message: `BackendTLSPolicy ${keyOf(older)} is older and has the same target` }
}
