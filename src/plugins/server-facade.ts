/** A listener of the engine → what plugins take for the `http.Server` of the event `http-ready`. */
import { EventEmitter } from 'node:events'
import type { AddressInfo } from 'node:net'

export interface ServingListener {
  readonly scheme: 'http' | 'https'
  readonly address: string
  readonly port: number
}

/** Says where it listens, takes listeners, and tells when the gateway closes. Requests go through the pipeline, not here. */
export class ServerFacade extends EventEmitter {
  listening = true
  timeout = 0
  keepAliveTimeout = 0
  headersTimeout = 0
  requestTimeout = 0
  maxHeadersCount = 0
  readonly #listener: ServingListener

  constructor(listener: ServingListener) {
    super()
    this.#listener = listener
  }

  /** Is this the server that a connection of this kind came in by? */
  serves(scheme: 'http' | 'https', port: number): boolean {
    return this.#listener.scheme === scheme && this.#listener.port === port
  }

  address(): AddressInfo {
    const { address, port } = this.#listener
    return { address, port, family: address.includes(':') ? 'IPv6' : 'IPv4' }
  }

  setTimeout(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  /** Closing is the gateway's own business; who asks is told when it has happened. */
  close(callback?: () => void): this {
    if (callback !== undefined) this.once('close', callback)
    return this
  }

  getConnections(callback: (error: Error | null, count: number) => void): void {
    callback(null, 0)
  }
}
