/** `log`: a line in the event log for each request. */
import { z } from 'zod'
import { type Policy, unsupported } from '../policy.ts'

const config = z.strictObject({
  /** The text of a JavaScript template literal. What it throws is logged, and the request goes on. */
  message: z.string(),
  level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
})
export type Config = z.infer<typeof config>

export const log: Policy<Config> = {
  name: 'log',
  summary: 'writes a line into the event log',
  config,
  engine: ({ message, level }, context) => {
    const compiled = context.services.expressions.compile('template', message)
    const { events } = context.services
    return {
      request: (exchange) => {
        const facts = { route: exchange.route.id, exchange: exchange.id }
        try {
          events.emit(level, 'log/message', String(compiled.evaluate(exchange)), facts)
        } catch (error) {
          // a log line must not cost the request
          const why = error instanceof Error ? error.message : String(error)
          events.emit('warn', 'log/failed', `failed to build log message: ${why}`, facts)
        }
        return undefined
      },
    }
  },
  nginx: () => unsupported('the message is an expression'),
}
