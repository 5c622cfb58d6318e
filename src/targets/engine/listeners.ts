/** Open sockets: what listens, and the connections of each. Effect. */
import { rmSync } from 'node:fs'
import net, { type AddressInfo, type Server, type Socket } from 'node:net'
import tls, { type TLSSocket } from 'node:tls'
import type { ExchangeContext } from './compile.ts'
import { plainAddress } from './connection.ts'
import { ClientConnection } from './server.ts'
import type { SocketPlan } from './sockets.ts'
import type { DatagramSocketPlan, StreamSocketPlan } from './streams/compile.ts'
import { raw, type AcceptedHandle } from './handle.ts'
import { Wire } from './wire.ts'

/** Who speaks another protocol on the same port: HTTP/2 by its preface, or by ALPN. */
export interface OtherProtocols {
  /** For `ALPNProtocols`, in order of preference. */
  readonly alpn: readonly string[]
  /** Takes a connection whose ALPN is one of its own. */
  takeAlpn(socket: TLSSocket, open: OpenSocket): OpenConnection
  /** Takes a plain connection that began with the HTTP/2 preface; `first`: what was read so far, until this returns. */
  takePreface(wire: Wire, first: Buffer, open: OpenSocket): OpenConnection
}

/** One connection of a client, whatever it speaks. */
export interface OpenConnection {
  /** Ends when it can: at once where nothing is under way. */
  drain(): void
  destroy(): void
}

/** What engine.ts needs of anything that is bound to an address and a port. */
export interface OpenPort {
  readonly plan: PortPlan
  readonly address: AddressInfo | undefined
  listen(): Promise<void>
  /** Nothing new is taken; what is open stays. */
  unlisten(): Promise<void>
  /** Resolves when the last connection has ended by itself, or was ended after `graceMs`. */
  drain(graceMs: number): Promise<void>
  /** Can it serve that plan while it stays open? */
  fits(next: PortPlan): boolean
  /** From here on that plan holds. Only after `fits`. */
  use(next: PortPlan): void
}

/** What is said about a port, by kind: `http` with or without TLS, bytes, datagrams. */
export type PortPlan = SocketPlan | StreamSocketPlan | DatagramSocketPlan

/** One port of HTTP that is open. Its plan is replaced in one assignment. */
export class OpenSocket implements OpenPort {
  plan: SocketPlan
  draining = false
  readonly context: ExchangeContext
  readonly secure: boolean
  readonly asksForCertificates: boolean
  readonly connections = new Set<OpenConnection>()
  readonly #others: OtherProtocols | undefined
  readonly #server: Server
  readonly #perClient = new Map<string, number>()
  /** Where TLS is not agreed on yet, by the client's address and port. */
  readonly #handshakes = new Map<string, Socket>()
  #onEmpty: (() => void) | undefined

  constructor(plan: SocketPlan, context: ExchangeContext, others: OtherProtocols | undefined) {
    this.plan = plan
    this.context = context
    this.#others = others
    this.secure = plan.tls !== undefined
    this.asksForCertificates = plan.tls?.asksForCertificates === true
    const options = { allowHalfOpen: true, noDelay: true }
    if (plan.tls === undefined) {
      this.#server = net.createServer(options, (socket) => Wire.over(this.#begin, socket))
    } else {
      this.#server = tls.createServer({
        ...options,
        ...plan.tls.first,
        // a client that dials an address names no server: then it is false, whatever the types say
        ALPNCallback: ({ servername, protocols }: { servername: string | false; protocols: readonly string[] }) =>
          this.plan.tls
            ?.protocolsFor(servername === false ? undefined : servername)
            .find((name) => protocols.includes(name) && (name === 'http/1.1' || others?.alpn.includes(name) === true)),
        handshakeTimeout: 10_000,
        requestCert: plan.tls.asksForCertificates,
        rejectUnauthorized: plan.tls.insists,
        SNICallback: (name, callback) => {
          const found = this.plan.tls?.contextFor(name)
          if (found === undefined) callback(new Error(`no certificate for ${name}`))
          else callback(null, found)
        },
      } as tls.TlsOptions)
      this.#server.on('connection', (socket: Socket) => this.#beginHandshake(socket))
      this.#server.on('secureConnection', (socket: TLSSocket) => this.#acceptSecure(socket))
      this.#server.on('tlsClientError', (_error, socket: TLSSocket) => {
        context.counts.refuse('tls-handshake')
        socket.destroy()
      })
    }
    this.#server.on('drop', () => context.counts.connectionsRefused++)
  }

  get address(): net.AddressInfo | undefined {
    const address = this.#server.address()
    return address === null || typeof address === 'string' ? undefined : address
  }

  /** Rejects with what the system says. */
  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => reject(error)
      this.#server.once('error', fail)
      const { address, port } = this.plan
      const where = placeOf(address, port)
      this.#server.listen({ ...where, backlog: 4096 }, () => {
        this.#server.off('error', fail)
        this.#server.on('error', (error) => {
          this.context.services.events.emit('error', 'engine/socket', error.message)
        })
        if (!this.secure) this.#takeHandles()
        resolve()
      })
    })
  }

  /** Accepted handles become wires at once: the socket that the server would make of them reads in another way. */
  #takeHandles(): void {
    const handle = (this.#server as Server & { readonly _handle?: { onconnection?: unknown } | null })._handle
    if (!raw || handle === null || handle === undefined || typeof handle.onconnection !== 'function') return
    handle.onconnection = (error: number, accepted: AcceptedHandle | undefined) => {
      if (error !== 0 || accepted === undefined) {
        this.context.counts.connectionsRefused++
        return
      }
      Wire.accept(this.#begin, accepted)
    }
  }

  /** Nothing new is taken; the connections stay. */
  unlisten(): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#server.listening) {
        resolve()
        return
      }
      // close() calls back when every connection has ended, which is later than the port is free
      this.#server.close()
      setImmediate(resolve)
    })
  }

  /** Resolves when the last connection has ended by itself, or was ended after `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    this.draining = true
    await this.unlisten()
    for (const socket of this.#handshakes.values()) socket.destroy()
    for (const connection of this.connections) connection.drain()
    if (this.connections.size === 0) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        for (const connection of this.connections) connection.destroy()
        resolve()
      }, graceMs)
      this.#onEmpty = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** A connection has gone. */
  left(connection: OpenConnection, facts: { readonly remoteAddress: string }): void {
    if (!this.connections.delete(connection)) return
    this.context.counts.connections--
    this.#dismiss(facts.remoteAddress)
    if (this.connections.size === 0) this.#onEmpty?.()
  }

  fits(next: PortPlan): boolean {
    if (next.kind !== 'http' || (this.plan.tls === undefined) !== (next.tls === undefined)) return false
    // what the server asks in a handshake is fixed when it is made
    const { tls: before } = this.plan
    return before?.asksForCertificates === next.tls?.asksForCertificates && before?.insists === next.tls?.insists
  }

  use(next: PortPlan): void {
    if (next.kind !== 'http') return
    const before = this.plan.tls?.first
    this.plan = next
    const first = next.tls?.first
    if (first !== undefined && first !== before && this.#server instanceof tls.Server) {
      this.#server.setSecureContext(first)
    }
  }

  /** A connection that another port has taken for this one; what was read of it stands in the socket again. */
  inject(socket: Socket): void {
    this.#server.emit('connection', socket)
  }

  /** A connection has begun with the preface of HTTP/2; `leave` takes hands off it. False: nobody here speaks that. */
  takePreface(connection: OpenConnection, wire: Wire, first: Buffer, leave: () => void): boolean {
    const others = this.#others
    if (others === undefined) return false
    leave()
    if (this.connections.delete(connection)) this.connections.add(others.takePreface(wire, first, this))
    return true
  }

  readonly #begin = (wire: Wire): ClientConnection => {
    const made = new ClientConnection(wire, this)
    this.connections.add(made)
    this.#count(made, made.remoteAddress)
    return made
  }

  /** It is gone at once where this client has enough already. */
  #count(connection: { destroy(): void }, address: string): void {
    const { counts } = this.context
    counts.connections++
    counts.connectionsOpened++
    if (!this.#admit(address)) connection.destroy()
  }

  /** One more of this client's; false: it has enough already. */
  #admit(address: string): boolean {
    const { counts } = this.context
    const most = this.plan.limits.connectionsPerClient
    if (most === 0) return true
    const count = (this.#perClient.get(address) ?? 0) + 1
    this.#perClient.set(address, count)
    if (count <= most) return true
    counts.connectionsRefused++
    counts.refuse('connections-per-client')
    return false
  }

  #dismiss(address: string): void {
    const count = this.#perClient.get(address)
    if (count === undefined) return
    if (count <= 1) this.#perClient.delete(address)
    else this.#perClient.set(address, count - 1)
  }

  /** Counts as one of the client's connections from its first byte on: a handshake that never ends costs as much as others. */
  #beginHandshake(socket: Socket): void {
    const key = handshakeOf(socket)
    if (key === undefined) return
    const address = plainAddress(socket)
    this.#handshakes.set(key, socket)
    socket.once('close', () => this.#endHandshake(key, address))
    if (!this.#admit(address)) socket.destroy()
  }

  /** It has become a connection, or has gone. */
  #endHandshake(key: string, address: string): void {
    if (this.#handshakes.delete(key)) this.#dismiss(address)
  }

  #acceptSecure(socket: TLSSocket): void {
    const key = handshakeOf(socket)
    if (key !== undefined) this.#endHandshake(key, plainAddress(socket))
    const name = (socket as TLSSocket & { readonly servername?: string | false }).servername
    const serverName = typeof name === 'string' ? name.toLowerCase() : undefined
    if (this.plan.tls?.requires(serverName) === true && !socket.authorized) {
      this.context.counts.refuse('client-certificate')
      socket.on('error', () => undefined)
      socket.destroy()
      return
    }
    const protocol = socket.alpnProtocol
    if (typeof protocol === 'string' && protocol !== 'http/1.1' && protocol !== 'http/1.0') {
      if (this.#others?.alpn.includes(protocol) === true) {
        this.connections.add(this.#others.takeAlpn(socket, this))
        this.#count(socket, plainAddress(socket))
        return
      }
      socket.on('error', () => undefined)
      socket.destroy()
      return
    }
    Wire.over(this.#begin, socket)
  }
}

function handshakeOf({ remoteAddress, remotePort }: Socket): string | undefined {
  return remoteAddress === undefined ? undefined : `${remoteAddress} ${remotePort}`
}

/** `unix:/path` is a socket of the file system; what an earlier process left there is in the way. */
function placeOf(address: string | undefined, port: number): net.ListenOptions {
  if (address === undefined) return { port }
  if (!address.startsWith('unix:')) return { host: address, port }
  const path = address.slice(5)
  rmSync(path, { force: true })
  return { path }
}
