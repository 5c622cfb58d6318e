/** Namespace → its hosts with what protects them. Pure; remembered by the object. */
import type { Diagnostic } from '../../model/diagnostic.ts'
import { fieldOf, type Json, parseJson } from './json.ts'
import { unknownHostKeys } from './keys.ts'
import { type NamespaceObject, originOf } from './world.ts'

export interface WantedHost {
  /** Lower case. */
  readonly name: string
  /** Fields of the namespace's Secret. */
  readonly ssl?: { readonly certificate: string; readonly key: string; readonly client?: string }
  /** Who else may have paths here; undefined: whoever names the host. Counts where this namespace comes first. */
  readonly namespaces?: readonly string[]
}

export interface Hosts {
  readonly hosts: readonly WantedHost[]
  readonly diagnostics: readonly Diagnostic[]
}

const known = new WeakMap<NamespaceObject, Hosts>()

export function hostsOf(namespace: NamespaceObject): Hosts {
  let hosts = known.get(namespace)
  if (hosts === undefined) known.set(namespace, (hosts = parseHosts(namespace)))
  return hosts
}

function parseHosts(namespace: NamespaceObject): Hosts {
  const diagnostics: Diagnostic[] = []
  const say = (code: string, message: string, hint: string, severity: Diagnostic['severity'] = 'error'): void => {
    diagnostics.push({
      code: `pods/${code}`,
      severity,
      message: `namespace ${namespace.name}: ${message}`,
      hint,
      origin: originOf(namespace, 'hosts'),
    })
  }
  if (namespace.hosts === undefined) return { hosts: [], diagnostics }
  const json = parseJson(namespace.hosts)
  if (json.kind === 'null') return { hosts: [], diagnostics }
  if (json.kind !== 'object') {
    const why = json.kind === 'mistake' ? `are no JSON: ${json.message}` : `are ${nameOf(json)}, not an object`
    say('hosts-json', `the hosts ${why}; it has no hosts`, '{"shop.example.com": {}}')
    return { hosts: [], diagnostics }
  }
  const hosts = new Map<string, WantedHost>()
  // the last of doubles wins, where the first one stood
  for (const [given, options] of new Map(json.entries)) {
    const name = given.toLowerCase()
    const why = whyNoHost(given)
    if (why !== undefined) {
      say(
        'host-name',
        `${JSON.stringify(given)} is not a host: ${why}; it is left out`,
        'a name such as shop.example.com, without port',
      )
      continue
    }
    const ssl = sslOf(options)
    if (typeof ssl === 'string') {
      say(
        'host-options',
        `host ${given}: ${ssl}; it is left out`,
        '{"certificate": {"valueFrom": {"secretKeyRef": {"key": "tls.crt"}}}, "certificateKey": …}',
      )
      continue
    }
    if (hosts.has(name)) {
      say(
        'host-twice',
        `host ${given} is there twice, for case makes no difference; the first is served`,
        'one of them is too many',
      )
      continue
    }
    for (const { message, hint } of unknownHostKeys(options))
      say('host-key', `host ${given}: ${message}`, hint, 'warning')
    const namespaces = namespacesOf(options)
    if (namespaces === 'mistaken')
      say(
        'host-namespaces',
        `host ${given}: "namespaces" is not a list of names; no other namespace has paths there`,
        '{"namespaces": ["shop", "accounts"]}',
      )
    hosts.set(name, {
      name,
      ...(ssl === undefined ? {} : { ssl }),
      ...(namespaces === undefined ? {} : { namespaces: namespaces === 'mistaken' ? [] : namespaces }),
    })
  }
  return { hosts: [...hosts.values()], diagnostics }
}

/** RFC 1123, 2.1; RFC 1035, 2.3.4. */
function whyNoHost(name: string): string | undefined {
  if (
    !/^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*$/.test(name) ||
    name.endsWith('\n')
  )
    return 'it must be letters, digits and "-" in parts joined by dots'
  if (name.length > 253) return 'it is longer than 253 characters'
  return name.split('.').some((label) => label.length > 63) ? 'a part of it is longer than 63 characters' : undefined
}

/** A text says what is wrong. Whoever wants TLS and says it wrongly does not get less. */
function sslOf(options: Json): WantedHost['ssl'] | string {
  if (options.kind === 'null') return undefined
  if (options.kind !== 'object') return `its options are ${nameOf(options)}, not an object`
  const ssl = fieldOf(options, 'ssl')
  if (ssl === undefined) return undefined
  if (ssl.kind !== 'object') return `ssl is ${nameOf(ssl)}, not an object`
  const certificate = reference(ssl, 'certificate')
  if (certificate.kind !== 'field')
    return certificate.kind === 'absent' ? 'ssl has no certificate' : certificate.message
  const key = reference(ssl, 'certificateKey')
  if (key.kind !== 'field') return key.kind === 'absent' ? 'ssl has no certificateKey' : key.message
  const client = reference(ssl, 'clientCertificate')
  if (client.kind === 'mistake') return client.message
  return { certificate: certificate.name, key: key.name, ...(client.kind === 'absent' ? {} : { client: client.name }) }
}

/** Null is a list that is wrong, too: who wants to share with some must not share with all. */
function namespacesOf(options: Json): readonly string[] | 'mistaken' | undefined {
  const said = options.kind === 'object' && options.entries.some(([key]) => key.toLowerCase() === 'namespaces')
  if (!said) return undefined
  const field = fieldOf(options, 'namespaces')
  if (field?.kind !== 'array') return 'mistaken'
  const names = field.items.flatMap((item) => (item.kind === 'string' ? [item.value] : []))
  return names.length === field.items.length ? names : 'mistaken'
}

type Reference =
  | { readonly kind: 'absent' }
  | { readonly kind: 'field'; readonly name: string }
  | { readonly kind: 'mistake'; readonly message: string }

function reference(ssl: Json, name: string): Reference {
  const given = fieldOf(ssl, name)
  if (given === undefined) return { kind: 'absent' }
  const from = fieldOf(given, 'valueFrom')
  const secret = from === undefined ? undefined : fieldOf(from, 'secretKeyRef')
  if (secret === undefined) return { kind: 'mistake', message: `ssl.${name} has no valueFrom.secretKeyRef` }
  const key = fieldOf(secret, 'key')
  if (key?.kind !== 'string' || key.value === '')
    return { kind: 'mistake', message: `ssl.${name}.valueFrom.secretKeyRef has no key` }
  return { kind: 'field', name: key.value }
}

export function nameOf(json: Json): string {
  switch (json.kind) {
    case 'array':
    case 'object':
      return `an ${json.kind}`
    case 'string':
      return 'a text'
    case 'null':
      return 'null'
    case 'number':
    case 'boolean':
      return `a ${json.kind}`
  }
}
