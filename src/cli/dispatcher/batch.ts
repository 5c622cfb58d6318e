/** A source → the same source, whose changes come in batches. For targets that pay for each. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Source } from '../../sources/source.ts'

/**
 * The first world at once; then the first change opens a window of `ms`, at whose end the latest world comes. Changes
 * inside do not make it longer.
 */
export function batched<World, Status>(
  source: Source<World, Status>,
  ms: number,
  wait = (time: number, signal: AbortSignal): Promise<unknown> => sleep(time, undefined, { signal }),
): Source<World, Status> {
  return {
    ...source,
    async *read(place, signal) {
      let latest: { readonly world: World } | undefined
      let ended = false
      let wake: () => void = () => undefined
      const reading = (async () => {
        for await (const world of source.read(place, signal)) {
          latest = { world }
          wake()
        }
      })().finally(() => {
        ended = true
        wake()
      })
      let first = true
      for (;;) {
        if (latest === undefined && !ended) await new Promise<void>((resolve) => (wake = resolve))
        if (signal.aborted) break
        if (latest === undefined && ended) break
        if (!first) await wait(ms, signal).catch(() => undefined)
        if (signal.aborted || latest === undefined) break
        first = false
        const { world } = latest
        latest = undefined
        yield world
      }
      await reading
    },
  }
}
