/** The server's side of one HTTP/2 connection (RFC 9113): bytes of the client → requests, answers → bytes. */
import { WARNED } from './controls.ts'
import { ERROR, goawayFrame, pingFrame, PREFACE, SETTING, WINDOW_MOST } from './frames.ts'
import { WINDOW } from './intake.ts'
import type { HeaderList } from './list.ts'
import type { Transport } from './output.ts'
import { ServerStream } from './server-stream.ts'
import { Session, type SessionLimits, type SessionUser } from './session.ts'
import type { Stream } from './stream.ts'

export interface ServerUser extends SessionUser {
  /** A request whose list is complete; sets the stream's user, or answers at once. `list` holds until this returns. */
  onRequest(stream: ServerStream, list: HeaderList): void
}

/** At once on one connection; browsers use 100 at most. */
const STREAMS = 128
/** What we take of all bodies of a connection before somebody has used it, bytes: fifteen that nobody uses leave room for others. */
const CONNECTION_WINDOW = 4_194_304

export class ServerSession extends Session<ServerUser> {
  #prefaceAt = 0
  /** The last stream that is served once we have said GOAWAY. */
  #lastServed = WINDOW_MOST

  constructor(user: ServerUser, transport: Transport, limits: SessionLimits) {
    super(user, transport, limits, CONNECTION_WINDOW)
    this.greet('', [
      [SETTING.streams, STREAMS],
      [SETTING.listBytes, Math.min(65_535, limits.headBytes * 2)],
      [SETTING.noPriorities, 1],
    ])
  }

  override receive(bytes: Buffer, from: number, end: number): void {
    let at = from
    if (this.#prefaceAt < PREFACE.length) {
      while (at < end && this.#prefaceAt < PREFACE.length) {
        if (bytes[at++] !== PREFACE.charCodeAt(this.#prefaceAt++)) {
          this.fail(ERROR.protocol)
          return
        }
      }
      if (this.#prefaceAt < PREFACE.length) return
    }
    super.receive(bytes, at, end)
  }

  override get waits(): boolean {
    return this.#prefaceAt < PREFACE.length || super.waits
  }

  /** RFC 9113 §6.8: no new streams, please; those on their way are still served. */
  warn(): void {
    if (!this.over) this.output.emit(goawayFrame(WINDOW_MOST, ERROR.none) + pingFrame(WARNED, 0))
  }

  /** From here on nothing new is served. */
  close(): void {
    if (this.over || this.#lastServed !== WINDOW_MOST) return
    this.#lastServed = this.ids.last
    this.output.emit(goawayFrame(this.ids.last, ERROR.none))
    this.user.onFarewell()
  }

  // --- what the client says ---

  protected override onOpening(id: number, list: HeaderList, ends: boolean): void {
    this.ids.begin(id)
    this.budget.request()
    const left = ends ? 0 : WINDOW
    if (id > this.#lastServed) {
      this.emitReset(id, ERROR.refused, left)
    } else if (this.streams.size >= STREAMS) {
      this.emitReset(id, ERROR.refused, left)
      this.budget.reset()
    } else if (!list.long && !list.complete) {
      this.emitReset(id, ERROR.protocol, left)
      this.user.onRefused('h2-malformed')
      this.budget.reset()
    } else {
      const stream = new ServerStream(this, id, ends)
      this.streams.set(id, stream)
      this.user.onRequest(stream, list)
    }
  }

  override fault(stream: Stream, code: number): void {
    super.fault(stream, code)
    this.budget.reset()
  }

  override onReset(stream: Stream, code: number): void {
    // what was on its way to the client has no reader any more
    const answered = stream.localEnds
    this.leave(stream)
    stream.lost(code, 'reset')
    if (!answered) this.budget.reset()
  }

  protected override onGone(stream: Stream): void {
    stream.lost(ERROR.cancel, 'gone')
  }

  /** Streams of ours would be pushes. */
  override onAway(): void {
    this.user.onFarewell()
  }

  override onSetting(setting: number, value: number): number {
    return setting === SETTING.push && value > 1 ? ERROR.protocol : ERROR.none
  }

  override onSettled(): void {
    return undefined
  }

  override onPong(payload: string): void {
    // the client has read our warning, and whatever it had begun before is here
    if (payload === WARNED) this.close()
  }

  protected override get lastOfTheirs(): number {
    return this.ids.last
  }
}
