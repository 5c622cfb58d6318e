/** `follow-redirects`: the redirect of a backend → what stands there, fetched by the gateway. */
import { STATUS_CODES } from 'node:http'
import type { Dispatcher } from 'undici'
import { z } from 'zod'
import { type Exchange, type Policy, Refusal, unsupported } from '../policy.ts'
import { milliseconds } from '../shared/schema.ts'

const config = z.strictObject({
  /** More than these: 502. */
  max: z.int().min(1).max(50).default(21),
  /** For each fetch, until its head, milliseconds. */
  timeout: milliseconds.min(1).default(30_000),
  /** How much of a request's body is kept to send it again after 307 and 308, bytes. A larger one: the redirect goes to the client. */
  bodyLimit: z.int().min(0).default(1_048_576),
  /** The address of the service, for a Location that is a path only; absent: such a redirect goes to the client. */
  base: z.url({ protocol: /^https?$/ }).optional(),
  /** Which hosts may be followed to, `name` or `name:port`; absent: any. */
  hosts: z.array(z.string().min(1)).optional(),
})
export type Config = z.infer<typeof config>

export const followRedirects: Policy<Config> = {
  name: 'follow-redirects',
  summary: "follows a backend's redirects instead of the client",
  config,
  engine: (config) => {
    const kept = Symbol('body')
    const hosts = config.hosts === undefined ? undefined : new Set(config.hosts.map((host) => host.toLowerCase()))
    return {
      request: (exchange) => {
        const { body, headers } = exchange.request
        if (body.empty) return undefined
        const said = headers.get('content-length')
        // only a body of a known, small length is kept to be sent again
        if (said === undefined || Number(said) > config.bodyLimit) return undefined
        return body.read(config.bodyLimit).then((bytes) => {
          exchange.notes.set(kept, bytes)
          return undefined
        })
      },
      response: (exchange) => {
        const { response, request } = exchange
        const location = response.headers.get('location')
        if (response.from !== 'backend' || !redirects.has(response.status) || location === undefined) return undefined
        const bytes = exchange.notes.get(kept) as Buffer | undefined
        const origin: Hop = {
          url: config.base === undefined ? undefined : new URL(request.target, config.base),
          method: request.method,
          body: bytes,
          credentials: true,
        }
        const repeats = response.status === 307 || response.status === 308
        const next = hop(origin, response.status, location, hosts)
        if (next === undefined || (repeats && bytes === undefined && !request.body.empty)) return undefined
        return follow(exchange, config, hosts, next)
      },
    }
  },
  nginx: () => unsupported('nginx passes redirects on'),
}

const redirects = new Set([301, 302, 303, 307, 308])

interface Hop {
  readonly url: URL | undefined
  readonly method: string
  readonly body: Buffer | undefined
  /** May Authorization and Cookie go there? Only as long as the host is the same. */
  readonly credentials: boolean
}

/** Where a redirect leads; undefined where it must not or cannot be followed. RFC 9110 15.4. */
function hop(from: Hop, status: number, location: string, hosts: ReadonlySet<string> | undefined): Hop | undefined {
  if (!URL.canParse(location, from.url?.href)) return undefined
  const url = new URL(location, from.url)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined
  if (hosts !== undefined && !hosts.has(url.host) && !hosts.has(url.hostname)) return undefined
  const credentials = from.credentials && from.url !== undefined && from.url.host === url.host
  const becomesGet =
    (status === 303 && from.method !== 'HEAD') || ((status === 301 || status === 302) && from.method === 'POST')
  return becomesGet
    ? { url, method: 'GET', body: undefined, credentials }
    : { url, method: from.method, body: from.body, credentials }
}

async function follow(
  exchange: Exchange,
  config: Config,
  hosts: ReadonlySet<string> | undefined,
  first: Hop,
): Promise<void> {
  let at = first
  for (let count = 0; count < config.max; count++) {
    const answer = await visit(exchange, config, at)
    const { location } = answer.headers
    const next =
      redirects.has(answer.statusCode) && typeof location === 'string'
        ? hop(at, answer.statusCode, location, hosts)
        : undefined
    if (next === undefined) {
      take(exchange, answer)
      return
    }
    // read to its end, so that the connection can be used again
    await answer.body.dump()
    at = next
  }
  throw new Refusal(502, `more than ${config.max} redirects`)
}

async function visit(exchange: Exchange, config: Config, at: Hop): Promise<Dispatcher.ResponseData> {
  const headers: Record<string, string> = {}
  for (const [name] of exchange.request.headers) {
    const lower = name.toLowerCase()
    if (dropped.has(lower) || (!at.credentials && secret.has(lower))) continue
    if (at.body === undefined && lower.startsWith('content-')) continue
    const value = exchange.request.headers.get(lower)
    if (value !== undefined) headers[lower] = value
  }
  // loaded by who follows only: to load it is a tenth of a start
  const { request: fetchNow } = await import('undici')
  try {
    return await fetchNow(at.url ?? '', {
      method: at.method as Dispatcher.HttpMethod,
      headers,
      body: at.body ?? null,
      headersTimeout: config.timeout,
      signal: exchange.signal,
    })
  } catch (error) {
    throw new Refusal(502, `a redirect leads nowhere: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Of the connection to the first backend, not of the request. */
const dropped = new Set([
  'host',
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'upgrade',
  'expect',
  'content-length',
  'transfer-encoding',
])
const secret = new Set(['authorization', 'cookie', 'proxy-authorization'])

function take({ response }: Exchange, answer: Dispatcher.ResponseData): void {
  for (const name of Array.from(response.headers, ([known]) => known)) response.headers.delete(name)
  for (const [name, value] of Object.entries(answer.headers)) {
    if (value === undefined || dropped.has(name)) continue
    for (const one of Array.isArray(value) ? value : [value]) response.headers.append(name, one)
  }
  response.status = answer.statusCode
  response.reason = STATUS_CODES[answer.statusCode] ?? ''
  const length = Number(answer.headers['content-length'] ?? NaN)
  response.body.replaceStream(answer.body, Number.isSafeInteger(length) ? length : undefined)
}
