/** What reads configurations: the sources, and a thread that does so beside the one that serves. */
import { parentPort, workerData } from 'node:worker_threads'
import type { Parts, SourcePart } from './cli/parts.ts'
import { createInterner } from './pipeline/interned.ts'
import { draftBeside } from './runtime/draft-beside.ts'
import type { ReadingOrders } from './runtime/draft-messages.ts'
import { readForAnother } from './runtime/read-for-another.ts'
import { expressGateway } from './sources/express-gateway/source.ts'
import { createGatewayApi } from './sources/gateway-api/source.ts'
import type { ObjectStatus } from './sources/gateway-api/status.ts'
import { createPods } from './sources/pods/source.ts'
import type { Source } from './sources/source.ts'

const gatewayApi = createGatewayApi({ trouble: (message) => void process.stderr.write(`${message}\n`) })

const pods = createPods()

/** In order of precedence. */
export const sources: readonly SourcePart[] = [
  {
    source: interned(expressGateway as Source<unknown, unknown>),
    summary: 'gateway.config.yml, system.config.yml, models/',
    recognise: (folder) => expressGateway.recognise(folder),
  },
  {
    source: gatewayApi as Source<unknown, unknown>,
    summary: 'YAML of gateway.networking.k8s.io',
    recognise: (folder) => gatewayApi.recognise(folder),
    renderStatuses: (statuses) => gatewayApi.renderStatuses(statuses as readonly ObjectStatus[]),
  },
  {
    source: pods as Source<unknown, unknown>,
    summary: 'YAML of Pods and Namespaces with routing annotations',
    recognise: (folder) => pods.recognise(folder),
  },
]

/** What a change of the file leaves as it was stays the same object, so that all that follows costs what was changed. */
function interned(source: Source<unknown, unknown>): Source<unknown, unknown> {
  const intern = createInterner()
  return {
    ...source,
    translate: (world) => {
      const translation = source.translate(world)
      return { ...translation, model: intern(translation.model) }
    },
  }
}

/** The sources by their names, in a thread: clients do not wait while a configuration is read and translated. */
export const readBeside: Parts['read'] = (orders, events) =>
  draftBeside({
    program: new URL('./bin/reader.mjs', import.meta.url),
    data: { module: import.meta.url, orders } satisfies Told,
    environment: orders.environment,
    events,
  })

/** What `bin/reader.mjs` and `read` are given. */
interface Told {
  readonly module: string
  readonly orders: ReadingOrders
}

/** The thread itself. */
export async function read(): Promise<void> {
  const { orders } = workerData as Told
  if (parentPort === null) throw new Error('this is no thread')
  await readForAnother({
    port: parentPort,
    orders,
    sources: orders.sources.flatMap((name) => sources.flatMap(({ source }) => (source.name === name ? [source] : []))),
  })
}
