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
  /** By us, and what of its body may still come, bytes. */
  readonly #ended = new Map<number, number>()

  /** `id` is above `last`. */
  begin(id: number): void {
    if (id > this.last + 2) {
      this.#skipped.push(this.last + 2, id - 2)
      if (this.#skipped.length > RUNS) this.#skipped.splice(0, 2)
    }
    this.last = id
  }

  /** By us. `left`: what of its body may be on its way, within the window that it was given, bytes. */
  end(id: number, left: number): void {
    this.#ended.set(id, left)
    if (this.#ended.size <= REMEMBERED) return
    for (const oldest of this.#ended.keys()) {
      this.#ended.delete(oldest)
      return
    }
  }

  /** By us, a while ago? */
  wasEnded(id: number): boolean {
    return this.#ended.has(id)
  }

  /** DATA for a stream that was ended by us: can it have been on its way by then? `ends`: nothing can be behind it. */
  wasOnItsWay(id: number, size: number, ends: boolean): boolean {
    const left = (this.#ended.get(id) ?? 0) - size
    this.#ended.set(id, ends ? -1 : left)
    return left >= 0
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
