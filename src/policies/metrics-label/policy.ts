/** `metrics-label`: every answered request → one more in the counter `eg`, by consumer and endpoint. */
import { z } from 'zod'
import { type Policy, unsupported } from '../policy.ts'

const config = z.strictObject({
  /** The label `api_endpoint`; default: the route's label, else its id. */
  endpoint: z.string().optional(),
})
export type Config = z.infer<typeof config>

/** As Kargo's plugin names and words them, so that its dashboards go on. */
const NAME = 'eg'
const HELP = 'express-gateway'
const LABELS = ['type', 'status_code', 'consumer', 'api_endpoint'] as const
const seen = Symbol('metrics-label')
interface Seen {
  readonly code: number
  readonly signal: AbortSignal
}

export const metricsLabel: Policy<Config> = {
  name: 'metrics-label',
  summary: 'counts answers by consumer and endpoint, for Prometheus',
  config,
  engine: ({ endpoint }, { route, services }) => {
    const count = services.metrics.counter(NAME, HELP, LABELS)
    const label = endpoint ?? route?.label ?? route?.id ?? 'unknown'
    return {
      response: (exchange) => {
        // asked for now: a signal that is first asked for when all is over has ended in any case
        exchange.notes.set(seen, { code: exchange.response.status, signal: exchange.signal })
      },
      // after the last byte: an answer that was cut off was no answer
      done: (exchange) => {
        const answer = exchange.notes.get(seen) as Seen | undefined
        if (answer === undefined || answer.signal.aborted) return
        const { code } = answer
        // the consumer that was proved, never the header: whoever could write it could fill the memory with series
        const consumer = exchange.consumer?.id ?? 'anonymous'
        count([code >= 200 && code < 300 ? 'SUCCESS' : 'FAILED', String(code), consumer, label])
      },
    }
  },
  nginx: () => unsupported('nginx counts nothing by consumer'),
}
