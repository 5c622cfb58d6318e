/** Arguments of `eg` → what Express Gateway's command line does with them, and an exit code. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { Console } from './console.ts'
import { type Group, Session } from './session.ts'

export interface EgOptions {
  /**
   * `zero`: an answer of the Admin API that says no exits with 0, as scripts around the original count on. `one`: it
   * exits with 1 (the default). Mistakes on the command line and an API that does not answer exit with 1 in any case.
   */
  readonly refusals?: 'zero' | 'one'
  readonly environment?: NodeJS.ProcessEnv
  readonly out?: (text: string) => void
  readonly error?: (text: string) => void
}

/** Only the group that was asked for is loaded: the program starts as fast as it can. */
const groups: readonly {
  readonly names: readonly string[]
  readonly summary: string
  load(): Promise<Group>
}[] = [
  { names: ['users', 'user'], summary: 'people and companies', load: async () => (await import('./users.ts')).users },
  { names: ['apps', 'app'], summary: 'what users run', load: async () => (await import('./apps.ts')).apps },
  {
    names: ['scopes', 'scope'],
    summary: 'what credentials may be for',
    load: async () => (await import('./scopes.ts')).scopes,
  },
  {
    names: ['credentials', 'credential'],
    summary: 'keys, passwords, secrets',
    load: async () => (await import('./credentials.ts')).credentials,
  },
  {
    names: ['credential:scopes', 'credential:scope'],
    summary: 'scopes of a credential',
    load: async () => (await import('./credential-scopes.ts')).credentialScopes,
  },
  { names: ['tokens', 'token'], summary: 'access tokens', load: async () => (await import('./tokens.ts')).tokens },
  { names: ['gateway'], summary: 'a new gateway', load: async () => (await import('./gateway.ts')).gateway },
  {
    names: ['plugins', 'plugin'],
    summary: 'plugins of a gateway',
    load: async () => (await import('./plugins.ts')).plugins,
  },
]

export async function runEg(words: readonly string[], options: EgOptions = {}): Promise<number> {
  const environment = options.environment ?? process.env
  const terminal = new Console(options.out ?? writeOut, options.error ?? writeError, environment)
  const session = new Session(terminal, environment)
  try {
    const program = await programFor(words, session)
    await program.parseAsync([...words], { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1
    terminal.failure(error instanceof Error ? error.message : String(error))
    return 1
  }
  if (session.failed) return 1
  const strict = options.refusals !== 'zero' || session.strict || isTrue(environment['GANTRY_STRICT'])
  return session.refused && strict ? 1 : 0
}

async function programFor(words: readonly string[], session: Session): Promise<Command> {
  const program = new Command('eg')
  const output = {
    writeOut: (text: string) => session.console.print(text),
    writeErr: (text: string) => session.console.say(text),
  }
  program
    .description("Express Gateway's command line, for a gateway that runs")
    .version(version(), '--version')
    .helpOption('-h, --help')
    .configureOutput(output)
    .exitOverride()
    .showHelpAfterError()
    .addHelpText(
      'after',
      '\nExamples:\n  eg users create -p username=jane -p firstname=Jane -p lastname=Doe\n  eg credentials create -c jane -t key-auth -q\n  eg gateway create -n shop -t getting-started\n',
    )
  const word = words.find((each) => !each.startsWith('-'))
  for (const { names, summary, load } of groups) {
    const [name = '', ...aliases] = names
    const group = program.command(name).aliases(aliases).description(summary).configureOutput(output).exitOverride()
    group.showHelpAfterError()
    if (word === undefined || !names.includes(word)) continue
    for (const command of (await load())(session)) {
      command.configureOutput(output).exitOverride().showHelpAfterError()
      session.addCommonOptions(command)
      group.addCommand(command)
    }
  }
  return program
}

function version(): string {
  const file = new URL('../../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

function isTrue(text: string | undefined): boolean {
  return text === '1' || text === 'true' || text === 'on'
}

function writeOut(text: string): void {
  process.stdout.write(text)
}

function writeError(text: string): void {
  process.stderr.write(text)
}
