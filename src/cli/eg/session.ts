/** One run of `eg`: its console, its flags, the Admin API, the outcome. */
import { Command } from 'commander'
import { AdminClient, ApiRefusal } from './client.ts'
import type { Console } from './console.ts'

/** A group of commands, made for a run. */
export type Group = (session: Session) => readonly Command[]

export interface CommonOptions {
  readonly quiet?: boolean
  readonly verbose?: boolean
  readonly color: boolean
  readonly header: readonly string[]
  readonly strict?: boolean
}

export class Session {
  readonly console: Console
  readonly environment: NodeJS.ProcessEnv
  /** The Admin API said no. */
  refused = false
  /** Something else went wrong. */
  failed = false
  strict = false

  constructor(console: Console, environment: NodeJS.ProcessEnv) {
    this.console = console
    this.environment = environment
  }

  addCommonOptions(command: Command): void {
    command
      .option('-q, --quiet', 'print as little as can be used')
      .option('-v, --verbose', 'print each request to the Admin API')
      .option('--no-color', 'no colours')
      .option('-H, --header <NAME:VALUE>', 'a header for the Admin API; may be repeated', collect, [])
      .option('--strict', 'exit with 1 when the Admin API says no')
  }

  /** Before a command does anything. */
  begin(options: CommonOptions): void {
    if (!options.color) this.console.color = false
    this.strict = options.strict === true
  }

  async client(options: CommonOptions): Promise<AdminClient> {
    this.begin(options)
    const { adminSettings } = await import('./config.ts')
    const { url, verbose } = await adminSettings(this.environment)
    const token = this.environment['GANTRY_ADMIN_TOKEN']
    const headers = [...(token === undefined ? [] : [`Authorization:Bearer ${token}`]), ...options.header]
    const tell = options.verbose === true || verbose ? (line: string) => this.console.data(line) : undefined
    return new AdminClient(url, headers, tell)
  }

  /** What the Admin API refuses is told in its words, or in those given; anything else goes on its way. */
  async attempt<T>(
    work: () => Promise<T>,
    words: (refusal: ApiRefusal) => string | undefined = said,
  ): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof ApiRefusal)) throw error
      this.refused = true
      const text = words(error)
      if (text !== undefined) this.console.failure(text)
      return undefined
    }
  }

  /** The command was given something it can make nothing of. */
  mistake(text: string): void {
    this.failed = true
    this.console.failure(text)
  }
}

/** The body where there is one that a person can read, else the words of the status. */
export function said(refusal: ApiRefusal): string {
  return refusal.text !== '' && refusal.text !== '{}' ? refusal.text : refusal.reason
}

/** The words of the status alone, as some commands of the original print them. */
export function reason(refusal: ApiRefusal): string {
  return refusal.reason
}

export function collect(value: string, previous: readonly string[]): readonly string[] {
  return [...previous, value]
}

export { Command }
