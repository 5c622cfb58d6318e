/** `spec.tls.frontend` of a Gateway, for one port → which client certificates are asked for, and what is wrong. Pure. (GEP-91.) */
import type { Certificate } from '../../model/model.ts'
import { permitted } from './grants.ts'
import { knowsTrustBundles, noTrustBundles, readAnchors } from './pem.ts'
import type { Gateway } from './resources.ts'
import { group } from './resources.ts'
import type { Fault } from './status.ts'
import type { ValidationCaCertificateRef } from './types.generated.ts'
import type { View } from './view.ts'

export interface FrontendValidation {
  readonly mode: 'AllowValidOnly' | 'AllowInsecureFallback'
  readonly certificates: readonly Certificate[]
  readonly resolved?: Fault
  readonly accepted?: Fault
}

/** Undefined: clients need no certificate. */
export function frontendValidation(gateway: Gateway, port: number, view: View): FrontendValidation | undefined {
  const frontend = gateway.spec.tls?.frontend
  if (frontend === undefined) return undefined
  const { validation } = frontend.perPort?.find((each) => each.port === port)?.tls ?? frontend.default
  if (validation === undefined) return undefined
  const certificates: Certificate[] = []
  let resolved: Fault | undefined
  for (const reference of validation.caCertificateRefs) {
    const read = readReference(reference, gateway, view)
    if ('reason' in read) resolved ??= read
    else certificates.push(read)
  }
  return {
    mode: validation.mode,
    certificates,
    ...(resolved === undefined ? {} : { resolved }),
    ...(certificates.length > 0
      ? {}
      : {
          accepted: {
            reason: 'NoValidCACertificate',
            message: resolved?.message ?? 'caCertificateRefs names no certificate',
          },
        }),
  }
}

function readReference(reference: ValidationCaCertificateRef, gateway: Gateway, view: View): Fault | Certificate {
  const namespace = reference.namespace ?? gateway.metadata.namespace
  if (reference.group === 'certificates.k8s.io' && reference.kind === 'ClusterTrustBundle') {
    if (!knowsTrustBundles(view)) return { reason: 'InvalidCACertificateKind', message: noTrustBundles }
    const bundle = view.object('ClusterTrustBundle', `/${reference.name}`)
    if (bundle === undefined)
      return { reason: 'InvalidCACertificateRef', message: `there is no ClusterTrustBundle ${reference.name}` }
    const read = readAnchors(bundle)
    return read.kind === 'certificate'
      ? read.certificate
      : { reason: 'InvalidCACertificateRef', message: `ClusterTrustBundle ${reference.name} ${read.message}` }
  }
  const name = `${reference.kind} ${namespace}/${reference.name}`
  if (reference.group !== '' || (reference.kind !== 'ConfigMap' && reference.kind !== 'Secret')) {
    return { reason: 'InvalidCACertificateKind', message: `${name} is neither a ConfigMap nor a Secret` }
  }
  const from = { group, kind: 'Gateway', namespace: gateway.metadata.namespace }
  if (!permitted(view, from, { group: '', kind: reference.kind, namespace, name: reference.name })) {
    return { reason: 'RefNotPermitted', message: `no ReferenceGrant in ${namespace} lets this Gateway use ${name}` }
  }
  const object = view.object(reference.kind, `${namespace}/${reference.name}`)
  if (object === undefined) return { reason: 'InvalidCACertificateRef', message: `there is no ${name}` }
  const read = readAnchors(object)
  return read.kind === 'certificate'
    ? read.certificate
    : { reason: 'InvalidCACertificateRef', message: `${name} ${read.message}` }
}
