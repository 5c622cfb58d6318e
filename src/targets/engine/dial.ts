/** An endpoint → a socket on its way there, in clear or in TLS. Effect; the one place that knows how backends are dialled. */
import net, { isIP, type NetConnectOpts, type Socket } from 'node:net'
import tls from 'node:tls'
import type { EndpointPool } from './pool.ts'
import { checkIdentity, type BackendSecurity } from './tls.ts'

/** Where an endpoint is, for net.connect. */
export function placeOf(pool: EndpointPool): NetConnectOpts {
  const { host, port } = pool.endpoint
  return host.startsWith('unix:')
    ? { path: host.slice(5), allowHalfOpen: true }
    : { host, port, lookup: pool.context.resolver.lookup, noDelay: true, allowHalfOpen: true }
}

/** `secureConnect` tells that the other side is who it should be; before, nothing may be sent. */
export function dialSecurely(
  pool: EndpointPool,
  security: BackendSecurity,
  alpn: readonly string[] | undefined,
): tls.TLSSocket {
  const { host } = pool.endpoint
  const dialled = host.startsWith('unix:') ? 'localhost' : host
  const serverName = security.serverName ?? (isIP(dialled) === 0 ? dialled : undefined)
  return tls.connect({
    ...placeOf(pool),
    secureContext: security.context,
    rejectUnauthorized: security.reject,
    ...(serverName === undefined ? {} : { servername: serverName }),
    ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] }),
    checkServerIdentity: (_host, peer) => checkIdentity(security, dialled, peer),
  })
}

/** Calls `done` once: with undefined when the socket may be used, or with why it may not. */
export function dial(
  pool: EndpointPool,
  alpn: readonly string[] | undefined,
  timeout: number,
  done: (error: NodeJS.ErrnoException | undefined) => void,
): Socket {
  const { security } = pool.backend
  const socket = security === undefined ? net.connect(placeOf(pool)) : dialSecurely(pool, security, alpn)
  pool.context.counts.upstreamConnects++
  const timer = setTimeout(() => {
    socket.destroy(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' }))
  }, timeout)
  const settle = (error: NodeJS.ErrnoException | undefined): void => {
    clearTimeout(timer)
    socket.off('error', settle)
    socket.off('close', onClose)
    done(error)
  }
  const onClose = (): void => settle(Object.assign(new Error('closed'), { code: 'ECONNRESET' }))
  socket.on('error', settle)
  socket.on('close', onClose)
  socket.once(security === undefined ? 'connect' : 'secureConnect', () => settle(undefined))
  return socket
}
