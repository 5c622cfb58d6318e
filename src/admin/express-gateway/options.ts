/** What Express Gateway's Admin API needs of the process around it. Types only. */
import type { Consumers } from '../../consumers/consumers.ts'

export interface ExpressGatewayAdminOptions {
  /** Undefined while no store could be opened: 503. */
  consumers(): Consumers | undefined
  /** What is being served; undefined while nothing is. */
  configuration(): ActiveConfiguration | undefined
  /** Everything that the schema of something describes, the loaded policies and conditions among it. */
  schemas(): readonly ListedSchema[]
  /** Would this text, in place of the gateway configuration, be served? One line for each thing that is wrong. */
  check(text: string): Promise<readonly string[]>
  /** Resolves when what was written is being served, or will not be before the process starts again. */
  settled(): Promise<void>
  /**
   * `original`: statuses as Express Gateway's, 500 for most of what the caller did wrong. `strict`: 400, 404 and 409
   * there, and 404 in place of 200 and 204 for what is not there.
   */
  readonly answers: 'original' | 'strict'
}

export interface ActiveConfiguration {
  /** The folder of gateway.config.yml or gateway.config.json. */
  readonly folder: string
  readonly gatewayConfig: Readonly<Record<string, unknown>>
}

export interface ListedSchema {
  readonly type: 'policy' | 'condition' | 'model' | 'config' | 'internal' | 'plugin'
  readonly schema: Readonly<Record<string, unknown>>
}
