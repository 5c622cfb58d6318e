/** What time it is, looked up once for each piece that is read. At most a tick of the wheel old while there are connections. */
// the global one is behind a getter
import { performance } from 'node:perf_hooks'

export const clock = {
  /** Monotonic, milliseconds: performance.now(). */
  now: performance.now(),
  /** What makes milliseconds since the epoch of it. */
  origin: Date.now() - performance.now(),
}

let synchronised = clock.now

export function tick(): number {
  const now = performance.now()
  clock.now = now
  // the wall clock may be set while we run
  if (now - synchronised > 1000) {
    synchronised = now
    clock.origin = Date.now() - now
  }
  return now
}

let dateUntil = 0
let date = ''

/** The line of an answer that says no date of its own. */
export function dateLine(): string {
  const now = clock.origin + clock.now
  if (now >= dateUntil) {
    date = `Date: ${new Date(now).toUTCString()}\r\n`
    dateUntil = now - (now % 1000) + 1000
  }
  return date
}
