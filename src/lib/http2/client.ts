/** The client's side of one HTTP/2 connection (RFC 9113): requests → bytes, bytes of the server → answers. */
import { ClientStream, type AnswerUser } from './client-stream.ts'
import { ERROR, PREFACE, SETTING, WINDOW_MOST } from './frames.ts'
import { WINDOW } from './intake.ts'
import type { Transport } from './output.ts'
import { Session, type SessionLimits, type SessionUser } from './session.ts'
import type { Stream } from './stream.ts'

export interface ClientUser extends SessionUser {
  /** How many streams the server takes at once; Infinity: it sets no limit. */
  onStreams(most: number): void
}

/** What we take of all answers before somebody has used it, bytes. */
const CONNECTION_WINDOW = 67_108_864
/** At once on one connection, whatever the server allows: were all of them but one read by nobody, that one goes on. */
export const STREAMS_MOST = CONNECTION_WINDOW / WINDOW
/** Heads that a server does not read: from here on others should take the next requests, bytes. */
const CROWDED = 262_144

export class ClientSession extends Session<ClientUser> {
  #leaving = false
  #most = Number.POSITIVE_INFINITY

  constructor(user: ClientUser, transport: Transport, limits: SessionLimits) {
    super(user, transport, limits, CONNECTION_WINDOW)
    this.greet(PREFACE, [
      [SETTING.push, 0],
      [SETTING.listBytes, limits.headBytes],
    ])
  }

  /** May a stream be begun? How many there may be at once is for the user to count. */
  get open(): boolean {
    return !this.over && !this.#leaving && this.ids.last < WINDOW_MOST - 1 && this.output.unsent < CROWDED
  }

  /**
   * `lines`: pseudo-headers (`:method: GET`) and fields, each with its CRLF; none of one connection only. With
   * `whole` there is no body. While it is `open`.
   */
  begin(user: AnswerUser, lines: string, body: 'whole' | 'body follows'): ClientStream {
    const id = this.ids.last === 0 ? 1 : this.ids.last + 2
    this.ids.begin(id)
    this.budget.request()
    const stream = new ClientStream(this, id, user)
    this.streams.set(id, stream)
    stream.begin(lines, body)
    return stream
  }

  /** No new streams; the connection ends with the last one. */
  close(): void {
    this.#leaving = true
    if (!this.over && this.streams.size === 0) this.stop(ERROR.none)
  }

  override leave(stream: Stream): void {
    super.leave(stream)
    if (this.#leaving && !this.over && this.streams.size === 0) this.stop(ERROR.none)
  }

  // --- what the server says ---

  /** Only a client begins streams. */
  protected override onOpening(): void {
    this.fail(ERROR.protocol)
  }

  override onReset(stream: Stream, code: number): void {
    // RFC 9113 §8.1: the answer is whole, the rest of the request is not wanted
    if (stream.remoteEnded) {
      stream.unwanted()
      return
    }
    this.leave(stream)
    stream.lost(code, 'reset')
  }

  protected override onGone(stream: Stream): void {
    // what waits to be read needs no connection
    if (stream.remoteEnded) stream.unwanted()
    else stream.lost(ERROR.cancel, 'gone')
  }

  override onAway(last: number): void {
    if (!this.#leaving) this.user.onFarewell()
    this.#leaving = true
    for (const stream of this.streams.values()) {
      if (stream.id <= last) continue
      this.ids.end(stream.id, 0)
      this.leave(stream)
      stream.lost(ERROR.refused, 'reset')
    }
    this.close()
  }

  override onSetting(setting: number, value: number): number {
    if (setting === SETTING.streams) this.#most = value
    return setting === SETTING.push && value !== 0 ? ERROR.protocol : ERROR.none
  }

  override onSettled(): void {
    this.user.onStreams(this.#most)
  }

  override onPong(): void {
    return undefined
  }

  /** Pushes, of which there are none. */
  protected override get lastOfTheirs(): number {
    return 0
  }
}
