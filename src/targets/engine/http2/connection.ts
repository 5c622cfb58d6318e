/** One HTTP/2 connection of a client: streams → exchanges; floods, idle time and the end of it. */
import {
  constants,
  performServerHandshake,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { ConnectionFactsOf } from '../connection.ts'
import type { OpenConnection, OpenSocket } from '../listeners.ts'
import { Deadline } from '../wheel.ts'
import { StreamInbound } from './inbound.ts'

/** At once on one connection; browsers use 100 at most. */
const STREAMS = 128
/** Requests taken back before they were answered: so many at once, then so many a second. (CVE-2023-44487) */
const RESETS = 200
const RESETS_PER_SECOND = 50
/** Frames that only cost us something, PING and SETTINGS: so many at once, then so many a second, and two for every request. */
const CONTROLS = 1000
const CONTROLS_PER_SECOND = 100
/** Bytes that were neither heads nor bodies, in one look; WINDOW_UPDATE, PRIORITY and empty frames are such. */
const IDLE_BYTES = 1_048_576
const LOOK = 1000
/** A head and its frame are hardly longer, compressed. */
const HEAD_BYTES = 4096
/** RFC 9113 §6.8: how long a client may take to read GOAWAY after which we close, milliseconds. */
const LINGER = 2000

export class Http2Connection extends Deadline implements OpenConnection {
  readonly open: OpenSocket
  readonly facts: ConnectionFactsOf
  /** Of bodies, since the last look. */
  useful = 0
  streams = 0
  readonly #socket: Socket
  readonly #session: ServerHttp2Session
  #resets = RESETS
  #controls = CONTROLS
  #lastLook: number
  #lastBytes = 0
  #idleSince: number
  #closing = false
  #gone = false
  /** Is it known why the connection ends? */
  #explained = false

  /** `first`: what was read of a plain socket so far, from the preface on. */
  constructor(socket: Socket, open: OpenSocket, first: Buffer | undefined) {
    super()
    this.#socket = socket
    this.open = open
    this.facts = new ConnectionFactsOf(socket, open.secure ? (socket as TLSSocket) : undefined, open)
    const { limits } = open.plan
    const session = performServerHandshake(socket, {
      settings: {
        maxConcurrentStreams: STREAMS,
        maxHeaderListSize: Math.min(65_535, limits.headBytes * 2),
        enablePush: false,
      },
      // one too many is answered by us, with words; ten times as many is an attack
      maxHeaderListPairs: limits.headerCount * 2 + 8,
      maxSessionInvalidFrames: 100,
      maxSessionRejectedStreams: 100,
      unknownProtocolTimeout: 0,
    } as Parameters<typeof performServerHandshake>[1])
    this.#session = session
    this.#lastLook = this.#idleSince = performance.now()
    session.on('stream', (stream, _headers: IncomingHttpHeaders, flags: number, raw?: string[]) => {
      this.#onStream(stream, flags, raw ?? [])
    })
    session.on('error', (error: NodeJS.ErrnoException) => this.#onError(error))
    session.on('ping', () => this.#onControl())
    session.on('remoteSettings', () => this.#onControl())
    session.on('close', () => this.#onGone())
    // sockets here may be half open, and HTTP/2 has no use for it
    socket.on('end', () => {
      this.#explained = true
      socket.destroy()
    })
    session.on('goaway', () => (this.#explained = true))
    socket.on('close', () => this.#onGone())
    // the session takes what stands in the socket in the next turn of nextTick, which has been ordered by now
    if (first !== undefined) socket.unshift(first)
    open.context.wheel.set(this, LOOK, this.#lastLook)
  }

  /** GOAWAY; streams that are open may end. */
  drain(): void {
    this.#close()
  }

  destroy(): void {
    this.#explained = true
    this.#session.destroy()
    this.#socket.destroy()
  }

  /** A stream has ended. `early`: taken back by the client before it was answered. */
  left(how: 'answered' | 'early'): void {
    this.streams--
    if (this.streams === 0) this.#idleSince = performance.now()
    if (how === 'early' && --this.#resets < 0) this.#calm('h2-rapid-reset')
  }

  #onStream(stream: ServerHttp2Stream, flags: number, raw: readonly string[]): void {
    this.streams++
    if (this.#controls < CONTROLS) this.#controls += 2
    if (stream.destroyed) {
      // came and went in one read
      this.left('early')
      return
    }
    new StreamInbound(this, stream, raw, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0)
  }

  #onControl(): void {
    if (--this.#controls < 0) this.#calm('h2-control-flood')
  }

  /** GOAWAY ENHANCE_YOUR_CALM, and the end. */
  #calm(reason: string): void {
    if (this.#gone) return
    this.open.context.counts.refuse(reason)
    this.#end(constants.NGHTTP2_ENHANCE_YOUR_CALM)
  }

  #end(code: number): void {
    this.#gone = true
    this.#session.destroy(code as unknown as Error)
    this.#left()
  }

  #close(): void {
    if (this.#closing) return
    this.#closing = true
    this.#session.close()
    this.due = Number.POSITIVE_INFINITY
    this.open.context.wheel.set(this, LINGER, performance.now())
  }

  #onError(error: NodeJS.ErrnoException): void {
    this.#explained = true
    // what nghttp2 calls a mistake of the protocol or a flood; it has said GOAWAY already
    if (!this.#gone && error.code?.startsWith('ERR_HTTP2') === true) this.open.context.counts.refuse('h2-protocol')
  }

  #onGone(): void {
    if (this.#gone) return
    this.#gone = true
    // nghttp2 ends some floods (CONTINUATION) without a word to us
    if (!this.#explained && !this.#closing) this.open.context.counts.refuse('h2-protocol')
    this.#left()
  }

  #left(): void {
    this.open.context.wheel.remove(this)
    this.open.left(this, this.facts)
  }

  /** Once a second: refills what may be spent, and asks what the bytes were for. */
  expire(): void {
    if (this.#gone) return
    if (this.#closing && this.streams === 0) {
      this.destroy()
      return
    }
    const now = performance.now()
    const passed = (now - this.#lastLook) / 1000
    this.#lastLook = now
    this.#resets = Math.min(RESETS, this.#resets + RESETS_PER_SECOND * passed)
    this.#controls = Math.min(CONTROLS, this.#controls + CONTROLS_PER_SECOND * passed)
    const bytes = this.#socket.bytesRead
    const idle = bytes - this.#lastBytes - this.useful
    this.#lastBytes = bytes
    this.useful = 0
    if (idle > IDLE_BYTES * Math.max(1, passed)) {
      this.#calm('h2-idle-frames')
      return
    }
    const { idleTimeout } = this.open.plan.limits
    if (!this.#closing && this.streams === 0 && idleTimeout > 0 && now - this.#idleSince >= idleTimeout) {
      this.#close()
      return
    }
    this.open.context.wheel.set(this, LOOK, now)
  }

  /** Of the head of a stream. */
  tookHead(): void {
    this.useful += HEAD_BYTES
  }
}
