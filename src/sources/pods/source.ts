/** The source `pods`: annotations of Namespaces and Pods, and a Secret of each namespace → the model. */
import type { Place, Source } from '../source.ts'
import { readCluster } from './read-cluster.ts'
import { readFiles, recogniseFolder } from './read-files.ts'
import { createReport } from './report.ts'
import type { Status } from './statuses.ts'
import { createTranslate } from './translate.ts'
import { sourceName, type World } from './world.ts'

export type PodsSource = Source<World, Status> & { recognise(folder: string): Promise<boolean> }

/** One for each place: it remembers what it has made, and what it has told. */
export function createPods(): PodsSource {
  const report = createReport()
  return {
    name: sourceName,
    read: (place: Place, signal: AbortSignal) => {
      if (place.kind === 'folder') return readFiles(place.path, place.environment, signal)
      report.to(place.kubeconfig)
      return readCluster(
        { environment: place.environment, ...(place.kubeconfig === undefined ? {} : { kubeconfig: place.kubeconfig }) },
        signal,
      )
    },
    translate: createTranslate(),
    report: report.report,
    recognise: recogniseFolder,
  }
}
