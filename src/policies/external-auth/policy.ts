/** `external-auth`: another service is asked whether a request may go on, over HTTP or by Envoy's ext_authz over gRPC. */
import { z } from 'zod'
import { type CompileContext, type Exchange, type Outcome, type Policy, type Step, unsupported } from '../policy.ts'
import type { Ask, AskReply } from '../services.ts'
import { headerName, milliseconds } from '../shared/schema.ts'
import { checkPath, type HeaderChange, readVerdict, type Verdict, writeCheck } from './check.ts'

const names = z.array(headerName.transform((name) => name.toLowerCase()))

const config = z.strictObject({
  /** Id of the backend that is asked. */
  backend: z.string().min(1),
  speech: z.discriminatedUnion('protocol', [
    z.strictObject({
      protocol: z.literal('http'),
      /** Before the path of the request; no segment of it is empty, `.` or `..`. */
      prefix: z
        .string()
        .regex(/^(\/(?!\.{1,2}(\/|$))[^/?#\s]+)*$/, 'is not a path without empty and dot segments')
        .default(''),
      /** What is shown of the request's headers, beside Host, Authorization and Content-Length. */
      headers: names.default([]),
      /** What of the answer's headers the backend gets to see. `all`: but for those that are about the answer itself. */
      copied: z.union([z.literal('all'), names]).default('all'),
    }),
    z.strictObject({
      protocol: z.literal('grpc'),
      headers: z.union([z.literal('all'), names]).default('all'),
    }),
  ]),
  /** A body up to so many bytes is shown; a longer one is refused with 413. 0: none is shown. */
  bodyBytes: z.int().min(0).max(2_147_483_647).default(0),
  /** Until the whole answer is there; a request that nobody has allowed by then gets 503. */
  timeout: milliseconds.min(1).default(10_000),
})
type Config = z.infer<typeof config>

export const externalAuth: Policy<Config> = {
  name: 'external-auth',
  summary: 'asks another service whether the request may go on',
  config,
  engine: (config, context) => externalAuthStep(config, context),
  nginx: () => unsupported('its auth_request would hide the answer of the service, and knows no gRPC'),
}

function externalAuthStep(config: Config, context: CompileContext): Step {
  const { ask, events } = context.services
  if (ask === undefined) throw new Error('this gateway cannot ask other services')
  if (!context.model.backends.some(({ id }) => id === config.backend)) throw new Error(`no backend ${config.backend}`)
  // of this use: another one of the same exchange has its own
  const forResponse = Symbol('external-auth')
  const inquire =
    config.speech.protocol === 'http'
      ? overHttp(config, config.speech, ask)
      : overGrpc(config, config.speech, { ask, forResponse })
  return {
    request: async (exchange) => {
      const body = config.bodyBytes === 0 ? undefined : await exchange.request.body.read(config.bodyBytes)
      try {
        return await inquire(exchange, body)
      } catch (error) {
        if (exchange.signal.aborted) return unavailable
        const message = error instanceof Error ? error.message : String(error)
        events.emit('warn', 'external-auth/failed', `${config.backend} cannot be asked: ${message}`, {
          backend: config.backend,
        })
        return unavailable
      }
    },
    ...(config.speech.protocol === 'grpc' && {
      response: (exchange: Exchange) => {
        const added = exchange.notes.get(forResponse) as readonly HeaderChange[] | undefined
        if (added !== undefined) change(exchange.response.headers, added, about)
      },
    }),
  }
}

type Inquiry = (exchange: Exchange, body: Buffer | undefined) => Promise<Outcome | undefined>

const unavailable: Outcome = {
  kind: 'reply',
  status: 503,
  headers: [['Content-Type', 'text/plain; charset=utf-8']],
  body: 'Service Unavailable\n',
}

/** Headers of one hop, or about a body that is not the one they would stand before (RFC 9110 7.6.1, 8). */
const about: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'content-length',
])
/** The same, and what routing has already gone by: neither may be told the backend by the service. */
const untouchable: ReadonlySet<string> = new Set([...about, 'host', ':authority', 'expect'])
const ofTheAnswer: ReadonlySet<string> = new Set([
  ...untouchable,
  'content-type',
  'content-encoding',
  'content-language',
  'content-location',
  'content-range',
  'date',
])

function overHttp(config: Config, speech: Extract<Config['speech'], { protocol: 'http' }>, ask: Ask): Inquiry {
  const shown = new Set(['authorization', ...speech.headers])
  for (const name of untouchable) shown.delete(name)
  const copied = speech.copied === 'all' ? undefined : speech.copied.filter((name) => !untouchable.has(name))
  return async (exchange, body) => {
    const { request } = exchange
    const headers: (readonly [string, string])[] = [['Host', request.headers.get('host') ?? request.host]]
    for (const [name, value] of request.headers) if (shown.has(name.toLowerCase())) headers.push([name, value])
    headers.push(['Content-Length', String(body?.length ?? 0)])
    const answer = await ask(config.backend, {
      method: request.method,
      path: pathBehind(speech.prefix, request.target),
      headers,
      body: body ?? Buffer.alloc(0),
      protocol: 'http',
      timeout: config.timeout,
      exchange,
    })
    if (answer.status !== 200) return refusalOf(answer)
    if (copied === undefined) {
      const seen = new Set<string>()
      for (const [name, value] of answer.headers) put(request.headers, name.toLowerCase(), value, seen, ofTheAnswer)
      return undefined
    }
    // what only the service may say must not come from the client when the service does not say it
    for (const name of copied) if (!shown.has(name)) request.headers.delete(name)
    const seen = new Set<string>()
    for (const [name, value] of answer.headers)
      if (copied.includes(name.toLowerCase())) put(request.headers, name.toLowerCase(), value, seen, untouchable)
    return undefined
  }
}

/** The first of a name replaces what the client said, further ones stand beside it. */
function put(
  headers: Exchange['request']['headers'],
  name: string,
  value: string,
  seen: Set<string>,
  not: ReadonlySet<string>,
): void {
  if (not.has(name)) return
  if (seen.has(name)) headers.append(name, value)
  else headers.set(name, value)
  seen.add(name)
}

function pathBehind(prefix: string, target: string): string {
  return target.startsWith('/') || prefix === '' ? `${prefix}${target}` : prefix
}

function refusalOf({ status, headers, body }: AskReply): Outcome {
  return {
    kind: 'reply',
    status: status >= 200 && status <= 599 ? status : 403,
    headers: headers.filter(([name]) => !about.has(name.toLowerCase())),
    body,
  }
}

function overGrpc(
  config: Config,
  speech: Extract<Config['speech'], { protocol: 'grpc' }>,
  { ask, forResponse }: { readonly ask: Ask; readonly forResponse: symbol },
): Inquiry {
  const shown = speech.headers === 'all' ? undefined : new Set(speech.headers)
  return async (exchange, body) => {
    const { request, connection } = exchange
    const host = request.headers.get('host') ?? request.host
    const own = new Map<string, string>([
      [':authority', host],
      [':method', request.method],
      [':path', request.target],
      [':scheme', connection.scheme],
    ])
    for (const [given] of request.headers) {
      const name = given.toLowerCase()
      if (name !== 'host' && shown?.has(name) !== false) own.set(name, request.headers.get(name) ?? '')
    }
    const answer = await ask(config.backend, {
      method: 'POST',
      path: checkPath,
      headers: [
        ['content-type', 'application/grpc'],
        ['te', 'trailers'],
        ['grpc-timeout', `${config.timeout}m`],
      ],
      body: writeCheck({
        id: exchange.id,
        method: request.method,
        target: request.target,
        host,
        scheme: connection.scheme,
        protocol: request.version === '2' ? 'HTTP/2' : `HTTP/${request.version}`,
        headers: [...own],
        body,
        client: { address: connection.clientAddress, port: connection.remotePort },
        local: { address: connection.localAddress, port: connection.localPort },
        at: exchange.startedAt,
      }),
      protocol: 'grpc',
      timeout: config.timeout,
      exchange,
    })
    return follow(exchange, verdictOf(answer), forResponse)
  }
}

function verdictOf({ status, headers, trailers, body }: AskReply): Verdict {
  const find = (name: string): string | undefined =>
    [...trailers, ...headers].find(([each]) => each.toLowerCase() === name)?.[1]
  const code = find('grpc-status')
  if (status !== 200 || code !== '0')
    throw new Error(`it answered ${status}, grpc-status ${code ?? 'absent'} ${find('grpc-message') ?? ''}`.trimEnd())
  return readVerdict(body)
}

function follow(exchange: Exchange, verdict: Verdict, forResponse: symbol): Outcome | undefined {
  if (verdict.kind === 'denied') {
    return {
      kind: 'reply',
      status: verdict.status,
      headers: verdict.headers.filter(({ name }) => !about.has(name)).map(({ name, value }) => [name, value] as const),
      body: verdict.body,
    }
  }
  const { request } = exchange
  change(request.headers, verdict.headers, untouchable)
  for (const given of verdict.remove) {
    const name = given.toLowerCase()
    if (!untouchable.has(name) && !name.startsWith(':')) request.headers.delete(name)
  }
  const { query } = verdict
  if (query.set.length > 0 || query.remove.length > 0) {
    const parameters = new URLSearchParams(request.query)
    for (const name of query.remove) parameters.delete(name)
    for (const [name, value] of query.set) parameters.set(name, value)
    const text = parameters.toString()
    request.target = text === '' ? request.path : `${request.path}?${text}`
  }
  if (verdict.responseHeaders.length > 0) exchange.notes.set(forResponse, verdict.responseHeaders)
  return undefined
}

function change(
  headers: Exchange['request']['headers'],
  changes: readonly HeaderChange[],
  not: ReadonlySet<string>,
): void {
  for (const { name, value, how } of changes) {
    if (not.has(name) || name.startsWith(':')) continue
    switch (how) {
      case 'append':
        headers.append(name, value)
        break
      case 'add-if-absent':
        if (!headers.has(name)) headers.set(name, value)
        break
      case 'set-if-present':
        if (headers.has(name)) headers.set(name, value)
        break
      case 'set':
        headers.set(name, value)
        break
    }
  }
}
