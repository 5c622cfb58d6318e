/** A value that is there, or the promise of one → what comes next, without a turn of the event loop where it is there. */
import type { Soon } from '../services.ts'

export function whenKnown<T, R>(value: Soon<T>, next: (value: T) => Soon<R>): Soon<R> {
  // oxlint-disable-next-line promise/no-callback-in-promise -- this is what `then` is for
  return value instanceof Promise ? value.then(next) : next(value)
}
