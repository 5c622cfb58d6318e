/** The pieces of a request's body, and the pauses that were not the client's → how long the next piece may take. Pure. */
import type { ResolvedLimits } from './compile.ts'

/**
 * A client has `bodyTimeout` for each piece, as long as it brings `bodyRate` bytes a second; what it is behind comes off
 * that, and no more than that can be caught up. So a long body may take as long as it likes, one that drips may not, and who
 * was fast has not earned an hour of dripping. Times are those of `clock.now`, results milliseconds; 0: no limit.
 */
export class Pace {
  #timeout = 0
  /** Milliseconds that a byte is worth; Infinity: each piece catches up. */
  #worth = Number.POSITIVE_INFINITY
  #due = 0
  #pausedAt = Number.POSITIVE_INFINITY
  /** Has it brought less than it should? */
  behind = false

  start({ bodyTimeout, bodyRate }: Pick<ResolvedLimits, 'bodyTimeout' | 'bodyRate'>, now: number): number {
    this.#timeout = bodyTimeout
    this.#worth = bodyRate === 0 ? Number.POSITIVE_INFINITY : 1000 / bodyRate
    this.#pausedAt = Number.POSITIVE_INFINITY
    return this.restart(now)
  }

  restart(now: number): number {
    this.behind = false
    this.#due = now + this.#timeout
    return this.#timeout
  }

  piece(bytes: number, now: number): number {
    const most = now + this.#timeout
    const due = this.#due + bytes * this.#worth
    this.behind = due < most
    this.#due = this.behind ? due : most
    return this.#left(now)
  }

  pause(now: number): void {
    if (this.#pausedAt > now) this.#pausedAt = now
  }

  resume(now: number): number {
    if (this.#pausedAt < now) this.#due += now - this.#pausedAt
    this.#pausedAt = Number.POSITIVE_INFINITY
    return this.#left(now)
  }

  #left(now: number): number {
    return this.#timeout === 0 ? 0 : Math.max(1, this.#due - now)
  }
}
