/** The running process → Gantry's own admin endpoints: health, metrics, what is served, what is wrong, why a request goes where. */
import type { EventLog } from '../runtime/events.ts'
import type { LoopState } from '../runtime/loop.ts'
import type { MetricsRegistry } from '../runtime/metrics.ts'
import { explain } from '../pipeline/explain.ts'
import { printModel } from '../model/text.ts'
import type { Handler } from '../lib/handler.ts'
import { sendJson, sendText } from './server.ts'

export interface GantryAdminOptions {
  readonly version: string
  state(): LoopState
  readonly events: EventLog
  readonly metrics: MetricsRegistry
  addresses(): readonly { readonly listener: string; readonly url: string }[]
  readonly startedAt: number
  /** Where another target stands in front of the engine: who serves each route, and why not that target alone. */
  served?(): readonly { readonly route: string; readonly by: string; readonly why?: string }[]
}

/**
 * `GET /healthz /readyz /metrics /gantry/{status,plan,diagnostics,events,explain,served}`; everything else is left to the
 * next handler.
 */
export function gantryAdmin(options: GantryAdminOptions): Handler {
  return async (request, response, url) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return false
    const state = options.state()
    switch (url.pathname) {
      case '/healthz':
        sendText(response, 200, 'ok\n')
        return true
      case '/readyz':
        if (state.plan === undefined) sendText(response, 503, 'no plan is being served\n')
        else sendText(response, 200, 'ok\n')
        return true
      case '/metrics': {
        // who takes no text is given objects, as Kargo's endpoint of this name did
        if (!/\*\/\*|text\/(\*|plain)|openmetrics/.test(request.headers.accept ?? '*/*')) {
          sendJson(response, 200, await options.metrics.objects())
          return true
        }
        const exposed = await options.metrics.expose()
        sendText(response, 200, exposed.text, exposed.contentType)
        return true
      }
      case '/gantry/status':
        sendJson(response, 200, {
          version: options.version,
          node: process.version,
          startedAt: new Date(options.startedAt).toISOString(),
          plan: state.plan?.id ?? null,
          appliedAt: state.appliedAt === undefined ? null : new Date(state.appliedAt).toISOString(),
          stale: state.stale,
          listeners: options.addresses(),
          routes: state.plan?.model.routes.length ?? 0,
          errors: state.diagnostics.filter((diagnostic) => diagnostic.severity === 'error').length,
          warnings: state.diagnostics.filter((diagnostic) => diagnostic.severity === 'warning').length,
        })
        return true
      case '/gantry/plan':
        if (state.plan === undefined) sendJson(response, 503, { error: 'no plan is being served' })
        else if (url.searchParams.get('format') === 'json') sendJson(response, 200, state.plan)
        else sendText(response, 200, printModel(state.plan.model, { secrets: 'redact' }))
        return true
      case '/gantry/diagnostics':
        sendJson(response, 200, state.diagnostics)
        return true
      case '/gantry/events':
        sendJson(response, 200, options.events.recent())
        return true
      case '/gantry/served':
        if (options.served === undefined) return false
        sendJson(response, 200, options.served())
        return true
      case '/gantry/explain': {
        const target = url.searchParams.get('url')
        if (state.plan === undefined) sendJson(response, 503, { error: 'no plan is being served' })
        else if (target === null || !URL.canParse(target))
          sendJson(response, 400, { error: 'url: http://host/path is missing or not a URL' })
        else {
          const explanation = explain(state.plan, {
            method: url.searchParams.get('method') ?? 'GET',
            url: target,
            headers: headersOf(url),
          })
          const served = options.served?.().find(({ route }) => route === explanation.route?.id)
          sendJson(response, 200, served === undefined ? explanation : { ...explanation, served })
        }
        return true
      }
      default:
        return false
    }
  }
}

/** `?header=name: value`, repeated. */
function headersOf(url: URL): readonly (readonly [string, string])[] {
  return url.searchParams.getAll('header').map((line) => {
    const colon = line.indexOf(':')
    return colon < 0
      ? [line.toLowerCase(), '']
      : [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()]
  })
}
