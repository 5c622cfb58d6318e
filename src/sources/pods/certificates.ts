/** A namespace's Secret and what a host wants of it → certificates of the model, keys of the namespace. Pure; remembered. */
import { X509Certificate } from 'node:crypto'
import type { Certificate } from '../../model/model.ts'
import { Secret } from '../../model/secret.ts'
import { blocksOf, normalKey, whyNoPair } from './environment.ts'
import type { WantedHost } from './hosts.ts'
import { originOf, type SecretObject, sourceName } from './world.ts'

export type Protection =
  | { readonly kind: 'plain' }
  | { readonly kind: 'tls'; readonly certificate: Certificate; readonly client?: Certificate }
  | { readonly kind: 'fault'; readonly message: string; readonly hint: string }

const known = new WeakMap<SecretObject, Map<string, Protection>>()

export function protectionOf(secret: SecretObject, host: WantedHost): Protection {
  if (host.ssl === undefined) return { kind: 'plain' }
  let all = known.get(secret)
  if (all === undefined) known.set(secret, (all = new Map()))
  const text = JSON.stringify(host)
  let protection = all.get(text)
  if (protection === undefined) all.set(text, (protection = protect(secret, host, host.ssl)))
  return protection
}

function protect(secret: SecretObject, host: WantedHost, ssl: NonNullable<WantedHost['ssl']>): Protection {
  const fault = (message: string, hint: string): Protection => ({
    kind: 'fault',
    message: `${message}; the host is left out`,
    hint,
  })
  const field = (name: string): string | undefined => {
    const value = Object.hasOwn(secret.data, name) ? secret.data[name] : undefined
    return value === undefined ? undefined : Buffer.from(value, 'base64').toString('utf8')
  }
  for (const name of [ssl.certificate, ssl.key, ...(ssl.client === undefined ? [] : [ssl.client])])
    if (field(name) === undefined)
      return fault(`the secret ${secret.name} has no field ${name}`, 'add the field, or name another')
  const certificate = field(ssl.certificate) ?? ''
  const key = field(ssl.key) ?? ''
  const why = whyNoPair(certificate, key)
  if (why !== undefined)
    return fault(
      `${ssl.certificate} and ${ssl.key} of the secret ${secret.name}: ${why}`,
      'a certificate and its own key, in PEM',
    )
  const origin = originOf(secret)
  const id = `${sourceName}/${secret.namespace}/${host.name}`
  const served: Certificate = {
    id,
    certificate: `${blocksOf(certificate).join('\n')}\n`,
    key: new Secret(normalKey(key)),
    hosts: [host.name],
    origin,
  }
  if (ssl.client === undefined) return { kind: 'tls', certificate: served }
  const anchors = field(ssl.client) ?? ''
  if (!areCertificates(anchors))
    return fault(
      `${ssl.client} of the secret ${secret.name} holds no certificate`,
      'certificates of those who sign clients, in PEM',
    )
  return {
    kind: 'tls',
    certificate: served,
    client: { id: `${id}/client`, certificate: `${blocksOf(anchors).join('\n')}\n`, origin },
  }
}

function areCertificates(text: string): boolean {
  const blocks = blocksOf(text)
  try {
    return blocks.length > 0 && blocks.every((block) => new X509Certificate(block) instanceof X509Certificate)
  } catch {
    return false
  }
}

/**
 * What callers may show: the field itself, and every other one whose name begins with it and a dot. In base64, as
 * `kubectl get -o yaml` shows it. An empty one is none.
 */
export function keysOf(secret: SecretObject, field: string): readonly string[] {
  return Object.keys(secret.data)
    .filter((name) => name === field || name.startsWith(`${field}.`))
    .sort((a, b) => (a === field ? -1 : b === field ? 1 : a < b ? -1 : 1))
    .map((name) => Buffer.from(secret.data[name] ?? '', 'base64').toString('base64'))
    .filter((key) => key !== '')
}
