/** What the commands are given by main.ts: every source, policy and writer, so that no command knows them by name. Types only. */
import type { Diagnostic } from '../model/diagnostic.ts'
import type { Plan } from '../pipeline/plan.ts'
import type { Source, Wishes } from '../sources/source.ts'
import type { ReadingOrders } from '../runtime/draft-messages.ts'
import type { Drafts } from '../runtime/drafts.ts'
import type { EventLog } from '../runtime/events.ts'
import type { MetricsRegistry } from '../runtime/metrics.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Target } from '../targets/target.ts'

export interface Parts {
  readonly version: string
  readonly sources: readonly SourcePart[]
  readonly writers: readonly WriterPart[]
  readonly templates: readonly TemplatePart[]
  /** Programs of their own that are also commands: `gantry eg …`. */
  readonly programs: readonly ProgramPart[]
  /** `gantry controller`: runs until it is told to stop. */
  controller(options: ControllerChoice): Promise<number>
  /**
   * What only those who serve would say: policies that cannot be compiled, plugins that do not load, consumers that cannot be
   * populated. Runs the code of plugins; opens no port and no store of the configuration's.
   */
  check(plan: Plan, wishes: readonly Wishes[], folder: string): Promise<readonly Diagnostic[]>
  /** Drafts of a folder, made beside whoever serves. Nothing is read before they are started. */
  read(orders: ReadingOrders, events: EventLog): Drafts
  /** Effect: everything around the engine, ready to serve. */
  start(options: StartOptions): Promise<Machine>
}

export interface SourcePart {
  readonly source: Source<unknown, unknown>
  readonly summary: string
  /** Does this folder hold what the source reads? Looks at names and, where it must, into YAML files. */
  recognise(folder: string): Promise<boolean>
  /** Statuses as text, for `gantry check`. */
  renderStatuses?(statuses: readonly unknown[]): string
}

/** `gantry translate --to NAME`. */
export interface WriterPart {
  readonly name: string
  readonly summary: string
  write(plan: Plan): Promise<{ readonly text: string; readonly diagnostics: readonly Diagnostic[] }>
  /** `gantry explain --target NAME`: who would serve each route of the plan, and why not that target alone. */
  served?(plan: Plan): Promise<readonly ServedRoute[]>
}

export interface ServedRoute {
  readonly route: string
  readonly by: 'nginx' | 'engine' | 'both'
  /** Why the engine. */
  readonly why?: string
}

export interface ProgramPart {
  readonly name: string
  readonly summary: string
  /** Arguments behind its name → exit code. */
  run(words: readonly string[]): Promise<number>
}

/** `gantry init --template NAME`. */
export interface TemplatePart {
  readonly name: string
  readonly summary: string
  /** The folder that is copied. */
  readonly folder: URL
}

export interface ControllerChoice {
  readonly kubeconfig?: string
  /** Where the controller itself lives: its Secret, its Lease, its Service. */
  readonly namespace: string
  readonly service: string
  readonly port: number
  readonly healthAddress: string
  readonly healthPort: number
  readonly image: string
  readonly logLevel: string
}

export interface StartOptions {
  readonly settings: Settings
  readonly folder: string
  readonly events: EventLog
  readonly metrics: MetricsRegistry
  /** Resolves when no change of the configuration is waiting or under way. */
  settled(): Promise<void>
}

/** A target with what surrounds it. */
export interface Machine {
  readonly target: Target<unknown>
  grant(wishes: readonly Wishes[]): Promise<readonly Diagnostic[]>
  /** URLs that are being served, by listener id. */
  addresses(): readonly { readonly listener: string; readonly url: string }[]
  /** Mounted behind Gantry's own admin endpoints. */
  readonly adminHandlers: readonly import('../lib/handler.ts').Handler[]
  /** After each change: what listens now. Plugins wait for it. */
  announce(admin: import('node:http').Server | undefined): void
  /** After the target has stopped. */
  close(): Promise<void>
}
