/** The source `gateway-api`: Kubernetes Gateway API from files or from a cluster → the model, and statuses back. */
import { hostname } from 'node:os'
import type { Place, Source } from '../source.ts'
import { connectKube } from './kube.ts'
import type { KubeClient } from './kube.ts'
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
}

/** Each has a memory of its own; a cluster is read by one at a time. */
export function createGatewayApi(options: GatewayApiOptions): GatewayApi {
  const translate = createTranslator()
  let writer: StatusWriter | undefined

  async function* readCluster(place: Extract<Place, { kind: 'cluster' }>, signal: AbortSignal): AsyncGenerator<World> {
    const client = await connectKube(place.kubeconfig === undefined ? {} : { kubeconfig: place.kubeconfig })
    const name = place.environment['GANTRY_CONTROLLER_NAME'] ?? controllerName
    const reader = createClusterReader({ client, controllerName: name, trouble: options.trouble })
    const election = electionFor(place, client)
    const own = createStatusWriter({
      client,
      reader,
      controllerName: name,
      leads: () => election?.leads() ?? true,
      trouble: options.trouble,
    })
    writer = own
    // who begins to lead writes what is wanted by then
    election?.onChange((leads) => {
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

  function electionFor({ environment }: Place, client: KubeClient): Election | undefined {
    const namespace = environment['POD_NAMESPACE']
    // outside of a Pod there is no second one of us to agree with
    if (namespace === undefined || namespace === '') return undefined
    const identity = environment['POD_NAME'] ?? `${hostname()}-${process.pid}`
    return elect({
      client,
      namespace,
      name: environment['GANTRY_LEASE'] ?? 'gantry-controller',
      identity,
      trouble: options.trouble,
    })
  }

  return {
    name: 'gateway-api',
    read(place, signal) {
      return place.kind === 'folder' ? readFiles(place.path, signal) : readCluster(place, signal)
    },
    translate,
    report(statuses) {
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
