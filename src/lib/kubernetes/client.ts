/** Kubeconfig → requests to a Kubernetes API server. Effect; knows no kinds. */
import { existsSync } from 'node:fs'
import http, { type ClientRequest, type IncomingMessage } from 'node:http'
import https from 'node:https'

/** What the server answered where it was not good; `status` 0: no answer at all. */
export class KubernetesError extends Error {
  readonly status: number

  constructor(status: number, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'KubernetesError'
    this.status = status
  }
}

export interface KubernetesRequest {
  readonly method?: string
  /** With its query: `/api/v1/pods?limit=500`. */
  readonly path: string
  readonly body?: unknown
  /** Of the body; default `application/json`. */
  readonly contentType?: string
  readonly signal?: AbortSignal
}

export interface KubernetesClient {
  /** `https://…`, for messages. */
  readonly server: string
  /** The answer's JSON; rejects with a KubernetesError. Answers within 30 s, or is given up. */
  request(request: KubernetesRequest): Promise<unknown>
  /** Lines of a watch. Rejects with a KubernetesError; a silence of `silenceMs` ends it the same way. */
  lines(request: KubernetesRequest, silenceMs: number): AsyncGenerator<string>
  close(): void
}

const TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token'

/** Does this process run in a Pod with a service account? */
export function isInCluster(tokenFile = TOKEN): boolean {
  return existsSync(tokenFile)
}

/**
 * `kubeconfig`: a path; absent: the cluster that the process runs in, else the usual files (`KUBECONFIG`,
 * `~/.kube/config`). Rejects where there is no server to talk to.
 */
export async function connectKubernetes(kubeconfig?: string): Promise<KubernetesClient> {
  // loaded here: it is more than all the rest of the program, and most commands never ask a cluster
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  if (kubeconfig !== undefined) config.loadFromFile(kubeconfig)
  else if (isInCluster()) config.loadFromCluster()
  else config.loadFromDefault()
  const cluster = config.getCurrentCluster()
  if (cluster === null) throw new KubernetesError(0, 'the kubeconfig names no current cluster')
  const base = new URL(cluster.server)
  const wire = base.protocol === 'http:' ? http : https
  // watches hold a connection each; requests share a few
  const agent = new wire.Agent({ keepAlive: true, maxSockets: 16 })

  const open = async (request: KubernetesRequest, own: boolean): Promise<IncomingMessage> => {
    const options: https.RequestOptions = {
      method: request.method ?? 'GET',
      host: base.hostname,
      port: base.port,
      path: base.pathname.replace(/\/$/, '') + request.path,
      headers: { Accept: 'application/json', 'User-Agent': 'gantry' },
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    }
    await config.applyToHTTPSOptions(options)
    options.agent = own ? new wire.Agent({ ...agentOptions(options), keepAlive: false }) : agent
    const text = request.body === undefined ? undefined : JSON.stringify(request.body)
    if (text !== undefined) {
      const headers = options.headers as Record<string, string>
      headers['Content-Type'] = request.contentType ?? 'application/json'
      headers['Content-Length'] = String(Buffer.byteLength(text))
    }
    return await new Promise<IncomingMessage>((resolve, reject) => {
      const sent: ClientRequest = wire.request(options, resolve)
      sent.on('error', (cause) => reject(new KubernetesError(0, `${base.host}: ${cause.message}`, { cause })))
      // without an answer in this time it is given up; a watch answers at once with its head
      sent.setTimeout(30_000, () => sent.destroy(new Error('no answer within 30 s')))
      sent.end(text)
    })
  }

  return {
    server: base.href,
    async request(request) {
      const answer = await open(request, false)
      const text = await textOf(answer)
      const status = answer.statusCode ?? 0
      if (status < 200 || status > 299) throw new KubernetesError(status, messageOf(status, text))
      try {
        return JSON.parse(text) as unknown
      } catch (cause) {
        throw new KubernetesError(status, 'the API server answered with something that is no JSON', { cause })
      }
    },
    async *lines(request, silenceMs) {
      const answer = await open(request, true)
      const status = answer.statusCode ?? 0
      if (status !== 200) throw new KubernetesError(status, messageOf(status, await textOf(answer)))
      answer.socket.setTimeout(silenceMs, () => answer.destroy(new Error(`silent for ${silenceMs} ms`)))
      let rest = ''
      try {
        answer.setEncoding('utf8')
        for await (const chunk of answer) {
          const parts = (rest + String(chunk)).split('\n')
          rest = parts.pop() ?? ''
          for (const line of parts) if (line !== '') yield line
        }
      } catch (cause) {
        throw new KubernetesError(0, cause instanceof Error ? cause.message : String(cause), { cause })
      } finally {
        answer.destroy()
      }
    },
    close: () => agent.destroy(),
  }
}

/** TLS settings stand in the options of a request, and are read again by an agent of its own. */
function agentOptions({
  ca,
  cert,
  key,
  pfx,
  passphrase,
  rejectUnauthorized,
  servername,
}: https.RequestOptions): https.AgentOptions {
  const given = { ca, cert, key, pfx, passphrase, rejectUnauthorized, servername }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of answer) chunks.push(chunk as Buffer)
  } catch (cause) {
    throw new KubernetesError(0, cause instanceof Error ? cause.message : String(cause), { cause })
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** A Status object says it in words. */
function messageOf(status: number, text: string): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown }
    if (typeof message === 'string') return message
  } catch {
    // a proxy in between speaks HTML: its status says enough
  }
  return `the API server answered ${status}`
}
