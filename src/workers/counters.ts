/**
 * Counters that are exact across workers: one process, the primary, counts. A worker gathers what its requests ask for
 * in one turn of the event loop, and asks once; the more there is to ask, the cheaper each question (docs/adr/).
 */
import { StoreUnavailable, type Counters, type CounterState } from '../policies/services.ts'

interface Waiting {
  readonly resolve: (state: CounterState) => void
  readonly reject: (error: Error) => void
}

export interface RemoteCounters extends Counters {
  answer(turn: number, sums: readonly number[]): void
  fail(turn: number, message: string): void
}

/** The worker's side. `send` says false when there is nobody to ask. */
export function createRemoteCounters(
  send: (turn: number, asked: readonly (string | number)[]) => boolean,
): RemoteCounters {
  let asked: (string | number)[] = []
  let waiting: Waiting[] = []
  let turn = 0
  const underWay = new Map<number, readonly Waiting[]>()
  const flush = (): void => {
    const mine = waiting
    const question = asked
    waiting = []
    asked = []
    turn++
    if (send(turn, question)) underWay.set(turn, mine)
    else for (const one of mine) one.reject(new StoreUnavailable('the process that counts has gone'))
  }
  return {
    add: (key, windowMs, amount = 1) =>
      new Promise((resolve, reject) => {
        if (waiting.length === 0) setImmediate(flush)
        asked.push(key, windowMs, amount)
        waiting.push({ resolve, reject })
      }),
    answer: (of, sums) => {
      const mine = underWay.get(of) ?? []
      underWay.delete(of)
      mine.forEach((one, at) => one.resolve({ count: sums[at * 2]!, resetAt: sums[at * 2 + 1]! }))
    },
    fail: (of, message) => {
      const mine = underWay.get(of) ?? []
      underWay.delete(of)
      for (const one of mine) one.reject(new StoreUnavailable(message))
    },
  }
}

/** The primary's side: the same questions to the real counters. */
export async function countAll(counters: Counters, asked: readonly (string | number)[]): Promise<readonly number[]> {
  const sums: number[] = []
  const states: (CounterState | Promise<CounterState>)[] = []
  for (let at = 0; at < asked.length; at += 3) {
    const state = counters.add(String(asked[at]), Number(asked[at + 1]), Number(asked[at + 2]))
    // a state may be the window itself: what it says now is the answer, not what it says later
    states.push(state instanceof Promise ? state : { count: state.count, resetAt: state.resetAt })
  }
  for (const state of states) {
    const { count, resetAt } = state instanceof Promise ? await state : state
    sums.push(count, resetAt)
  }
  return sums
}
