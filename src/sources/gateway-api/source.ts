/** The source `gateway-api`: Kubernetes Gateway API from files or from a cluster → the model, and statuses back. */
import { hostname } from 'node:os'
import type { Place, Source } from '../source.ts'
import { connectKubernetes } from '../../lib/kubernetes/client.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client.ts'
import { elect } from './lease.ts'
import type { Election } from './lease.ts'
import { printStatuses } from './print-statuses.ts'
import { createClusterReader } from './read-cluster.ts'
import { controllerName, readFiles, recogniseFolder } from './read-files.ts'
import { createStatusWriter } from './report.ts'
import type { StatusWriter } from './report.ts'
import type { World } from './resources.ts'
import type { ObjectStatus } from './status.ts'
import { createTranslator } from './translate.ts'

export interface GatewayApi extends Source<World, ObjectStatus> {
  recognise(folder: string): Promise<boolean>
  renderStatuses(statuses: readonly ObjectStatus[]): string
  /** Effect. Statuses stand in the cluster as last reported, or the signal ends. */
  settled(): Promise<void>
}

export interface GatewayApiOptions {
  /** What could not be reached or written, in one line; it is tried again. */
  trouble(message: string): void
  /** Who of us writes statuses. Default: whoever holds the Lease; outside of a Pod this process. */
  readonly leadership?: Leadership
}

export interface Leadership {
  leads(): boolean
  onChange(listener: (leads: boolean) => void): void
}

/** Of what a round may count for, milliseconds. */
const MOST_GATHERED = 75

/** Each has a memory of its own; a cluster is read by one at a time. */
export function createGatewayApi(options: GatewayApiOptions): GatewayApi {
  const translator = createTranslator()
  let writer: StatusWriter | undefined
  let began = 0
  let round = 10

  async function* readCluster(place: Extract<Place, { kind: 'cluster' }>, signal: AbortSignal): AsyncGenerator<World> {
    const client = await connectKubernetes(place.kubeconfig)
    const name = place.environment['GANTRY_CONTROLLER_NAME'] ?? controllerName
    const reader = createClusterReader({
      client,
      controllerName: name,
      trouble: options.trouble,
      burstMs: () => round * 2,
    })
    const election = options.leadership === undefined ? electFor(place.environment, client, options.trouble) : undefined
    const leadership = options.leadership ?? election
    const own = createStatusWriter({
      client,
      reader,
      controllerName: name,
      leads: () => leadership?.leads() ?? true,
      trouble: options.trouble,
    })
    writer = own
    // who begins to lead writes what is wanted by then
    leadership?.onChange((leads) => {
      if (leads) own.recheck()
    })
    try {
      yield* reader.worlds(signal)
    } finally {
      writer = undefined
      await own.close()
      await election?.close()
      client.close()
    }
  }

  return {
    name: 'gateway-api',
    read(place, signal) {
      return place.kind === 'folder' ? readFiles(place.path, signal) : readCluster(place, signal)
    },
    translate: (world) => {
      began = performance.now()
      const translation = translator(world)
      return world.stale === true ? { ...translation, stale: true } : translation
    },
    report(statuses) {
      // from world to data planes that serve it; a single slow one does not count for long
      round = Math.min(MOST_GATHERED, (round + performance.now() - began) / 2)
      writer?.want(statuses)
      // statuses follow in the background: an API server that is away must not hold up the next plan
      return Promise.resolve()
    },
    async settled() {
      await writer?.idle()
    },
    recognise: recogniseFolder,
    renderStatuses: printStatuses,
  }
}

/** The election of this Pod; outside of one there is no second one of us to agree with. */
export function electFor(
  environment: Place['environment'],
  client: KubernetesClient,
  trouble: (message: string) => void,
): Election | undefined {
  const namespace = environment['POD_NAMESPACE']
  if (namespace === undefined || namespace === '') return undefined
  const identity = environment['POD_NAME'] ?? `${hostname()}-${process.pid}`
  return elect({ client, namespace, name: environment['GANTRY_LEASE'] ?? 'gantry-controller', identity, trouble })
}
