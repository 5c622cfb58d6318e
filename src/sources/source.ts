/** The shape of a source: the world outside → the model. Types only. */
import type { Diagnostic } from '../model/diagnostic.ts'
import type { Model } from '../model/model.ts'

export interface Source<World, Status = never> {
  readonly name: string
  /** Effect. The whole world, at first and again after each change. A change that cannot be read is in the world as such. */
  read(place: Place, signal: AbortSignal): AsyncIterable<World>
  /**
   * Pure, and quick on small changes: the same input object gives the same output object, so that one changed route of
   * ten thousand costs one translation. Never throws for what a user wrote.
   */
  translate(world: World): Translation<Status>
  /** Effect. What the world is told in return, after the data plane serves what the statuses promise. */
  report?(statuses: readonly Status[], signal: AbortSignal): Promise<void>
}

/** Where a source reads: a folder of files, or a cluster by kubeconfig (absent: the one the process runs in). */
export type Place =
  | { readonly kind: 'folder'; readonly path: string; readonly environment: Readonly<Record<string, string | undefined>> }
  | { readonly kind: 'cluster'; readonly kubeconfig?: string; readonly environment: Readonly<Record<string, string | undefined>> }

export interface Translation<Status = never> {
  readonly model: Model
  readonly diagnostics: readonly Diagnostic[]
  readonly statuses: readonly Status[]
}
