/** Amounts by key and time → sums in fixed windows, in memory. Windows that are over are swept out as others come. */

export interface Window {
  readonly count: number
  /** When it ends: milliseconds, as the times it is given. */
  readonly resetAt: number
}

/** The same additions in the same order make the same windows, whatever was looked at in between. */
export class Windows implements Iterable<readonly [key: string, window: Window]> {
  readonly #windows = new Map<string, { count: number; resetAt: number }>()
  #sweepAt = FEW

  /** A window begins with the first amount, and lasts as long as that one said. Never below zero. */
  add(time: number, key: string, windowMs: number, amount: number): Window {
    let window = this.#windows.get(key)
    if (window === undefined || window.resetAt <= time) {
      window = { count: 0, resetAt: time + windowMs }
      this.#windows.set(key, window)
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
    for (const [key, { resetAt }] of this.#windows) if (resetAt <= time) this.#windows.delete(key)
    this.#sweepAt = Math.max(FEW, this.#windows.size * 2)
  }

  clear(): void {
    this.#windows.clear()
  }

  [Symbol.iterator](): IterableIterator<[key: string, window: Window]> {
    return this.#windows[Symbol.iterator]()
  }
}

const FEW = 4096
