/** What the engine counts, as plain numbers; printed when somebody asks. */
import type { UpstreamFailure } from './forward.ts'

/** Upper bounds, seconds; the last bucket has none. */
export const BOUNDS: readonly number[] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

const NO_CLASSES: readonly number[] = [0, 0, 0, 0, 0, 0]
const NO_BUCKETS: readonly number[] = Array.from({ length: BOUNDS.length + 1 }, () => 0)

/** Of one route. */
export class RouteCounts {
  /** By the first digit of the status, 1 to 5; 0: no answer. */
  classes: readonly number[] = NO_CLASSES
  buckets: readonly number[] = NO_BUCKETS
  /** The same lists, once something was counted: most of ten thousand routes wait long for that. */
  #own: { readonly classes: number[]; readonly buckets: number[] } | undefined
  /** Milliseconds. */
  total = 0
  sent = 0

  add(status: number, ms: number, bytes: number): void {
    const own = this.#own ?? this.#begin()
    own.classes[status === 0 ? 0 : Math.floor(status / 100)]!++
    let bucket = 0
    const seconds = ms / 1000
    while (bucket < BOUNDS.length && seconds > BOUNDS[bucket]!) bucket++
    own.buckets[bucket]!++
    this.total += ms
    this.sent += bytes
  }

  #begin(): { readonly classes: number[]; readonly buckets: number[] } {
    const own = { classes: [...NO_CLASSES], buckets: [...NO_BUCKETS] }
    this.#own = own
    this.classes = own.classes
    this.buckets = own.buckets
    return own
  }
}

/** Of the whole engine. */
export class Counts {
  connections = 0
  connectionsOpened = 0
  connectionsRefused = 0
  requests = 0
  upgrades = 0
  clientsGone = 0
  upstreamConnects = 0
  upstreamRetries = 0
  ejections = 0
  /** Of listeners of bytes: connections and flows that are open, that were opened, what went through them. */
  readonly streams = { open: 0, opened: 0, refused: 0, received: 0, sent: 0 }
  readonly flows = { open: 0, opened: 0, dropped: 0, received: 0, sent: 0 }
  readonly upstreamFailures: Record<UpstreamFailure, number> = {
    connect: 0,
    'connect-timeout': 0,
    stale: 0,
    refused: 0,
    reset: 0,
    timeout: 0,
    'bad-answer': 0,
  }
  /** Requests that the protocol or a limit ended, by reason: 'host', 'chunk-size', 'head-timeout', 'unread', … */
  readonly refused = new Map<string, number>()
  /** By the label of the route. */
  readonly routes = new Map<string, RouteCounts>()

  failedUpstream(failure: UpstreamFailure): void {
    this.upstreamFailures[failure]++
  }

  refuse(reason: string): void {
    this.refused.set(reason, (this.refused.get(reason) ?? 0) + 1)
  }

  route(label: string): RouteCounts {
    let counts = this.routes.get(label)
    if (counts === undefined) {
      counts = new RouteCounts()
      this.routes.set(label, counts)
    }
    return counts
  }
}
