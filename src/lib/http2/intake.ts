/** Frames of DATA → the bodies of streams, within the windows that we give. */
import { CONNECTION_ID, ERROR, FLAG, updateFrame } from './frames.ts'
import type { Session } from './session.ts'
import type { Stream } from './stream.ts'

/** What we take of one body before somebody has used it, bytes. */
export const WINDOW = 262_144
/**
 * So much of all bodies is used before we say so, bytes. What is used and not said is missing from the other side's window:
 * whatever bodies are held, it may send while there is that much beside them.
 */
const STEP = WINDOW

export class Intake {
  readonly #session: Session
  /** What we take of all, and what was used of it since we said so. */
  #receives: number
  #used = 0
  /** The stream whose frame is being read. */
  #stream: Stream | undefined
  #ends = false

  /** `window`: what we take of all before somebody has used it, bytes. */
  constructor(session: Session, window: number) {
    this.#session = session
    this.#receives = window
  }

  /** A frame begins. `size`: what it counts for the windows; `length`: bytes of body in it. */
  begin(flags: number, id: number, size: number, length: number): void {
    const session = this.#session
    this.#stream = undefined
    this.#receives -= size
    if (this.#receives < 0) {
      session.fail(ERROR.flowControl)
      return
    }
    const stream = session.streams.get(id)
    const ends = (flags & FLAG.endStream) !== 0
    if (length === 0 && !ends) session.budget.idle(size)
    // nobody uses padding
    if (size > length) this.use(undefined, size - length)
    if (stream === undefined) {
      if (!session.ids.wasEnded(id)) session.fail(ERROR.streamClosed)
      // nobody can know that we have broken off before our RST_STREAM arrives
      else if (!session.ids.wasOnItsWay(id, size, ends)) session.budget.idle(size)
      return
    }
    if (stream.remoteEnded || stream.awaitsHead) {
      session.fault(stream, stream.remoteEnded ? ERROR.streamClosed : ERROR.protocol)
      return
    }
    stream.receives -= size
    stream.used += size - length
    if (stream.receives < 0) {
      session.fault(stream, ERROR.flowControl)
      return
    }
    // RFC 9113 §8.1.1: what comes is what was announced
    if (stream.expected >= 0) {
      stream.expected -= length
      if (stream.expected < 0 || (ends && stream.expected > 0)) {
        session.fault(stream, ERROR.protocol)
        return
      }
    }
    if (ends) stream.remoteEnds = true
    this.#stream = stream
    this.#ends = ends
  }

  piece(bytes: Buffer, from: number, end: number): void {
    if (this.#stream === undefined) this.use(undefined, end - from)
    else this.#stream.receive(bytes, from, end)
  }

  end(): void {
    const stream = this.#stream
    this.#stream = undefined
    if (stream !== undefined && this.#ends) stream.receiveEnd(undefined)
  }

  /** What is still read of its body is nobody's. */
  leave(stream: Stream): void {
    if (this.#stream === stream) this.#stream = undefined
  }

  /** Bytes of a body were used. `stream`: undefined where it has nothing more to receive. */
  use(stream: Stream | undefined, bytes: number): void {
    const { output } = this.#session
    this.#used += bytes
    if (this.#used >= STEP) {
      this.#receives += this.#used
      output.emit(updateFrame(CONNECTION_ID, this.#used))
      this.#used = 0
    }
    if (stream === undefined) return
    stream.used += bytes
    if (stream.used >= WINDOW / 2) {
      stream.receives += stream.used
      output.emit(updateFrame(stream.head, stream.used))
      stream.used = 0
    }
  }
}
