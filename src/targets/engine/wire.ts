/**
 * A socket without the machinery of streams: bytes are read into memory that is used again, and written at once where
 * the system takes them at once. What Node's streams do for each piece (an allocation of 64 KiB, a WriteWrap, three
 * turns of nextTick) costs as much as our whole parser.
 *
 * Built on `onread`, which is documented, and, for writing, on the socket's handle, which is not: where a Node does not
 * have it as expected (`raw` below), `Socket.write` is used. TLS always goes the documented way.
 */
import net, { type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { tick } from './clock.ts'

export interface WireUser {
  /** `buffer` holds `length` bytes of the client's, until this returns: see `Wire.keep`. */
  onRead(buffer: Buffer, length: number): void
  /** The other side has said its last. */
  onEndOfStream(): void
  /** After a write has said false. */
  onDrain(): void
  onWireError(error: NodeJS.ErrnoException): void
  onGone(): void
}

/** Unsent bytes from which on a writer should wait. */
const HIGH = 65_536
const SIZE = 65_536

/** All sockets read into this one: what is in it is used up before the next one reads. */
const shared = Buffer.allocUnsafeSlow(SIZE)
/** Buffers of bulk transfers that nobody uses now. */
const spare: Buffer[] = []

let reading: Wire | undefined

function readsNow(wire: Wire | undefined): void {
  reading = wire
}

export class Wire {
  readonly socket: Socket
  readonly #user: WireUser
  #handle: RawHandle | undefined
  #buffer: Buffer = shared
  #bulk = false
  /** Is the memory that was read into still being written from? */
  #retained = false
  #stalled = false

  #writes = 0

  private constructor(user: WireUser, open: (onread: net.OnReadOpts) => Socket) {
    this.#user = user
    this.socket = open({
      buffer: () => this.#nextBuffer(),
      callback: (length) => {
        tick()
        readsNow(this)
        this.#user.onRead(this.#buffer, length)
        readsNow(undefined)
        return true
      },
    } as net.OnReadOpts)
    this.#listen()
  }

  /** A connection that is opened by us; writes must wait for 'connect'. */
  static connect(user: WireUser, options: net.NetConnectOpts): Wire {
    return new Wire(user, (onread) => net.connect({ ...options, onread }))
  }

  /** A handle that a server has accepted. */
  static accept(user: (wire: Wire) => WireUser, handle: unknown): Wire {
    const late = new LateUser()
    const wire = new Wire(
      late,
      (onread) => new net.Socket({ handle, allowHalfOpen: true, onread } as unknown as net.SocketConstructorOpts),
    )
    late.user = user(wire)
    return wire
  }

  /** A socket that exists: TLS, or a plain one of a Node that hides its handles. */
  static over(user: (wire: Wire) => WireUser, socket: Socket): Wire {
    const late = new LateUser()
    const wire = new Wire(late, () => socket)
    late.user = user(wire)
    socket.on('data', (chunk: Buffer) => {
      tick()
      late.onRead(chunk, chunk.length)
    })
    return wire
  }

  /** Memory that stays as it is: a copy, where `piece` lies in memory that will be read into again. */
  static keep(piece: Buffer): Buffer {
    if (piece.buffer === shared.buffer) return Buffer.from(piece)
    if (reading !== undefined && piece.buffer === reading.#buffer.buffer) reading.#retained = true
    return piece
  }

  /** A long body is coming: read into memory of our own, which need not be copied to be written. */
  bulk(on: boolean): void {
    this.#bulk = on
  }

  /** Latin1. False: wait for onDrain. */
  write(text: string): boolean {
    const handle = this.#handle ?? this.#raw()
    if (handle === undefined) return this.#writeSlowly(text)
    return this.#written(handle, handle.writeLatin1String(request, text), undefined)
  }

  /** False: wait for onDrain. `piece` must stay as it is, unless it was just read. */
  writeBytes(piece: Buffer): boolean {
    const handle = this.#handle ?? this.#raw()
    if (handle === undefined) return this.#writeSlowly(Wire.keep(piece))
    const own = piece.buffer === shared.buffer ? Buffer.from(piece) : piece
    return this.#written(handle, handle.writeBuffer(request, own), own)
  }

  /** Text, bytes and text in one write: a chunk with its frame. `piece` as for writeBytes. */
  writeAround(before: string, piece: Buffer, after: string): boolean {
    const handle = this.#handle ?? this.#raw()
    if (handle === undefined) {
      const { socket } = this
      socket.cork()
      if (before !== '') socket.write(before, 'latin1')
      let more = this.#writeSlowly(Wire.keep(piece))
      if (after !== '') more = this.#writeSlowly(after)
      socket.uncork()
      return more
    }
    const own = piece.buffer === shared.buffer ? Buffer.from(piece) : piece
    const pieces = [before, 'latin1', own, 'buffer', after, 'latin1']
    return this.#written(handle, handle.writev(request, pieces, false), own)
  }

  get stalled(): boolean {
    return this.#stalled
  }

  pause(): void {
    this.socket.pause()
  }

  resume(): void {
    this.socket.resume()
  }

  end(): void {
    this.socket.end()
  }

  /** Ends both ways now where nothing waits to be sent; the system still delivers what it has taken. False: it cannot. */
  close(): boolean {
    const handle = this.#handle
    if (handle === undefined || handle.writeQueueSize > 0) return false
    this.destroy()
    return true
  }

  destroy(): void {
    this.#handle = undefined
    this.socket.destroy()
  }

  #written(handle: RawHandle, result: number | WriteRequest, piece: Buffer | undefined): boolean {
    // what is written once and ended is sent at once anyhow; from the second write on, Nagle would wait for the client
    if (++this.#writes === 2) handle.setNoDelay?.(true)
    let used = request
    if (typeof result === 'object') used = result
    else {
      if (result !== 0) {
        this.socket.destroy(Object.assign(new Error(`write failed (${result})`), { code: 'EPIPE' }))
        return true
      }
      if (used === null || handle.writeQueueSize === 0) return true
      request = createRequest()
    }
    // the system did not take all of it: this request is in use until it has
    used.wire = this
    used.piece = piece
    used.oncomplete = onComplete
    const waiting = handle.writeQueueSize
    if (piece !== undefined && reading !== undefined && piece.buffer === reading.#buffer.buffer)
      reading.#retained = true
    if (waiting <= HIGH) return true
    this.#stalled = true
    return false
  }

  #writeSlowly(what: string | Buffer): boolean {
    const more = typeof what === 'string' ? this.socket.write(what, 'latin1') : this.socket.write(what)
    if (!more) this.#stalled = true
    return more
  }

  /** A write that had to wait is done. */
  onWritten(status: number): void {
    if (status < 0) {
      this.socket.destroy()
      return
    }
    if (!this.#stalled || (this.#handle?.writeQueueSize ?? 0) > 0) return
    this.#stalled = false
    this.#user.onDrain()
  }

  #raw(): RawHandle | undefined {
    if (!raw || this.socket instanceof TLSSocket) return undefined
    const handle = (this.socket as Socket & { readonly _handle?: RawHandle | null })._handle
    if (handle === null || handle === undefined || typeof handle.writeQueueSize !== 'number') return undefined
    return (this.#handle = handle)
  }

  #nextBuffer(): Buffer {
    if (!this.#bulk) {
      if (this.#buffer !== shared && !this.#retained && spare.length < 64) spare.push(this.#buffer)
      this.#retained = false
      return (this.#buffer = shared)
    }
    if (this.#buffer === shared || this.#retained) {
      this.#retained = false
      this.#buffer = spare.pop() ?? Buffer.allocUnsafeSlow(SIZE)
    }
    return this.#buffer
  }

  #listen(): void {
    const { socket } = this
    socket.on('end', () => this.#user.onEndOfStream())
    socket.on('drain', () => {
      if (!this.#stalled) return
      this.#stalled = false
      this.#user.onDrain()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => this.#user.onWireError(error))
    socket.on('close', () => {
      this.#handle = undefined
      this.#user.onGone()
    })
  }
}

/** Between the making of a wire and the making of its user, nothing can have been read. */
class LateUser implements WireUser {
  user: WireUser | undefined

  onRead(buffer: Buffer, length: number): void {
    this.user?.onRead(buffer, length)
  }

  onEndOfStream(): void {
    this.user?.onEndOfStream()
  }

  onDrain(): void {
    this.user?.onDrain()
  }

  onWireError(error: NodeJS.ErrnoException): void {
    this.user?.onWireError(error)
  }

  onGone(): void {
    this.user?.onGone()
  }
}

// --- the handle ------------------------------------------------------------------------------------------------------

interface RawHandle {
  setNoDelay?(on: boolean): void
  readonly writeQueueSize: number
  // up to Node 25 a request is given, and used if the write has to wait; from 26 on null is given, and a request comes back
  writeLatin1String(request: WriteRequest | null, text: string): number | WriteRequest
  writeBuffer(request: WriteRequest | null, piece: Buffer): number | WriteRequest
  writev(request: WriteRequest | null, pieces: readonly (string | Buffer)[], allBuffers: boolean): number | WriteRequest
}

interface WriteRequest {
  wire: Wire | undefined
  piece: Buffer | undefined
  oncomplete: (this: WriteRequest, status: number) => void
}

/** How handles are written to: with Node's own class of requests, with none, or not by us (undefined). */
const manner = findManner()

/** May sockets be written to through their handles? */
export const raw = manner !== undefined

/** A write that the system takes at once does not touch its request: one serves all of those. Null where Node makes them. */
let request: WriteRequest | null = createRequest()

function createRequest(): WriteRequest | null {
  return manner === undefined || manner === 'none' ? null : new manner()
}

function onComplete(this: WriteRequest, status: number): void {
  const { wire } = this
  this.wire = undefined
  this.piece = undefined
  wire?.onWritten(status)
}

/** Seen through a socket over a handle of ours. */
function findManner(): 'none' | (new () => WriteRequest) | undefined {
  let found: 'none' | (new () => WriteRequest) | undefined
  const take = (given: WriteRequest | null | undefined): number => {
    if (given === null) found = 'none'
    else if (given?.constructor.name === 'WriteWrap') found = given.constructor as new () => WriteRequest
    return 0
  }
  const fake = {
    writeLatin1String: take,
    writeBuffer: take,
    readStart: () => 0,
    readStop: () => 0,
    close: () => undefined,
    getAsyncId: () => 0,
    unref: () => undefined,
    ref: () => undefined,
  }
  try {
    const socket = new net.Socket({ handle: fake, readable: false } as unknown as net.SocketConstructorOpts)
    socket.on('error', () => undefined)
    socket.write('x', 'latin1')
    return found
  } catch {
    // a Node that builds its sockets in another way: the documented way it is
    return undefined
  }
}
