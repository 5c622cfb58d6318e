/** A wire → where a session writes: whatever is said in one turn of the event loop goes out in one write, when the turn ends. */
import type { Transport } from '../../../lib/http2/output.ts'
import type { Session } from '../../../lib/http2/session.ts'
import { Wire } from '../wire.ts'

export class SessionWire implements Transport {
  /** Nothing is written any more. */
  gone = false
  readonly #wire: Wire
  #session: Session | undefined

  constructor(wire: Wire) {
    this.#wire = wire
  }

  /** The one that writes. */
  carry(session: Session): void {
    this.#session = session
  }

  write(text: string): boolean {
    return this.gone || this.#wire.write(text)
  }

  writePieces(pieces: readonly (string | Buffer)[]): boolean {
    return this.gone || this.#wire.writePieces(pieces)
  }

  keep(piece: Buffer): Buffer {
    return Wire.keep(piece)
  }

  schedule(): void {
    if (unsent.push(this) === 1) setImmediate(sendAll)
  }

  flush(): void {
    if (!this.gone) this.#session?.flush()
  }

  /** Says our last: what was said in this turn belongs to it. */
  end(): void {
    setImmediate(() => {
      this.flush()
      if (!this.gone) this.#wire.end()
    })
  }
}

/** Those with something to send. */
const unsent: SessionWire[] = []

function sendAll(): void {
  for (const wire of unsent.splice(0)) wire.flush()
}
