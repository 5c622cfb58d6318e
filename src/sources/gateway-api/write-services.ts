/** Backends and certificates of the model → Services, BackendTLSPolicies, ConfigMaps, Secrets. Pure. */
import { addressOf } from '../../model/address.ts'
import type { Diagnostic, Origin } from '../../model/diagnostic.ts'
import type { Backend, Certificate, Model } from '../../model/model.ts'
import { endpointsAnnotation } from './endpoints-file.ts'

export type Written = Readonly<Record<string, unknown>>

export type Say = (
  code: string,
  severity: Diagnostic['severity'],
  message: string,
  origin: Origin,
  more?: { readonly hint?: string; readonly related?: readonly Origin[] },
) => void

export interface ServiceName {
  readonly name: string
  readonly port: number
}

/** Names as the definitions allow them, each once. */
export class Names {
  readonly #used = new Set<string>()

  name(text: string): string {
    const base =
      text
        .toLowerCase()
        .replace(/[^a-z0-9-]+/g, '-')
        .replace(/^-+/, '')
        .slice(0, 50)
        .replace(/-+$/, '') || 'unnamed'
    // a Service begins with a letter
    const first = /^[a-z]/.test(base) ? base : `s-${base}`
    let name = first
    for (let count = 2; this.#used.has(name); count++) name = `${first}-${count}`
    this.#used.add(name)
    return name
  }
}

/** Undefined: nothing that can be spoken to safely; who refers to it gets 500. */
export function writeBackend(
  backend: Backend,
  model: Model,
  names: Names,
  say: Say,
): { readonly service: ServiceName; readonly objects: readonly Written[] } | undefined {
  const addresses = model.endpoints.filter((each) => each.backend === backend.id).flatMap((each) => each.addresses)
  const usable = addresses.filter(({ host }) => /^[A-Za-z0-9._:-]+$/.test(host))
  const { origin } = backend
  if (usable.length < addresses.length)
    say('write-backend', 'error', `backend ${backend.id}: an address that is no host and port is left out`, origin)
  if (backend.balance !== undefined && backend.balance.kind !== 'round-robin')
    say(
      'write-backend',
      'warning',
      `backend ${backend.id}: endpoints are tried in turn, not by ${backend.balance.kind}`,
      origin,
    )
  if (backend.health?.active !== undefined)
    say('write-backend', 'warning', `backend ${backend.id}: there is no equivalent of active health checks`, origin)
  if (backend.via !== undefined)
    say('write-backend', 'error', `backend ${backend.id}: there is no equivalent of the proxy before it`, origin)
  if (usable.some(({ weight = 1 }) => weight !== 1))
    say('write-backend', 'warning', `backend ${backend.id}: weights of single endpoints are left out`, origin)

  const name = names.name(backend.id.split('/').slice(1).join('-'))
  const port = backend.tls === undefined ? 80 : 443
  const endpoints = usable.map(addressOf)
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name,
      ...(endpoints.length === 0 ? {} : { annotations: { [endpointsAnnotation]: endpoints.join(', ') } }),
    },
    spec: {
      ports: [
        {
          port,
          ...(backend.protocol === 'udp' ? { protocol: 'UDP' } : {}),
          ...(backend.protocol === 'h2c' ? { appProtocol: 'kubernetes.io/h2c' } : {}),
        },
      ],
    },
  }
  const tls = backend.tls === undefined ? [] : writeBackendTls(backend, name, usable[0]?.host, model, say)
  return tls === undefined ? undefined : { service: { name, port }, objects: [service, ...tls] }
}

function writeBackendTls(
  { id, tls, origin }: Backend,
  name: string,
  host: string | undefined,
  model: Model,
  say: Say,
): readonly Written[] | undefined {
  const hostname = (tls?.serverName ?? host ?? '').toLowerCase()
  if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(hostname)) {
    say('write-backend-tls', 'error', `backend ${id} has no name that its certificate could be verified by`, origin)
    return undefined
  }
  if (tls?.trust.kind === 'none') {
    const hint = `put the certificate of its authority in a ConfigMap and name it in BackendTLSPolicy ${name}`
    say('write-backend-tls', 'warning', `backend ${id} was not verified; the Gateway API always verifies`, origin, {
      hint,
    })
  }
  if (tls?.clientCertificate !== undefined) {
    const hint = 'spec.tls.backend.clientCertificateRef of the Gateway, with a Secret that you write'
    say('write-backend-tls', 'warning', `backend ${id}: our own certificate is left out`, origin, { hint })
  }
  const wanted = tls?.trust.kind === 'ca' ? tls.trust.certificates : undefined
  const authorities = wanted === undefined ? [] : model.certificates.filter((each) => wanted.includes(each.id))
  const trust =
    wanted === undefined
      ? { wellKnownCACertificates: 'System' }
      : { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: `${name}-ca` }] }
  const names = (tls?.subjectAltNames ?? []).map(({ kind, value }) =>
    kind === 'dns' ? { type: 'Hostname', hostname: value } : { type: 'URI', uri: value },
  )
  const policy = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'BackendTLSPolicy',
    metadata: { name },
    spec: {
      targetRefs: [{ group: '', kind: 'Service', name }],
      validation: { hostname, ...trust, ...(names.length === 0 ? {} : { subjectAltNames: names }) },
    },
  }
  if (wanted === undefined) return [policy]
  const data = { 'ca.crt': authorities.map((each) => each.certificate).join('\n') }
  return [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `${name}-ca` }, data }, policy]
}

/** The certificate is public and stands in the text; the key is never printed. */
export function writeCertificate(certificate: Certificate, name: string, say: Say): Written {
  const file = `${name}.key`
  say('write-key', 'warning', `the private key of ${certificate.id} is not printed`, certificate.origin, {
    hint: `put it beside the written file as ${file}; in a cluster, into tls.key of Secret ${name}`,
  })
  const chain = certificate.chain === undefined ? '' : `\n${certificate.chain}`
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, annotations: { 'gantry.dev/files': `tls.key=${file}` } },
    type: 'kubernetes.io/tls',
    stringData: { 'tls.crt': `${certificate.certificate}${chain}` },
  }
}
