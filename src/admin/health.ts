/** What a kubelet asks → alive, ready, counters. Alive says nothing of others: who cannot reach them must not be killed for it. */
import type { Handler } from '../lib/handler.ts'
import type { MetricsRegistry } from '../runtime/metrics.ts'
import { sendText } from './server.ts'

export interface HealthOptions {
  /** Why not, in a line; undefined: ready. */
  unready(): string | undefined
  readonly metrics: MetricsRegistry
}

/** `GET /healthz /readyz /metrics`, and nothing that would be somebody's secret. */
export function healthHandler({ unready, metrics }: HealthOptions): Handler {
  return async (_request, response, { pathname }) => {
    switch (pathname) {
      case '/healthz':
        sendText(response, 200, 'ok\n')
        return true
      case '/readyz': {
        const why = unready()
        sendText(response, why === undefined ? 200 : 503, `${why ?? 'ok'}\n`)
        return true
      }
      case '/metrics': {
        const { text, contentType } = await metrics.expose()
        sendText(response, 200, text, contentType)
        return true
      }
      default:
        return false
    }
  }
}
