/**
 * Sources' worlds → drafts: translate → merge and check. The first half of the loop; it runs in the process that serves, or in
 * a thread beside it. One draft at a time; changes that come while one is taken make one further draft.
 */
import type { Diagnostic } from '../model/diagnostic.ts'
import { emptyModel } from '../model/model.ts'
import type { Plan } from '../pipeline/plan.ts'
import type { Prepare } from '../pipeline/run.ts'
import type { Events } from '../policies/services.ts'
import type { Place, Source, Translation, Wishes } from '../sources/source.ts'

/** A source with its place; `unknown` because nobody here looks inside a world or a status. */
export interface Feed {
  readonly source: Source<unknown, unknown>
  readonly place: Place
}

/** What was made of the sources' latest worlds. */
export interface Draft {
  /** Undefined: none can be made, and the last good one serves on. */
  readonly plan: Plan | undefined
  readonly wishes: readonly Wishes[]
  readonly diagnostics: readonly Diagnostic[]
  /** `refused`: for a source that refused its world its last good one stands. `stale`: a source no longer hears of changes. */
  readonly standing: 'current' | 'stale' | 'refused'
}

/** Makes the plan of a draft what is served, or not. */
export type Take = (draft: Draft) => Promise<'applied' | 'refused'>

export interface Drafts {
  /** Once. The next draft is made when the last was taken. */
  start(take: Take): void
  /** Another draft of the same worlds. */
  again(): void
  /** Resolves when no change is waiting and no draft is being made or taken. */
  settled(): Promise<void>
  stop(): Promise<void>
}

export interface DraftOptions {
  readonly feeds: readonly Feed[]
  readonly prepare: Prepare
  readonly events: Pick<Events, 'emit'>
  /** How long changes are gathered, milliseconds. Default 5. */
  readonly settleMs?: number
}

/** In this process. */
export function draftHere(options: DraftOptions): Drafts {
  const abort = new AbortController()
  const worlds: { world?: unknown; present: boolean }[] = options.feeds.map(() => ({ present: false }))
  const good: (Translation<unknown> | undefined)[] = options.feeds.map(() => undefined)
  let take: Take = () => Promise.resolve('refused')
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let changedMeanwhile = false
  let feeding: readonly Promise<void>[] = []

  return {
    start: (given) => {
      take = given
      feeding = options.feeds.map((feed, index) => follow(feed, index))
    },
    again: changed,
    settled: async () => {
      while (timer !== undefined || running !== undefined) {
        await (running ?? new Promise((resolve) => setTimeout(resolve, 1)))
      }
    },
    stop: async () => {
      abort.abort()
      clearTimeout(timer)
      timer = undefined
      await running
      await Promise.allSettled(feeding)
    },
  }

  /** Reads until the end; a source that throws is our mistake, said once, and tried again with growing pauses. */
  async function follow(feed: Feed, index: number): Promise<void> {
    let pause = 100
    while (!abort.signal.aborted) {
      try {
        for await (const world of feed.source.read(feed.place, abort.signal)) {
          worlds[index] = { world, present: true }
          pause = 100
          changed()
        }
        return
      } catch (error) {
        if (abort.signal.aborted) return
        options.events.emit(
          'error',
          'runtime/source-failed',
          `source ${feed.source.name} stopped reading: ${String(error)}`,
        )
        await new Promise((resolve) => setTimeout(resolve, pause).unref())
        pause = Math.min(pause * 2, 30_000)
      }
    }
  }

  function changed(): void {
    if (abort.signal.aborted) return
    if (running !== undefined) {
      changedMeanwhile = true
      return
    }
    timer ??= setTimeout(() => {
      timer = undefined
      if (!worlds.every((entry) => entry.present)) return
      running = run().finally(() => {
        running = undefined
        if (changedMeanwhile) {
          changedMeanwhile = false
          changed()
        }
      })
    }, options.settleMs ?? 5)
  }

  async function run(): Promise<void> {
    const found: Translation<unknown>[] = options.feeds.map((feed, index) => translate(feed, worlds[index]?.world))
    const translations: Translation<unknown>[] = []
    for (const [index, translation] of found.entries()) {
      const served = translation.refused === true ? good[index] : translation
      if (served !== undefined) translations.push(served)
      good[index] = served
    }
    const taken = await take(draft(found, translations))
    if (taken === 'applied') await report(translations)
  }

  function draft(found: readonly Translation<unknown>[], translations: readonly Translation<unknown>[]): Draft {
    const refused = found.some((translation) => translation.refused === true)
    const standing = refused ? 'refused' : translations.some(({ stale }) => stale === true) ? 'stale' : 'current'
    const diagnostics = found.flatMap((translation) => translation.diagnostics)
    const wishes = translations.flatMap((translation) => translation.wishes ?? [])
    if (translations.length < options.feeds.length) return { plan: undefined, wishes, diagnostics, standing }
    try {
      const prepared = options.prepare(translations)
      return { plan: prepared.plan, wishes, diagnostics: [...diagnostics, ...prepared.diagnostics], standing }
    } catch (error) {
      return { plan: undefined, wishes, diagnostics: [...diagnostics, noPlan(error)], standing: 'refused' }
    }
  }

  async function report(translations: readonly Translation<unknown>[]): Promise<void> {
    await Promise.all(
      options.feeds.map(async (feed, index) => {
        const translation = translations[index]
        if (feed.source.report === undefined || translation === undefined) return
        try {
          await feed.source.report(translation.statuses, abort.signal)
        } catch (error) {
          if (abort.signal.aborted) return
          options.events.emit(
            'error',
            'runtime/report-failed',
            `source ${feed.source.name} could not report: ${describe(error)}`,
          )
        }
      }),
    )
  }
}

function translate(feed: Feed, world: unknown): Translation<unknown> {
  try {
    return feed.source.translate(world)
  } catch (error) {
    const message = `source ${feed.source.name} could not translate what it read: ${describe(error)}`
    const diagnostic: Diagnostic = {
      code: 'runtime/internal',
      severity: 'error',
      message,
      origin: { source: feed.source.name },
    }
    return { model: emptyModel, diagnostics: [diagnostic], statuses: [], refused: true }
  }
}

/** Our mistake, said as a user's would be: the last good plan serves on. */
export function noPlan(error: unknown): Diagnostic {
  return {
    code: 'runtime/internal',
    severity: 'error',
    message: `a plan could not be made: ${describe(error)}`,
    origin: { source: 'gantry' },
  }
}

export function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
