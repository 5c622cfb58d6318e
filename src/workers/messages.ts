/** What the primary and its workers say to each other: types, and where a worker finds the ledger. */
import type { AddressInfo } from 'node:net'
import type { Diagnostic } from '../model/diagnostic.ts'
import type { PlanMessage } from '../pipeline/wire.ts'

export type ToWorker =
  | { readonly kind: 'grant'; readonly turn: number; readonly wishes: unknown }
  /** Items are answered by `took`; the plan behind them is served, and answered by `applied`. */
  | { readonly kind: 'plan'; readonly turn: number; readonly piece: PlanMessage }
  | { readonly kind: 'metrics'; readonly turn: number }
  /** Counts begin anew, there. */
  | { readonly kind: 'ledger'; readonly folder: string }
  | { readonly kind: 'stop'; readonly graceMs: number }

export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'granted'; readonly turn: number; readonly diagnostics: readonly Diagnostic[] }
  /** Of the worker's registry, as prom-client adds them up. */
  | { readonly kind: 'measured'; readonly turn: number; readonly metrics: readonly object[] }
  | { readonly kind: 'took'; readonly turn: number }
  | {
      readonly kind: 'applied'
      readonly turn: number
      readonly refused: boolean
      readonly diagnostics: readonly Diagnostic[]
      readonly addresses: readonly (readonly [listener: string, address: AddressInfo])[]
    }

/** In a worker's environment: the folder of the ledger. */
export const ledgerVariable = 'GANTRY_LEDGER'
