/** Policy uses → the real engine with these policies before an echoing backend, for tests of policies and of their READMEs. */
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { createExpressions } from '../lib/expression/expressions.ts'
import type { Action, Condition, Model, PolicyUse } from '../model/model.ts'
import { Secret } from '../model/secret.ts'
import { serve, type ServeOptions, type Served } from '../targets/engine/testing.ts'
import { compileCondition } from './conditions.ts'
import { policies } from './list.ts'
import type { ConsumerRecord, CredentialRecord, Services } from './services.ts'

/** What the backend was asked. */
export interface Seen {
  readonly method: string
  readonly target: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
  /** The last request that the backend got since this one was sent; undefined for none. */
  readonly seen: Seen | undefined
}

export interface Call {
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
}

export interface Bench {
  readonly served: Served
  call(call?: Call): Promise<Answer>
  /** All requests of the backend `shop`, and of `copy`. */
  readonly seen: Seen[]
  readonly copies: Seen[]
  stop(): Promise<void>
}

export interface BenchOptions {
  readonly uses: readonly { readonly policy: string; readonly config?: unknown; readonly when?: Condition }[]
  readonly services?: Partial<Services>
  readonly model?: Partial<Model>
  /** Beside `shop` and `copy`. */
  readonly more?: Pick<Model, 'backends' | 'endpoints'>
  readonly action?: Action
  /** Default: a JSON answer that says what was asked. */
  readonly backend?: (request: http.IncomingMessage, body: string, response: http.ServerResponse) => void
}

const origin = { source: 'test' }
/** Made once for a file of tests: it is the dearest part of a bench. */
let expressions: ReturnType<typeof createExpressions> | undefined

export async function bench(options: BenchOptions): Promise<Bench> {
  const seen: Seen[] = []
  const copies: Seen[] = []
  const shop = await backend(seen, options.backend ?? echo)
  const copy = await backend(copies, echo)
  const uses = options.uses.map((use): PolicyUse => ({ config: {}, ...use, origin }))
  const forward = { backends: [{ target: { kind: 'backend', id: 'shop' } }] } as const
  const given: ServeOptions = {
    policies,
    conditions: compileCondition,
    services: { expressions: await (expressions ??= createExpressions()), identities: people, ...options.services },
  }
  const served = await serve(
    {
      backends: [
        { id: 'shop', protocol: 'http1', origin },
        { id: 'copy', protocol: 'http1', origin },
        ...(options.more?.backends ?? []),
      ],
      endpoints: [
        { backend: 'shop', addresses: [{ host: '127.0.0.1', port: portOf(shop) }] },
        { backend: 'copy', addresses: [{ host: '127.0.0.1', port: portOf(copy) }] },
        ...(options.more?.endpoints ?? []),
      ],
      consumers: [{ id: 'acme', kind: 'application', name: 'Acme', origin }],
      credentials: [
        {
          id: 'k',
          consumer: 'acme',
          kind: 'key',
          group: 'partners',
          secret: new Secret('partner-key'),
          scopes: ['read'],
          origin,
        },
        { id: 'acme', consumer: 'acme', kind: 'basic', group: 'partners', secret: new Secret('open sesame'), origin },
      ],
      ...options.model,
      routes: [
        {
          id: 'route',
          listeners: [],
          match: {},
          policies: uses,
          action: options.action ?? { kind: 'forward', forward },
          origin,
        },
      ],
    },
    given,
  )
  const broken = served.diagnostics.filter((diagnostic) => diagnostic.severity === 'error')
  if (broken.length > 0) {
    await served.stop()
    await Promise.all([close(shop), close(copy)])
    throw new Error(broken.map((diagnostic) => diagnostic.message).join('\n'))
  }
  return {
    served,
    seen,
    copies,
    call: async (call = {}) => {
      const before = seen.length
      const answer = await send(served.port, call)
      return { ...answer, seen: seen.length > before ? seen.at(-1) : undefined }
    },
    stop: async () => {
      await served.stop()
      await Promise.all([close(shop), close(copy)])
    },
  }
}

/** Jane (`u-1`), who has a key, a password with a colon, and a token; her application `app-1` has an access token. */
const jane: ConsumerRecord = { id: 'u-1', type: 'user', username: 'jane' }
const application: ConsumerRecord = { id: 'app-1', type: 'application', name: 'till' }
const credential = (type: string, id: string, more: Partial<CredentialRecord>): CredentialRecord => ({
  type,
  id,
  consumerId: 'u-1',
  isActive: true,
  scopes: [],
  ...more,
})
const credentials = new Map<string, CredentialRecord>(
  [
    credential('key-auth', 'k1', { keySecret: 's3cret:with:colons', scopes: ['read'] }),
    credential('key-auth', 'old', { keySecret: 'x', isActive: false }),
    credential('basic-auth', 'u-1', { passwordHash: 'hash of pa:ss', scopes: ['read'] }),
    credential('jwt', 'jane-token', { scopes: ['read'] }),
  ].map((one) => [`${one.type} ${one.id}`, one]),
)

export const people: Services['identities'] = {
  credential: (type, id) => credentials.get(`${type} ${id}`),
  consumer: (id, options) => {
    if (id === 'app-1') return application
    return id === 'u-1' || (options?.byName === true && id === 'jane') ? jane : undefined
  },
  verifyPassword: (known, password) => Promise.resolve(known.passwordHash === `hash of ${password}`),
  accessToken: (token) =>
    token === '0123|4567'
      ? { id: '0123', consumerId: 'app-1', expiresAt: Number.MAX_SAFE_INTEGER, scopes: ['read'], tokenEncrypted: 'x' }
      : undefined,
}

async function backend(
  seen: Seen[],
  answer: (request: http.IncomingMessage, body: string, response: http.ServerResponse) => void,
): Promise<http.Server> {
  const server = http.createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const body = Buffer.concat(pieces).toString()
      seen.push({ method: request.method ?? '', target: request.url ?? '', headers: request.headers, body })
      answer(request, body, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

/** Statuses and headers on demand: `?status=418`, `?location=/x`. */
function echo(request: http.IncomingMessage, body: string, response: http.ServerResponse): void {
  const { searchParams } = new URL(request.url ?? '/', 'http://x')
  const location = searchParams.get('location')
  response.writeHead(Number(searchParams.get('status') ?? '200'), {
    'content-type': 'application/json',
    'x-backend': 'shop',
    'set-cookie': 'session=1; Domain=shop.internal; Path=/',
    ...(location === null ? {} : { location }),
  })
  response.end(JSON.stringify({ method: request.method, target: request.url, body }))
}

function portOf(server: http.Server): number {
  return (server.address() as AddressInfo).port
}

function close(server: http.Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve, reject) => server.close((error) => (error === undefined ? resolve() : reject(error))))
}

function send(port: number, call: Call): Promise<Omit<Answer, 'seen'>> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        host: '127.0.0.1',
        port,
        method: call.method ?? 'GET',
        path: call.path ?? '/',
        headers: { ...call.headers },
        agent: false,
      },
      (response) => {
        const pieces: Buffer[] = []
        response.on('data', (piece: Buffer) => pieces.push(piece))
        response.on('error', reject)
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(pieces).toString(),
          }),
        )
      },
    )
    request.on('error', reject)
    request.end(call.body)
  })
}

/** The answers to these calls, one after the other, from a bench that is gone afterwards. */
export async function answers(options: BenchOptions, calls: readonly Call[]): Promise<readonly Answer[]> {
  const server = await bench(options)
  try {
    const given: Answer[] = []
    for (const call of calls) given.push(await server.call(call))
    return given
  } finally {
    await server.stop()
  }
}
