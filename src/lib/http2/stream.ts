/** One stream of a session: bodies go and come, each as fast as the other side takes it. */
import { ERROR, FLAG, four, frameHead, TYPE } from './frames.ts'
import { Held } from './held.ts'
import { WINDOW } from './intake.ts'
import type { HeaderList } from './list.ts'
import type { Session } from './session.ts'

/** How a stream was lost: the other side has reset it, it has broken a rule, or the connection has gone. */
export type Loss = 'reset' | 'fault' | 'gone'

export interface StreamUser {
  /** bytes[from, end) of the body, until this returns. */
  onData(bytes: Buffer, from: number, end: number): void
  /** The body is whole. `trailers`: field lines with CRLF, without what follows them; undefined: none. */
  onEndOfBody(trailers: string | undefined): void
  /** After `send` has said false: it takes more. */
  onDrain(): void
  /** Nothing can be sent, and nothing comes any more. */
  onLost(code: number, loss: Loss): void
}

export abstract class Stream<User extends StreamUser = StreamUser> {
  readonly id: number
  /** The id as frames have it. */
  readonly head: string
  abstract readonly user: User | undefined
  /** Must a head come before anything else? */
  abstract readonly awaitsHead: boolean
  /** What the other side takes of it, bytes; may be negative. */
  window: number
  /** What we take, and what was used since we said so. */
  receives = WINDOW
  used = 0
  /** Bytes of the body to come; -1: the end will tell. */
  expected = -1
  /** The last frame of the body is being read. */
  remoteEnds = false
  remoteEnded = false
  /** The end of what we send is known, and may wait to be sent. */
  localEnds = false
  protected readonly session: Session
  #over = false
  #paused = false
  #delivering = false
  #held: Held | undefined
  #endHeld = false
  #trailers: string | undefined
  #queue: (string | Buffer)[] = []
  /** Of the first of the queue: what was sent. */
  #sent = 0
  #tail: string | undefined

  constructor(session: Session, id: number) {
    this.session = session
    this.id = id
    this.head = four(id)
    this.window = session.output.streamWindow
  }

  /** Nothing can be sent any more, or all was. */
  get over(): boolean {
    return this.#over
  }

  /** Does something wait to be sent? */
  get hasMore(): boolean {
    return this.#queue.length > 0
  }

  // --- what we send ---

  /** False: wait for onDrain before more. Latin1, or a Buffer that may lie in memory that is read into again. */
  send(piece: string | Buffer): boolean {
    if (this.#over || this.localEnds || piece.length === 0) return true
    const to = this.hasMore ? 0 : this.session.output.data(this, piece, 0, false, MANY)
    if (to < piece.length) this.#push(piece, to)
    return !this.hasMore
  }

  /** `last` of the body, latin1, may be empty. `trailers`: lines, as above. */
  end(last: string, trailers: string | undefined): void {
    if (this.#over || this.localEnds) return
    this.localEnds = true
    this.#tail = trailers
    if (last !== '') {
      const to = this.hasMore ? 0 : this.session.output.data(this, last, 0, trailers === undefined, MANY)
      if (to < last.length) {
        this.#push(last, to)
        return
      }
    } else if (this.hasMore) return
    else if (trailers === undefined) this.session.output.emit(frameHead(0, TYPE.data, FLAG.endStream, this.head))
    this.#sendTail()
  }

  /** What we send ends here and is not whole. */
  abort(code: number): void {
    if (this.#over) return
    this.forget()
    this.session.reset(this, code)
  }

  /** What has come contradicts itself: the stream ends, and onLost follows. */
  malformed(): void {
    this.session.fault(this, ERROR.protocol)
  }

  // --- what comes ---

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    if (!this.#delivering && this.#held !== undefined) this.#deliver()
  }

  // --- what a side does its own way ---

  /** A head has come: the first, or trailers. */
  abstract receiveHead(list: HeaderList, ends: boolean): void
  /** All of ours is on its way. */
  protected abstract onSent(): void
  /** The user has all that has come. */
  protected abstract onTaken(): void

  // --- what the session calls ---

  receive(bytes: Buffer, from: number, end: number): void {
    if (this.#paused || this.#held !== undefined) {
      ;(this.#held ??= new Held()).push(bytes, from, end)
      return
    }
    this.session.intake.use(this.remoteEnds ? undefined : this, end - from)
    this.#delivering = true
    this.user?.onData(bytes, from, end)
    this.#delivering = false
    if (this.#held !== undefined) this.#deliver()
  }

  receiveEnd(trailers: string | undefined): void {
    // RFC 9113 §8.1.1: trailers, too, end what was announced
    if (this.expected > 0) {
      this.session.fault(this, ERROR.protocol)
      return
    }
    this.remoteEnds = this.remoteEnded = true
    if (this.#over) return
    if (this.#held !== undefined) {
      this.#endHeld = true
      this.#trailers = trailers
    } else this.#finish(trailers)
  }

  protected receiveTrailers(list: HeaderList, ends: boolean): void {
    if (this.remoteEnded) this.session.fault(this, ERROR.streamClosed)
    else if (!ends || list.malformed || list.long) this.session.fault(this, ERROR.protocol)
    else {
      const crumbs = list.cookie === undefined ? '' : `cookie: ${list.cookie}\r\n`
      this.receiveEnd(list.lines + crumbs + (list.host === undefined ? '' : `host: ${list.host}\r\n`))
    }
  }

  /** The windows are open again: one frame, then it is somebody else's turn. */
  sendMore(): void {
    const piece = this.#queue[0]
    if (piece === undefined) return
    const only = this.#queue.length === 1
    const to = this.session.output.data(this, piece, this.#sent, only && this.localEnds && this.#tail === undefined, 1)
    if (to < piece.length) this.#sent = to
    else {
      this.#queue.shift()
      this.#sent = 0
      if (only) {
        if (this.localEnds) this.#sendTail()
        this.user?.onDrain()
        return
      }
    }
    this.session.output.wait(this)
  }

  /** The other side does not want the rest of what we send; what it has sent itself holds. */
  unwanted(): void {
    if (this.#over) return
    this.localEnds = true
    this.#queue = []
    this.#tail = undefined
    this.session.output.leave(this)
    this.onSent()
  }

  /** The session ends it; nothing is sent for it any more. */
  lost(code: number, loss: Loss): void {
    if (this.#over) return
    this.forget()
    this.user?.onLost(code, loss)
  }

  // --- inside ---

  #push(piece: string | Buffer, from: number): void {
    const rest = typeof piece === 'string' ? piece.slice(from) : this.session.output.keep(piece.subarray(from))
    this.#queue.push(rest)
    this.session.output.wait(this)
  }

  /** All of the body is on its way. */
  #sendTail(): void {
    if (this.#tail !== undefined) this.session.output.headers(this, 0, this.#tail, FLAG.endStream)
    this.onSent()
  }

  #deliver(): void {
    const held = this.#held!
    this.#delivering = true
    while (!this.#paused && !this.#over) {
      const piece = held.shift()
      if (piece === undefined) break
      this.session.intake.use(this.remoteEnds ? undefined : this, piece.length)
      this.user?.onData(piece, 0, piece.length)
    }
    this.#delivering = false
    if (this.#over || !held.empty) return
    this.#held = undefined
    if (!this.#endHeld) return
    this.#endHeld = false
    this.#finish(this.#trailers)
  }

  #finish(trailers: string | undefined): void {
    this.user?.onEndOfBody(trailers)
    if (!this.#over) this.onTaken()
  }

  /** Nothing is sent or delivered any more. */
  protected forget(): void {
    this.#over = true
    this.#queue = []
    const held = this.#held
    this.#held = undefined
    if (held !== undefined) this.session.intake.use(undefined, held.bytes)
  }
}

/** Frames at once: as many as the windows allow. */
const MANY = Number.POSITIVE_INFINITY
