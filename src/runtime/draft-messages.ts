/** What the thread that reads and the one that serves say to each other. Types only. */
import type { Diagnostic } from '../model/diagnostic.ts'
import type { PlanMessage } from '../pipeline/wire.ts'
import type { Events } from '../policies/services.ts'
import type { Wishes } from '../sources/source.ts'
import type { Draft } from './drafts.ts'

/** With what the thread begins. */
export interface ReadingOrders {
  readonly folder: string
  /** Names of the sources, in their order. */
  readonly sources: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly watch: boolean
}

export type FromReader =
  /** To be answered by `next`, so that one piece of work for the other side's event loop comes at a time. */
  | { readonly kind: 'piece'; readonly piece: PlanMessage }
  /** Behind the pieces of its plan. To be answered by `taken`. */
  | {
      readonly kind: 'draft'
      readonly plan: 'sent' | 'none'
      readonly wishes: readonly SentWishes[]
      readonly diagnostics: readonly Diagnostic[]
      readonly standing: Draft['standing']
    }
  | { readonly kind: 'settled'; readonly turn: number }
  | { readonly kind: 'event'; readonly event: Parameters<Events['emit']> }
  | { readonly kind: 'stopped' }

export type ToReader =
  | { readonly kind: 'next' }
  | { readonly kind: 'taken'; readonly outcome: 'applied' | 'refused' }
  | { readonly kind: 'again' }
  | { readonly kind: 'settle'; readonly turn: number }
  | { readonly kind: 'stop' }

/** The configuration as plugins see it is as large as the file and seldom asked for: it is opened by whoever asks. */
export interface SentWishes {
  readonly wishes: Omit<Wishes, 'expressGateway'>
  readonly expressGateway?: Omit<NonNullable<Wishes['expressGateway']>, 'gatewayConfig'> & {
    readonly closed: Uint8Array
  }
}
