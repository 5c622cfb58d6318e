/** API server, rule → a front of it that answers some requests itself: 429, 500, 409, silence, a broken connection. */
import { writeFileSync } from 'node:fs'
import { type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent, createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type ApiServer, kubeconfigText } from './lab.ts'

export interface Asked {
  readonly method: string
  /** With its query. */
  readonly path: string
}

/** A Status with that code; `break` cuts the connection, `hang` never answers, undefined asks the API server. */
export type Fault =
  { readonly status: number; readonly reason?: string; readonly retryAfter?: number } | 'break' | 'hang' | undefined
export type Rule = (asked: Asked) => Fault

export interface Front {
  /** Leads here; the token is the one given to `startFront`. */
  readonly kubeconfig: string
  readonly url: string
  /** Replaces the rule for requests from now on; watches that are open go on. */
  obey(rule: Rule): void
  /** Cuts every open connection, watches too. */
  cut(): void
  stop(): Promise<void>
}

/** Starts without faults. A token other than the administrator's comes from `kubectl create token`. */
export async function startFront(server: ApiServer, token = server.adminToken): Promise<Front> {
  let rule: Rule = () => undefined
  const agent = new Agent({ keepAlive: true, ca: server.ca })
  const front = createServer({ cert: server.certificate.cert, key: server.certificate.key }, (asked, answer) => {
    const fault = rule({ method: asked.method ?? 'GET', path: asked.url ?? '/' })
    if (fault === 'break') return void asked.socket.destroy()
    if (fault === 'hang') return void asked.resume()
    if (fault) return refuse(answer, fault)
    forward(server.url, agent, asked, answer)
  })
  await new Promise<void>((resolve, reject) => {
    front.once('error', reject)
    front.listen(0, '127.0.0.1', resolve)
  })
  const { port } = front.address() as AddressInfo
  const url = `https://127.0.0.1:${port}`
  const kubeconfig = `${server.folder}/kubeconfig-front-${port}`
  writeFileSync(kubeconfig, kubeconfigText(url, server.ca, token), { mode: 0o600 })
  return {
    kubeconfig,
    url,
    obey: (next) => void (rule = next),
    cut: () => front.closeAllConnections(),
    async stop() {
      front.closeAllConnections()
      agent.destroy()
      await new Promise((resolve) => front.close(resolve))
    },
  }
}

function refuse(
  answer: ServerResponse,
  { status, reason = 'LabFault', retryAfter }: Exclude<Fault, string | undefined>,
): void {
  const body = {
    kind: 'Status',
    apiVersion: 'v1',
    status: 'Failure',
    code: status,
    reason,
    message: `the lab answers ${status}`,
  }
  const headers = {
    'content-type': 'application/json',
    ...(retryAfter !== undefined && { 'retry-after': String(retryAfter) }),
  }
  answer.writeHead(status, headers).end(JSON.stringify(body))
}

function forward(server: string, agent: Agent, asked: IncomingMessage, answer: ServerResponse): void {
  const { method, headers, url = '/' } = asked
  const sent = request(new URL(url, server), { agent, headers, ...(method && { method }) }, (given) => {
    answer.writeHead(given.statusCode ?? 502, given.headers)
    // a watch that has not told anything yet must still count as answered
    answer.flushHeaders()
    given.pipe(answer)
    given.on('error', () => answer.destroy())
  })
  // the API server is away: so is its front
  sent.on('error', () => answer.destroy())
  answer.on('close', () => sent.destroy())
  asked.pipe(sent)
}
