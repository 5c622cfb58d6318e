/** Kubeconfig or the cluster around us → requests to its API server. Effect; knows no kinds. Credentials are those of the official client. */
import { existsSync } from 'node:fs'
import http, { type ClientRequest, type IncomingMessage } from 'node:http'
import https from 'node:https'

/** What the server answered where it was not good; `status` 0: no answer at all. */
export class KubernetesError extends Error {
  readonly status: number
  /** Seconds that the server asks us to stay away. */
  readonly retryAfter: number | undefined

  constructor(
    status: number,
    message: string,
    { retryAfter, ...options }: { cause?: unknown; retryAfter?: number } = {},
  ) {
    super(message, options)
    this.name = 'KubernetesError'
    this.status = status
    this.retryAfter = retryAfter
  }
}

/** This machine names no cluster: neither a kubeconfig nor a service account of a Pod. */
export class NoClusterError extends KubernetesError {
  constructor() {
    super(0, 'no cluster: no kubeconfig, not in a Pod')
  }
}

export interface KubernetesRequest {
  /** Default GET. */
  readonly method?: string
  /** With its query: `/api/v1/pods?limit=500`. */
  readonly path: string
  readonly body?: unknown
  /** Of the body; default `application/json`. */
  readonly contentType?: string
  readonly signal?: AbortSignal
}

export interface Reply {
  readonly status: number
  /** JSON; undefined where it is none. */
  readonly body: unknown
  /** Seconds that the server asks us to stay away. */
  readonly retryAfter?: number
}

export interface KubernetesClient {
  /** `https://…`, for messages. */
  readonly server: string
  /** Resolves with an answer of any status; rejects with a KubernetesError of status 0 where none came within 10 s. */
  ask(request: KubernetesRequest): Promise<Reply>
  /** The JSON of a good answer; rejects with a KubernetesError for every other one. */
  request(request: KubernetesRequest): Promise<unknown>
  /** Events of a watch; ends with the answer. Rejects with a KubernetesError, also after a silence of two minutes. */
  watch(path: string, signal: AbortSignal): AsyncGenerator<unknown>
  close(): void
}

const TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token'
/** An answer must begin, and go on, within this time, milliseconds: a frozen server is no server. */
const ANSWER = 10_000
/** A watch that says nothing for so long is broken: the server sends a bookmark about every minute. */
const SILENCE = 120_000

/** Where the official client looks when it has found nothing. */
const MADE_UP = 'http://localhost:8080'

/** Does this process run in a Pod with a service account? */
export function isInCluster(tokenFile = TOKEN): boolean {
  return existsSync(tokenFile)
}

/**
 * `kubeconfig`: a path; absent: the cluster that the process runs in, else the usual files (`KUBECONFIG`,
 * `~/.kube/config`). Rejects where there is no server to talk to, with a NoClusterError where none is named.
 */
export async function connectKubernetes(kubeconfig?: string): Promise<KubernetesClient> {
  // loaded here: it is more than all the rest of the program, and most commands never ask a cluster
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  if (kubeconfig !== undefined) config.loadFromFile(kubeconfig)
  else if (isInCluster()) config.loadFromCluster()
  else config.loadFromDefault()
  const cluster = config.getCurrentCluster()
  // the official client makes one up that it then refuses to speak to
  if (kubeconfig === undefined && config.currentContext === 'loaded-context' && cluster?.server === MADE_UP)
    throw new NoClusterError()
  if (cluster === null) throw new KubernetesError(0, 'the kubeconfig names no current cluster')
  const base = new URL(cluster.server)
  const wire = base.protocol === 'http:' ? http : https
  const agent = new wire.Agent({ keepAlive: true })

  const open = async (request: KubernetesRequest): Promise<IncomingMessage> => {
    const options: https.RequestOptions = {
      method: request.method ?? 'GET',
      host: base.hostname,
      port: base.port,
      path: base.pathname.replace(/\/$/, '') + request.path,
      headers: { Accept: 'application/json', 'User-Agent': 'gantry' },
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    }
    await config.applyToHTTPSOptions(options)
    // certificates stand in the options of each request; the official client's agent would be a new one each time
    options.agent = agent
    const text = request.body === undefined ? undefined : JSON.stringify(request.body)
    if (text !== undefined) {
      const headers = options.headers as Record<string, string>
      headers['Content-Type'] = request.contentType ?? 'application/json'
      headers['Content-Length'] = String(Buffer.byteLength(text))
    }
    return await new Promise<IncomingMessage>((resolve, reject) => {
      const sent: ClientRequest = wire.request(options)
      const timer = setTimeout(() => sent.destroy(new Error(`no answer within ${ANSWER / 1000} s`)), ANSWER)
      sent.on('response', (answer) => {
        clearTimeout(timer)
        resolve(answer)
      })
      sent.on('error', (cause) => {
        clearTimeout(timer)
        reject(new KubernetesError(0, `${base.host}: ${cause.message}`, { cause }))
      })
      sent.end(text)
    })
  }

  const ask = async (request: KubernetesRequest): Promise<Reply> => {
    const answer = await open(request)
    answer.setTimeout(ANSWER, () => answer.destroy(new Error('the answer stopped halfway')))
    const body = parse(await textOf(answer))
    return { status: answer.statusCode ?? 0, body, ...retryAfterOf(answer) }
  }

  return {
    server: base.href,
    ask,
    async request(request) {
      const reply = await ask(request)
      if (reply.status < 200 || reply.status > 299) throw refusal(reply)
      if (reply.body === undefined)
        throw new KubernetesError(reply.status, 'the API server answered with something that is no JSON')
      return reply.body
    },
    async *watch(path, signal) {
      const answer = await open({ path, signal })
      if (answer.statusCode !== 200) {
        const body = parse(await textOf(answer))
        throw refusal({ status: answer.statusCode ?? 0, body, ...retryAfterOf(answer) })
      }
      answer.setTimeout(SILENCE, () => answer.destroy(new Error(`silent for ${SILENCE / 1000} s`)))
      answer.setEncoding('utf8')
      let rest = ''
      try {
        for await (const chunk of answer) {
          const lines = (rest + String(chunk)).split('\n')
          rest = lines.pop() ?? ''
          for (const line of lines) if (line !== '') yield JSON.parse(line)
        }
      } catch (cause) {
        throw cause instanceof KubernetesError ? cause : new KubernetesError(0, messageOfError(cause), { cause })
      } finally {
        answer.destroy()
      }
    },
    close: () => agent.destroy(),
  }
}

/** An answer that is not good, as an error; a Status object says it in words. */
export function refusal({ status, body, retryAfter }: Reply): KubernetesError {
  const message = (body as { message?: unknown } | null | undefined)?.message
  return new KubernetesError(
    status,
    typeof message === 'string' ? message : `the API server answered ${status}`,
    retryAfter === undefined ? {} : { retryAfter },
  )
}

function retryAfterOf(answer: IncomingMessage): { readonly retryAfter?: number } {
  const header = answer.headers['retry-after']
  const seconds = header === undefined ? Number.NaN : Number(header)
  return Number.isFinite(seconds) && seconds >= 0 ? { retryAfter: seconds } : {}
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of answer) chunks.push(chunk as Buffer)
  } catch (cause) {
    throw new KubernetesError(0, messageOfError(cause), { cause })
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    // a proxy in between speaks HTML: its status says enough
    return undefined
  }
}

function messageOfError(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
