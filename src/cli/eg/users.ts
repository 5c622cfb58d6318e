/** `eg users …` */
import type { AdminClient, Json } from './client.ts'
import { modelProperties } from './config.ts'
import { ask, propertiesOf, stdinObjects } from './input.ts'
import { collect, Command, type CommonOptions, type Group, reason, said, type Session } from './session.ts'

interface Options extends CommonOptions {
  readonly property: readonly string[]
  readonly stdin?: boolean
  readonly all?: boolean
}

export const users: Group = (session) => [
  new Command('create')
    .description('create a user')
    .option('-p, --property <KEY=VALUE>', 'a property; may be repeated', collect, [])
    .option('--stdin', 'one JSON object a line from stdin')
    .action(async (options: Options) => {
      const client = await session.client(options)
      if (options.stdin === true) {
        for await (const user of stdinObjects(session)) {
          const created = await session.attempt(() => client.send('POST', ['users'], user))
          if (created === undefined) continue
          if (options.quiet === true) session.console.data(String(created['id']))
          else session.console.success(`Created ${String(created['username'])}`)
        }
        return
      }
      const given = propertiesOf(session, options.property)
      if (given === undefined) return
      const missing = modelProperties(session.environment, 'users').filter(
        ({ name, required }) => required && !(name in given),
      )
      const asked = missing.length === 0 ? {} : await ask(session, missing)
      if (asked === undefined) return
      await create(session, options, () => client.send('POST', ['users'], { ...given, ...asked }))
    }),
  new Command('info')
    .description('show a user')
    .argument('<user>', 'name or id')
    .action((user: string, options: Options) => info(session, options, ['users', user])),
  new Command('list')
    .description('list users')
    .option('-a, --all', 'all pages')
    .action(async (options: Options) => {
      const found = await list(session, options, 'users')
      if (found === undefined) return
      if (found.length === 0 && options.quiet !== true) session.console.data('You have no users')
      for (const user of found) session.console.data(options.quiet === true ? String(user['username']) : user)
    }),
  new Command('update')
    .description('change a user')
    .argument('<user>', 'name or id')
    .option('-p, --property <KEY=VALUE>', 'a property; may be repeated', collect, [])
    .action(async (user: string, options: Options) => {
      const client = await session.client(options)
      const given = propertiesOf(session, options.property)
      if (given === undefined) return
      const changeable = modelProperties(session.environment, 'users').filter(({ isMutable }) => isMutable)
      const asked = Object.keys(given).length > 0 ? {} : await ask(session, changeable)
      if (asked === undefined) return
      const words = options.quiet === true ? () => undefined : said
      const updated = await session.attempt(() => client.send('PUT', ['users', user], { ...given, ...asked }), words)
      if (updated === undefined) return
      if (options.quiet === true) session.console.data(String(updated['id']))
      else session.console.success(`Updated ${user}`)
    }),
  ...statusCommands(session, 'users', '<user...>'),
]

/** activate, deactivate and remove, of users and of apps. */
export function statusCommands(session: Session, kind: 'users' | 'apps', argument: string): readonly Command[] {
  const forEach = async (
    ids: readonly string[],
    options: CommonOptions,
    one: (client: AdminClient, id: string) => Promise<string>,
  ) => {
    const client = await session.client(options)
    for (const id of ids) {
      const status = await session.attempt(() => one(client, id))
      if (status === undefined) continue
      if (options.quiet === true) session.console.data(id)
      else session.console.success(`${status} ${id}`)
    }
  }
  const setStatus = (status: boolean) => (ids: readonly string[], options: CommonOptions) =>
    forEach(ids, options, async (client, id) =>
      String((await client.send('PUT', [kind, id, 'status'], { status }))['status']),
    )
  return [
    new Command('activate').description('switch on').argument(argument).action(setStatus(true)),
    new Command('deactivate').description('switch off').argument(argument).action(setStatus(false)),
    new Command('remove')
      .alias('rm')
      .description('remove, with all that belongs to it')
      .argument(argument)
      .action((ids: readonly string[], options: CommonOptions) =>
        forEach(ids, options, async (client, id) => {
          await client.send('DELETE', [kind, id])
          return 'Removed'
        }),
      ),
  ]
}

export async function create(session: Session, { quiet }: CommonOptions, work: () => Promise<Json>): Promise<void> {
  const created = await session.attempt(work)
  if (created === undefined) return
  const id = String(created['id'])
  if (quiet === true) return session.console.data(id)
  session.console.success(`Created ${id}`)
  session.console.data(created)
}

async function info(session: Session, options: Options, path: readonly string[]): Promise<void> {
  const client = await session.client(options)
  const found = await session.attempt(() => client.send('GET', path), reason)
  if (found !== undefined) session.console.data(options.quiet === true ? String(found['id']) : found)
}

/** The first page, or all of them. */
export async function list(
  session: Session,
  options: CommonOptions & { readonly all?: boolean },
  kind: 'users' | 'apps',
): Promise<readonly Json[] | undefined> {
  const client = await session.client(options)
  const found: Json[] = []
  let start = '0'
  do {
    const page = await session.attempt(() => client.send('GET', [kind], undefined, { start }))
    if (page === undefined) return undefined
    found.push(...((page[kind] ?? []) as Json[]))
    start = String((page['nextKey'] ?? 0) as number | string)
  } while (options.all === true && start !== '0')
  return found
}
