/** Long work, as a generator that yields often → its result, at once or with other work of the process in between. */

export type Work<Result> = Generator<void, Result>

export function atOnce<Result>(work: Work<Result>): Result {
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
  }
}

/** No turn of the event loop is longer than `ms` and the longest piece. */
export async function inTurns<Result>(work: Work<Result>, ms = 2): Promise<Result> {
  for (;;) {
    const until = performance.now() + ms
    do {
      const step = work.next()
      if (step.done === true) return step.value
    } while (performance.now() < until)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
