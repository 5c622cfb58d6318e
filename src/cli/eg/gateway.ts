/** `eg gateway create` */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { Option } from 'commander'
import { Command, type CommonOptions, type Group, type Session } from './session.ts'
import { type GatewayType, gatewayFiles } from './templates.ts'

interface Options extends CommonOptions {
  readonly name?: string
  readonly dir?: string
  readonly directory?: string
  readonly type?: GatewayType
  readonly install: boolean
}

export const gateway: Group = (session) => [
  new Command('create')
    .description('write the files of a new gateway')
    .option('-n, --name <NAME>', 'its name')
    .option('-d, --dir <FOLDER>', 'where to; must be empty or absent (default: its name)')
    .addOption(new Option('--directory <FOLDER>', 'the same').hideHelp())
    .addOption(new Option('-t, --type <TYPE>', 'what it begins with').choices(['basic', 'getting-started']))
    .option('--no-install', 'do not run npm install')
    .action(async (options: Options) => {
      session.begin(options)
      const chosen = await choose(session, options)
      if (chosen !== undefined) await create(session, chosen, options)
    }),
]

interface Choice {
  readonly name: string
  readonly type: GatewayType
  readonly folder: string
}

async function choose(session: Session, options: Options): Promise<Choice | undefined> {
  let { name, type } = options
  if ((name === undefined || type === undefined) && process.stdin.isTTY === true) {
    const { isCancel, select, text } = await import('@clack/prompts')
    if (name === undefined) {
      const answer = await text({ message: "What's the name of your gateway?", placeholder: 'my-gateway' })
      if (isCancel(answer)) return undefined
      name = answer
    }
    if (type === undefined) {
      const kinds = [
        { value: 'getting-started' as const, label: 'Getting started: one API that works' },
        { value: 'basic' as const, label: 'Basic: everything is there, nothing is said' },
      ]
      const answer = await select({ message: 'What should it begin with?', options: kinds })
      if (isCancel(answer)) return undefined
      type = answer
    }
  }
  if (name === undefined || name === '') {
    session.mistake('what is its name? -n NAME')
    return undefined
  }
  if (!/^(?![._])[a-z0-9._~-]{1,214}$/.test(name)) {
    session.mistake(`${name} cannot be the name of a package: small letters, digits, - . _ ~`)
    return undefined
  }
  return { name, type: type ?? 'basic', folder: resolve(options.dir ?? options.directory ?? name) }
}

async function create(session: Session, { name, type, folder }: Choice, options: Options): Promise<void> {
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    return session.mistake(`${folder} is not empty: choose another with -d`)
  }
  const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  const files = gatewayFiles(name, type, manifest.version)
  for (const [path, text] of Object.entries(files)) {
    const target = join(folder, path)
    mkdirSync(dirname(target), { recursive: true })
    // secrets that everybody knows are none
    const own = text.replace('keyboard cat', randomBytes(24).toString('base64url'))
    writeFileSync(target, own.replace('sensitiveKey', randomBytes(24).toString('base64url')))
    if (options.quiet !== true) session.console.success(`create ${path}`)
  }
  mkdirSync(join(folder, 'config', 'models'), { recursive: true })
  for (const model of ['users.json', 'applications.json', 'credentials.json']) {
    const from = new URL(`../../../examples/express-gateway/models/${model}`, import.meta.url)
    copyFileSync(from, join(folder, 'config', 'models', model))
  }
  if (options.install) {
    const { status } = spawnSync('npm', ['install', '--no-audit', '--no-fund'], {
      cwd: folder,
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    if (status !== 0) return session.mistake(`npm install did not succeed: run it again in ${folder}`)
  }
  if (options.quiet === true) return
  session.console.data('\nTo start the gateway, run the following commands:')
  session.console.data(
    `    cd ${relative(process.cwd(), folder) || '.'}${options.install ? '' : ' && npm install'} && npm start`,
  )
}
