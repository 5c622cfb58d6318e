/**
 * A socket without the machinery of streams: bytes are read into memory that is used again, and written at once where
 * the system takes them at once. What Node's streams do for each piece (an allocation of 64 KiB, a WriteWrap, three
 * turns of nextTick) costs as much as our whole parser.
 *
 * Built on `onread`, which is documented, and on the socket's handle, which is not: where a Node does not have it as
 * expected (`handle.ts`), `Socket.write` and 'data' are used.
 */
import net, { type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { tick } from './clock.ts'
import {
  awaitWrite,
  createRequest,
  giveBack,
  handleOf,
  isBare,
  readBare,
  readInto,
  remoteOf,
  takeFrom,
  type AcceptedHandle,
  type BareHandle,
  type RawHandle,
  type Taken,
  type Writer,
  type WriteRequest,
} from './handle.ts'
import { SecureWriter } from './secure-writer.ts'
import { hasHadItsTurn, type Reader } from './turns.ts'

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

interface OnRead {
  buffer(): Buffer
  callback(length: number): boolean
}

export class Wire implements Writer, Reader {
  turn = 0
  turnBytes = 0
  #user: WireUser = NOBODY
  #socket: Socket | undefined
  /** Of a connection that has no socket yet, until it needs one. */
  #bare: BareHandle | undefined
  /** Of a socket whose handle tells us instead. */
  #taken: Taken | undefined
  /** What the handle had read when it was last looked at. */
  #seen = 0
  /** By its user. */
  #paused = false
  /** Until its turn comes. */
  #waits = false
  /** Of a socket in clear. */
  #handle: RawHandle | undefined
  /** Of TLS. */
  #secure: SecureWriter | undefined
  #buffer: Buffer = shared
  #bulk = false
  /** Is the memory that was read into still being written from? */
  #retained = false
  #stalled = false

  #writes = 0

  /** A connection that is opened by us; writes must wait for 'connect'. */
  static connect(user: WireUser, options: net.NetConnectOpts): Wire {
    const wire = new Wire()
    wire.#user = user
    wire.#use(net.connect({ ...options, onread: wire.#onRead() as net.OnReadOpts }))
    return wire
  }

  /** A handle that a server has accepted. */
  static accept(user: (wire: Wire) => WireUser, handle: AcceptedHandle): Wire {
    const wire = new Wire()
    if (isBare(handle)) wire.#bare = wire.#handle = handle
    else wire.#makeSocket(handle)
    wire.#user = user(wire)
    // who was told of it may have ended it
    if (wire.#bare !== undefined) readBare(wire.#bare, wire, shared)
    return wire
  }

  /** A socket that exists and has read nothing yet: TLS, or a plain one of a Node that hides its handles. */
  static over(user: (wire: Wire) => WireUser, socket: Socket): Wire {
    const wire = new Wire()
    const reads = readInto(socket, wire.#onRead())
    wire.#use(socket)
    wire.#user = user(wire)
    if (reads) return wire
    socket.on('data', (chunk: Buffer) => {
      tick()
      wire.#user.onRead(chunk, chunk.length)
    })
    return wire
  }

  /** Memory that stays as it is: a copy, where `piece` lies in memory that will be read into again. */
  static keep(piece: Buffer): Buffer {
    if (piece.buffer === shared.buffer) return Buffer.from(piece)
    if (reading !== undefined && piece.buffer === reading.#buffer.buffer) reading.#retained = true
    return piece
  }

  /** The socket of the connection; made now where it had none. */
  get socket(): Socket {
    return this.#socket ?? this.#makeSocket(this.#bare)
  }

  get encrypted(): boolean {
    return this.#socket instanceof TLSSocket
  }

  /** Where the other end is; '' and 0 where it has no address, or has gone. */
  get remote(): { readonly address: string; readonly port: number } {
    if (this.#bare !== undefined) return remoteOf(this.#bare)
    return { address: this.#socket?.remoteAddress ?? '', port: this.#socket?.remotePort ?? 0 }
  }

  /** A long body is coming: read into memory of our own, which need not be copied to be written. */
  bulk(on: boolean): void {
    // TLS comes in pieces of 16 KiB, and each would get 64 KiB of its own
    this.#bulk = on && !this.encrypted
  }

  /** Latin1. False: wait for onDrain. */
  write(text: string): boolean {
    const handle = this.#handle ?? this.#raw()
    if (handle === undefined) return this.#secure?.write(text) ?? this.#writeSlowly(text)
    return this.#written(handle, handle.writeLatin1String(request, text), undefined)
  }

  /** False: wait for onDrain. `piece` must stay as it is, unless it was just read. */
  writeBytes(piece: Buffer): boolean {
    const handle = this.#handle ?? this.#raw()
    if (handle === undefined) return this.#secure?.writeBytes(piece, keep) ?? this.#writeSlowly(Wire.keep(piece))
    const own = piece.buffer === shared.buffer ? Buffer.from(piece) : piece
    return this.#written(handle, handle.writeBuffer(request, own), own)
  }

  /** Text, bytes and text in one write: a chunk with its frame. `piece` as for writeBytes. */
  writeAround(before: string, piece: Buffer, after: string): boolean {
    const handle = this.#handle ?? this.#raw()
    if (handle === undefined) {
      if (this.#secure !== undefined) return this.#secure.writePieces([before, piece, after], keep)
      const socket = this.#socket
      if (socket === undefined) return true
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

  /** Texts (latin1) and buffers in one write; buffers as for writeBytes. */
  writePieces(pieces: readonly (string | Buffer)[]): boolean {
    const handle = this.#handle ?? this.#raw()
    if (handle === undefined) {
      if (this.#secure !== undefined) return this.#secure.writePieces(pieces, keep)
      const socket = this.#socket
      if (socket === undefined) return true
      let more = true
      socket.cork()
      for (const piece of pieces) more = this.#writeSlowly(typeof piece === 'string' ? piece : Wire.keep(piece))
      socket.uncork()
      return more
    }
    const given: (string | Buffer)[] = []
    let last: Buffer | undefined
    for (const piece of pieces) {
      if (typeof piece === 'string') given.push(piece, 'latin1')
      else {
        last = piece.buffer === shared.buffer ? Buffer.from(piece) : piece
        given.push(last, 'buffer')
      }
    }
    return this.#written(handle, handle.writev(request, given, false), last, given)
  }

  get stalled(): boolean {
    return this.#secure?.stalled ?? this.#stalled
  }

  /** From here on somebody else hears of it. */
  handTo(user: WireUser): void {
    this.#user = user
  }

  get paused(): boolean {
    return this.#paused
  }

  pause(): void {
    this.#paused = true
    this.#stopReading()
  }

  resume(): void {
    if (this.#bare !== undefined && !this.#paused) return
    this.#paused = false
    if (!this.#waits) this.#startReading()
  }

  readOn(): void {
    this.#waits = false
    if (!this.#paused) this.#startReading()
  }

  #stopReading(): void {
    if (this.#bare === undefined) this.#socket?.pause()
    else this.#bare.readStop()
  }

  #startReading(): void {
    if (this.#bare === undefined) this.#socket?.resume()
    else if (this.#bare.readStart() < 0) this.destroy()
  }

  /** Says our last; `sent` is called when all of it has left us. */
  end(sent?: () => void): void {
    if (sent !== undefined) this.socket.once('finish', sent)
    if (this.#secure !== undefined) this.#secure.end()
    else if (this.#bare !== undefined) this.socket.end()
    else this.#socket?.end()
  }

  /** Ends both ways now where nothing waits to be sent; the system still delivers what it has taken. False: it cannot. */
  close(): boolean {
    const handle = this.#handle
    if (handle === undefined || handle.writeQueueSize > 0) return false
    this.destroy()
    return true
  }

  destroy(): void {
    const bare = this.#bare
    this.#handle = undefined
    if (bare === undefined) this.#socket?.destroy()
    else this.#closeBare(bare)
  }

  /** For one who reads until the end: a reset says that this was not the end. Only TCP has such a thing. */
  reset(): void {
    const { socket } = this
    const under: unknown = socket instanceof TLSSocket ? (socket as TLSSocket & { _parent?: unknown })._parent : socket
    if (under instanceof net.Socket && under.remoteFamily !== undefined) under.resetAndDestroy()
    socket.destroy()
  }

  /** `held`: what must stay alive where `piece` is not all of it. */
  #written(
    handle: RawHandle,
    result: number | WriteRequest,
    piece: Buffer | undefined,
    held: unknown = piece,
  ): boolean {
    // what is written once and ended is sent at once anyhow; from the second write on, Nagle would wait for the client
    if (++this.#writes === 2) handle.setNoDelay?.(true)
    let used = request
    if (typeof result === 'object') used = result
    else {
      if (result !== 0) {
        if (this.#bare !== undefined) this.#closeBare(this.#bare)
        else this.#socket?.destroy(Object.assign(new Error(`write failed (${result})`), { code: 'EPIPE' }))
        return true
      }
      if (used === null || handle.writeQueueSize === 0) return true
      request = createRequest()
    }
    // the system did not take all of it: this request is in use until it has
    awaitWrite(used, this, held)
    const waiting = handle.writeQueueSize
    if (piece !== undefined && reading !== undefined && piece.buffer === reading.#buffer.buffer)
      reading.#retained = true
    if (waiting <= HIGH) return true
    this.#stalled = true
    return false
  }

  #writeSlowly(what: string | Buffer): boolean {
    const socket = this.#socket
    // it has gone
    if (socket === undefined) return true
    const more = typeof what === 'string' ? socket.write(what, 'latin1') : socket.write(what)
    if (!more) this.#stalled = true
    return more
  }

  /** A write that had to wait is done. */
  onWritten(status: number): void {
    if (status < 0) {
      this.destroy()
      return
    }
    if (!this.#stalled || (this.#handle?.writeQueueSize ?? 0) > 0) return
    this.#stalled = false
    this.#user.onDrain()
  }

  /** The writer of TLS can take more. */
  onDrain(): void {
    this.#user.onDrain()
  }

  /** The handle of a socket in clear. That of TLS gets a writer of its own. */
  #raw(): RawHandle | undefined {
    if (this.#secure !== undefined) return undefined
    const socket = this.#socket
    const handle = socket === undefined ? undefined : handleOf(socket)
    if (!(socket instanceof TLSSocket)) return (this.#handle = handle)
    if (handle !== undefined) this.#secure = new SecureWriter(socket, handle, this)
    return undefined
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

  /** What `length` bytes in the buffer mean. */
  onBytes(length: number): void {
    tick()
    readsNow(this)
    this.#user.onRead(this.#buffer, length)
    readsNow(undefined)
    if (this.#paused || this.#waits || !hasHadItsTurn(this, length)) return
    this.#waits = true
    this.#stopReading()
  }

  /**
   * Of a handle that tells us alone, neither how much was read nor what else has happened. What it has counted are
   * bytes; anything else a socket knows how to read. Returns where to read next, if that is another place.
   */
  onEvent(handle: BareHandle): Buffer | undefined {
    const length = handle.bytesRead - this.#seen
    if (length > 0) {
      this.#seen += length
      const before = this.#buffer
      this.onBytes(length)
      const next = this.#nextBuffer()
      return next === before ? undefined : next
    }
    if (this.#bare !== undefined) this.#makeSocket(handle)
    else if (this.#taken !== undefined) giveBack(this.#taken)
    else return undefined
    handle.onread.call(handle)
    return undefined
  }

  /** The first piece comes by the socket; from then on its handle tells us directly. */
  #onRead(): OnRead {
    return {
      buffer: () => this.#nextBuffer(),
      callback: (length) => {
        this.onBytes(length)
        this.#taken = this.#socket === undefined ? undefined : takeFrom(this.#socket, this)
        if (this.#taken !== undefined) this.#seen = this.#taken.handle.bytesRead
        return true
      },
    }
  }

  /** Over the handle, as it stands; a socket that has ended where there is none. */
  #makeSocket(handle: AcceptedHandle | undefined): Socket {
    this.#bare = undefined
    if (handle === undefined) {
      this.#socket = new net.Socket()
      return this.#socket.destroy()
    }
    // so that the socket neither starts it again, nor against our will
    const stopped = this.#paused || this.#waits
    if (isBare(handle)) handle.reading = !stopped
    const options = { handle, allowHalfOpen: true, pauseOnCreate: stopped, onread: this.#onRead() }
    const socket = new net.Socket(options as unknown as net.SocketConstructorOpts)
    this.#use(socket)
    return socket
  }

  #closeBare(handle: BareHandle): void {
    this.#bare = undefined
    this.#handle = undefined
    handle.close(() => this.#user.onGone())
  }

  #use(socket: Socket): void {
    this.#socket = socket
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
const NOBODY: WireUser = Object.freeze({
  onRead: () => undefined,
  onEndOfStream: () => undefined,
  onDrain: () => undefined,
  onWireError: () => undefined,
  onGone: () => undefined,
})

/** A write that the system takes at once does not touch its request: one serves all of those. Null where Node makes them. */
let request: WriteRequest | null = createRequest()

const keep = Wire.keep
