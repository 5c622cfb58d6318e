/** An endpoint → a socket on its way there, in clear or in TLS, directly or through a proxy. Effect; the one place that knows how backends are dialled. */
import net, { isIP, type NetConnectOpts, type Socket } from 'node:net'
import tls from 'node:tls'
import { addressOf } from '../../model/address.ts'
import type { ForwardProxy } from '../../model/model.ts'
import type { EndpointPool } from './pool.ts'
import { checkIdentity, type BackendSecurity } from './tls.ts'
import { Tunnel } from './tunnel.ts'
import { Wire, type WireUser } from './wire.ts'

/** Where a connection goes in clear, for net.connect: to the endpoint, or to the proxy before it. */
export function placeOf(pool: EndpointPool): NetConnectOpts {
  const { host, port } = pool.backend.via ?? pool.endpoint
  return host.startsWith('unix:')
    ? { path: host.slice(5), allowHalfOpen: true }
    : { host, port, lookup: pool.context.resolver.lookup, noDelay: true, allowHalfOpen: true }
}

/** Is a connection to this endpoint one in clear, from here to where it goes first? */
export function dialsPlainly(pool: EndpointPool): boolean {
  return pool.backend.security === undefined && pool.backend.via?.protocol !== 'https'
}

/** `secureConnect` tells that the other side is who it should be; before, nothing may be sent. */
export function dialSecurely(pool: EndpointPool, alpn: readonly string[] | undefined): tls.TLSSocket {
  const { security, via } = pool.backend
  // in clear to the endpoint, but not to the proxy
  if (security === undefined) return securely(placeOf(pool), trusting(via?.host ?? pool.endpoint.host), undefined)
  const wanted = { security, dialled: pool.endpoint.host.startsWith('unix:') ? 'localhost' : pool.endpoint.host }
  if (via === undefined) return securely(placeOf(pool), wanted, alpn)
  const tunnel = new Tunnel(reach(pool, via), authorityOf(pool), via)
  const socket = securely({ socket: tunnel }, wanted, alpn)
  // a proxy that refuses is why there is no connection, not the silence that follows
  tunnel.on('error', (error) => socket.destroy(error))
  return socket
}

/** Calls `done` once: with undefined when the socket may be used, or with why it may not. */
export function dial(
  pool: EndpointPool,
  alpn: readonly string[] | undefined,
  timeout: number,
  done: (error: NodeJS.ErrnoException | undefined) => void,
): Socket {
  const plainly = dialsPlainly(pool)
  const socket = plainly ? net.connect(placeOf(pool)) : dialSecurely(pool, alpn)
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
  socket.once(plainly ? 'connect' : 'secureConnect', () => settle(undefined))
  return socket
}

/** The same for a wire, without a limit of time: `opened` tells that it may be used; until then, an end says that it will not be. */
export function dialWire(
  pool: EndpointPool,
  alpn: readonly string[] | undefined,
  user: WireUser,
  opened: () => void,
): Wire {
  const plainly = dialsPlainly(pool)
  const wire = plainly ? Wire.connect(user, placeOf(pool)) : Wire.over(() => user, dialSecurely(pool, alpn))
  pool.context.counts.upstreamConnects++
  wire.socket.once(plainly ? 'connect' : 'secureConnect', opened)
  return wire
}

interface Wanted {
  readonly security: BackendSecurity
  /** The name or address that the certificate is held against. */
  readonly dialled: string
}

function securely(
  where: NetConnectOpts | { readonly socket: Tunnel },
  { security, dialled }: Wanted,
  alpn: readonly string[] | undefined,
): tls.TLSSocket {
  const serverName = security.serverName ?? (isIP(dialled) === 0 ? dialled : undefined)
  return tls.connect({
    ...where,
    secureContext: security.context,
    rejectUnauthorized: security.reject,
    ...(serverName === undefined ? {} : { servername: serverName }),
    ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] }),
    checkServerIdentity: (_host, peer) => checkIdentity(security, dialled, peer),
  })
}

/** To the proxy itself; `secureConnect` or `connect` tells that it is there. */
function reach(pool: EndpointPool, via: ForwardProxy): Socket {
  return via.protocol === 'http' ? net.connect(placeOf(pool)) : securely(placeOf(pool), trusting(via.host), undefined)
}

let system: tls.SecureContext | undefined

/** Of a proxy: what the machine trusts. */
function trusting(host: string): Wanted {
  system ??= tls.createSecureContext()
  const security = { context: system, reject: true, serverName: undefined, names: undefined, alpn: undefined }
  return { security, dialled: host }
}

function authorityOf(pool: EndpointPool): string {
  return addressOf(pool.endpoint)
}
