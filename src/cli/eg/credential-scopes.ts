/** `eg credential:scopes …` */
import { Command, type CommonOptions, type Group, type Session } from './session.ts'

interface Options extends CommonOptions {
  readonly type: string
  readonly id?: string
  readonly keyid?: string
}

export const credentialScopes: Group = (session) => [
  each(session, 'add', 'PUT', 'adding', (scope, id) => `Scope ${scope} added to ${id}`),
  each(session, 'remove', 'DELETE', 'removing', (scope, id) => `Scope ${scope} removed from ${id}`).alias('rm'),
  common(new Command('set').description('these scopes and no others')).action(
    async (scopes: readonly string[], options: Options) => {
      const client = await session.client(options)
      const id = idOf(session, options)
      if (id === undefined) return
      const done = await session.attempt(
        () => client.send('PUT', ['credentials', options.type, id, 'scopes'], { scopes }),
        (refusal) => `Error setting scopes ${scopes.join(',')} : ${refusal.message}`,
      )
      if (done !== undefined && options.quiet !== true)
        session.console.success(`Scopes ${scopes.join(',')} set for ${id}`)
    },
  ),
]

function each(
  session: Session,
  name: string,
  method: string,
  doing: string,
  words: (scope: string, id: string) => string,
): Command {
  return common(new Command(name).description(`${name} scopes`)).action(
    async (scopes: readonly string[], options: Options) => {
      const client = await session.client(options)
      const id = idOf(session, options)
      if (id === undefined) return
      for (const scope of scopes) {
        const done = await session.attempt(
          () => client.send(method, ['credentials', options.type, id, 'scopes', scope]),
          (refusal) => `Error ${doing} scope ${scope} : ${refusal.message}`,
        )
        if (done !== undefined && options.quiet !== true) session.console.success(words(scope, id))
      }
    },
  )
}

function common(command: Command): Command {
  return command
    .argument('<scopes...>')
    .requiredOption('-t, --type <TYPE>', 'key-auth, jwt, basic-auth or oauth2')
    .option('--id <ID>', 'key id, or id of the consumer')
    .option('--keyid <ID>', 'the same')
}

function idOf(session: Session, { id, keyid }: Options): string | undefined {
  const said = id ?? keyid
  if (said === undefined) session.mistake('which credential is it? --id ID')
  return said
}
