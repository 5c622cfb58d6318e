/** Numbers of streams (RFC 9113 §5.1.1): which the client has begun, which it has passed over, which we have ended. */

/** Streams that were ended by us: what the client had sent by then is still on its way. */
const REMEMBERED = 1000
/** Runs of numbers that were passed over. */
const RUNS = 64

export class StreamIds {
  /** The highest that the client has begun. */
  last = 0
  /** Below `last`, never begun: first and last of each run. */
  readonly #skipped: number[] = []
  readonly #ended = new Set<number>()

  /** `id` is above `last`. */
  begin(id: number): void {
    if (id > this.last + 2) {
      this.#skipped.push(this.last + 2, id - 2)
      if (this.#skipped.length > RUNS) this.#skipped.splice(0, 2)
    }
    this.last = id
  }

  /** By us. */
  end(id: number): void {
    this.#ended.add(id)
    if (this.#ended.size <= REMEMBERED) return
    for (const oldest of this.#ended) {
      this.#ended.delete(oldest)
      return
    }
  }

  /** By us, a while ago? */
  wasEnded(id: number): boolean {
    return this.#ended.has(id)
  }

  wasSkipped(id: number): boolean {
    const skipped = this.#skipped
    for (let at = 0; at < skipped.length; at += 2) if (id >= skipped[at]! && id <= skipped[at + 1]!) return true
    return false
  }

  /** Is it a stream that nobody has begun? */
  isIdle(id: number): boolean {
    return id > this.last || (id & 1) === 0 || this.wasSkipped(id)
  }
}
