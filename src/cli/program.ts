/** Arguments → a command that runs. The tree of commands, their flags and examples; each command's work is in its own file. */
import { Argument, Command, CommanderError, Option } from 'commander'
import type { DataPlaneOptions } from './commands/data-plane.ts'
import { UsageError } from './load.ts'
import type { Parts } from './parts.ts'
import { writeError } from './print.ts'
import { addSettings } from './settings-options.ts'

const output = (): Option =>
  new Option('-o, --output <FORMAT>', 'how results are printed').choices(['text', 'json']).default('text')

/** Runs one command line; resolves to the exit code: 0 done, 1 something is wrong with the configuration, 2 with the command line. */
export async function runProgram(parts: Parts, argv: readonly string[]): Promise<number> {
  const outcome = { code: 0 }
  const program = createProgram(parts, outcome)
  try {
    await program.parseAsync(withoutHelpOfUnknown(program, argv), { from: 'user' })
    return outcome.code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (error instanceof UsageError) {
      writeError(`gantry: ${error.message}${error.hint === undefined ? '' : `\nhint: ${error.hint}`}`)
      return 2
    }
    throw error
  }
}

/** Commander helps with everything rather than say that there is no such command. */
function withoutHelpOfUnknown(program: Command, argv: readonly string[]): string[] {
  const [first = ''] = argv
  const known = first === '' || first.startsWith('-') || first === 'help'
  if (known || program.commands.some((command) => command.name() === first || command.aliases().includes(first)))
    return [...argv]
  return argv.filter((word) => word !== '--help' && word !== '-h')
}

export function createProgram(parts: Parts, outcome: { code: number }): Command {
  const program = new Command('gantry')
  const from = (words: string): Option =>
    new Option('--from <SOURCE>', words).choices(parts.sources.map((part) => part.source.name))
  program
    .description('One gateway for Express Gateway folders, Kubernetes Gateway API and pod annotations.')
    .version(parts.version, '-V, --version')
    .exitOverride()
    .showHelpAfterError('(gantry COMMAND --help says more)')
    .showSuggestionAfterError()
    .addHelpText(
      'after',
      examples([
        'gantry init my-gateway && gantry run my-gateway',
        'gantry run config/ --workers 2',
        'gantry explain GET http://localhost:8080/api -H "x-version: 2"',
      ]),
    )

  addSettings(
    program
      .command('run')
      .description('serve what the folder holds, and follow its changes')
      .argument('[folder]', 'the folder of the configuration', '.')
      .addHelpText(
        'after',
        `\nEvery option can stand in gantry.yml in the folder, too: admin: { port: 9000 } is --admin-port 9000.
A flag wins over the variable in brackets, and that over the file.\n${examples([
          'gantry run .',
          'gantry run config --admin-port 9000 --log-access stdout',
          'GANTRY_WORKERS=4 gantry run config',
        ])}`,
      ),
  ).action(async (folder: string, _options: unknown, command: Command) => {
    const { run } = await import('./commands/run.ts')
    outcome.code = await run(parts, folder, command)
  })

  program
    .command('check')
    .description('say what is wrong with a folder, and what would be served')
    .argument('[folder]', 'the folder of the configuration', '.')
    .addOption(output())
    .addOption(from('read the folder as this source'))
    .option('--strict', 'warnings count as errors')
    .option('--no-plugins', 'do not run the code of plugins; what they bring is then not checked')
    .addHelpText('after', examples(['gantry check config', 'gantry check config --output json | jq .diagnostics']))
    .action(
      async (
        folder: string,
        options: { output: 'text' | 'json'; from?: string; strict?: boolean; plugins: boolean },
      ) => {
        const { check } = await import('./commands/check.ts')
        outcome.code = await check(parts, folder, options)
      },
    )

  program
    .command('translate')
    .description('write a folder in another language')
    .argument('[folder]', 'the folder of the configuration', '.')
    .addOption(from('read the folder as this source'))
    .addOption(
      new Option('--to <FORM>', 'the language').choices(parts.writers.map((writer) => writer.name)).default('model'),
    )
    .addOption(output())
    .addHelpText(
      'after',
      examples([
        'gantry translate config --from express-gateway --to model',
        'gantry translate config --to model -o json',
      ]),
    )
    .action(async (folder: string, options: { from?: string; to: string; output: 'text' | 'json' }) => {
      const { translate } = await import('./commands/translate.ts')
      outcome.code = await translate(parts, folder, options)
    })

  program
    .command('explain')
    .description('say which listener, route and policies a request meets, and why the others do not match')
    .argument('[method]', 'GET, POST, …')
    .argument('[url]', 'http://host[:port]/path?query; without them, all routes of a target')
    .option('-H, --header <"NAME: VALUE">', 'a request header; may be repeated', collect, [])
    .option('-f, --folder <FOLDER>', 'the folder of the configuration', '.')
    .addOption(from('read the folder as this source'))
    .addOption(
      new Option('--target <TARGET>', 'say who serves the route where this target stands in front').choices(
        parts.writers.filter(({ served }) => served !== undefined).map(({ name }) => name),
      ),
    )
    .addOption(output())
    .addHelpText(
      'after',
      examples([
        'gantry explain GET http://shop.example.com/cart -H "x-version: 2" -f config',
        'gantry explain --target nginx -f config',
      ]),
    )
    .action(
      async (
        method: string | undefined,
        url: string | undefined,
        options: { header: string[]; folder: string; from?: string; target?: string; output: 'text' | 'json' },
      ) => {
        const { explainCommand } = await import('./commands/explain.ts')
        outcome.code = await explainCommand(parts, method, url, options)
      },
    )

  program
    .command('init')
    .description('write a first folder that runs')
    .argument('[folder]', 'where to; must be empty or absent', 'gantry-example')
    .addOption(
      new Option(
        '-t, --template <NAME>',
        parts.templates.map((template) => `${template.name}: ${template.summary}`).join('; '),
      )
        .choices(parts.templates.map((template) => template.name))
        .default(parts.templates[0]?.name),
    )
    .addHelpText('after', examples(['gantry init my-gateway', 'gantry init my-gateway --template express-gateway']))
    .action(async (folder: string, options: { template: string }) => {
      const { init } = await import('./commands/init.ts')
      outcome.code = await init(parts, folder, options)
    })

  program
    .command('controller')
    .description('serve the Gateways of a Kubernetes cluster')
    .addOption(
      new Option('--kubeconfig <FILE>', 'the cluster (default: the one around this process)').env('KUBECONFIG'),
    )
    .addOption(
      new Option('--namespace <NAME>', 'where the controller lives').env('POD_NAMESPACE').default('gantry-system'),
    )
    .addOption(
      new Option('--service <NAME>', 'its Service, by which data planes find it')
        .env('GANTRY_SERVICE')
        .default('gantry-controller'),
    )
    .addOption(new Option('--port <PORT>', 'where data planes connect').env('GANTRY_PORT').default('19000'))
    .addOption(
      new Option('--health-address <ADDRESS>', 'where /readyz, /healthz and /metrics listen')
        .env('GANTRY_HEALTH_ADDRESS')
        .default('127.0.0.1'),
    )
    .addOption(new Option('--health-port <PORT>', 'their port').env('GANTRY_HEALTH_PORT').default('19002'))
    .addOption(
      new Option('--image <IMAGE>', 'of the data planes').env('GANTRY_IMAGE').default(`gantry:${parts.version}`),
    )
    .addOption(new Option('--log-level <LEVEL>', 'events at least this grave').env('GANTRY_LOG_LEVEL').default('info'))
    .addHelpText(
      'after',
      examples([
        'kubectl apply -f deploy/kubernetes',
        'gantry controller --kubeconfig ~/.kube/config --image example.com/gantry:1',
      ]),
    )
    .action(
      async (
        options: Record<
          'namespace' | 'service' | 'port' | 'healthAddress' | 'healthPort' | 'image' | 'logLevel',
          string
        > & { readonly kubeconfig?: string },
      ) => {
        outcome.code = await parts.controller({
          ...options,
          port: Number(options.port),
          healthPort: Number(options.healthPort),
        })
      },
    )

  program
    .command('data-plane')
    .description('serve what a control plane says')
    .addOption(
      new Option('--control <URL>', 'wss://host:port of the control plane').env('GANTRY_CONTROL').makeOptionMandatory(),
    )
    .addOption(
      new Option('--fleet <NAME>', 'whose part is served: namespace/gateway').env('GANTRY_FLEET').makeOptionMandatory(),
    )
    .addOption(
      new Option('--token-file <FILE>', 'the token of this fleet').env('GANTRY_TOKEN_FILE').makeOptionMandatory(),
    )
    .addOption(new Option('--ca-file <FILE>', "the control plane's certificate authority, PEM").env('GANTRY_CA_FILE'))
    .addOption(new Option('--name <NAME>', 'of this data plane (default: the host name)').env('GANTRY_NAME'))
    .addOption(
      new Option('--health-address <ADDRESS>', 'where /readyz, /healthz and /metrics listen')
        .env('GANTRY_HEALTH_ADDRESS')
        .default('127.0.0.1'),
    )
    .addOption(new Option('--health-port <PORT>', 'their port').env('GANTRY_HEALTH_PORT').default('19001'))
    .addOption(
      new Option('--grace <MS>', 'how long a stop waits for what is under way').env('GANTRY_GRACE').default('10000'),
    )
    .addOption(new Option('--log-level <LEVEL>', 'events at least this grave').env('GANTRY_LOG_LEVEL').default('info'))
    .addHelpText(
      'after',
      examples(['gantry data-plane --control wss://gantry.gantry-system:19000 --fleet shop/web --token-file token']),
    )
    .action(async (options: DataPlaneOptions) => {
      const { dataPlane } = await import('./commands/data-plane.ts')
      outcome.code = await dataPlane(parts, options)
    })

  program
    .command('completion')
    .description('print a completion script')
    .addArgument(new Argument('<shell>', 'of whom').choices(['bash', 'zsh', 'fish']))
    .addHelpText(
      'after',
      examples(['gantry completion bash > /etc/bash_completion.d/gantry', 'source <(gantry completion zsh)']),
    )
    .action(async (shell: string) => {
      const { completion } = await import('./commands/completion.ts')
      outcome.code = completion(program, shell)
    })

  for (const command of parts.programs) {
    program
      .command(command.name)
      .description(command.summary)
      .helpOption(false)
      .allowUnknownOption()
      .argument('[arguments...]')
      .action(async (words: string[]) => {
        outcome.code = await command.run(words)
      })
  }
  for (const command of program.commands) command.exitOverride()
  return program
}

function collect(value: string, previous: string[]): string[] {
  return [...previous, value]
}

function examples(lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}\n`
}
