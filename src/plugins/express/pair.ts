/** An exchange ↔ the `req` and `res` that Express middleware works on. One pair for each exchange that a plugin touches. */
import { IncomingMessage, ServerResponse } from 'node:http'
import { PassThrough, Readable } from 'node:stream'
import type { Exchange, Outcome, Reply } from '../../policies/policy.ts'
import { parsedBody } from '../../policies/policy.ts'
import type { Expressions } from '../../policies/services.ts'
import { culprit, guarded, runAs } from '../guard.ts'
import type { ExpressApp, ExpressRequest, ExpressResponse, Next } from '../types.ts'
import { PluginEgContext } from './eg-context.ts'
import { errorPage, statusOf } from './error-page.ts'
import { initializePassport, parseQuery } from './express.ts'
import { carryBack, carryIn, type NodeHeaders, toNodeHeaders, toRawHeaders } from './headers.ts'
import { equip, headersOf, sealBody, sealHead, type Written, wrappedParts } from './response.ts'
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
    this.request = this.#makeRequest()
    this.response = this.#makeResponse()
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
      this.#mergeHeaders()
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

  // --- making ---------------------------------------------------------------------------------------------------------

  #makeRequest(): ExpressRequest {
    const { request } = this.#exchange
    const made = Object.setPrototypeOf(
      new IncomingMessage(this.#socket as never),
      this.#around.app.request,
    ) as ExpressRequest
    made.httpVersion = request.version === '2' ? '2.0' : request.version
    made.httpVersionMajor = request.version === '2' ? 2 : 1
    made.httpVersionMinor = request.version === '1.1' ? 1 : 0
    made.method = request.method
    made.url = request.target
    made.originalUrl = request.originalTarget
    made.baseUrl = ''
    made.headers = { ...this.#headers } as typeof made.headers
    made.rawHeaders = toRawHeaders(request.headers)
    if (this.#exchange.consumer !== undefined) made.user = this.#exchange.consumer
    initializePassport(made)
    // asking for it makes Express note the parsed target, which plugins look at under its own name
    void made.path
    made.query = parseQuery(this.#around.app, request.query)
    made._read = () => this.#body.read(this.#exchange, made, this.#around.bodyLimit)
    made._destroy = (error, callback) => {
      if (!made.complete) this.#socket.destroy()
      callback(error)
    }
    return made
  }

  #makeResponse(): ExpressResponse {
    const made = new ServerResponse(this.request) as ExpressResponse
    Object.setPrototypeOf(made, this.#around.app.response)
    Object.assign(made, { socket: this.#socket })
    equip(made, {
      written: (answer) => this.#take?.(answer),
      destroyed: () => {
        this.#socket.destroy()
        this.#leave?.()
      },
    })
    return made
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

  /** The answer's own headers win, as where a proxy copies them; cookies and Vary of both stand. */
  #mergeHeaders(): void {
    const { headers } = this.#exchange.response
    const theirs = new Set([...headers].map(([name]) => name.toLowerCase()))
    for (const [name, value] of headersOf(this.response)) {
      const lower = name.toLowerCase()
      if (lower === 'set-cookie' || lower === 'vary' || !theirs.has(lower)) headers.append(name, value)
    }
  }

  #drive(body: boolean): void | Promise<void> {
    const plugin = this.#plugin
    const { response } = this.#exchange
    try {
      this.#offerHead()
      if (!body) {
        runAs(plugin, () => this.response.writeHead(response.status))
        this.#replaceHead({
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
        this.#replaceHead(answer)
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

  /** The head of the answer → `res`, through whatever is wrapped around `setHeader`. */
  #offerHead(): void {
    const { response } = this.#exchange
    const lines = new Map<string, { name: string; values: string[] }>()
    for (const [name, value] of response.headers) {
      const lower = name.toLowerCase()
      if (lower === 'transfer-encoding') continue
      const line = lines.get(lower)
      if (line === undefined) lines.set(lower, { name, values: [value] })
      else line.values.push(value)
    }
    this.response.statusCode = response.status
    this.response.statusMessage = response.reason
    runAs(this.#plugin, () => {
      for (const [lower, { name, values }] of lines) {
        const before = lower === 'set-cookie' || lower === 'vary' ? this.response.getHeader(name) : undefined
        const all = before === undefined ? values : [...[before].flat().map(String), ...values]
        this.response.setHeader(name, all.length === 1 ? (all[0] as string) : all)
      }
    })
  }

  #replaceHead(head: Omit<Written, 'body'> & { readonly body?: Written['body'] }): void {
    const { response } = this.#exchange
    response.status = head.status
    if (head.reason !== undefined) response.reason = head.reason
    for (const name of new Set([...response.headers].map(([one]) => one.toLowerCase()))) response.headers.delete(name)
    for (const [name, value] of head.headers) {
      if (!isFraming(name, head.body)) response.headers.append(name, value)
    }
  }

  #replaceByError(plugin: string, kind: 'error' | 'timeout', error: unknown): void {
    this.#around.failed(plugin, kind, error, this.#exchange)
    sealHead(this.response)
    const page = errorPage(new Error('the answer could not be finished'))
    this.#replaceHead({ status: page.status, reason: undefined, headers: page.headers ?? [] })
    this.#exchange.response.body.replace(page.body as string)
  }
}

/** A body that middleware reads is still forwarded: what has passed is kept, what comes goes both ways. */
class BodyTee {
  #source: Readable | undefined
  /** `keep`: middleware has not decided yet. `both`: it has gone on. `request`: the backend gets something else. */
  #mode: 'keep' | 'both' | 'request' = 'keep'
  #kept: Buffer[] | undefined = []
  #size = 0
  #forward: PassThrough | undefined

  read(exchange: Exchange, request: ExpressRequest, limit: number): void {
    if (this.#source !== undefined) {
      this.#source.resume()
      return
    }
    const { body } = exchange.request
    if (body.empty) {
      request.complete = true
      request.push(null)
      return
    }
    const source = body.stream()
    this.#source = source
    source.on('data', (chunk: Buffer) => this.#piece(source, chunk, request, limit))
    source.on('end', () => {
      request.complete = true
      request.push(null)
      this.#forward?.end()
    })
    source.on('error', (error) => {
      this.#forward?.destroy(error)
      request.destroy(error)
    })
  }

  #piece(source: Readable, chunk: Buffer, request: ExpressRequest, limit: number): void {
    if (this.#mode === 'both') {
      // what nobody reads any more must not pile up
      if (request.readableFlowing === true || request.listenerCount('readable') > 0) request.push(chunk)
      if (this.#forward?.write(chunk) === false) source.pause()
      return
    }
    if (this.#mode === 'keep') {
      this.#size += chunk.length
      if (this.#size > limit) this.#kept = undefined
      this.#kept?.push(chunk)
    }
    if (!request.push(chunk)) source.pause()
  }

  /** Middleware goes on: what the backend gets is put in its place. */
  carryBack(exchange: Exchange, request: ExpressRequest, given: unknown): 'ok' | 'too-large' {
    const { body, headers } = exchange.request
    if (this.#mode === 'request') return 'ok'
    const stream = asReadable(given)
    if (stream !== undefined) {
      // the client's body is what it is made from: it is taken out before it is replaced
      if (this.#source === undefined) this.read(exchange, request, 0)
      this.#mode = 'request'
      this.#kept = undefined
      this.#forward?.destroy()
      // its length is unknown, whatever the client has said about the body that it replaces
      headers.delete('content-length')
      body.replaceStream(stream)
      return 'ok'
    }
    if (this.#mode === 'both') return 'ok'
    const listening = request.listenerCount('data') + request.listenerCount('readable') > 0
    if (this.#source === undefined && (!listening || body.empty)) return 'ok'
    if (this.#source === undefined) this.read(exchange, request, 0)
    if (this.#kept === undefined) return 'too-large'
    this.#mode = 'both'
    if (request.complete) body.replace(Buffer.concat(this.#kept))
    else {
      const forward = new PassThrough()
      for (const chunk of this.#kept) forward.write(chunk)
      forward.on('drain', () => this.#source?.resume())
      this.#forward = forward
      this.#source?.resume()
      body.replaceStream(forward, lengthOf([['content-length', headers.get('content-length') ?? '']]))
    }
    this.#kept = []
    return 'ok'
  }
}

/** Streams of the package `readable-stream` are none of Node's own, and are wrapped. */
function asReadable(stream: unknown): Readable | undefined {
  if (stream instanceof Readable) return stream
  const pipe = (stream as { pipe?: unknown } | null | undefined)?.pipe
  return typeof pipe === 'function' ? new Readable().wrap(stream as NodeJS.ReadableStream) : undefined
}

function toReply(answer: Written): Reply {
  return {
    kind: 'reply',
    status: answer.status,
    ...(answer.reason === undefined ? {} : { reason: answer.reason }),
    headers: answer.headers.filter(([name]) => !isFraming(name, answer.body)),
    // to HEAD, the length is that of the body which GET would have got
    body: answer.body ?? (lengthOf(answer.headers) === undefined ? '' : Readable.from([])),
  }
}

/** How the message is framed is the engine's to say; the length of a stream, or of what HEAD leaves out, it cannot know. */
function isFraming(name: string, body: Written['body']): boolean {
  const lower = name.toLowerCase()
  return lower === 'transfer-encoding' || (lower === 'content-length' && Buffer.isBuffer(body))
}

function lengthOf(headers: Written['headers']): number | undefined {
  const text = headers.find(([name]) => name.toLowerCase() === 'content-length')?.[1]
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
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
