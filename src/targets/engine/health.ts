/** Asks endpoints whether they serve, at an interval, and marks them. Effect. */
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import type tls from 'node:tls'
import type { Health } from '../../model/model.ts'
import type { EndpointPool } from './pool.ts'
import type { Resolver } from './resolve.ts'
import { checkIdentity, type BackendSecurity } from './tls.ts'

type Active = NonNullable<Health['active']>

interface Row {
  readonly endpoint: EndpointPool
  good: number
  bad: number
  timer: NodeJS.Timeout | undefined
}

export class HealthCheck {
  readonly #active: Active
  readonly #security: BackendSecurity | undefined
  readonly #resolver: Resolver
  readonly #rows: Row[]
  #stopped = false

  constructor(
    active: Active,
    endpoints: readonly EndpointPool[],
    security: BackendSecurity | undefined,
    resolver: Resolver,
  ) {
    this.#active = active
    this.#security = security
    this.#resolver = resolver
    this.#rows = endpoints.map((endpoint) => ({ endpoint, good: 0, bad: 0, timer: undefined }))
    for (const row of this.#rows) void this.#run(row)
  }

  stop(): void {
    this.#stopped = true
    for (const row of this.#rows) clearTimeout(row.timer)
  }

  async #run(row: Row): Promise<void> {
    const good = await this.#ask(row.endpoint)
    if (this.#stopped) return
    row.good = good ? row.good + 1 : 0
    row.bad = good ? 0 : row.bad + 1
    // an endpoint serves until it has failed often enough, and again when it has answered often enough
    if (row.bad >= this.#active.unhealthy) row.endpoint.healthy = false
    else if (row.good >= this.#active.healthy) row.endpoint.healthy = true
    row.timer = setTimeout(() => void this.#run(row), this.#active.interval)
    row.timer.unref()
  }

  #ask(pool: EndpointPool): Promise<boolean> {
    const { host } = pool.endpoint
    const unix = host.startsWith('unix:')
    const port = this.#active.port ?? pool.endpoint.port
    const where = unix ? { path: host.slice(5) } : { host, port, lookup: this.#resolver.lookup }
    return this.#active.kind === 'tcp' ? this.#connect(where) : this.#get(pool, unix)
  }

  #connect(where: net.NetConnectOpts): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = net.connect(where)
      const done = (good: boolean): void => {
        socket.destroy()
        resolve(good)
      }
      socket.setTimeout(this.#active.timeout, () => done(false))
      socket.on('connect', () => done(true))
      socket.on('error', () => done(false))
    })
  }

  #get(pool: EndpointPool, unix: boolean): Promise<boolean> {
    const active = this.#active
    const security = this.#security
    const { host } = pool.endpoint
    return new Promise((resolve) => {
      const options: https.RequestOptions & tls.SecureContextOptions & { secureContext?: tls.SecureContext } = {
        ...(unix
          ? { socketPath: host.slice(5) }
          : { host, port: active.port ?? pool.endpoint.port, lookup: this.#resolver.lookup }),
        path: active.path ?? '/',
        agent: false,
        timeout: active.timeout,
        headers: {
          host: active.host ?? (unix ? 'localhost' : host),
          'user-agent': 'gantry-health',
          connection: 'close',
        },
      }
      if (security !== undefined) {
        options.secureContext = security.context
        options.rejectUnauthorized = security.reject
        if (security.serverName !== undefined) options.servername = security.serverName
        if (security.reject) options.checkServerIdentity = (dialled, peer) => checkIdentity(security, dialled, peer)
      }
      const request = (security === undefined ? http : https).get(options, (response) => {
        response.resume()
        const status = response.statusCode ?? 0
        resolve(active.statuses === undefined ? status >= 200 && status < 400 : active.statuses.includes(status))
        response.destroy()
      })
      request.on('timeout', () => request.destroy(new Error('timeout')))
      request.on('error', () => resolve(false))
    })
  }
}
