/** What was read of an Express Gateway folder: texts, before anything is understood. Plain data. */

/** A file's text, or why there is none. */
export type TextFile =
  | { readonly kind: 'text'; readonly name: string; readonly text: string }
  | { readonly kind: 'missing'; readonly name: string }
  | { readonly kind: 'unreadable'; readonly name: string; readonly reason: string }

export interface World {
  /** Absolute path of the folder; diagnostics name files relative to it. */
  readonly folder: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly gateway: TextFile
  readonly system: TextFile
  readonly models: Readonly<Record<ModelName, TextFile>>
  /** Files that the configuration names (keys, certificates), by the path as it is written there; schemas elsewhere by their URL. */
  readonly files: Readonly<Record<string, TextFile>>
  /** Names for which the folder has a plugin file of its own, `plugins/NAME.js` or `plugins/NAME/index.js`. */
  readonly ownPlugins: readonly string[]
  /** `consumers.config.*` beside the configuration: who is to be populated. Followed here, run elsewhere. */
  readonly consumers?: readonly TextFile[]
}

/** Kargo's plugins are built in; somebody's own file of one of these names is somebody's own plugin. */
export const kargoPlugins = ['healthcheck', 'metrics', 'scopes', 'populate', 's3', 'storage'] as const

export type ModelName = 'users' | 'applications' | 'credentials'

export const modelNames: readonly ModelName[] = ['users', 'applications', 'credentials']
