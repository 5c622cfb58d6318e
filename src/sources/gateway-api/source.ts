/** The source `gateway-api`: Kubernetes Gateway API from files or from a cluster → the model. */
import type { Source } from '../source.ts'
import { printStatuses } from './print-statuses.ts'
import { readFiles, recogniseFolder } from './read-files.ts'
import type { World } from './resources.ts'
import type { ObjectStatus } from './status.ts'
import { createTranslator } from './translate.ts'

export interface GatewayApi extends Source<World, ObjectStatus> {
  recognise(folder: string): Promise<boolean>
  renderStatuses(statuses: readonly ObjectStatus[]): string
}

/** Each has a memory of its own. */
export function createGatewayApi(): GatewayApi {
  const translate = createTranslator()
  return {
    name: 'gateway-api',
    read(place, signal) {
      if (place.kind === 'folder') return readFiles(place.path, signal)
      throw new Error('a cluster is read by the controller')
    },
    translate,
    recognise: recogniseFolder,
    renderStatuses: printStatuses,
  }
}
