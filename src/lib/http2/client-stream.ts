/** One stream of a client's session: a request goes, an answer comes. */
import { ERROR, FLAG } from './frames.ts'
import type { HeaderList } from './list.ts'
import type { Session } from './session.ts'
import { Stream, type StreamUser } from './stream.ts'

export interface AnswerUser extends StreamUser {
  /** 1xx. `list` holds until this returns. */
  onInform(status: number, list: HeaderList): void
  /** The head of the answer; with `ends` that is all of it, and no onEndOfBody follows. */
  onAnswer(status: number, list: HeaderList, ends: boolean): void
}

export class ClientStream extends Stream<AnswerUser> {
  awaitsHead = true
  readonly user: AnswerUser
  #sent = false
  #taken = false

  constructor(session: Session, id: number, user: AnswerUser) {
    super(session, id)
    this.user = user
  }

  /** Called by the session. */
  begin(lines: string, body: 'whole' | 'body follows'): void {
    this.localEnds = this.#sent = body === 'whole'
    this.session.output.headers(this, 0, lines, this.#sent ? FLAG.endStream : 0)
  }

  override receiveHead(list: HeaderList, ends: boolean): void {
    if (!this.awaitsHead) {
      this.receiveTrailers(list, ends)
      return
    }
    const { status } = list
    if (list.malformed || list.long || status === 0 || (status < 200 && ends)) {
      this.session.fault(this, ERROR.protocol)
      return
    }
    if (status < 200) {
      this.user.onInform(status, list)
      return
    }
    this.awaitsHead = false
    if (ends) this.remoteEnds = this.remoteEnded = true
    this.user.onAnswer(status, list, ends)
    if (ends && !this.over) this.onTaken()
  }

  protected override onSent(): void {
    this.#sent = true
    if (this.#taken) this.#finish()
  }

  protected override onTaken(): void {
    this.#taken = true
    if (this.#sent) this.#finish()
    // the answer is whole, and nobody reads the rest of the request
    else this.abort(ERROR.cancel)
  }

  #finish(): void {
    this.forget()
    this.session.leave(this)
  }
}
