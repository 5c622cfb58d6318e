/**
 * Text and bytes → the handle of a TLS socket, which takes one write at a time and ends the process at a second one.
 * What comes while one is under way waits here, and goes out together in the next.
 */
import type { Socket } from 'node:net'
import { awaitWrite, createRequest, type RawHandle, type Writer, type WriteRequest } from './handle.ts'

/** Who is told when a writer that said false can take more. */
interface WriterUser {
  onDrain(): void
}

/** Bytes that are not out yet, from which on a writer should wait. */
const HIGH = 65_536
/** Text up to here is encrypted from this memory: the handle reads it before it returns, and would copy text first. */
const scratch = Buffer.allocUnsafeSlow(16_384)
/** Of `scratch`, by length: making one costs as much as encrypting it, and most answers have one of a few lengths. */
const views: (Buffer | undefined)[] = Array.from({ length: 2048 }, () => undefined)

interface Latin1Writable {
  latin1Write(text: string, at: number): number
}

export class SecureWriter implements Writer {
  readonly #socket: Socket
  readonly #handle: RawHandle
  readonly #user: WriterUser
  #waiting: (string | Buffer)[] = []
  /** Bytes of the write that is under way. */
  #under = 0
  #waitingBytes = 0
  #stalled = false
  #ending = false

  constructor(socket: Socket, handle: RawHandle, user: WriterUser) {
    this.#socket = socket
    this.#handle = handle
    this.#user = user
  }

  get stalled(): boolean {
    return this.#stalled
  }

  /** Latin1. False: wait for onDrain. */
  write(text: string): boolean {
    if (text.length === 0) return !this.#stalled
    if (this.#under > 0) return this.#wait(text)
    if (text.length <= scratch.length) {
      // in every Node since 0.x; its types leave it out
      ;(scratch as Buffer & Latin1Writable).latin1Write(text, 0)
      return this.#send(viewOf(text.length))
    }
    const request = createRequest()
    return this.#sent(text.length, request, this.#handle.writeLatin1String(request, text))
  }

  /** False: wait for onDrain. `keep` makes of a piece one that stays as it is. */
  writeBytes(piece: Buffer, keep: (piece: Buffer) => Buffer): boolean {
    if (piece.length === 0) return !this.#stalled
    return this.#under > 0 ? this.#wait(keep(piece)) : this.#send(piece)
  }

  /** Texts and bytes in one write. */
  writePieces(pieces: readonly (string | Buffer)[], keep: (piece: Buffer) => Buffer): boolean {
    if (this.#under > 0) {
      for (const piece of pieces) this.#wait(typeof piece === 'string' ? piece : keep(piece))
      return !this.#stalled
    }
    return this.#sendAll(pieces)
  }

  /** Ends our side when everything is out. */
  end(): void {
    if (this.#under > 0) this.#ending = true
    else this.#socket.end()
  }

  onWritten(status: number): void {
    this.#under = 0
    if (status < 0 || this.#socket.destroyed) {
      this.#socket.destroy()
      return
    }
    if (this.#waiting.length > 0) this.#sendWaiting()
    else if (this.#ending) {
      this.#socket.end()
      return
    }
    if (!this.#stalled || this.#under + this.#waitingBytes > HIGH) return
    this.#stalled = false
    this.#user.onDrain()
  }

  #sendWaiting(): void {
    const waiting = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    const [first] = waiting
    if (waiting.length > 1) this.#sendAll(waiting)
    else if (typeof first === 'string') this.write(first)
    else this.#send(first!)
  }

  #sendAll(pieces: readonly (string | Buffer)[]): boolean {
    const given: (string | Buffer)[] = []
    let size = 0
    for (const piece of pieces) {
      given.push(piece, typeof piece === 'string' ? 'latin1' : 'buffer')
      size += piece.length
    }
    const request = createRequest()
    return size === 0 ? !this.#stalled : this.#sent(size, request, this.#handle.writev(request, given, false))
  }

  #wait(what: string | Buffer): boolean {
    if (what.length === 0) return !this.#stalled
    this.#waiting.push(what)
    this.#waitingBytes += what.length
    if (this.#under + this.#waitingBytes > HIGH) this.#stalled = true
    return !this.#stalled
  }

  /** The handle has encrypted or copied the bytes when it returns: they need not stay. */
  #send(piece: Buffer): boolean {
    const request = createRequest()
    return this.#sent(piece.length, request, this.#handle.writeBuffer(request, piece))
  }

  #sent(size: number, request: WriteRequest | null, result: number | WriteRequest): boolean {
    const used = typeof result === 'object' ? result : request
    if (typeof result === 'number' && result !== 0) {
      this.#socket.destroy(Object.assign(new Error(`write failed (${result})`), { code: 'EPIPE' }))
      return true
    }
    // null: all of it is out
    if (used === null) return !this.#stalled
    this.#under = size
    awaitWrite(used, this, undefined)
    if (size + this.#waitingBytes > HIGH) this.#stalled = true
    return !this.#stalled
  }
}

function viewOf(length: number): Buffer {
  if (length >= views.length) return scratch.subarray(0, length)
  return (views[length] ??= scratch.subarray(0, length))
}
