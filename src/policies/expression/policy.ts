/** `expression`: a program of the user's runs in the sandbox, with the request to read and to change. */
import { z } from 'zod'
import { type Policy, type Reply, unsupported } from '../policy.ts'

const config = z.strictObject({
  /** JavaScript statements. What they throw answers 500. */
  program: z.string(),
})
export type Config = z.infer<typeof config>

export const expression: Policy<Config> = {
  name: 'expression',
  summary: 'runs a program of the user',
  config,
  engine: ({ program }, context) => {
    const { expressions } = context.services
    const compiled = expressions.compile('program', program)
    return {
      // what the program has sent through `res` is the answer
      request: (exchange) => compiled.evaluate(exchange) as Reply | undefined,
      response: (exchange) => expressions.finish(exchange),
    }
  },
  nginx: () => unsupported('nginx runs no JavaScript'),
}
