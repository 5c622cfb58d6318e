/**
 * Deadlines of thousands of connections on one interval. Setting one again costs an assignment: a deadline that moves
 * later keeps its place and is looked at when its old time comes. Late by one tick at most, never early.
 */

import { clock, tick } from './clock.ts'

const TICK = 20
const SLOTS = 1024
/** Milliseconds after which a tick is late, and the process was held up. */
const LATE = 3 * TICK

export abstract class Deadline {
  /** Milliseconds of the wheel's clock; Infinity: none. */
  due = Number.POSITIVE_INFINITY
  /** When the slot that holds it comes round; Infinity: in no slot. */
  scheduled = Number.POSITIVE_INFINITY
  previous: Deadline | undefined
  next: Deadline | undefined
  slot = -1

  abstract expire(): void
}

export class Wheel {
  readonly #slots: (Deadline | undefined)[] = Array.from({ length: SLOTS }, () => undefined)
  #tick: number
  #count = 0
  #interval: NodeJS.Timeout | undefined

  constructor() {
    this.#tick = Math.floor(clock.now / TICK)
  }

  /** Expires `ms` from `now`, unless set again or cleared. */
  set(deadline: Deadline, ms: number, now: number): void {
    const due = now + ms
    deadline.due = due
    if (deadline.scheduled <= due) return
    this.#unlink(deadline)
    this.#link(deadline, due)
    if (this.#interval === undefined) {
      this.#tick = Math.floor(now / TICK)
      this.#interval = setInterval(() => this.#turn(), TICK)
      this.#interval.unref()
    }
  }

  clear(deadline: Deadline): void {
    deadline.due = Number.POSITIVE_INFINITY
  }

  /** Forgets it for good: call it when the owner goes. */
  remove(deadline: Deadline): void {
    deadline.due = Number.POSITIVE_INFINITY
    this.#unlink(deadline)
  }

  stop(): void {
    clearInterval(this.#interval)
    this.#interval = undefined
  }

  #link(deadline: Deadline, due: number): void {
    // one turn of the wheel at most: what is later is looked at once a turn
    const ticks = Math.min(SLOTS - 1, Math.max(1, Math.ceil(due / TICK) - this.#tick))
    const slot = (this.#tick + ticks) % SLOTS
    deadline.slot = slot
    deadline.scheduled = (this.#tick + ticks) * TICK
    deadline.previous = undefined
    deadline.next = this.#slots[slot]
    if (deadline.next !== undefined) deadline.next.previous = deadline
    this.#slots[slot] = deadline
    this.#count++
  }

  #unlink(deadline: Deadline): void {
    if (deadline.slot < 0) return
    if (deadline.previous === undefined) this.#slots[deadline.slot] = deadline.next
    else deadline.previous.next = deadline.next
    if (deadline.next !== undefined) deadline.next.previous = deadline.previous
    deadline.previous = undefined
    deadline.next = undefined
    deadline.slot = -1
    deadline.scheduled = Number.POSITIVE_INFINITY
    this.#count--
  }

  /** Who was held up has not heard yet what its sockets were told meanwhile: they come first, or a stall of ours is their timeout. */
  #turn(): void {
    if (tick() - this.#tick * TICK < LATE) this.#advance()
    else setImmediate(() => this.#advance())
  }

  #advance(): void {
    if (this.#interval === undefined) return
    const now = tick()
    const target = Math.floor(now / TICK)
    // after a long stall one turn sees everything
    if (target - this.#tick > SLOTS) this.#tick = target - SLOTS
    while (this.#tick < target) {
      this.#tick++
      let deadline = this.#slots[this.#tick % SLOTS]
      while (deadline !== undefined) {
        const next: Deadline | undefined = deadline.next
        this.#unlink(deadline)
        if (deadline.due <= now) {
          deadline.due = Number.POSITIVE_INFINITY
          deadline.expire()
        } else if (deadline.due !== Number.POSITIVE_INFINITY) {
          this.#link(deadline, deadline.due)
        }
        // expire() may have taken the next one out of this slot
        deadline = next === undefined || next.slot === this.#tick % SLOTS ? next : this.#slots[this.#tick % SLOTS]
      }
    }
    if (this.#count === 0) this.stop()
  }
}
