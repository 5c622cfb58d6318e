/**
 * An object as the API server or a file has it → a resource, or the problems that keep it out. Pure. A wrong object costs
 * itself alone.
 */
import { Secret as Hidden } from '../../model/secret.ts'
import type { AnyResource, EndpointSlice, KnownKind, Metadata, Service } from './resources.ts'
import { experimentalGroup, group } from './resources.ts'
import type { Depth, Path, Problem } from './validate.ts'
import { kindSchema, validateSpec } from './validate.ts'

export type Decoded =
  | { readonly kind: 'resource'; readonly resource: AnyResource; readonly problems: readonly Problem[] }
  /** Not ours to read, for example a Deployment. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'broken'; readonly problems: readonly Problem[] }

export interface DecodeOptions {
  readonly depth: Depth
  /** For objects of namespaced kinds that name none. */
  readonly namespace: string
}

type Raw = Readonly<Record<string, unknown>>

export function decode(raw: unknown, options: DecodeOptions): Decoded {
  if (!isObject(raw)) return broken([], 'is not an object')
  const { apiVersion, kind } = raw
  if (typeof kind !== 'string') return broken(['kind'], 'is missing or not a string')
  if (typeof apiVersion !== 'string') return broken(['apiVersion'], 'is missing or not a string')
  const [apiGroup, version] = apiVersion.includes('/')
    ? (apiVersion.split('/', 2) as [string, string])
    : ['', apiVersion]
  const schema = kindSchema(apiGroup, kind)
  if (schema !== undefined && apiGroup === group) {
    if (version !== 'v1' && version !== 'v1beta1') {
      return broken(['apiVersion'], `version ${version} of ${kind} is not served`, `${group}/v1`)
    }
    const metadata = decodeMetadata(raw['metadata'], { ...options, scope: schema.scope })
    if ('problem' in metadata) return { kind: 'broken', problems: [metadata.problem] }
    const { spec, problems } = validateSpec(schema, raw['spec'], options.depth)
    if (problems.some((each) => each.severity === 'error')) return { kind: 'broken', problems }
    return { kind: 'resource', resource: { kind: kind as KnownKind, metadata, spec } as AnyResource, problems }
  }
  if (apiGroup === group) return broken(['kind'], `${kind} is no kind of ${group}`)
  if (apiGroup === experimentalGroup) return { kind: 'foreign' }
  const core = coreKinds[`${apiGroup}/${kind}`]
  if (core === undefined) return { kind: 'foreign' }
  const metadata = decodeMetadata(raw['metadata'], { ...options, scope: core.scope })
  if ('problem' in metadata) return { kind: 'broken', problems: [metadata.problem] }
  try {
    return { kind: 'resource', resource: core.decode(raw, metadata), problems: [] }
  } catch (error) {
    if (error instanceof Wrong) return broken(error.path, error.message)
    throw error
  }
}

interface CoreKind {
  readonly scope: 'Namespaced' | 'Cluster'
  decode(raw: Raw, metadata: Metadata): AnyResource
}

const coreKinds: Readonly<Record<string, CoreKind>> = {
  '/Namespace': { scope: 'Cluster', decode: (_, metadata) => ({ kind: 'Namespace', metadata, spec: undefined }) },
  '/Service': { scope: 'Namespaced', decode: decodeService },
  '/Secret': {
    scope: 'Namespaced',
    decode: (raw, metadata) => {
      const type = optional(raw['type'], ['type'], 'string')
      const data: Record<string, Hidden> = {}
      for (const [name, value] of Object.entries(optional(raw['data'], ['data'], 'object') ?? {})) {
        data[name] = new Hidden(Buffer.from(required(value, ['data', name], 'string'), 'base64').toString('utf8'))
      }
      for (const [name, value] of Object.entries(optional(raw['stringData'], ['stringData'], 'object') ?? {})) {
        data[name] = new Hidden(required(value, ['stringData', name], 'string'))
      }
      return { kind: 'Secret', metadata, spec: { ...(type === undefined ? {} : { type }), data } }
    },
  },
  '/ConfigMap': {
    scope: 'Namespaced',
    decode: (raw, metadata) => {
      const data: Record<string, string> = {}
      for (const [name, value] of Object.entries(optional(raw['data'], ['data'], 'object') ?? {})) {
        data[name] = required(value, ['data', name], 'string')
      }
      return { kind: 'ConfigMap', metadata, spec: { data } }
    },
  },
  'discovery.k8s.io/EndpointSlice': { scope: 'Namespaced', decode: decodeSlice },
  'certificates.k8s.io/ClusterTrustBundle': {
    scope: 'Cluster',
    decode: (raw, metadata) => {
      const spec = required(raw['spec'], ['spec'], 'object')
      return {
        kind: 'ClusterTrustBundle',
        metadata,
        spec: { trustBundle: required(spec['trustBundle'], ['spec', 'trustBundle'], 'string') },
      }
    },
  },
}

function decodeService(raw: Raw, metadata: Metadata): Service {
  const spec = required(raw['spec'], ['spec'], 'object')
  const ports = (optional(spec['ports'], ['spec', 'ports'], 'array') ?? []).map((each, index) => {
    const path = ['spec', 'ports', index]
    const port = required(each, path, 'object')
    const name = optional(port['name'], [...path, 'name'], 'string')
    const target = port['targetPort']
    const appProtocol = optional(port['appProtocol'], [...path, 'appProtocol'], 'string')
    return {
      port: required(port['port'], [...path, 'port'], 'number'),
      protocol: optional(port['protocol'], [...path, 'protocol'], 'string') ?? 'TCP',
      ...(name === undefined || name === '' ? {} : { name }),
      ...(typeof target === 'number' || typeof target === 'string' ? { targetPort: target } : {}),
      ...(appProtocol === undefined ? {} : { appProtocol }),
    }
  })
  const type = optional(spec['type'], ['spec', 'type'], 'string')
  const clusterIP = optional(spec['clusterIP'], ['spec', 'clusterIP'], 'string')
  const status = isObject(raw['status']) ? raw['status'] : {}
  const balancer = isObject(status['loadBalancer']) ? status['loadBalancer'] : {}
  const ingress = Array.isArray(balancer['ingress']) ? balancer['ingress'].filter(isObject) : []
  return {
    kind: 'Service',
    metadata,
    spec: {
      ports,
      ...(type === undefined ? {} : { type }),
      ...(clusterIP === undefined ? {} : { clusterIP }),
      assigned: ingress.map((each) => ({
        ...(typeof each['ip'] === 'string' ? { ip: each['ip'] } : {}),
        ...(typeof each['hostname'] === 'string' ? { hostname: each['hostname'] } : {}),
      })),
    },
  }
}

function decodeSlice(raw: Raw, metadata: Metadata): EndpointSlice {
  const ports = (optional(raw['ports'], ['ports'], 'array') ?? []).map((each, index) => {
    const port = required(each, ['ports', index], 'object')
    return {
      name: optional(port['name'], ['ports', index, 'name'], 'string') ?? '',
      port: optional(port['port'], ['ports', index, 'port'], 'number'),
      protocol: optional(port['protocol'], ['ports', index, 'protocol'], 'string') ?? 'TCP',
    }
  })
  const endpoints = (optional(raw['endpoints'], ['endpoints'], 'array') ?? []).map((each, index) => {
    const path = ['endpoints', index]
    const endpoint = required(each, path, 'object')
    const conditions = optional(endpoint['conditions'], [...path, 'conditions'], 'object') ?? {}
    const reference = isObject(endpoint['targetRef']) ? endpoint['targetRef'] : undefined
    // absent or null counts as ready, and as serving where it is ready (discovery/v1 EndpointConditions)
    const ready = conditions['ready'] !== false
    return {
      addresses: required(endpoint['addresses'], [...path, 'addresses'], 'array').map((address, at) =>
        required(address, [...path, 'addresses', at], 'string'),
      ),
      ready,
      terminating: conditions['terminating'] === true,
      serving: typeof conditions['serving'] === 'boolean' ? conditions['serving'] : ready,
      ...(typeof reference?.['name'] === 'string' ? { label: reference['name'] } : {}),
    }
  })
  return {
    kind: 'EndpointSlice',
    metadata,
    spec: {
      service: metadata.labels?.['kubernetes.io/service-name'],
      addressType: required(raw['addressType'], ['addressType'], 'string'),
      ports,
      endpoints,
    },
  }
}

function decodeMetadata(
  raw: unknown,
  options: DecodeOptions & { readonly scope: 'Namespaced' | 'Cluster' },
): Metadata | { readonly problem: Problem } {
  const fail = (path: Path, message: string, hint?: string): { readonly problem: Problem } => ({
    problem: { severity: 'error', path: ['metadata', ...path], message, ...(hint === undefined ? {} : { hint }) },
  })
  if (!isObject(raw)) return fail([], 'is missing or not an object')
  const { name, namespace } = raw
  if (typeof name !== 'string' || name === '') return fail(['name'], 'is missing or not a string')
  if (!subdomain.test(name) || name.length > 253) {
    return fail(['name'], `${JSON.stringify(name)} is not a name`, 'lower-case letters, digits, - and ., at most 253')
  }
  const place =
    options.scope === 'Cluster' ? '' : typeof namespace === 'string' && namespace !== '' ? namespace : options.namespace
  if (options.scope === 'Namespaced' && (!label.test(place) || place.length > 63)) {
    return fail(
      ['namespace'],
      `${JSON.stringify(place)} is not a namespace`,
      'lower-case letters, digits and -, at most 63',
    )
  }
  const labels = texts(raw['labels'])
  const annotations = texts(raw['annotations'])
  return {
    name,
    namespace: place,
    ...(typeof raw['uid'] === 'string' ? { uid: raw['uid'] } : {}),
    ...(typeof raw['generation'] === 'number' ? { generation: raw['generation'] } : {}),
    ...(typeof raw['creationTimestamp'] === 'string' ? { creationTimestamp: raw['creationTimestamp'] } : {}),
    ...(typeof raw['deletionTimestamp'] === 'string' ? { deletionTimestamp: raw['deletionTimestamp'] } : {}),
    ...(labels === undefined ? {} : { labels }),
    ...(annotations === undefined ? {} : { annotations }),
  }
}

const label = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/

function texts(raw: unknown): Readonly<Record<string, string>> | undefined {
  if (!isObject(raw)) return undefined
  return Object.fromEntries(Object.entries(raw).filter((each): each is [string, string] => typeof each[1] === 'string'))
}

interface Types {
  readonly string: string
  readonly number: number
  readonly object: Raw
  readonly array: readonly unknown[]
}

const typeWords = { string: 'a string', number: 'a number', object: 'an object', array: 'a list' } as const

class Wrong extends Error {
  readonly path: Path

  constructor(path: Path, message: string) {
    super(message)
    this.path = path
  }
}

function optional<Name extends keyof Types>(value: unknown, path: Path, type: Name): Types[Name] | undefined {
  if (value === undefined || value === null) return undefined
  const fits = type === 'array' ? Array.isArray(value) : type === 'object' ? isObject(value) : typeof value === type
  if (!fits) throw new Wrong(path, `is not ${typeWords[type]}`)
  return value as Types[Name]
}

function required<Name extends keyof Types>(value: unknown, path: Path, type: Name): Types[Name] {
  const found = optional(value, path, type)
  if (found === undefined) throw new Wrong(path, 'is missing')
  return found
}

function isObject(value: unknown): value is Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function broken(path: Path, message: string, hint?: string): Decoded {
  return { kind: 'broken', problems: [{ severity: 'error', path, message, ...(hint === undefined ? {} : { hint }) }] }
}
