/** `expression`: a program of the user's runs in the sandbox, with the request to read and to change. */
import { z } from 'zod'
import { type Policy, unsupported } from '../policy.ts'

export const config = z.strictObject({
  /** JavaScript statements. What they throw answers 500. */
  program: z.string(),
})
export type Config = z.infer<typeof config>

export const expression: Policy<Config> = {
  name: 'expression',
  summary: 'runs a program of the user',
  config,
  engine: ({ program }, context) => {
    const compiled = context.services.expressions.compile('program', program)
    return {
      request: (exchange) => {
        compiled.evaluate(exchange)
        return undefined
      },
    }
  },
  nginx: () => unsupported('nginx runs no JavaScript'),
}
