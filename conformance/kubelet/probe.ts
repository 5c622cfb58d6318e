/** Container, address, process → whether it is ready, and in how many milliseconds to ask again. */
import { existsSync, readFileSync } from 'node:fs'
import { type IncomingMessage, request as http } from 'node:http'
import { request as https } from 'node:https'
import { connect } from 'node:net'
import type { ContainerSpec, HttpGet } from './objects.ts'

export interface Readiness {
  readonly ready: boolean
  /** undefined: never, the answer is final. */
  readonly again?: number
}

export async function isReady(
  container: ContainerSpec,
  address: string,
  process: number,
  started: number,
): Promise<Readiness> {
  const probe = container.readinessProbe ?? container.startupProbe
  const wanted = probe?.httpGet?.port ?? probe?.tcpSocket?.port ?? probe?.grpc?.port
  if (!probe || wanted === undefined) {
    // no probe: the first open port counts, whatever the manifest declares; who opens none is ready after a second
    const ready = hasOpenPort(process) || Date.now() - started > 1000
    return ready ? { ready } : { ready, again: 20 }
  }
  const timeout = (probe.timeoutSeconds ?? 1) * 1000
  const port = portOf(container, wanted)
  const ready =
    port !== undefined &&
    (probe.httpGet ? await answers(address, port, probe.httpGet, timeout) : await accepts(address, port, timeout))
  // a real kubelet asks in the probe's own period from the start; a lab is in a hurry until the first success
  return { ready, again: ready ? (probe.periodSeconds ?? 10) * 1000 : 200 }
}

/** A port's number, or the one that the container gives a name; undefined when it gives none. */
export function portOf(container: ContainerSpec, port: number | string): number | undefined {
  return typeof port === 'number' ? port : container.ports?.find(({ name }) => name === port)?.containerPort
}

function hasOpenPort(process: number): boolean {
  const table = (name: string) => {
    const path = `/proc/${process}/net/${name}`
    return existsSync(path) ? readFileSync(path, 'latin1') : ''
  }
  return listens(['tcp', 'tcp6'].map(table), ['udp', 'udp6'].map(table))
}

/** Tables of proc(5) net/tcp and net/udp → whether a TCP socket listens (state 0A) or a UDP socket is bound. Pure. */
export function listens(tcp: readonly string[], udp: readonly string[]): boolean {
  const rows = (table: string) => table.split('\n').slice(1)
  return (
    tcp.some((table) => rows(table).some((row) => row.trim().split(/\s+/)[3] === '0A')) ||
    udp.some((table) => rows(table).some((row) => row.trim() !== ''))
  )
}

function answers(host: string, port: number, get: HttpGet, timeout: number): Promise<boolean> {
  const headers = Object.fromEntries((get.httpHeaders ?? []).map(({ name, value }) => [name, value]))
  return new Promise((resolve) => {
    const options = { host, port, path: get.path ?? '/', headers, timeout, agent: false as const }
    const answer = (response: IncomingMessage) => {
      response.resume()
      const status = response.statusCode ?? 0
      resolve(status >= 200 && status < 400)
    }
    const sent =
      get.scheme === 'HTTPS' ? https({ ...options, rejectUnauthorized: false }, answer) : http(options, answer)
    sent.on('timeout', () => sent.destroy(new Error('timeout')))
    sent.on('error', () => resolve(false))
    sent.end()
  })
}

function accepts(host: string, port: number, timeout: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout }, () => done(true))
    const done = (ready: boolean) => {
      socket.destroy()
      resolve(ready)
    }
    socket.on('error', () => done(false))
    socket.on('timeout', () => done(false))
  })
}
