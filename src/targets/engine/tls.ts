/** Certificates of the model → what node:tls wants, for listeners and for backends. */
import { constants, X509Certificate } from 'node:crypto'
import tls, { type PeerCertificate, type SecureContext, type SecureContextOptions } from 'node:tls'
import type { BackendTls, Certificate } from '../../model/model.ts'

/** How one backend is spoken to; made once for as long as nothing of it changes. */
export interface BackendSecurity {
  readonly context: SecureContext
  readonly reject: boolean
  /** SNI; absent for an endpoint that is an address. */
  readonly serverName: string | undefined
  readonly names: readonly { readonly kind: 'dns' | 'uri'; readonly value: string }[] | undefined
  readonly alpn: readonly string[] | undefined
}

export function compileBackendTls(
  wanted: BackendTls,
  certificate: (id: string) => Certificate | undefined,
): BackendSecurity {
  const options: SecureContextOptions = {}
  if (wanted.trust.kind === 'ca') {
    options.ca = wanted.trust.certificates.map((id) => pemOf(need(certificate, id)))
  }
  if (wanted.clientCertificate !== undefined) {
    const own = need(certificate, wanted.clientCertificate)
    options.cert = pemOf(own)
    options.key = own.key?.reveal()
  }
  return {
    context: tls.createSecureContext(options),
    reject: wanted.trust.kind !== 'none',
    serverName: wanted.serverName,
    names: wanted.subjectAltNames,
    alpn: wanted.alpn,
  }
}

/** Why this certificate is not the backend's; undefined where it is. `host`: what was dialled. */
export function checkIdentity(security: BackendSecurity, host: string, peer: PeerCertificate): Error | undefined {
  const { names } = security
  if (names === undefined || names.length === 0) return tls.checkServerIdentity(security.serverName ?? host, peer)
  const uris = [...(peer.subjectaltname ?? '').matchAll(/(?:^|, )URI:([^,]*)/g)].map((match) => match[1])
  for (const name of names) {
    if (name.kind === 'uri' ? uris.includes(name.value) : namesHost(name.value, peer)) return undefined
  }
  return new Error(`the certificate names none of ${names.map((name) => name.value).join(', ')}`)
}

/** A name with a star is one of the certificate's, or stands for one label of one of them. */
function namesHost(name: string, peer: PeerCertificate): boolean {
  if (!name.startsWith('*.')) return tls.checkServerIdentity(name, peer) === undefined
  const suffix = name.slice(1).toLowerCase()
  return [...(peer.subjectaltname ?? '').matchAll(/(?:^|, )DNS:([^,]*)/g)].some((match) => {
    const named = match[1]!.toLowerCase()
    return named.endsWith(suffix) && named.indexOf('.') === named.length - suffix.length
  })
}

/** What a listener serves by SNI. */
export interface ServedCertificate {
  readonly id: string
  readonly context: SecureContext
  /** What the context was made of: a server wants its own for clients that name nobody. */
  readonly options: SecureContextOptions
  /** Lower case, globs as `*.example.com`. */
  readonly names: readonly string[]
}

/** Throws where key and certificate do not fit, or are none. */
export function compileCertificate(
  certificate: Certificate,
  options: Pick<SecureContextOptions, 'minVersion' | 'ciphers' | 'ca'>,
): ServedCertificate {
  const cert = pemOf(certificate)
  // TLS 1.2 lets a client ask for new handshakes on a connection, which cost us ten times what they cost it
  const secureOptions = constants.SSL_OP_NO_RENEGOTIATION
  const made: SecureContextOptions = { ...options, cert, key: certificate.key?.reveal(), secureOptions }
  const context = tls.createSecureContext(made)
  return {
    id: certificate.id,
    context,
    options: made,
    names: certificate.hosts?.map((name) => name.toLowerCase()) ?? namesIn(cert),
  }
}

export function pemOf(certificate: Certificate): string {
  return certificate.chain === undefined ? certificate.certificate : `${certificate.certificate}\n${certificate.chain}`
}

/** The served one whose name is the most specific for this SNI; undefined where none names it. */
export function byName(served: readonly ServedCertificate[], name: string): ServedCertificate | undefined {
  let best: ServedCertificate | undefined
  let length = -1
  for (const candidate of served) {
    for (const pattern of candidate.names) {
      if (pattern === name) return candidate
      if (!pattern.startsWith('*')) continue
      // RFC 6125 §6.4.3: the star stands for one label
      const suffix = pattern.slice(1)
      if (name.endsWith(suffix) && !name.slice(0, -suffix.length).includes('.') && suffix.length > length) {
        best = candidate
        length = suffix.length
      }
    }
  }
  return best
}

function namesIn(pem: string): string[] {
  const parsed = new X509Certificate(pem)
  const names = [...(parsed.subjectAltName ?? '').matchAll(/(?:^|, )DNS:([^,]*)/g)].map((match) => match[1]!)
  if (names.length === 0) {
    const common = /(?:^|\n)CN=([^\n]*)/.exec(parsed.subject)?.[1]
    if (common !== undefined) names.push(common)
  }
  return names.map((name) => name.toLowerCase())
}

function need(certificate: (id: string) => Certificate | undefined, id: string): Certificate {
  const found = certificate(id)
  if (found === undefined) throw new Error(`there is no certificate ${id}`)
  return found
}
