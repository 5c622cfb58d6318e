/** One HTTP/2 connection of a client: its session on a wire; idle time, and the end of it. */
import type { TLSSocket } from 'node:tls'
import type { HeaderList } from '../../../lib/http2/list.ts'
import { ServerSession, type ServerUser } from '../../../lib/http2/server.ts'
import type { ServerStream } from '../../../lib/http2/server-stream.ts'
import { clock } from '../clock.ts'
import { ConnectionFactsOf } from '../connection.ts'
import type { OpenConnection, OpenSocket } from '../listeners.ts'
import { Deadline } from '../wheel.ts'
import type { Wire, WireUser } from '../wire.ts'
import { StreamInbound } from './inbound.ts'
import { SessionWire } from './session-wire.ts'

/** How often a connection is looked at, milliseconds. */
const LOOK = 1000
/** RFC 9113 §6.8: how long a client may take to read GOAWAY, and whatever was said last, milliseconds. */
const LINGER = 2000

export class Http2Connection extends Deadline implements OpenConnection, WireUser, ServerUser {
  readonly open: OpenSocket
  readonly facts: ConnectionFactsOf
  readonly #wire: Wire
  readonly #session: ServerSession
  #lastLook: number
  #idleSince: number
  /** When GOAWAY was said for the first time; 0: not yet. */
  #warnedAt = 0
  #leaving = false
  readonly #writes: SessionWire
  #ended = false
  /** Of frames, at the last look; and for how long the same one has not been whole. */
  #progress = -1
  #stuck = 0

  constructor(wire: Wire, open: OpenSocket) {
    super()
    this.#wire = wire
    this.open = open
    this.facts = new ConnectionFactsOf(wire, open.secure ? (wire.socket as TLSSocket) : undefined, open)
    this.#lastLook = this.#idleSince = clock.now
    this.#writes = new SessionWire(wire)
    this.#session = new ServerSession(this, this.#writes, open.plan.limits)
    this.#writes.carry(this.#session)
    open.context.wheel.set(this, LOOK, clock.now)
  }

  // --- what the engine wants ---

  /** GOAWAY; streams that are open, or on their way, may end. */
  drain(): void {
    if (this.#warnedAt > 0 || this.#writes.gone) return
    this.#warnedAt = clock.now
    this.#session.warn()
  }

  destroy(): void {
    this.#wire.destroy()
  }

  // --- the wire ---

  onRead(buffer: Buffer, length: number): void {
    this.#session.receive(buffer, 0, length)
  }

  /** Sockets here may be half open, and HTTP/2 has no use for it. */
  onEndOfStream(): void {
    this.#wire.destroy()
  }

  onDrain(): void {
    this.#session.drained()
  }

  onWireError(): void {
    this.onGone()
  }

  onGone(): void {
    if (this.#writes.gone) return
    this.#writes.gone = true
    this.#session.gone()
    this.open.context.wheel.remove(this)
    this.open.left(this, this.facts)
  }

  // --- the session ---

  onRequest(stream: ServerStream, list: HeaderList): void {
    new StreamInbound(this, stream, list)
  }

  onRefused(reason: string): void {
    this.open.context.counts.refuse(reason)
  }

  onLeft(): void {
    if (this.#session.streams.size > 0) return
    this.#idleSince = clock.now
    if (this.#leaving) this.#finish()
  }

  onFarewell(): void {
    this.#leaving = true
    if (this.#session.streams.size === 0) this.#finish()
  }

  onEnd(): void {
    this.#finish()
  }

  /** Says our last, and reads on for a moment: what lay unread would turn our end into a reset, and GOAWAY be lost. */
  #finish(): void {
    if (this.#ended || this.#writes.gone) return
    this.#ended = true
    this.#writes.end()
    this.due = Number.POSITIVE_INFINITY
    this.open.context.wheel.set(this, LINGER, clock.now)
  }

  // --- time ---

  /** Once a second. */
  expire(): void {
    if (this.#writes.gone) return
    if (this.#ended) {
      this.#wire.destroy()
      return
    }
    const now = clock.now
    const passed = now - this.#lastLook
    this.#lastLook = now
    const session = this.#session
    session.refill(passed / 1000)
    const { headTimeout, idleTimeout } = this.open.plan.limits
    this.#stuck = session.waits && session.frames === this.#progress ? this.#stuck + passed : 0
    this.#progress = session.frames
    if (headTimeout > 0 && this.#stuck >= headTimeout) {
      this.open.context.counts.refuse('head-timeout')
      this.#wire.destroy()
      return
    }
    if (this.#warnedAt > 0 && now - this.#warnedAt >= LINGER) session.close()
    else if (session.streams.size === 0 && idleTimeout > 0 && now - this.#idleSince >= idleTimeout) this.drain()
    if (!this.#ended) this.open.context.wheel.set(this, LOOK, now)
  }
}
