/** `eg credentials …` */
import type { Json } from './client.ts'
import { propertiesOf, stdinObjects, withJsonValues } from './input.ts'
import { collect, Command, type CommonOptions, type Group, type Session } from './session.ts'

interface Options extends CommonOptions {
  readonly consumer?: string
  readonly consumerId?: string
  readonly type?: string
  readonly property: readonly string[]
  readonly stdin?: boolean
  readonly filter: readonly string[]
}

export const credentials: Group = (session) => [
  new Command('create')
    .description('create a credential')
    .option('-c, --consumer <CONSUMER>', 'whose: user name, app name or id')
    .option('-t, --type <TYPE>', 'key-auth, jwt, basic-auth or oauth2')
    .option('-p, --property <KEY=VALUE>', 'a property; may be repeated', collect, [])
    .option('--stdin', 'one JSON object a line from stdin, with consumer and type')
    .action(async (options: Options) => {
      const client = await session.client(options)
      const insert = async (consumerId: unknown, type: unknown, credential: Json): Promise<void> => {
        const created = await session.attempt(() =>
          client.send('POST', ['credentials'], { consumerId, type, credential }),
        )
        if (created !== undefined) show(session, options, String(type as string), created)
      }
      if (options.stdin === true) {
        for await (const { consumer = options.consumer, type = options.type, ...credential } of stdinObjects(session)) {
          await insert(consumer, type, credential)
        }
        return
      }
      if (options.consumer === undefined) return session.mistake('whose credential is it? -c CONSUMER')
      if (options.type === undefined) return session.mistake('what type is it? -t TYPE')
      const given = propertiesOf(session, options.property)
      if (given === undefined) return
      const properties = withJsonValues(given)
      const { scopes } = properties
      if (scopes !== undefined && !Array.isArray(scopes)) properties['scopes'] = [String(given['scopes'])]
      await insert(options.consumer, options.type, properties)
    }),
  new Command('info')
    .description('show a credential')
    .argument('<credential>', 'key id, or id of its consumer')
    .requiredOption('-t, --type <TYPE>', 'key-auth, jwt, basic-auth or oauth2')
    .action(async (id: string, options: Options) => {
      const client = await session.client(options)
      const found = await session.attempt(() => client.send('GET', ['credentials', options.type ?? '', id]))
      if (found === undefined || found['id'] === undefined) return
      session.console.data(options.quiet === true ? found['id'] : found)
    }),
  new Command('list')
    .description('list credentials')
    .option('-c, --consumerId <CONSUMER>', 'of this consumer only')
    .option('-f, --filter <STATE>', 'active (default) or archived; may be repeated', collect, [])
    .action(async (options: Options) => {
      const client = await session.client(options)
      const path = options.consumerId === undefined ? ['credentials'] : ['credentials', options.consumerId]
      const nothing = `Consumer ${options.consumerId ?? ''} has no credentials`
      const found = await session.attempt(
        () => client.send('GET', path),
        (refusal) => (refusal.status === 404 ? nothing : refusal.message),
      )
      if (found === undefined) return
      const wanted = options.filter.length === 0 ? ['active'] : options.filter
      const chosen = ((found['credentials'] ?? []) as Json[]).filter((credential) =>
        wanted.includes(credential['isActive'] === true ? 'active' : 'archived'),
      )
      if (chosen.length === 0)
        session.console.failure(options.consumerId === undefined ? 'There are no credentials' : nothing)
      for (const credential of chosen) {
        session.console.data(options.quiet === true ? String(credential['id']) : credential)
      }
    }),
  status(session, 'activate', true),
  status(session, 'deactivate', false),
]

function status(session: Session, name: 'activate' | 'deactivate', active: boolean): Command {
  return new Command(name)
    .description(active ? 'switch on' : 'switch off')
    .argument('<credential...>', 'key ids, or ids of consumers')
    .requiredOption('-t, --type <TYPE>', 'key-auth, jwt, basic-auth or oauth2')
    .action(async (ids: readonly string[], options: Options) => {
      const client = await session.client(options)
      for (const id of ids) {
        const path = ['credentials', options.type ?? '', id, 'status']
        const done = await session.attempt(() => client.send('PUT', path, { status: active }))
        if (done === undefined) continue
        if (options.quiet === true) session.console.data([id])
        else session.console.success(`${String(done['status'])} ${id}`)
      }
    })
}

/** Quietly: what proves it, ready to be used. */
function show(session: Session, { quiet }: Options, type: string, created: Json): void {
  if (quiet !== true) {
    session.console.success(`Created ${String(created['keyId'] ?? created['id'])}`)
    session.console.data(created)
    return
  }
  if (type === 'oauth2') return
  const [id, secret] = type === 'basic-auth' ? ['id', 'password'] : ['keyId', 'keySecret']
  session.console.data([created[id], created[secret]].filter((part) => typeof part === 'string').join(':'))
}
