/**
 * A Node → how the handles behind its sockets are read from and written to, where they are as expected.
 *
 * Handles are not documented. What is needed of them is looked for once, at start, through a socket over a handle of our
 * own; whoever finds nothing here goes the documented way.
 */
import net, { type Socket } from 'node:net'

export interface RawHandle {
  setNoDelay?(on: boolean): void
  readonly writeQueueSize: number
  // up to Node 25 a request is given, and used if the write has to wait; from 26 on null is given, and a request comes back
  writeLatin1String(request: WriteRequest | null, text: string): number | WriteRequest
  writeBuffer(request: WriteRequest | null, piece: Buffer): number | WriteRequest
  writev(request: WriteRequest | null, pieces: readonly (string | Buffer)[], allBuffers: boolean): number | WriteRequest
}

/** A write that is under way. */
export interface WriteRequest {
  writer: Writer | undefined
  held: unknown
  oncomplete: (this: WriteRequest, status: number) => void
  /** From Node 26 on: what went wrong before anybody could listen. */
  readonly writeStatus?: number | null
}

export interface Writer {
  /** A write that had to wait is done; below 0: it failed. */
  onWritten(status: number): void
}

/** Node's own names for what a socket reads with. */
interface Reading {
  readonly buffer: symbol
  readonly callback: symbol
  readonly next: symbol
}

/** What a server gives to `onconnection`. */
export interface AcceptedHandle {
  setNoDelay?(on: boolean): void
}

type OnBareRead = (this: BareHandle) => Buffer | undefined

/** A handle that can be used without a socket. */
export interface BareHandle extends AcceptedHandle, RawHandle {
  setNoDelay?(on: boolean): void
  onread: OnBareRead
  /** What net.Socket keeps there: has it been told to read? */
  reading?: boolean
  readonly bytesRead: number
  getpeername?(name: { address?: string; port?: number }): number
  useUserBuffer(buffer: Buffer): void
  readStart(): number
  readStop(): number
  close(done: () => void): void
}

/** Who reads from a bare handle. */
interface BareReader {
  /** Something has happened; returns where to read next, if that is another place. */
  onEvent(handle: BareHandle): Buffer | undefined
}

interface Manner {
  /** How handles are written to: with Node's own class of requests, or with none. */
  readonly requests: 'none' | (new () => WriteRequest) | undefined
  readonly reading: Reading | undefined
}

const manner = findManner()

/** May sockets be written to through their handles? */
export const raw = manner.requests !== undefined

/** For one write that may have to wait. Null where Node makes them. */
export function createRequest(): WriteRequest | null {
  const { requests } = manner
  return requests === undefined || requests === 'none' ? null : new requests()
}

/** Tells `writer` when that write is done; keeps `held` alive until then. */
export function awaitWrite(request: WriteRequest, writer: Writer, held: unknown): void {
  request.writer = writer
  request.held = held
  request.oncomplete = onComplete
  const { writeStatus } = request
  if (typeof writeStatus === 'number') setImmediate(() => request.oncomplete(writeStatus))
}

function onComplete(this: WriteRequest, status: number): void {
  const { writer } = this
  this.writer = undefined
  this.held = undefined
  writer?.onWritten(status)
}

/** The handle of a socket, where it can be written to; undefined where it has gone or is another thing. */
export function handleOf(socket: Socket): RawHandle | undefined {
  if (!raw) return undefined
  const handle = (socket as Socket & { readonly _handle?: RawHandle | null })._handle
  return handle === null || handle === undefined || typeof handle.writeQueueSize !== 'number' ? undefined : handle
}

/** Can this handle be used without a socket? */
export function isBare(handle: AcceptedHandle): handle is BareHandle {
  const bare = handle as Partial<BareHandle>
  return (
    manner.reading !== undefined &&
    typeof bare.useUserBuffer === 'function' &&
    typeof bare.readStart === 'function' &&
    typeof bare.readStop === 'function' &&
    typeof bare.close === 'function' &&
    typeof bare.bytesRead === 'number' &&
    typeof bare.writeQueueSize === 'number' &&
    'onread' in bare
  )
}

/** From here on `reader` is told, until a socket is made over the handle. */
export function readBare(handle: BareHandle, reader: BareReader, memory: Buffer): void {
  tell(handle, reader)
  handle.useUserBuffer(memory)
  handle.readStart()
}

/** A closure, and no property of the handle: adding one to an object of Node's costs more. */
function tell(handle: BareHandle, reader: BareReader): void {
  handle.onread = () => reader.onEvent(handle)
}

/**
 * From here on `reader` is told instead of the socket, which has read by `readInto` so far; with `giveBack` the socket is
 * told again. Undefined: it cannot be.
 */
export function takeFrom(socket: Socket, reader: BareReader): Taken | undefined {
  const handle = (socket as Socket & { readonly _handle?: AcceptedHandle | null })._handle
  if (handle === null || handle === undefined || !isBare(handle)) return undefined
  const inherited = handle.onread
  tell(handle, reader)
  return { handle, inherited }
}

export interface Taken {
  readonly handle: BareHandle
  readonly inherited: OnBareRead
}

export function giveBack({ handle, inherited }: Taken): void {
  handle.onread = inherited
}

/** The other end; '' and 0 for a socket of the file system, or one that has gone. */
export function remoteOf(handle: BareHandle): { readonly address: string; readonly port: number } {
  const name: { address?: string; port?: number } = {}
  handle.getpeername?.(name)
  return { address: name.address ?? '', port: name.port ?? 0 }
}

/** What `onread` says of a new socket, for one that exists and has read nothing. False: it cannot be said. */
export function readInto(socket: Socket, onread: { buffer(): Buffer; callback(length: number): boolean }): boolean {
  const { reading } = manner
  const own = socket as unknown as { _handle?: { useUserBuffer?(buffer: Buffer): void } | null } & Record<
    symbol,
    unknown
  >
  const handle = own._handle
  if (reading === undefined || typeof handle?.useUserBuffer !== 'function' || own[reading.buffer] !== null) return false
  if (socket.readableLength > 0) return false
  const first = onread.buffer()
  own[reading.buffer] = first
  own[reading.callback] = onread.callback
  own[reading.next] = onread.buffer
  handle.useUserBuffer(first)
  return true
}

function findManner(): Manner {
  let requests: Manner['requests']
  const take = (given: WriteRequest | null | undefined): number => {
    if (given === null) requests = 'none'
    else if (given?.constructor.name === 'WriteWrap') requests = given.constructor as new () => WriteRequest
    return 0
  }
  let used: Buffer | undefined
  const fake = {
    writeLatin1String: take,
    writeBuffer: take,
    readStart: () => 0,
    readStop: () => 0,
    close: () => undefined,
    getAsyncId: () => 0,
    unref: () => undefined,
    ref: () => undefined,
    useUserBuffer: (buffer: Buffer) => {
      used = buffer
    },
  }
  const memory = Buffer.alloc(1)
  const onread = { buffer: () => memory, callback: () => true }
  try {
    const socket = new net.Socket({ handle: fake, onread, readable: false } as unknown as net.SocketConstructorOpts)
    socket.on('error', () => undefined)
    socket.write('x', 'latin1')
    const named = (value: unknown): symbol | undefined =>
      Object.getOwnPropertySymbols(socket).find((name) => (socket as never)[name] === value)
    const [buffer, callback, next] = [named(memory), named(onread.callback), named(onread.buffer)]
    const whole = used === memory && buffer !== undefined && callback !== undefined && next !== undefined
    return { requests, reading: whole ? { buffer, callback, next } : undefined }
  } catch {
    // a Node that builds its sockets in another way: the documented way it is
    return { requests: undefined, reading: undefined }
  }
}
