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
  | {
      readonly kind: 'folder'
      readonly path: string
      readonly environment: Readonly<Record<string, string | undefined>>
    }
  | {
      readonly kind: 'cluster'
      readonly kubeconfig?: string
      readonly environment: Readonly<Record<string, string | undefined>>
    }

export interface Translation<Status = never> {
  readonly model: Model
  readonly diagnostics: readonly Diagnostic[]
  readonly statuses: readonly Status[]
  /** True: what was read must not be served at all; the last good plan stays (at start: nothing is served, and the exit code says so). */
  readonly refused?: boolean
  /** True: what was read last is served on, and the world may have changed since: its server is away, a file is half written. */
  readonly stale?: boolean
  readonly wishes?: Wishes
}

/**
 * What a source asks of the process around the engine, beside the model: where consumers are kept, which plugins are
 * loaded, where the admin API listens. The runtime grants it; `gantry.yml`, `GANTRY_*` and flags win over it.
 */
export interface Wishes {
  readonly store?: StoreWish
  readonly plugins?: readonly PluginWish[]
  readonly admin?: { readonly address: string; readonly port: number }
  /** Configuration as plugins and the admin API of Express Gateway want to see it: plain objects, defaults applied. */
  readonly expressGateway?: {
    readonly folder: string
    readonly gatewayConfig: Readonly<Record<string, unknown>>
    readonly systemConfig: Readonly<Record<string, unknown>>
    /** JSON schemas by kind: users, applications, credentials. */
    readonly models: Readonly<Record<string, unknown>>
  }
}

export interface StoreWish {
  /** `embedded`: LMDB in a folder; `memory`: lost at the end; `redis`: the original's layout. */
  readonly kind: 'embedded' | 'memory' | 'redis'
  /** For `redis`: options as ioredis takes them. */
  readonly redis?: Readonly<Record<string, unknown>>
  readonly namespace?: string
  readonly crypto?: { readonly cipherKey: string; readonly algorithm: string; readonly saltRounds: number }
  /** Times in milliseconds. */
  readonly tokens?: Readonly<Record<string, unknown>>
}

export interface PluginWish {
  readonly name: string
  /** What to load, as written; absent: by the plugin's name. */
  readonly package?: string
  readonly settings: Readonly<Record<string, unknown>>
  /** The folder from which it is resolved. */
  readonly from: string
}
