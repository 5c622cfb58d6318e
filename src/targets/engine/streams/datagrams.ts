/** A UDP port: datagrams of one client address go to one endpoint, and its answers back, until both are silent. Effect. */
import dgram, { type RemoteInfo, type Socket } from 'node:dgram'
import { isIP, type AddressInfo } from 'node:net'
import type { ExchangeContext } from '../compile.ts'
import type { OpenPort, PortPlan } from '../listeners.ts'
import type { EndpointPool } from '../pool.ts'
import { Deadline } from '../wheel.ts'
import type { DatagramSocketPlan, StreamProgram } from './compile.ts'

const IDLE_TIMEOUT = 60_000
/** Of one port: each has a socket of its own. */
const FLOWS = 16_384
/** Datagrams that wait until the name of an endpoint is known. */
const WAITING = 16

export class OpenDatagramSocket implements OpenPort {
  plan: DatagramSocketPlan
  readonly context: ExchangeContext
  readonly #flows = new Map<string, Flow>()
  readonly #perClient = new Map<string, number>()
  #socket: Socket | undefined
  #draining = false
  #onEmpty: (() => void) | undefined

  constructor(plan: DatagramSocketPlan, context: ExchangeContext) {
    this.plan = plan
    this.context = context
  }

  get address(): AddressInfo | undefined {
    return this.#socket?.address()
  }

  async listen(): Promise<void> {
    const { address } = this.plan
    if (address !== undefined) {
      await this.#bind(isIP(address) === 6 ? 'udp6' : 'udp4', address)
      return
    }
    try {
      await this.#bind('udp6', '::')
    } catch (error) {
      // a machine without IPv6
      if ((error as NodeJS.ErrnoException).code !== 'EAFNOSUPPORT') throw error
      await this.#bind('udp4', '0.0.0.0')
    }
  }

  /** Answers leave from the port that was asked: when it closes, its flows end. */
  unlisten(): Promise<void> {
    const socket = this.#socket
    this.#socket = undefined
    for (const flow of this.#flows.values()) flow.close()
    return socket === undefined ? Promise.resolve() : new Promise((resolve) => socket.close(() => resolve()))
  }

  async drain(graceMs: number): Promise<void> {
    this.#draining = true
    if (this.#flows.size > 0 && graceMs > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs)
        this.#onEmpty = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    await this.unlisten()
  }

  fits(next: PortPlan): boolean {
    return next.kind === 'datagram'
  }

  use(next: PortPlan): void {
    if (next.kind === 'datagram') this.plan = next
  }

  answer(piece: Buffer, port: number, address: string): void {
    const { flows } = this.context.counts
    flows.sent += piece.length
    this.#socket?.send(piece, port, address, (error) => {
      if (error !== null) flows.dropped++
    })
  }

  left(flow: Flow): void {
    if (this.#flows.get(flow.key) !== flow) return
    this.#flows.delete(flow.key)
    this.context.counts.flows.open--
    const count = this.#perClient.get(flow.client) ?? 0
    if (count <= 1) this.#perClient.delete(flow.client)
    else this.#perClient.set(flow.client, count - 1)
    if (this.#flows.size === 0) this.#onEmpty?.()
  }

  #bind(type: 'udp4' | 'udp6', address: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = dgram.createSocket({ type, ipv6Only: false, recvBufferSize: 1_048_576 })
      socket.once('error', (error) => {
        socket.close()
        reject(error)
      })
      socket.bind({ port: this.plan.port, address }, () => {
        socket.removeAllListeners('error')
        socket.on('error', (error) => this.context.services.events.emit('error', 'engine/socket', error.message))
        socket.on('message', (piece, from) => this.#onMessage(piece, from))
        this.#socket = socket
        resolve()
      })
    })
  }

  #onMessage(piece: Buffer, from: RemoteInfo): void {
    const { flows } = this.context.counts
    flows.received += piece.length
    const key = `${from.address}|${from.port}`
    let flow = this.#flows.get(key)
    if (flow?.endpoint?.retired === true) {
      flow.close()
      flow = undefined
    }
    flow ??= this.#open(key, from)
    if (flow === undefined) flows.dropped++
    else flow.send(piece)
  }

  #open(key: string, from: RemoteInfo): Flow | undefined {
    const listener = this.plan.listeners[0]!
    const most = listener.limits.connectionsPerClient
    const count = this.#perClient.get(from.address) ?? 0
    if (this.#draining) return undefined
    if (this.#flows.size >= FLOWS || (most > 0 && count >= most)) {
      this.context.counts.refuse(this.#flows.size >= FLOWS ? 'too-many-flows' : 'connections-per-client')
      return undefined
    }
    const program = listener.routeFor(undefined)
    if (program === undefined) return undefined
    const flow = new Flow(key, from, program, this)
    this.#flows.set(key, flow)
    this.#perClient.set(from.address, count + 1)
    this.context.counts.flows.open++
    this.context.counts.flows.opened++
    flow.connect()
    return flow
  }
}

class Flow extends Deadline {
  readonly key: string
  readonly client: string
  endpoint: EndpointPool | undefined
  readonly #port: number
  readonly #program: StreamProgram
  readonly #open: OpenDatagramSocket
  readonly #idle: number
  #socket: Socket | undefined
  #connected = false
  #waiting: Buffer[] = []
  #closed = false

  constructor(key: string, from: RemoteInfo, program: StreamProgram, open: OpenDatagramSocket) {
    super()
    this.key = key
    this.client = from.address
    this.#port = from.port
    this.#program = program
    this.#open = open
    this.#idle = program.route.timeouts?.idle || IDLE_TIMEOUT
  }

  /** A share that fails is a flow like any other, whose datagrams go nowhere. */
  connect(): void {
    this.#touch()
    const target = this.#program.targets[this.#program.picker.next()]
    const begun = performance.now()
    const endpoint = target?.pickForBytes({ begun, tried: [], clientAddress: this.client })
    if (endpoint === undefined) return
    this.endpoint = endpoint
    endpoint.busy++
    const { resolver } = endpoint.context
    const { host, port } = endpoint.endpoint
    resolver.lookup(host, {}, (error, address, family) => {
      if (this.#closed) return
      if (error !== null || typeof address !== 'string') {
        this.#fail()
        return
      }
      this.#connect(family === 6 ? 'udp6' : 'udp4', address, port, endpoint)
    })
  }

  #connect(type: 'udp4' | 'udp6', address: string, port: number, endpoint: EndpointPool): void {
    const socket = dgram.createSocket(type)
    this.#socket = socket
    socket.on('error', () => this.#fail())
    socket.on('message', (piece) => {
      endpoint.succeeded()
      this.#touch()
      this.#open.answer(piece, this.#port, this.client)
    })
    socket.connect(port, address, () => {
      if (this.#closed) return
      this.#connected = true
      for (const piece of this.#waiting.splice(0)) this.#write(piece)
    })
  }

  send(piece: Buffer): void {
    this.#touch()
    if (this.#connected) this.#write(piece)
    else if (this.endpoint !== undefined && this.#waiting.length < WAITING) this.#waiting.push(piece)
    else this.#open.context.counts.flows.dropped++
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#open.context.wheel.remove(this)
    this.endpoint?.lost()
    this.#socket?.close()
    this.#open.left(this)
  }

  expire(): void {
    this.close()
  }

  #write(piece: Buffer): void {
    this.#socket?.send(piece, (error) => {
      if (error !== null) this.#fail()
    })
  }

  /** Nobody is there: the next datagram finds another endpoint. */
  #fail(): void {
    if (this.#closed) return
    this.endpoint?.failed()
    this.#open.context.counts.failedUpstream('connect')
    this.close()
  }

  #touch(): void {
    this.#open.context.wheel.set(this, this.#idle, performance.now())
  }
}
