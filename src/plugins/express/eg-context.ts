/** `req.egContext`: what plugins share with one another and with expressions during one exchange. */
import type { Exchange } from '../../policies/policy.ts'
import type { Expressions } from '../../policies/services.ts'
import type { EgContext, ExpressRequest, ExpressResponse } from '../types.ts'

/** Properties that are assigned stay for later steps of the same exchange. */
export class PluginEgContext implements EgContext {
  [property: string]: unknown
  declare readonly req: ExpressRequest
  declare readonly res: ExpressResponse
  declare apiEndpoint: unknown
  declare requestStream?: NodeJS.ReadableStream
  readonly #exchange: Exchange
  readonly #expressions: Expressions

  constructor(exchange: Exchange, req: ExpressRequest, res: ExpressResponse, expressions: Expressions) {
    this.#exchange = exchange
    this.#expressions = expressions
    this['req'] = req
    this['res'] = res
    this.enter()
  }

  /** The exchange has come to a route. */
  enter(): void {
    const route = this.#exchange.route as Exchange['route'] | undefined
    const endpoint = route?.annotations?.['apiEndpoint']
    if (endpoint !== undefined && this.apiEndpoint === undefined) this.apiEndpoint = endpoint
  }

  get requestID(): string {
    return this.#exchange.id
  }

  get consumer(): unknown {
    return this.req.user
  }

  get egContext(): this {
    return this
  }

  /** Runs a user's code in the sandbox, for its value. */
  run(code: string): unknown {
    return this.#expressions.compile('expression', code).evaluate(this.#exchange)
  }

  match(expression: string): boolean {
    return Boolean(this.run(expression))
  }

  evaluateAsTemplateString(template: string): unknown {
    return this.#expressions.compile('template', template).evaluate(this.#exchange)
  }
}
