/** A TCP port of bytes: TCP, TLS by SNI, and HTTPS where it shares the port. Effect. */
import net, { type AddressInfo, type Server, type Socket } from 'node:net'
import tls, { type TLSSocket } from 'node:tls'
import type { ExchangeContext } from '../compile.ts'
import { plainAddress } from '../connection.ts'
import { OpenSocket, type OpenPort, type OtherProtocols, type PortPlan } from '../listeners.ts'
import { Deadline } from '../wheel.ts'
import { HELLO_MOST, readClientHello } from './client-hello.ts'
import type { StreamListener, StreamSocketPlan } from './compile.ts'
import { StreamConnection } from './connection.ts'

export class OpenStreamSocket implements OpenPort {
  plan: StreamSocketPlan
  readonly context: ExchangeContext
  readonly #others: OtherProtocols
  readonly #server: Server
  /** Hellos and handshakes under way. */
  readonly #early = new Set<Socket>()
  readonly #connections = new Set<StreamConnection>()
  readonly #perClient = new Map<string, number>()
  #tls: tls.Server | undefined
  #http: OpenSocket | undefined
  #onEmpty: (() => void) | undefined

  constructor(plan: StreamSocketPlan, context: ExchangeContext, others: OtherProtocols) {
    this.plan = plan
    this.context = context
    this.#others = others
    this.#server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket))
    this.#server.on('drop', () => context.counts.streams.refused++)
    this.use(plan)
  }

  get address(): AddressInfo | undefined {
    const address = this.#server.address()
    return address === null || typeof address === 'string' ? undefined : address
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => reject(error)
      this.#server.once('error', fail)
      const { address, port } = this.plan
      this.#server.listen({ ...(address === undefined ? {} : { host: address }), port, backlog: 4096 }, () => {
        this.#server.off('error', fail)
        this.#server.on('error', (error) => {
          this.context.services.events.emit('error', 'engine/socket', error.message)
        })
        resolve()
      })
    })
  }

  unlisten(): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#server.listening) {
        resolve()
        return
      }
      this.#server.close()
      setImmediate(resolve)
    })
  }

  async drain(graceMs: number): Promise<void> {
    await this.unlisten()
    for (const socket of this.#early) socket.destroy()
    const http = this.#http?.drain(graceMs)
    if (this.#connections.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(() => {
          for (const connection of this.#connections) connection.destroy()
          resolve()
        }, graceMs)
        this.#onEmpty = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    await http
  }

  fits(next: PortPlan): boolean {
    return next.kind === 'stream' && next.transport === this.plan.transport
  }

  /** What ends TLS has no port of its own, so it can be made again while the port stays open. */
  use(next: PortPlan): void {
    if (next.kind !== 'stream') return
    const { tls: before } = this.plan
    this.plan = next
    const { tls: after, http } = next
    if (after === undefined) this.#tls = undefined
    else if (
      this.#tls === undefined ||
      before?.asksForCertificates !== after.asksForCertificates ||
      before?.insists !== after.insists
    )
      this.#tls = this.#createTls(after)
    const known = this.#http
    if (http !== undefined && known?.fits(http) === true) {
      known.use(http)
      return
    }
    this.#http = http === undefined ? undefined : new OpenSocket(http, this.context, this.#others)
    void known?.drain(DRAIN)
  }

  /** False: this client has enough already. */
  enter(connection: StreamConnection): boolean {
    const { streams } = this.context.counts
    const most = connection.listener.limits.connectionsPerClient
    if (most > 0) {
      const count = this.#perClient.get(connection.address) ?? 0
      if (count >= most) {
        streams.refused++
        this.context.counts.refuse('connections-per-client')
        return false
      }
      this.#perClient.set(connection.address, count + 1)
    }
    this.#connections.add(connection)
    streams.open++
    streams.opened++
    return true
  }

  left(connection: StreamConnection): void {
    if (!this.#connections.delete(connection)) return
    this.context.counts.streams.open--
    const count = this.#perClient.get(connection.address)
    if (count !== undefined) {
      if (count <= 1) this.#perClient.delete(connection.address)
      else this.#perClient.set(connection.address, count - 1)
    }
    if (this.#connections.size === 0) this.#onEmpty?.()
  }

  #accept(socket: Socket): void {
    const { only } = this.plan
    if (only !== undefined) {
      this.#begin(socket, only, undefined, undefined)
      return
    }
    this.#hold(socket)
    new HelloReader(socket, this.context, this.plan.limits.headTimeout, (serverName, bytes) => {
      const found = this.plan.find(serverName)
      if (found === undefined) {
        this.refuse(socket, 'tls-unknown-name')
        return
      }
      if (found !== 'http' && !found.terminates) {
        this.#early.delete(socket)
        this.#begin(socket, found, serverName, bytes)
        return
      }
      socket.unshift(bytes)
      if (found === 'http') {
        this.#early.delete(socket)
        this.#http?.inject(socket)
      } else this.#tls?.emit('connection', socket)
    })
  }

  refuse(socket: Socket, reason: string): void {
    this.context.counts.refuse(reason)
    this.context.counts.streams.refused++
    socket.destroy()
  }

  /** Until it is somebody's. */
  #hold(socket: Socket): void {
    this.#early.add(socket)
    socket.on('error', ignore)
    socket.on('close', () => this.#early.delete(socket))
  }

  #createTls(plan: NonNullable<StreamSocketPlan['tls']>): tls.Server {
    const server = tls.createServer({
      allowHalfOpen: true,
      ...plan.first,
      handshakeTimeout: 10_000,
      requestCert: plan.asksForCertificates,
      rejectUnauthorized: plan.insists,
      SNICallback: (name, callback) => {
        const found = this.plan.tls?.contextFor(name)
        if (found === undefined) callback(new Error(`no certificate for ${name}`))
        else callback(null, found)
      },
    } as tls.TlsOptions)
    server.on('secureConnection', (socket: TLSSocket) => this.#onSecure(socket))
    server.on('tlsClientError', (_error, socket: TLSSocket) => {
      this.context.counts.refuse('tls-handshake')
      socket.destroy()
    })
    return server
  }

  #onSecure(socket: TLSSocket): void {
    const name = (socket as TLSSocket & { readonly servername?: string | false }).servername
    const serverName = typeof name === 'string' ? name.toLowerCase() : undefined
    // the plan may have changed under the handshake
    const found = this.plan.find(serverName)
    socket.on('error', ignore)
    if (found === undefined || found === 'http' || !found.terminates) this.refuse(socket, 'tls-unknown-name')
    else if (this.plan.tls?.requires(serverName) === true && !socket.authorized)
      this.refuse(socket, 'client-certificate')
    else this.#begin(socket, found, serverName, undefined)
  }

  #begin(socket: Socket, listener: StreamListener, serverName: string | undefined, first: Buffer | undefined): void {
    const connection = new StreamConnection(socket, plainAddress(socket), listener, this)
    if (this.enter(connection)) connection.start(serverName, first)
    else socket.destroy()
  }
}

/** How long connections of listeners that are gone may finish, milliseconds. */
const DRAIN = 30_000

/** Reads until the hello is whole, and gives back all that was read. */
class HelloReader extends Deadline {
  readonly #socket: Socket
  readonly #context: ExchangeContext
  readonly #done: (serverName: string | undefined, bytes: Buffer) => void
  readonly #onData = (piece: Buffer): void => this.#read(piece)
  #bytes: Buffer | undefined

  constructor(
    socket: Socket,
    context: ExchangeContext,
    timeout: number,
    done: (serverName: string | undefined, bytes: Buffer) => void,
  ) {
    super()
    this.#socket = socket
    this.#context = context
    this.#done = done
    socket.on('data', this.#onData)
    socket.on('end', () => {
      if (this.due !== Number.POSITIVE_INFINITY) socket.destroy()
    })
    socket.on('close', () => context.wheel.remove(this))
    context.wheel.set(this, timeout > 0 ? timeout : HELLO_TIMEOUT, performance.now())
  }

  expire(): void {
    this.#refuse('tls-hello-timeout')
  }

  #read(piece: Buffer): void {
    const bytes = this.#bytes === undefined ? piece : Buffer.concat([this.#bytes, piece])
    const hello = readClientHello(bytes)
    if (hello.kind === 'more' && bytes.length <= HELLO_MOST) {
      this.#bytes = bytes
      return
    }
    if (hello.kind !== 'hello') {
      this.#refuse(`tls-hello-${hello.kind === 'refused' ? hello.reason : 'too-long'}`)
      return
    }
    this.#context.wheel.remove(this)
    this.#socket.pause()
    this.#socket.off('data', this.#onData)
    this.#done(hello.serverName, bytes)
  }

  #refuse(reason: string): void {
    this.#context.counts.refuse(reason)
    this.#context.counts.streams.refused++
    this.#socket.destroy()
  }
}

const HELLO_TIMEOUT = 10_000

function ignore(): void {
  return undefined
}
