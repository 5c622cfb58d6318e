/** The shape of a target: a plan → an artifact → the world. Types only. */
import type { Diagnostic } from '../model/diagnostic.ts'
import type { Plan } from '../pipeline/plan.ts'

export interface Target<Artifact> {
  readonly name: string
  /** Pure. A route that cannot be compiled is in the artifact all the same, and fails closed. */
  compile(plan: Plan): Compilation<Artifact>
  /** The same result, with turns of the event loop in between: for a process that serves meanwhile. Absent: `compile` is quick. */
  compileInTurns?(plan: Plan): Promise<Compilation<Artifact>>
  /** Effect: replaced whole, or not at all. */
  apply(artifact: Artifact): Promise<Applied>
  /** Effect: finishes what is under way within the limit, milliseconds, then ends. */
  stop(graceMs: number): Promise<void>
}

export interface Compilation<Artifact> {
  readonly artifact: Artifact
  readonly diagnostics: readonly Diagnostic[]
}

export type Applied =
  | { readonly kind: 'applied'; readonly diagnostics: readonly Diagnostic[] }
  /** The last good one serves on. */
  | { readonly kind: 'refused'; readonly diagnostics: readonly Diagnostic[] }
