/** Amounts by key and time → sums in fixed windows, in memory. Windows that are over are swept out as others come. */

export interface Window {
  readonly count: number
  /** When it ends: milliseconds, as the times it is given. */
  readonly resetAt: number
}

/** The same additions in the same order make the same windows, whatever was looked at in between. */
export class Windows implements Iterable<readonly [key: string, window: Window]> {
  readonly #windows = new Map<string, { count: number; resetAt: number }>()
  readonly #most: number
  #sweepAt = FEW
  #sweptAt = 0
  /** No window is over before. */
  #earliest = Infinity

  /** Clients choose some keys: no more than `most` windows are held. */
  constructor(most = MOST_WINDOWS) {
    this.#most = most
  }

  /**
   * A window begins with the first amount, and lasts as long as that one said. Never below zero. Undefined: there is no room
   * for another one, and nothing is counted.
   */
  add(time: number, key: string, windowMs: number, amount: number): Window | undefined {
    let window = this.#windows.get(key)
    if (window === undefined || window.resetAt <= time) {
      if (window === undefined && !this.#hasRoom(time)) return undefined
      window = { count: 0, resetAt: time + windowMs }
      this.#windows.set(key, window)
      this.#earliest = Math.min(this.#earliest, window.resetAt)
      if (this.#windows.size > this.#sweepAt) this.sweep(time)
    }
    // giving back never makes a debt: the window may have begun after what is given back was taken
    window.count = Math.max(0, window.count + amount)
    return { count: window.count, resetAt: window.resetAt }
  }

  /** As it was elsewhere. */
  set(key: string, { count, resetAt }: Window): void {
    this.#windows.set(key, { count, resetAt })
  }

  sweep(time: number): void {
    this.#earliest = Infinity
    for (const [key, { resetAt }] of this.#windows) {
      if (resetAt <= time) this.#windows.delete(key)
      else this.#earliest = Math.min(this.#earliest, resetAt)
    }
    this.#sweptAt = time
    this.#sweepAt = Math.max(FEW, this.#windows.size * 2)
  }

  /** Looked for at most once a second: each look is at all of them. */
  #hasRoom(time: number): boolean {
    if (this.#windows.size < this.#most) return true
    if (time >= this.#earliest && time >= this.#sweptAt + 1000) this.sweep(time)
    return this.#windows.size < this.#most
  }

  clear(): void {
    this.#windows.clear()
  }

  [Symbol.iterator](): IterableIterator<[key: string, window: Window]> {
    return this.#windows[Symbol.iterator]()
  }
}

const FEW = 4096
/** Some hundreds of bytes each. */
export const MOST_WINDOWS = 1_000_000
