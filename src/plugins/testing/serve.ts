/** Steps and a backend → a real HTTP server that runs them as the engine does. For tests of the adapter. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { Fields } from '../../lib/http1/fields.ts'
import type { Body, Exchange, Outcome, Reply, Step } from '../../policies/policy.ts'

/** What reached the backend. */
export interface Seen {
  readonly method: string
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export interface Served {
  readonly url: string
  readonly port: number
  readonly seen: Seen[]
  close(): Promise<void>
}

export type TestBackend = (seen: Seen) => Reply

export interface ServeOptions {
  readonly steps: () => readonly Step[]
  readonly backend?: TestBackend
  readonly annotations?: Readonly<Record<string, unknown>>
  readonly scheme?: 'http' | 'https'
}

const echo: TestBackend = (seen) => ({
  kind: 'reply',
  status: 200,
  headers: [
    ['Content-Type', 'application/json'],
    ['X-Backend', 'yes'],
  ],
  body: JSON.stringify({ ...seen, body: seen.body.toString() }),
})

export async function serve(options: ServeOptions): Promise<Served> {
  const seen: Seen[] = []
  const server = createServer((req, res) => {
    handle(options, seen, req, res).catch((error: unknown) => {
      res.destroy(error instanceof Error ? error : undefined)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    seen,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function handle(options: ServeOptions, seen: Seen[], req: IncomingMessage, res: ServerResponse): Promise<void> {
  const abort = new AbortController()
  res.on('close', () => {
    if (!res.writableFinished) abort.abort()
  })
  const exchange = makeExchange(options, req, abort)
  const ran: Step[] = []
  let outcome: Outcome | undefined
  for (const step of options.steps()) {
    ran.push(step)
    outcome = await step.request?.(exchange)
    if (outcome !== undefined) break
  }
  let answer: Reply
  if (outcome?.kind === 'reply') answer = outcome
  else if (outcome?.kind === 'next') answer = { kind: 'reply', status: 404, body: 'next route' }
  else {
    const what = {
      method: exchange.request.method,
      target: exchange.request.target,
      headers: Object.fromEntries([...exchange.request.headers].map(([name, value]) => [name.toLowerCase(), value])),
      body: await (exchange.request.body as TestBody).collect(),
    }
    seen.push(what)
    answer = (options.backend ?? echo)(what)
  }
  const response = exchange.response as { -readonly [K in keyof Exchange['response']]: Exchange['response'][K] }
  response.status = answer.status
  response.reason = answer.reason ?? ''
  response.from = outcome === undefined ? 'backend' : 'gateway'
  for (const [name, value] of answer.headers ?? []) response.headers.append(name, value)
  response.body = new TestBody(req.method === 'HEAD' ? undefined : answer.body)
  for (const step of ran.reverse()) await step.response?.(exchange)
  await send(exchange, res)
  for (const step of ran) step.done?.(exchange)
}

async function send(exchange: Exchange, res: ServerResponse): Promise<void> {
  const lines: string[] = []
  for (const [name, value] of exchange.response.headers) lines.push(name, value)
  const body = (exchange.response.body as TestBody).current
  if (typeof body === 'string' || Buffer.isBuffer(body)) lines.push('Content-Length', String(Buffer.byteLength(body)))
  res.writeHead(exchange.response.status, exchange.response.reason || undefined, lines)
  await new Promise<void>((resolve) => {
    if (res.destroyed) return resolve()
    res.once('close', resolve)
    if (body instanceof Readable) {
      body.on('error', () => res.destroy())
      body.pipe(res)
      res.once('close', () => body.destroy())
    } else res.end(body)
  })
}

class TestBody implements Body {
  current: string | Buffer | Readable | undefined
  #taken = false

  constructor(body: string | Buffer | Readable | undefined) {
    this.current = body
  }

  get empty(): boolean {
    return this.current === undefined || (!(this.current instanceof Readable) && this.current.length === 0)
  }

  async collect(): Promise<Buffer> {
    if (this.#taken) return Buffer.alloc(0)
    if (!(this.current instanceof Readable)) return Buffer.from(this.current ?? '')
    const pieces: Buffer[] = []
    for await (const piece of this.current) pieces.push(Buffer.from(piece as Buffer))
    return Buffer.concat(pieces)
  }

  async read(): Promise<Buffer> {
    const body = await this.collect()
    this.current = body
    return body
  }

  replace(body: Buffer | string): void {
    this.#taken = false
    this.current = body
  }

  transform(): void {
    throw new Error('the adapter does not transform')
  }

  stream(): Readable {
    this.#taken = true
    const { current } = this
    return current instanceof Readable ? current : Readable.from(current === undefined ? [] : [Buffer.from(current)])
  }

  replaceStream(stream: Readable): void {
    this.#taken = false
    this.current = stream
  }
}

function makeExchange(options: ServeOptions, req: IncomingMessage, abort: AbortController): Exchange {
  const headers = new Fields()
  for (let index = 0; index < req.rawHeaders.length; index += 2) {
    headers.append(req.rawHeaders[index] as string, req.rawHeaders[index + 1] as string)
  }
  let target = req.url ?? '/'
  const hasBody = req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0
  return {
    request: {
      method: req.method ?? 'GET',
      get target() {
        return target
      },
      set target(value: string) {
        target = value
      },
      originalTarget: req.url ?? '/',
      get path() {
        return target.split('?')[0] ?? ''
      },
      get query() {
        return target.includes('?') ? target.slice(target.indexOf('?') + 1) : ''
      },
      version: '1.1',
      host: (req.headers.host ?? '').split(':')[0] ?? '',
      headers,
      body: new TestBody(hasBody ? req : undefined),
    },
    response: { status: 0, reason: '', headers: new Fields(), body: new TestBody(undefined), from: 'gateway' },
    connection: {
      clientAddress: '127.0.0.1',
      remoteAddress: '127.0.0.1',
      remotePort: req.socket.remotePort ?? 0,
      localAddress: '127.0.0.1',
      localPort: req.socket.localPort ?? 0,
      scheme: options.scheme ?? 'http',
      serverName: undefined,
      clientCertificate: 'absent',
      listener: 'test',
      socket: req.socket,
    },
    route: {
      id: 'test/route',
      listeners: ['test'],
      match: { path: { kind: 'prefix', value: '/' } },
      policies: [],
      action: { kind: 'reply', status: 404 },
      annotations: options.annotations ?? { apiEndpoint: { apiEndpointName: 'test', scopes: [] } },
      origin: { source: 'test' },
    },
    parameters: {},
    consumer: undefined,
    id: '0123456789abcdefghijAB',
    startedAt: Date.now(),
    notes: new Map(),
    signal: abort.signal,
  }
}
