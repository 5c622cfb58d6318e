/** An exchange ↔ the `req` and `res` that Express middleware works on. One pair for each exchange that a plugin touches. */
import type { Exchange, Outcome, Reply } from '../../policies/policy.ts'
import { parsedBody } from '../../policies/policy.ts'
import type { Expressions } from '../../policies/services.ts'
import { culprit, guarded, runAs } from '../guard.ts'
import type { ExpressApp, ExpressRequest, ExpressResponse, Next } from '../types.ts'
import { mergeHeaders, offerHead, replaceHead } from './answer.ts'
import { BodyTee } from './body-tee.ts'
import { PluginEgContext } from './eg-context.ts'
import { errorPage, statusOf } from './error-page.ts'
import { lengthOf, toReply } from './framing.ts'
import { carryBack, carryIn, type NodeHeaders, toNodeHeaders } from './headers.ts'
import { makeRequest, makeResponse } from './make.ts'
import { headersOf, sealBody, sealHead, type Written, wrappedParts } from './response.ts'
import { ClientSocket } from './socket.ts'

/** What all pairs of one load of plugins share. */
export interface Surroundings {
  readonly app: ExpressApp
  readonly expressions: Expressions
  /** How long middleware may take to answer or to go on; milliseconds. */
  readonly timeout: number
  /** How much of a body that middleware reads is kept for the backend; bytes. */
  readonly bodyLimit: number
  /** `late`: after the request was answered or went on. */
  failed(plugin: string, kind: 'error' | 'timeout' | 'late', error: unknown, exchange: Exchange): void
  /** The note under which the pair is kept. */
  readonly note: symbol
}

type Call = (request: ExpressRequest, response: ExpressResponse, next: Next) => unknown
type Settled =
  | { readonly kind: 'go-on' }
  | { readonly kind: 'next-route' }
  | { readonly kind: 'written'; readonly answer: Written }
  | { readonly kind: 'failed'; readonly error: unknown; readonly timeout?: boolean }
  | { readonly kind: 'gone' }

/** The pair of an exchange, made when first asked for. */
export function pairOf(exchange: Exchange, around: Surroundings): Pair {
  const known = exchange.notes.get(around.note)
  if (known instanceof Pair) return known
  const pair = new Pair(exchange, around)
  exchange.notes.set(around.note, pair)
  return pair
}

/** The pair of an exchange, if middleware has touched it. */
export function knownPair(exchange: Exchange, around: Surroundings): Pair | undefined {
  const known = exchange.notes.get(around.note)
  return known instanceof Pair ? known : undefined
}

export class Pair {
  readonly request: ExpressRequest
  readonly response: ExpressResponse
  readonly #exchange: Exchange
  readonly #around: Surroundings
  readonly #socket: ClientSocket
  readonly #context: PluginEgContext
  /** What the exchange said when it was last compared. */
  #headers: NodeHeaders
  #target: string
  #consumer: unknown
  #body = new BodyTee()
  #plugin = ''
  #take: ((answer: Written) => void) | undefined
  #leave: (() => void) | undefined
  #state: 'request' | 'answered' | 'driven' | 'done' = 'request'

  constructor(exchange: Exchange, around: Surroundings) {
    this.#exchange = exchange
    this.#around = around
    this.#socket = new ClientSocket(exchange.connection)
    this.#headers = toNodeHeaders(exchange.request.headers)
    this.#target = exchange.request.target
    this.#consumer = exchange.consumer
    this.request = makeRequest(exchange, around.app, this.#socket, this.#headers, (request) =>
      this.#body.read(exchange, request, around.bodyLimit),
    )
    this.response = makeResponse(this.request, around.app, this.#socket, {
      written: (answer) => this.#take?.(answer),
      destroyed: () => {
        this.#socket.destroy()
        this.#leave?.()
      },
    })
    this.request.res = this.response
    this.response.req = this.request
    this.response.locals = Object.create(null) as Record<string, unknown>
    this.#context = new PluginEgContext(exchange, this.request, this.response, around.expressions)
    this.request.egContext = this.#context
    exchange.signal.addEventListener('abort', () => this.#gone(), { once: true })
  }

  /** Middleware → what the runner is told. A promise only where the middleware has not decided at once. */
  run(plugin: string, call: Call): Outcome | undefined | Promise<Outcome | undefined> {
    this.carryIn()
    this.#plugin = plugin
    let settled: Settled | undefined
    let resolve: ((settled: Settled) => void) | undefined
    const settle = (value: Settled): void => {
      if (settled !== undefined) {
        if (value.kind === 'failed') this.#failedLate(culprit(value.error) ?? plugin, value.error)
        return
      }
      settled = value
      this.#take = undefined
      this.#leave = undefined
      resolve?.(value)
    }
    const next: Next = (error) => {
      if (error === undefined || error === null) settle({ kind: 'go-on' })
      else if (error === 'route' || error === 'router') settle({ kind: 'next-route' })
      else settle({ kind: 'failed', error })
    }
    this.request.next = next
    this.#take = (answer) => settle({ kind: 'written', answer })
    this.#leave = () => settle({ kind: 'gone' })
    try {
      const result = runAs(plugin, () => call(this.request, this.response, next))
      if (isPromise(result)) result.then(undefined, (error: unknown) => settle({ kind: 'failed', error }))
    } catch (error) {
      settle({ kind: 'failed', error })
    }
    const now = settled as Settled | undefined
    if (now !== undefined) return this.#conclude(plugin, now)
    return new Promise((answer) => {
      const timer = setTimeout(() => {
        const error = new Error(`plugin ${plugin} neither answered nor went on within ${this.#around.timeout} ms`)
        settle({ kind: 'failed', error, timeout: true })
      }, this.#around.timeout)
      resolve = (value) => {
        clearTimeout(timer)
        answer(this.#conclude(plugin, value))
      }
    })
  }

  /** A condition of a plugin on the request as it stands. */
  ask<T>(plugin: string, predicate: (request: ExpressRequest) => T): T {
    this.carryIn()
    const result = runAs(plugin, () => predicate(this.request))
    this.#carryBack()
    return result
  }

  /** What policies have changed since → `req`. */
  carryIn(): void {
    const { request } = this.#exchange
    if (request.target !== this.#target) this.request.url = this.#target = request.target
    if (request.method !== this.request.method) this.request.method = request.method
    const now = toNodeHeaders(request.headers)
    carryIn(this.#headers, now, this.request.headers as NodeHeaders)
    this.#headers = now
    if (this.#exchange.consumer !== this.#consumer) this.request.user = this.#consumer = this.#exchange.consumer
    const parsed = this.#exchange.notes.get(parsedBody)
    if (parsed !== undefined && this.request.body === undefined) this.request.body = parsed
    this.#context.enter()
    const { parameters } = this.#exchange
    // an app that runs before any route has none, and Express keeps its own while it runs
    if (this.request.params === undefined || Object.keys(parameters).length > 0) this.request.params = { ...parameters }
    this.request.route = routeOf(this.#exchange)
  }

  /** The answer of a backend or of a policy → through what middleware has wrapped. Once for each exchange. */
  respond(): void | Promise<void> {
    if (this.#state !== 'request') return undefined
    this.#state = 'driven'
    const wrapped = wrappedParts(this.response)
    if (!wrapped.head) {
      mergeHeaders(this.#exchange.response, this.response)
      sealHead(this.response)
      return undefined
    }
    return this.#drive(wrapped.body)
  }

  /** The last byte is sent, or the client has gone. */
  finish(): void {
    if (this.#state === 'done') return
    this.#state = 'done'
    sealBody(this.response)
    const gone = this.#exchange.signal.aborted
    const report = (plugin: string, error: unknown): void => this.#failedLate(plugin, error)
    guarded(report, this.#plugin, () => {
      if (!gone) this.response.emit('finish')
      this.response.emit('close')
      this.#socket.gone()
    })
  }

  // --- request phase --------------------------------------------------------------------------------------------------

  #conclude(plugin: string, settled: Settled): Outcome | undefined {
    switch (settled.kind) {
      case 'go-on':
      case 'next-route':
        try {
          this.#carryBack()
        } catch (error) {
          return this.#fail(plugin, 'error', error)
        }
        if (this.#body.carryBack(this.#exchange, this.request, this.#context.requestStream) === 'too-large') {
          const error = Object.assign(
            new Error(`plugin ${plugin} read a body larger than ${this.#around.bodyLimit} bytes`),
            { status: 413 },
          )
          return this.#fail(plugin, 'error', error)
        }
        return settled.kind === 'go-on' ? undefined : { kind: 'next' }
      case 'written':
        this.#state = 'answered'
        return toReply(settled.answer)
      case 'failed':
        return this.#fail(plugin, settled.timeout === true ? 'timeout' : 'error', settled.error)
      case 'gone':
        // nobody is there to read it
        this.#state = 'answered'
        return { kind: 'reply', status: 499 }
    }
  }

  /** The page goes through what other middleware has put around the answer, as in Express. */
  #fail(plugin: string, kind: 'error' | 'timeout', error: unknown): Reply {
    // a refusal that middleware words as an error (400, 413, …) is no fault of the plugin
    if (statusOf(error) >= 500) this.#around.failed(culprit(error) ?? plugin, kind, error, this.#exchange)
    return errorPage(error)
  }

  #failedLate(plugin: string, error: unknown): void {
    this.#around.failed(plugin, 'late', error, this.#exchange)
    this.response.destroy()
  }

  #carryBack(): void {
    const { request } = this.#exchange
    if (this.request.url !== this.#target) request.target = this.#target = this.request.url
    if (this.request.method !== request.method) request.method = this.request.method
    carryBack(this.#headers, this.request.headers as NodeHeaders, request.headers)
    this.#headers = { ...this.request.headers }
    if (this.request.user !== this.#consumer) {
      this.#consumer = this.request.user
      this.#exchange.consumer = (this.request.user ?? undefined) as Exchange['consumer']
    }
    if (this.request.body !== undefined) this.#exchange.notes.set(parsedBody, this.request.body)
  }

  #gone(): void {
    const report = (plugin: string, error: unknown): void => this.#failedLate(plugin, error)
    guarded(report, this.#plugin, () => {
      if (!this.request.complete) this.request.emit('aborted')
      this.#socket.gone()
    })
    this.#leave?.()
  }

  // --- response phase -------------------------------------------------------------------------------------------------

  #drive(body: boolean): void | Promise<void> {
    const plugin = this.#plugin
    const { response } = this.#exchange
    try {
      runAs(plugin, () => offerHead(response, this.response))
      if (!body) {
        runAs(plugin, () => this.response.writeHead(response.status))
        replaceHead(response, {
          status: this.response.statusCode,
          reason: this.response.statusMessage,
          headers: headersOf(this.response),
        })
        return undefined
      }
    } catch (error) {
      this.#replaceByError(plugin, 'error', error)
      return undefined
    }
    return new Promise((resolve) => {
      let open = true
      const close = (): boolean => {
        if (!open) return false
        open = false
        clearTimeout(timer)
        this.#take = undefined
        this.#leave = undefined
        resolve()
        return true
      }
      const timer = setTimeout(() => {
        const error = new Error(`plugin ${plugin} held back an answer for ${this.#around.timeout} ms`)
        if (close()) this.#replaceByError(plugin, 'timeout', error)
      }, this.#around.timeout)
      this.#take = (answer) => {
        replaceHead(response, answer)
        if (Buffer.isBuffer(answer.body)) response.body.replace(answer.body)
        else if (answer.body !== undefined) response.body.replaceStream(answer.body, lengthOf(answer.headers))
        close()
      }
      this.#leave = () => void close()
      const source = response.body.empty ? undefined : response.body.stream()
      try {
        runAs(plugin, () => {
          if (source === undefined) this.response.end()
          else {
            source.on('error', (error) => this.response.destroy(error))
            source.pipe(this.response)
          }
        })
      } catch (error) {
        if (close()) this.#replaceByError(plugin, 'error', error)
        else this.#failedLate(plugin, error)
      }
    })
  }

  #replaceByError(plugin: string, kind: 'error' | 'timeout', error: unknown): void {
    this.#around.failed(plugin, kind, error, this.#exchange)
    sealHead(this.response)
    const page = errorPage(new Error('the answer could not be finished'))
    replaceHead(this.#exchange.response, { status: page.status, reason: undefined, headers: page.headers ?? [] })
    this.#exchange.response.body.replace(page.body as string)
  }
}

/** What Express calls `req.route`: plugins read the pattern that matched from it. */
function routeOf(exchange: Exchange): { path: unknown } | undefined {
  const route = exchange.route as Exchange['route'] | undefined
  const path = route?.match.path
  if (path === undefined) return route === undefined ? undefined : { path: '*' }
  return { path: path.kind === 'regexp' ? new RegExp(path.source, path.ignoreCase === true ? 'i' : '') : path.value }
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}
