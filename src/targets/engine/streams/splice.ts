/** Two sockets → one stream of bytes each way: backpressure, half-close, silence. Effect. */
import type { Socket } from 'node:net'
import { Deadline, type Wheel } from '../wheel.ts'

export interface SpliceEnd {
  /** Once, when both sockets are gone. */
  onOver(splice: Splice): void
}

export class Splice extends Deadline {
  /** Bytes from the client, and to it. */
  received = 0
  sent = 0
  readonly #client: Socket
  readonly #backend: Socket
  readonly #wheel: Wheel
  readonly #idle: number
  readonly #end: SpliceEnd
  #over = false

  /** `first`: what the client has sent already. `idle`: milliseconds of silence after which both are closed; 0: never. */
  constructor(client: Socket, backend: Socket, first: Buffer | undefined, wheel: Wheel, idle: number, end: SpliceEnd) {
    super()
    this.#client = client
    this.#backend = backend
    this.#wheel = wheel
    this.#idle = idle
    this.#end = end
    if (first !== undefined && first.length > 0) {
      this.received = first.length
      backend.write(first)
    }
    client.on('data', (piece: Buffer) => {
      this.received += piece.length
      this.#touch()
      if (!backend.write(piece)) client.pause()
    })
    backend.on('data', (piece: Buffer) => {
      this.sent += piece.length
      this.#touch()
      if (!client.write(piece)) backend.pause()
    })
    backend.on('drain', () => client.resume())
    client.on('drain', () => backend.resume())
    // one side has said its last: the other one is told, and may go on
    client.on('end', () => backend.end())
    backend.on('end', () => client.end())
    client.on('error', () => this.#cut(backend))
    backend.on('error', () => this.#cut(client))
    client.on('close', () => this.#left(client, backend))
    backend.on('close', () => this.#left(backend, client))
    this.#touch()
    if (client.destroyed) this.#left(client, backend)
    else if (client.readableEnded) backend.end()
    client.resume()
  }

  destroy(): void {
    this.#client.destroy()
    this.#backend.destroy()
  }

  expire(): void {
    this.destroy()
  }

  #touch(): void {
    if (this.#idle > 0) this.#wheel.set(this, this.#idle, performance.now())
  }

  /** One side broke: the other one must not take what it got for whole. */
  #cut(other: Socket): void {
    if (other.destroyed) return
    if ('encrypted' in other) other.destroy()
    else other.resetAndDestroy()
  }

  #left(one: Socket, other: Socket): void {
    if (!other.destroyed) {
      // an orderly end has told the other side already, which may still be reading
      if (!one.readableEnded || !one.writableFinished) this.#cut(other)
      return
    }
    if (this.#over || !this.#client.destroyed || !this.#backend.destroyed) return
    this.#over = true
    this.#wheel.remove(this)
    this.#end.onOver(this)
  }
}
