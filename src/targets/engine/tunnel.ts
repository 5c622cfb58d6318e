/** A socket to a forward proxy → a stream to who is behind it, opened by CONNECT (RFC 9110 9.3.6). */
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { readResponseHead } from '../../lib/http1/head.ts'
import { endOfHead } from '../../lib/http1/latin1.ts'
import type { ForwardProxy } from '../../model/model.ts'

const HEAD_BYTES = 16_384
const HEAD_LIMITS = { headerCount: 100 }

/** What is written waits until the proxy has agreed. A proxy that refuses destroys it, with its status in the error. */
export class Tunnel extends Duplex {
  readonly #socket: Socket
  #open = false
  #held = Buffer.alloc(0)
  /** The first write, which came before the proxy's answer; streams give the next one when it is done. */
  #waiting: { readonly chunk: Buffer; readonly done: (error?: Error | null) => void } | undefined

  /** `authority`: host and port of the endpoint. */
  constructor(socket: Socket, authority: string, { authorization }: ForwardProxy) {
    super({ allowHalfOpen: true })
    this.#socket = socket
    const shown = authorization === undefined ? '' : `Proxy-Authorization: ${authorization.reveal()}\r\n`
    socket.once(socket instanceof TLSSocket ? 'secureConnect' : 'connect', () => {
      socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${shown}\r\n`, 'latin1')
    })
    socket.on('data', (piece: Buffer) => this.#onData(piece))
    socket.on('end', () => {
      if (this.#open) this.push(null)
      else this.destroy(refusal('the proxy closed the connection before it answered CONNECT', 'ECONNRESET'))
    })
    socket.on('error', (error) => this.destroy(error))
    socket.on('close', () => this.destroy())
  }

  #onData(piece: Buffer): void {
    if (this.#open) {
      if (!this.push(piece)) this.#socket.pause()
      return
    }
    const bytes = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece])
    const end = endOfHead(bytes, 0, bytes.length)
    if (end < 0) {
      if (bytes.length > HEAD_BYTES) this.destroy(refusal('the head of its answer to CONNECT has no end', 'EPROTO'))
      else this.#held = Buffer.from(bytes)
      return
    }
    const head = readResponseHead(bytes, 0, end, HEAD_LIMITS)
    if (head.kind === 'refusal') return void this.destroy(refusal(`${head.reason} in its answer to CONNECT`, 'EPROTO'))
    if (head.status < 200 || head.status > 299) {
      return void this.destroy(refusal(`it answered CONNECT with ${head.status}`, 'ECONNREFUSED'))
    }
    this.#open = true
    this.#held = Buffer.alloc(0)
    if (end < bytes.length) this.push(Buffer.from(bytes.subarray(end)))
    const waiting = this.#waiting
    this.#waiting = undefined
    if (waiting !== undefined) this.#socket.write(waiting.chunk, waiting.done)
  }

  override _read(): void {
    this.#socket.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#open) this.#socket.write(chunk, done)
    else this.#waiting = { chunk, done }
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(() => done())
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy()
    done(error)
  }
}

function refusal(message: string, code: string): Error {
  return Object.assign(new Error(`proxy: ${message}`), { code })
}
