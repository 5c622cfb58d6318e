/** What an admin API may know of the running process. Types only. */
import type { PluginHost } from '../plugins/host.ts'
import type { Wishes } from '../sources/source.ts'
import type { ConsumersDoor } from './consumers-door.ts'
import type { Settings } from './settings.ts'

export interface AdminContext {
  readonly consumers: () => ConsumersDoor['consumers']
  readonly plugins: PluginHost
  readonly configuration: () => Wishes['expressGateway']
  readonly folder: string
  readonly settings: Settings
  /** Resolves when no change of the configuration is waiting or under way. */
  settled(): Promise<void>
}
