/** Secret or ConfigMap → a certificate of the model, or why it is none. Pure; remembered by the object's identity. */
import { X509Certificate, createPrivateKey } from 'node:crypto'
import type { Certificate } from '../../model/model.ts'
import type { ClusterTrustBundle, ConfigMap, SecretObject } from './resources.ts'
import { keyOf } from './resources.ts'
import { originOf } from './origin.ts'
import type { View } from './view.ts'

export type Read =
  | { readonly kind: 'certificate'; readonly certificate: Certificate; readonly names: readonly string[] }
  | { readonly kind: 'fault'; readonly message: string }

/** A certificate with its key: `tls.crt` and `tls.key`. */
export function readKeyPair(secret: SecretObject): Read {
  return remember(keyPairs, secret, () => {
    const { 'tls.crt': certificate, 'tls.key': key } = secret.spec.data
    if (certificate === undefined) return fault('has no tls.crt')
    if (key === undefined) return fault('has no tls.key')
    const chain = parseChain(certificate.reveal())
    if (typeof chain === 'string') return fault(`tls.crt: ${chain}`)
    try {
      if (!chain[0]!.checkPrivateKey(createPrivateKey(key.reveal()))) return fault('tls.key does not belong to tls.crt')
    } catch {
      return fault('tls.key is not a private key in PEM')
    }
    return {
      kind: 'certificate',
      certificate: {
        id: `gateway-api/Secret/${keyOf(secret)}`,
        certificate: certificate.reveal(),
        key,
        origin: originOf(secret),
      },
      names: namesOf(chain[0]!),
    }
  })
}

/** Certificates to trust: `ca.crt` of a ConfigMap or Secret, `trustBundle` of a ClusterTrustBundle. */
export function readAnchors(object: ConfigMap | SecretObject | ClusterTrustBundle): Read {
  return remember(anchors, object, () => {
    const text =
      object.kind === 'ClusterTrustBundle'
        ? object.spec.trustBundle
        : object.kind === 'Secret'
          ? object.spec.data['ca.crt']?.reveal()
          : object.spec.data['ca.crt']
    if (text === undefined) return fault('has no ca.crt')
    const chain = parseChain(text)
    if (typeof chain === 'string') return fault(chain)
    const id = `gateway-api/${object.kind}/${keyOf(object)}`
    return { kind: 'certificate', certificate: { id, certificate: text, origin: originOf(object) }, names: [] }
  })
}

/** A cluster may be too old for them; in files every kind is known. */
export function knowsTrustBundles(view: View): boolean {
  const place = view.place()
  return place.kind === 'files' || place.trustBundles === true
}

export const noTrustBundles = 'this cluster has no ClusterTrustBundles of certificates.k8s.io/v1'

const keyPairs = new WeakMap<object, Read>()
const anchors = new WeakMap<object, Read>()

function remember(table: WeakMap<object, Read>, object: object, read: () => Read): Read {
  let known = table.get(object)
  if (known === undefined) {
    known = read()
    table.set(object, known)
  }
  return known
}

function fault(message: string): Read {
  return { kind: 'fault', message }
}

function parseChain(text: string): readonly X509Certificate[] | string {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g)
  if (blocks === null) return 'holds no certificate in PEM'
  try {
    return blocks.map((block) => new X509Certificate(block))
  } catch {
    return 'holds a certificate that cannot be read'
  }
}

/** DNS names, from the alternative names or else the common name. */
function namesOf(certificate: X509Certificate): readonly string[] {
  const alternative = certificate.subjectAltName
  if (alternative !== undefined) {
    return alternative
      .split(', ')
      .flatMap((each) => (each.startsWith('DNS:') ? [each.slice(4).replaceAll('"', '').toLowerCase()] : []))
  }
  const common = /^CN=(.+)$/m.exec(certificate.subject)?.[1]
  return common === undefined ? [] : [common.toLowerCase()]
}
