/** `eg plugins …`: packages installed with npm, their entries in system.config, their policies in the whitelist. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Json } from './client.ts'
import { configFolder, projectRoot } from './config.ts'
import { propertiesOf } from './input.ts'
import { addToWhitelist, type PluginEntry, readEntries, removePlugin, setPlugin } from './plugin-files.ts'
import { collect, Command, type CommonOptions, type Group, type Session } from './session.ts'

interface Options extends CommonOptions {
  readonly enable?: boolean
  readonly updateGatewayConfig?: boolean
  readonly option: readonly string[]
}

export const plugins: Group = (session) => [
  new Command('install')
    .description('install a plugin from npm, and write it into the configuration')
    .argument('<package>', 'as npm takes it: a name, name@version, a folder, a URL')
    .option('-n, --enable', 'write it into system.config')
    .option('-g, --update-gateway-config', 'add its policies to the whitelist')
    .option('-o, --option <KEY=VALUE>', 'a setting; may be repeated', collect, [])
    .action(async (spec: string, options: Options) => {
      session.begin(options)
      const root = projectRoot()
      const before = dependenciesOf(root)
      const { status } = spawnSync('npm', ['install', '--no-audit', '--no-fund', spec], {
        cwd: root,
        stdio: ['ignore', options.quiet === true ? 'ignore' : 2, 'inherit'],
      })
      if (status !== 0) return session.mistake(`npm install ${spec} did not succeed`)
      const name = installedName(spec, before, dependenciesOf(root))
      if (name === undefined) return session.mistake(`npm has installed ${spec}, but package.json does not name it`)
      await configure(session, root, name, options, 'as asked')
      if (!session.failed) session.console.data('Plugin installed!')
    }),
  new Command('configure')
    .description('write the settings of an installed plugin')
    .argument('<package>', 'with or without express-gateway-plugin-')
    .option('-n, --enable', 'write it into system.config')
    .option('-g, --update-gateway-config', 'add its policies to the whitelist')
    .option('-o, --option <KEY=VALUE>', 'a setting; may be repeated', collect, [])
    .action(async (given: string, options: Options) => {
      session.begin(options)
      const root = projectRoot()
      const name = [`${prefix}${given}`, given].find((each) => manifestOf(root, each) !== undefined)
      if (name === undefined) return session.mistake(`Plugin not installed: ${given}`)
      await configure(session, root, name, { ...options, enable: true }, 'always')
      if (!session.failed) session.console.data('Plugin configured!')
    }),
  new Command('enable')
    .description('write an installed plugin into system.config')
    .argument('<package>')
    .action((given: string, options: Options) => {
      session.begin(options)
      const root = projectRoot()
      const name = [`${prefix}${given}`, given].find((each) => manifestOf(root, each) !== undefined)
      if (name === undefined) return session.mistake(`Plugin not installed: ${given}`)
      setPlugin(configFolder(session.environment), shortName(name), { package: name })
      session.console.success(`Enabled ${shortName(name)}`)
    }),
  new Command('disable')
    .description('take a plugin out of system.config; it stays installed')
    .argument('<package>')
    .action((given: string, options: Options) => {
      session.begin(options)
      const done = removePlugin(configFolder(session.environment), shortName(given))
      if (done) session.console.success(`Disabled ${shortName(given)}`)
      else session.mistake(`Plugin not enabled: ${given}`)
    }),
  new Command('list').description('plugins in system.config').action((options: Options) => {
    session.begin(options)
    for (const { name, package: from } of readEntries(configFolder(session.environment))) {
      session.console.data(options.quiet === true ? name : `${name} (${from})`)
    }
  }),
]

const prefix = 'express-gateway-plugin-'

interface Manifest {
  readonly policies: readonly string[]
  readonly options: Readonly<
    Record<string, { readonly title?: string; readonly type?: string; readonly required?: boolean }>
  >
}

/** With flags, as they say; on a terminal the rest is asked; elsewhere what was not said stays as it is. */
async function configure(
  session: Session,
  root: string,
  name: string,
  options: Options,
  when: 'as asked' | 'always',
): Promise<void> {
  const manifest = manifestOf(root, name)
  if (manifest === undefined) return session.mistake(`${name} cannot be loaded as a plugin`)
  const given = propertiesOf(session, options.option)
  if (given === undefined) return
  const interactive = process.stdin.isTTY === true && options.quiet !== true
  const enable =
    when === 'always' || options.enable === true || (interactive && (await confirm(`Enable ${name} in system.config?`)))
  const folder = configFolder(session.environment)
  if (enable) {
    const settings: Json = {}
    for (const [key, { title, type, required }] of Object.entries(manifest.options)) {
      const said = given[key] ?? (interactive ? await question(title ?? key, required === true) : undefined)
      if (said !== undefined && said !== '') settings[key] = typed(said, type)
      else if (required === true) session.mistake(`the plugin needs a setting: -o ${key}=…`)
    }
    for (const [key, value] of Object.entries(given)) if (!(key in settings)) settings[key] = value
    if (session.failed) return
    const entry: PluginEntry['settings'] = { package: name, ...settings }
    setPlugin(folder, shortName(name), entry)
  }
  if (manifest.policies.length === 0) return
  const list = manifest.policies.join(', ')
  const update =
    options.updateGatewayConfig === true ||
    (interactive && (await confirm(`Add ${list} to the whitelist in gateway.config?`)))
  if (update) addToWhitelist(folder, manifest.policies)
}

/** `name@1.2`, a folder or a URL → what package.json calls it now. */
function installedName(
  spec: string,
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): string | undefined {
  const bare = /^(@[^/]+\/)?[^@/:]+/.exec(spec)?.[0] ?? ''
  if (Object.hasOwn(after, bare)) return bare
  const fresh = Object.keys(after).find((name) => before[name] !== after[name])
  return fresh ?? Object.keys(after).find((name) => after[name]?.includes(spec.replace(/^\.\//, '')) === true)
}

function dependenciesOf(root: string): Readonly<Record<string, string>> {
  const path = join(root, 'package.json')
  if (!existsSync(path)) return {}
  return (JSON.parse(readFileSync(path, 'utf8')) as { dependencies?: Record<string, string> }).dependencies ?? {}
}

function manifestOf(root: string, name: string): Manifest | undefined {
  const load = createRequire(join(root, 'package.json'))
  try {
    load.resolve(name)
  } catch {
    return undefined
  }
  const found = load(name) as Partial<Manifest> | undefined
  return { policies: found?.policies ?? [], options: found?.options ?? {} }
}

function shortName(name: string): string {
  const base = name.slice(name.lastIndexOf('/') + 1)
  return base.startsWith(prefix) ? base.slice(prefix.length) : base
}

function typed(said: unknown, type: string | undefined): unknown {
  if (type === 'number') return Number(said)
  if (type === 'boolean') return said === true || said === 'true' || said === 'y'
  return said
}

async function confirm(message: string): Promise<boolean> {
  const prompts = await import('@clack/prompts')
  return (await prompts.confirm({ message })) === true
}

async function question(message: string, required: boolean): Promise<string | undefined> {
  const prompts = await import('@clack/prompts')
  const validate = (value: string | undefined) => (required && (value ?? '') === '' ? 'it is required' : undefined)
  const answer = await prompts.text({ message, validate })
  return prompts.isCancel(answer) ? undefined : answer
}
