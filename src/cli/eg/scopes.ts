/** `eg scopes …` */
import { Command, type CommonOptions, type Group, reason } from './session.ts'

export const scopes: Group = (session) => [
  new Command('create')
    .description('create scopes')
    .argument('<scope...>')
    .action(async (names: readonly string[], options: CommonOptions) => {
      const client = await session.client(options)
      const done = await session.attempt(() => client.send('POST', ['scopes'], { scopes: names }))
      if (done === undefined) return
      if (options.quiet === true) session.console.data(names)
      else session.console.success(`Created ${names.join(',')}`)
    }),
  new Command('info')
    .description('is there such a scope?')
    .argument('<scope>')
    .action(async (name: string, options: CommonOptions) => {
      const client = await session.client(options)
      const found = await session.attempt(() => client.send('GET', ['scopes', name]), reason)
      if (found !== undefined) session.console.data(String(found['scope']))
    }),
  new Command('list').description('list scopes').action(async (options: CommonOptions) => {
    const client = await session.client(options)
    const found = await session.attempt(() => client.send('GET', ['scopes']))
    if (found === undefined) return
    const names = (found['scopes'] ?? []) as string[]
    if (names.length === 0) session.console.data('You have no scopes')
    for (const name of names) session.console.data(name)
  }),
  new Command('remove')
    .alias('rm')
    .description('remove scopes')
    .argument('<scope...>')
    .action(async (names: readonly string[], options: CommonOptions) => {
      const client = await session.client(options)
      for (const name of names) {
        const done = await session.attempt(() => client.send('DELETE', ['scopes', name]))
        if (done === undefined) continue
        if (options.quiet === true) session.console.data(name)
        else session.console.success(`Removed ${name}`)
      }
    }),
]
