/** One stream of a server's session: a request comes, an answer goes. */
import { ERROR, FLAG } from './frames.ts'
import type { HeaderList } from './list.ts'
import type { Session } from './session.ts'
import { Stream, type StreamUser } from './stream.ts'

export class ServerStream extends Stream<StreamUser> {
  readonly awaitsHead = false
  user: StreamUser | undefined = undefined

  constructor(session: Session, id: number, ended: boolean) {
    super(session, id)
    this.remoteEnds = this.remoteEnded = ended
  }

  // --- the answer: field lines with their CRLF, in any case ---

  inform(status: number, lines: string): void {
    if (!this.over) this.session.output.headers(this, status, lines, 0)
  }

  respond(status: number, lines: string): void {
    if (!this.over) this.session.output.headers(this, status, lines, 0)
  }

  /** A head that is all of the answer. */
  respondWhole(status: number, lines: string): void {
    if (this.over || this.localEnds) return
    this.localEnds = true
    this.session.output.headers(this, status, lines, FLAG.endStream)
    this.onSent()
  }

  override receiveHead(list: HeaderList, ends: boolean): void {
    this.receiveTrailers(list, ends)
  }

  protected override onSent(): void {
    this.forget()
    // RFC 9113 §8.1: the answer is whole, the rest of the request is not wanted
    if (this.remoteEnded) this.session.leave(this)
    else this.session.reset(this, ERROR.none)
  }

  /** The answer may still be on its way. */
  protected override onTaken(): void {
    return undefined
  }
}
