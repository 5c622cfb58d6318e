/** `eg tokens …` */
import { Command, type CommonOptions, type Group, reason } from './session.ts'

export const tokens: Group = (session) => [
  new Command('revoke')
    .description('revoke access tokens')
    .argument('<tokens...>', 'id|secret; the id is enough')
    .action(async (given: readonly string[], options: CommonOptions) => {
      const client = await session.client(options)
      for (const token of given) {
        const done = await session.attempt(() => client.send('DELETE', ['tokens', token]), reason)
        if (done === undefined) continue
        if (options.quiet === true) session.console.data(token)
        else session.console.success(`Access token has been revoked: ${token}`)
      }
    }),
]
