/** `eg apps …` */
import { modelProperties } from './config.ts'
import { ask, propertiesOf, stdinObjects } from './input.ts'
import { collect, Command, type CommonOptions, type Group, reason } from './session.ts'
import { create, list, statusCommands } from './users.ts'

interface Options extends CommonOptions {
  readonly user?: string
  readonly property: readonly string[]
  readonly stdin?: boolean
  readonly all?: boolean
}

export const apps: Group = (session) => [
  new Command('create')
    .description('create an app')
    .option('-u, --user <USER>', 'whose: name or id')
    .option('-p, --property <KEY=VALUE>', 'a property; may be repeated', collect, [])
    .option('--stdin', 'one JSON object a line from stdin; each may name its user')
    .action(async (options: Options) => {
      const client = await session.client(options)
      if (options.stdin === true) {
        for await (const { user = options.user, ...app } of stdinObjects(session)) {
          const created = await session.attempt(() => client.send('POST', ['apps'], { ...app, userId: user }))
          if (created === undefined) continue
          if (options.quiet === true) session.console.data(String(created['id']))
          else session.console.success(`Created ${String(created['id'])}`)
        }
        return
      }
      if (options.user === undefined) return session.mistake('whose app is it? -u USER')
      const given = propertiesOf(session, options.property)
      if (given === undefined) return
      const model = modelProperties(session.environment, 'applications')
      const missing = model.filter(({ name, required }) => required && !(name in given))
      const asked = missing.length === 0 ? {} : await ask(session, missing)
      if (asked === undefined) return
      await create(session, options, () => client.send('POST', ['apps'], { ...given, ...asked, userId: options.user }))
    }),
  new Command('info')
    .description('show an app')
    .argument('<app>', 'id or name')
    .action(async (app: string, options: Options) => {
      const client = await session.client(options)
      const found = await session.attempt(() => client.send('GET', ['apps', app]), reason)
      if (found !== undefined) session.console.data(found)
    }),
  new Command('list')
    .description('list apps')
    .option('-a, --all', 'all pages')
    .action(async (options: Options) => {
      const found = await list(session, options, 'apps')
      if (found === undefined) return
      if (found.length === 0 && options.quiet !== true) session.console.data('You have no apps')
      for (const app of found) session.console.data(options.quiet === true ? String(app['id']) : app)
    }),
  new Command('update')
    .description('change an app')
    .argument('<app>', 'id or name')
    .option('-p, --property <KEY=VALUE>', 'a property; may be repeated', collect, [])
    .action(async (app: string, options: Options) => {
      const client = await session.client(options)
      const given = propertiesOf(session, options.property)
      if (given === undefined) return
      const asked =
        Object.keys(given).length > 0 ? {} : await ask(session, modelProperties(session.environment, 'applications'))
      if (asked === undefined) return
      const updated = await session.attempt(
        () => client.send('PUT', ['apps', app], { ...given, ...asked }),
        (refusal) => (refusal.status === 404 ? `App not found: ${app}` : refusal.message),
      )
      if (updated === undefined) return
      if (options.quiet === true) session.console.data(app)
      else session.console.success(`Updated ${app}`)
    }),
  ...statusCommands(session, 'apps', '<app_id...>'),
]
