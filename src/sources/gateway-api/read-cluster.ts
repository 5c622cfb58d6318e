/** A cluster → worlds, and what stands in its statuses. Effect. An object that did not change stays the same object. */
import { createHash } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import type { KubernetesClient } from '../../lib/kubernetes/client.ts'
import { type KubernetesObject, reflect, sleep } from '../../lib/kubernetes/reflect.ts'
import type { Diagnostic } from '../../model/diagnostic.ts'
import { decode } from './decode.ts'
import type { AnyResource, KnownKind, Objects, World } from './resources.ts'
import { emptyObjects, group } from './resources.ts'
import { printPath } from './validate.ts'

interface KindPlace {
  readonly path: string
  readonly fieldSelector?: string
  /** The world is not whole without it, unless the API server does not know it. */
  readonly apiVersion: string
}

const own = (plural: string): KindPlace => ({ path: `/apis/${group}/v1/${plural}`, apiVersion: `${group}/v1` })

/** What is listed and watched; the manifests give exactly these rights. */
export const clusterKinds: Readonly<Record<KnownKind, KindPlace>> = {
  GatewayClass: own('gatewayclasses'),
  Gateway: own('gateways'),
  ListenerSet: own('listenersets'),
  HTTPRoute: own('httproutes'),
  GRPCRoute: own('grpcroutes'),
  TLSRoute: own('tlsroutes'),
  TCPRoute: own('tcproutes'),
  UDPRoute: own('udproutes'),
  ReferenceGrant: own('referencegrants'),
  BackendTLSPolicy: own('backendtlspolicies'),
  Namespace: { path: '/api/v1/namespaces', apiVersion: 'v1' },
  Service: { path: '/api/v1/services', apiVersion: 'v1' },
  EndpointSlice: { path: '/apis/discovery.k8s.io/v1/endpointslices', apiVersion: 'discovery.k8s.io/v1' },
  Secret: {
    path: '/api/v1/secrets',
    apiVersion: 'v1',
    // neither can be a certificate, and they are the large ones and the secret ones
    fieldSelector: 'type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token',
  },
  ConfigMap: { path: '/api/v1/configmaps', apiVersion: 'v1' },
  ClusterTrustBundle: {
    path: '/apis/certificates.k8s.io/v1/clustertrustbundles',
    apiVersion: 'certificates.k8s.io/v1',
  },
}

/** What the writer of statuses needs of the last version that was seen. */
export interface Latest {
  readonly resourceVersion: string
  readonly uid: string
  readonly status: Readonly<Record<string, unknown>> | undefined
}

export interface ClusterReader {
  worlds(signal: AbortSignal): AsyncGenerator<World>
  latest(kind: KnownKind, key: string): Latest | undefined
  /** `namespace/name` of every object of a kind. */
  keys(kind: KnownKind): Iterable<string>
  /** Called when an object of a kind with a status was seen anew. */
  onStatus(listener: (kind: KnownKind, key: string) => void): void
}

export interface ClusterReaderOptions {
  readonly client: KubernetesClient
  readonly controllerName: string
  /** How long the first changes after a pause are gathered, milliseconds. Default 3. */
  readonly settleMs?: number
  /** How long a burst of changes is gathered: what follows from one world should not take most of the time. Milliseconds, default 20. */
  burstMs?(): number
  trouble(message: string): void
}

/** How long a kind is refused before the world counts as whole without it, milliseconds. */
const rightsMs = 5_000
/** So many changes at once are no burst yet. */
const few = 3

interface Kept {
  readonly resource: AnyResource | undefined
  readonly problems: readonly Diagnostic[]
  readonly fingerprint: string
  readonly latest: Latest
}

export function createClusterReader(options: ClusterReaderOptions): ClusterReader {
  const kinds = Object.keys(clusterKinds) as readonly KnownKind[]
  const stores = new Map<KnownKind, Map<string, Kept>>(kinds.map((kind) => [kind, new Map()]))
  const listeners: ((kind: KnownKind, key: string) => void)[] = []
  const settled = new Set<string>()
  const missing = new Map<KnownKind, { readonly since: number; readonly message: string }>()
  const dirty = new Set<KnownKind>(kinds)
  let place: World['place'] = { kind: 'cluster' }
  let objects: Objects = emptyObjects
  let problems: readonly Diagnostic[] = []
  /** Since the last world. */
  let changes = 0
  let wake = (): void => undefined

  const touch = (kind?: KnownKind): void => {
    if (kind !== undefined) dirty.add(kind)
    changes += 1
    wake()
  }

  const put = (kind: KnownKind, raw: KubernetesObject): void => {
    const store = stores.get(kind)!
    const key = `${raw.metadata.namespace ?? ''}/${raw.metadata.name}`
    const before = store.get(key)
    const kept = keep(kind, raw, before)
    store.set(key, kept)
    if (kept.resource !== before?.resource || kept.problems !== before?.problems) touch(kind)
    if (withStatus.has(kind)) for (const listener of listeners) listener(kind, key)
  }

  const follow = (kind: KnownKind, signal: AbortSignal): Promise<void> =>
    reflect(
      options.client,
      clusterKinds[kind],
      {
        replace: (list) => {
          const store = stores.get(kind)!
          const present = new Set(list.map((raw) => `${raw.metadata.namespace ?? ''}/${raw.metadata.name}`))
          for (const key of store.keys()) {
            if (present.has(key)) continue
            store.delete(key)
            touch(kind)
          }
          missing.delete(kind)
          for (const raw of list) put(kind, raw)
          if (kind === 'ClusterTrustBundle') setPlace({ trustBundles: true })
          settle(kind)
        },
        set: (raw) => put(kind, raw),
        remove: (raw) => {
          stores.get(kind)!.delete(`${raw.metadata.namespace ?? ''}/${raw.metadata.name}`)
          touch(kind)
        },
        absent: (error) => {
          // said once: an optional kind may be missing for as long as the cluster lives
          if (missing.get(kind)?.message !== error.message)
            options.trouble(`${clusterKinds[kind].path}: ${error.message}`)
          const since = missing.get(kind)?.since ?? Date.now()
          missing.set(kind, { since, message: error.message })
          const store = stores.get(kind)!
          if (store.size > 0) {
            store.clear()
            touch(kind)
          }
          if (kind === 'ClusterTrustBundle') setPlace({ trustBundles: false })
          // every release has them: without them there is nothing to serve, and what serves must not be taken away for that
          if (kind === 'Gateway' || kind === 'GatewayClass' || kind === 'HTTPRoute') return
          // a server that starts may not have read our rights yet
          if (error.status === 404 || Date.now() - since >= rightsMs) settle(kind)
        },
        failed: (error) => options.trouble(`${clusterKinds[kind].path}: ${error.message}`),
      },
      signal,
    )

  const followDefinitions = (signal: AbortSignal): Promise<void> => {
    const take = (raw: KubernetesObject | undefined): void => {
      const annotations = (raw?.metadata['annotations'] ?? {}) as Readonly<Record<string, string>>
      const bundleVersion = annotations['gateway.networking.k8s.io/bundle-version']
      const channel = annotations['gateway.networking.k8s.io/channel']
      setPlace({
        ...(bundleVersion === undefined ? {} : { bundleVersion }),
        ...(channel === 'standard' || channel === 'experimental' ? { channel } : {}),
      })
      settle('definitions')
    }
    const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
    return reflect(
      options.client,
      { path, fieldSelector: `metadata.name=gateways.${group}` },
      {
        replace: (list) => take(list[0]),
        set: take,
        remove: () => take(undefined),
        absent: () => settle('definitions'),
        failed: (error) => options.trouble(`${path}: ${error.message}`),
      },
      signal,
    )
  }

  const setPlace = (facts: Partial<Extract<World['place'], { kind: 'cluster' }>>): void => {
    const next = { ...place, ...facts } as World['place']
    if (JSON.stringify(next) === JSON.stringify(place)) return
    place = next
    touch()
  }

  const settle = (name: string): void => {
    if (settled.has(name)) return
    settled.add(name)
    touch()
  }

  const world = (): World => {
    const next = { ...objects } as Record<KnownKind, readonly AnyResource[]>
    for (const kind of dirty) next[kind] = [...stores.get(kind)!.values()].flatMap((each) => each.resource ?? [])
    if (dirty.size > 0) {
      objects = next as unknown as Objects
      problems = kinds.flatMap((kind) => [...stores.get(kind)!.values()].flatMap((each) => each.problems))
    }
    dirty.clear()
    return { controllerName: options.controllerName, place, objects, problems }
  }

  return {
    async *worlds(signal) {
      // one listener for each watch that is open
      setMaxListeners(0, signal)
      signal.addEventListener('abort', () => wake(), { once: true })
      const running = [...kinds.map((kind) => follow(kind, signal)), followDefinitions(signal)]
      try {
        while (!signal.aborted) {
          await new Promise<void>((done) => {
            if (changes > 0 || signal.aborted) return done()
            wake = done
          })
          await sleep(options.settleMs ?? 3, signal)
          if (changes > few) await sleep(options.burstMs?.() ?? 20, signal)
          if (signal.aborted) return
          changes = 0
          // the world is not whole before every kind was listed once
          if (settled.size === kinds.length + 1) yield world()
        }
      } finally {
        await Promise.allSettled(running)
      }
    },
    latest: (kind, key) => stores.get(kind)!.get(key)?.latest,
    keys: (kind) => stores.get(kind)!.keys(),
    onStatus: (listener) => void listeners.push(listener),
  }
}

const withStatus: ReadonlySet<KnownKind> = new Set<KnownKind>([
  'GatewayClass',
  'Gateway',
  'ListenerSet',
  'HTTPRoute',
  'GRPCRoute',
  'TLSRoute',
  'TCPRoute',
  'UDPRoute',
  'BackendTLSPolicy',
])

function keep(kind: KnownKind, raw: KubernetesObject, before: Kept | undefined): Kept {
  const latest: Latest = {
    resourceVersion: raw.metadata.resourceVersion ?? '',
    uid: raw.metadata.uid ?? '',
    status: withStatus.has(kind) ? (raw['status'] as Latest['status']) : undefined,
  }
  const fingerprint = fingerprintOf(kind, raw)
  if (before?.fingerprint === fingerprint) return { ...before, latest }
  const decoded = decode(
    { ...raw, kind, apiVersion: clusterKinds[kind].apiVersion },
    { depth: 'structure', namespace: '' },
  )
  if (decoded.kind === 'resource') return { resource: decoded.resource, problems: none, fingerprint, latest }
  // stored under older definitions, or by a hand in etcd: it costs itself alone
  const name = `${kind} ${raw.metadata.namespace === undefined ? '' : `${raw.metadata.namespace}/`}${raw.metadata.name}`
  const problems = (decoded.kind === 'broken' ? decoded.problems : []).map(({ path, message, hint }): Diagnostic => ({
    code: 'gateway-api/refused',
    severity: 'error',
    message: `${name} ${printPath(path)}: ${message}`,
    ...(hint === undefined ? {} : { hint }),
    origin: { source: 'gateway-api', object: name, field: printPath(path) },
  }))
  return { resource: undefined, problems, fingerprint, latest }
}

const none: readonly Diagnostic[] = []

/** Equal for versions of an object that we need not tell apart. */
function fingerprintOf(kind: KnownKind, raw: KubernetesObject): string {
  const { generation, labels, annotations, deletionTimestamp, uid } = raw.metadata
  const plain = JSON.stringify([uid, generation, labels, deletionTimestamp])
  switch (kind) {
    case 'Secret':
      return createHash('sha256')
        .update(`${plain}${JSON.stringify([annotations, raw['type'], raw['data']])}`)
        .digest('base64')
    case 'ConfigMap':
      return createHash('sha256')
        .update(`${plain}${JSON.stringify([annotations, raw['data']])}`)
        .digest('base64')
    case 'Namespace':
      return plain
    case 'Service':
      return `${plain}${JSON.stringify([annotations, raw['spec'], raw['status']])}`
    case 'EndpointSlice':
      // its annotations tell when it changed, and change with every beat
      return `${plain}${JSON.stringify([raw['addressType'], raw['ports'], raw['endpoints']])}`
    case 'ClusterTrustBundle':
      return `${plain}${JSON.stringify(raw['spec'])}`
    default:
      // the server counts every change of a spec
      return `${plain}${JSON.stringify(annotations)}${generation === undefined ? JSON.stringify(raw['spec']) : ''}`
  }
}
