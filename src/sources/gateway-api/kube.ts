/** Kubeconfig or the cluster around us → requests to its API server. Effect. Credentials are those of the official client. */
import { Agent, request as httpsRequest } from 'node:https'
import type { AgentOptions, RequestOptions } from 'node:https'
import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'

export interface Reply {
  readonly status: number
  /** JSON, or undefined. */
  readonly body: unknown
  /** Seconds the server asks us to stay away. */
  readonly retryAfter?: number
}

export interface KubeClient {
  /** Rejects when there is no answer; an answer of any status resolves. */
  request(method: string, path: string, options?: KubeRequest): Promise<Reply>
  /** Lines of a watch, parsed; ends with the answer. Rejects with a Refused on a status that is not 200. */
  watch(path: string, signal: AbortSignal): AsyncIterable<unknown>
  close(): void
}

export interface KubeRequest {
  readonly body?: unknown
  readonly contentType?: string
  readonly signal?: AbortSignal
}

export class Refused extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.name = 'Refused'
    this.status = status
  }
}

/** An answer must begin within this time, milliseconds; a frozen server is no server. */
const answerMs = 10_000
/** A watch that says nothing for so long is broken: the server sends bookmarks about every minute. */
const silenceMs = 120_000

export async function connectKube(options: { readonly kubeconfig?: string }): Promise<KubeClient> {
  // loaded here: it costs half a second that no other command should pay
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  if (options.kubeconfig === undefined) config.loadFromDefault()
  else config.loadFromFile(options.kubeconfig)
  const server = config.getCurrentCluster()?.server
  if (server === undefined) throw new Error('the kubeconfig names no cluster')
  const base = new URL(server)
  const secure = base.protocol === 'https:'
  let agent: Agent | HttpAgent | undefined

  const open = async (
    method: string,
    path: string,
    { body, contentType, signal }: KubeRequest,
  ): Promise<IncomingMessage> => {
    const given: RequestOptions = {}
    await config.applyToHTTPSOptions(given)
    const { headers, agent: _, ...tls } = given
    // certificates stand still while the process lives; tokens travel in headers
    agent ??= secure ? new Agent({ ...(tls as AgentOptions), keepAlive: true }) : new HttpAgent({ keepAlive: true })
    const text = body === undefined ? undefined : JSON.stringify(body)
    return new Promise((resolve, reject) => {
      const request = (secure ? httpsRequest : httpRequest)(new URL(path, base), {
        method,
        agent,
        ...(signal === undefined ? {} : { signal }),
        headers: {
          ...headers,
          accept: 'application/json',
          'user-agent': 'gantry',
          ...(text === undefined
            ? {}
            : { 'content-type': contentType ?? 'application/json', 'content-length': Buffer.byteLength(text) }),
        },
      })
      const timer = setTimeout(() => request.destroy(new Error('the API server does not answer')), answerMs)
      request.on('response', (response) => {
        clearTimeout(timer)
        resolve(response)
      })
      request.on('error', (error) => {
        clearTimeout(timer)
        reject(error)
      })
      request.end(text)
    })
  }

  return {
    async request(method, path, given = {}) {
      const response = await open(method, path, given)
      const text = await readAll(response)
      const retryAfter = Number(response.headers['retry-after'])
      return {
        status: response.statusCode ?? 0,
        body: parse(text),
        ...(Number.isFinite(retryAfter) ? { retryAfter } : {}),
      }
    },
    async *watch(path, signal) {
      const response = await open('GET', path, { signal })
      if (response.statusCode !== 200) {
        const body = parse(await readAll(response)) as { message?: string } | undefined
        throw new Refused(response.statusCode ?? 0, body?.message ?? `status ${response.statusCode}`)
      }
      response.setTimeout(silenceMs, () => response.destroy(new Error('the watch says nothing any more')))
      response.setEncoding('utf8')
      let rest = ''
      for await (const piece of response) {
        rest += piece as string
        const lines = rest.split('\n')
        rest = lines.pop()!
        for (const line of lines) if (line !== '') yield JSON.parse(line)
      }
    },
    close: () => agent?.destroy(),
  }
}

async function readAll(response: IncomingMessage): Promise<string> {
  response.setEncoding('utf8')
  response.setTimeout(answerMs, () => response.destroy(new Error('the answer of the API server stopped')))
  let text = ''
  for await (const piece of response) text += piece as string
  return text
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // an answer of a proxy in between; its status says enough
    return undefined
  }
}
