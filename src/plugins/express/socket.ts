/** The facts of a connection → an object that middleware takes for the client's socket. It cannot write on the wire. */
import { EventEmitter } from 'node:events'
import type { PeerCertificate, TLSSocket } from 'node:tls'
import type { ConnectionFacts } from '../../policies/policy.ts'

/**
 * Middleware asks a socket who the client is, whether it is still there, and now and then destroys it. Handing out the
 * real one would let it write between two answers of a connection that others use.
 */
export class ClientSocket extends EventEmitter {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly remoteFamily: 'IPv4' | 'IPv6'
  readonly localAddress: string
  readonly localPort: number
  readonly encrypted: boolean
  readonly authorized: boolean
  readonly servername: string | undefined
  readonly connecting = false
  readonly pending = false
  readonly bytesRead = 0
  readonly bytesWritten = 0
  readonly writableLength = 0
  readable = true
  writable = true
  destroyed = false
  readonly #connection: ConnectionFacts

  constructor(connection: ConnectionFacts) {
    super()
    this.#connection = connection
    this.remoteAddress = connection.clientAddress
    this.remotePort = connection.remotePort
    this.remoteFamily = connection.clientAddress.includes(':') ? 'IPv6' : 'IPv4'
    this.localAddress = connection.localAddress
    this.localPort = connection.localPort
    this.encrypted = connection.scheme === 'https'
    this.authorized = connection.clientCertificate === 'verified'
    this.servername = connection.serverName
  }

  address(): { address: string; family: string; port: number } {
    return { address: this.localAddress, family: this.remoteFamily, port: this.localPort }
  }

  getPeerCertificate(detailed?: boolean): PeerCertificate | Record<string, never> {
    const socket = this.#connection.socket as TLSSocket | undefined
    return typeof socket?.getPeerCertificate === 'function' ? socket.getPeerCertificate(detailed) : {}
  }

  /** Ends the client's connection. The answer under way, if there is one, is cut. */
  destroy(): this {
    if (this.destroyed) return this
    this.#connection.socket?.destroy()
    this.gone()
    return this
  }

  destroySoon(): void {
    this.destroy()
  }

  /** The exchange is over or the client has left. */
  gone(): void {
    if (this.destroyed) return
    this.destroyed = true
    this.readable = false
    this.writable = false
    this.emit('close', false)
  }

  // the engine keeps the times and the state of its connections; these have nothing to do
  setTimeout(): this {
    return this
  }
  setKeepAlive(): this {
    return this
  }
  setNoDelay(): this {
    return this
  }
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
  cork(): void {}
  uncork(): void {}
  pause(): this {
    return this
  }
  resume(): this {
    return this
  }
}
