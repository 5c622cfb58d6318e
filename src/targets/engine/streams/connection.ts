/** One connection of bytes: its route, its backend, and then the two spliced. Effect. */
import type { Socket } from 'node:net'
import { dial } from '../dial.ts'
import type { EndpointPool } from '../pool.ts'
import type { StreamListener, StreamProgram } from './compile.ts'
import type { OpenStreamSocket } from './socket.ts'
import { Splice, type SpliceEnd } from './splice.ts'

const CONNECT_TIMEOUT = 5000
/** Silence of an hour: nobody is there. */
const IDLE_TIMEOUT = 3_600_000
/** Other endpoints that are tried where a connection could not be opened. */
const OTHERS = 3

export class StreamConnection implements SpliceEnd {
  readonly address: string
  readonly listener: StreamListener
  readonly #client: Socket
  readonly #open: OpenStreamSocket
  #backend: Socket | undefined
  #endpoint: EndpointPool | undefined
  #splice: Splice | undefined
  #gone = false

  constructor(client: Socket, address: string, listener: StreamListener, open: OpenStreamSocket) {
    this.#client = client
    this.address = address
    this.listener = listener
    this.#open = open
  }

  /** `first`: what was read already. */
  start(serverName: string | undefined, first: Buffer | undefined): void {
    const client = this.#client
    client.on('error', () => client.destroy())
    client.on('close', () => {
      if (this.#splice !== undefined) return
      this.#backend?.destroy()
      this.#leave()
    })
    const program = this.listener.routeFor(serverName)
    if (program === undefined) {
      this.#refuse('stream-no-route')
      return
    }
    const target = program.targets[program.picker.next()]
    if (target === undefined) {
      this.#refuse('stream-no-backend')
      return
    }
    this.#try(program, target, [], first)
  }

  destroy(): void {
    if (this.#splice !== undefined) this.#splice.destroy()
    else this.#client.destroy()
  }

  onOver(splice: Splice): void {
    const { streams } = this.#open.context.counts
    streams.received += splice.received
    streams.sent += splice.sent
    this.#leave()
  }

  #try(
    program: StreamProgram,
    target: EndpointPool['backend'],
    tried: EndpointPool[],
    first: Buffer | undefined,
  ): void {
    const endpoint = target.pickForBytes({ begun: performance.now(), tried, clientAddress: this.address })
    if (endpoint === undefined) {
      this.#refuse('stream-no-endpoint')
      return
    }
    this.#release()
    this.#endpoint = endpoint
    endpoint.busy++
    const { route } = program
    const backend = dial(endpoint, target.security?.alpn, route.timeouts?.connect || CONNECT_TIMEOUT, (error) => {
      if (this.#gone) {
        backend.destroy()
        return
      }
      if (error !== undefined) {
        backend.on('error', () => undefined)
        backend.destroy()
        endpoint.failed()
        this.#open.context.counts.failedUpstream(error.code === 'ETIMEDOUT' ? 'connect-timeout' : 'connect')
        tried.push(endpoint)
        if (tried.length > OTHERS) this.#refuse('stream-connect')
        else this.#try(program, target, tried, first)
        return
      }
      endpoint.succeeded()
      const idle = route.timeouts?.idle ?? IDLE_TIMEOUT
      this.#splice = new Splice(this.#client, backend, first, this.#open.context.wheel, idle, this)
    })
    this.#backend = backend
  }

  #refuse(reason: string): void {
    this.#open.refuse(this.#client, reason)
  }

  #release(): void {
    this.#endpoint?.lost()
    this.#endpoint = undefined
  }

  #leave(): void {
    if (this.#gone) return
    this.#gone = true
    this.#release()
    this.#open.left(this)
  }
}
