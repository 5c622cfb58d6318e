/**
 * The loop: sources' worlds → translate → merge and check → grant wishes → compile → apply → report.
 * One run at a time; changes that come meanwhile make one further run. The last good plan serves until a better one has
 * been applied whole.
 */
import type { Diagnostic } from '../model/diagnostic.ts'
import { foldRepeated, hasErrors } from '../model/diagnostic.ts'
import { emptyModel } from '../model/model.ts'
import type { Plan } from '../pipeline/plan.ts'
import type { Events } from '../policies/services.ts'
import type { Place, Source, Translation, Wishes } from '../sources/source.ts'
import type { Target } from '../targets/target.ts'

/** A source with its place; `unknown` because the loop never looks inside a world or a status. */
export interface Feed {
  readonly source: Source<unknown, unknown>
  readonly place: Place
}

export interface LoopOptions<Artifact> {
  readonly feeds: readonly Feed[]
  readonly target: Target<Artifact>
  prepare(translations: readonly Translation<unknown>[]): {
    readonly plan: Plan
    readonly diagnostics: readonly Diagnostic[]
  }
  /** Effect: store, plugins, admin API, as the sources wish. Throwing nothing; an error among the diagnostics keeps the last good plan. */
  grant(wishes: readonly Wishes[]): Promise<readonly Diagnostic[]>
  readonly events: Events
  /** How long changes are gathered, milliseconds. Default 5. */
  readonly settleMs?: number
  /**
   * What the target has refused is tried again after so many milliseconds, doubled up to 30 s: a disk is full for a while,
   * a port is taken for a while. Absent: with the next change only.
   */
  readonly retryMs?: number
}

export interface LoopState {
  /** What is being served; undefined until the first plan was applied. */
  readonly plan: Plan | undefined
  readonly appliedAt: number | undefined
  /** Of the latest attempt, whether it was applied or not. */
  readonly diagnostics: readonly Diagnostic[]
  /** The latest attempt was refused, or a source no longer hears of changes: the plan may be older than the configuration. */
  readonly stale: boolean
  readonly runs: number
}

export interface Loop {
  state(): LoopState
  /** The first attempt: applied or refused. */
  readonly first: Promise<LoopState>
  /** Resolves when no change is waiting and no run is under way. */
  settled(): Promise<void>
  onChange(listener: (state: LoopState) => void): void
  stop(): Promise<void>
}

export function startLoop<Artifact>(options: LoopOptions<Artifact>): Loop {
  const abort = new AbortController()
  const worlds: { world?: unknown; present: boolean }[] = options.feeds.map(() => ({ present: false }))
  const good: (Translation<unknown> | undefined)[] = options.feeds.map(() => undefined)
  const listeners: ((state: LoopState) => void)[] = []
  let state: LoopState = { plan: undefined, appliedAt: undefined, diagnostics: [], stale: false, runs: 0 }
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let again = false
  let retry: NodeJS.Timeout | undefined
  let retryPause = options.retryMs ?? 0
  let resolveFirst: (state: LoopState) => void
  const first = new Promise<LoopState>((resolve) => {
    resolveFirst = resolve
  })

  const feeding = options.feeds.map((feed, index) => follow(feed, index))

  return {
    state: () => state,
    first,
    settled: async () => {
      while (timer !== undefined || running !== undefined) {
        await (running ?? new Promise((resolve) => setTimeout(resolve, 1)))
      }
    },
    onChange: (listener) => void listeners.push(listener),
    stop: async () => {
      abort.abort()
      clearTimeout(timer)
      clearTimeout(retry)
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
      again = true
      return
    }
    timer ??= setTimeout(() => {
      timer = undefined
      if (!worlds.every((entry) => entry.present)) return
      running = run().finally(() => {
        running = undefined
        if (again) {
          again = false
          changed()
        }
      })
    }, options.settleMs ?? 5)
  }

  async function run(): Promise<void> {
    const diagnostics: Diagnostic[] = []
    const translations: Translation<unknown>[] = []
    let refused = false
    for (const [index, feed] of options.feeds.entries()) {
      const translation = translate(feed, worlds[index]?.world)
      diagnostics.push(...translation.diagnostics)
      if (translation.refused === true) refused = true
      const served = translation.refused === true ? good[index] : translation
      if (served !== undefined) translations.push(served)
      good[index] = served
    }
    if (refused && translations.length < options.feeds.length) return finish(diagnostics, 'refused')
    try {
      const prepared = options.prepare(translations)
      diagnostics.push(...prepared.diagnostics)
      const granted = await options.grant(translations.flatMap((translation) => translation.wishes ?? []))
      diagnostics.push(...granted)
      if (hasErrors(granted)) return finish(diagnostics, 'refused')
      const compilation = options.target.compile(prepared.plan)
      diagnostics.push(...compilation.diagnostics)
      const applied = await options.target.apply(compilation.artifact)
      diagnostics.push(...applied.diagnostics)
      if (applied.kind === 'refused') {
        tryAgain()
        return finish(diagnostics, 'refused')
      }
      retryPause = options.retryMs ?? 0
      state = { ...state, plan: prepared.plan, appliedAt: Date.now() }
      finish(diagnostics, refused ? 'refused' : translations.some(({ stale }) => stale === true) ? 'stale' : 'applied')
      await report(translations)
    } catch (error) {
      diagnostics.push({
        code: 'runtime/internal',
        severity: 'error',
        message: `a plan could not be made: ${describe(error)}`,
        origin: { source: 'gantry' },
      })
      finish(diagnostics, 'refused')
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

  function tryAgain(): void {
    if (options.retryMs === undefined) return
    clearTimeout(retry)
    retry = setTimeout(changed, retryPause).unref()
    retryPause = Math.min(retryPause * 2, 30_000)
  }

  function finish(found: readonly Diagnostic[], outcome: 'applied' | 'stale' | 'refused'): void {
    const diagnostics = foldRepeated(found)
    const before = new Set(state.diagnostics.map(keyOf))
    for (const diagnostic of diagnostics) if (!before.has(keyOf(diagnostic))) options.events.diagnostic(diagnostic)
    const was = state.stale
    state = { ...state, diagnostics, stale: outcome !== 'applied', runs: state.runs + 1 }
    if (outcome === 'refused') {
      const served = state.plan === undefined ? 'nothing is served yet' : 'the last good plan serves on'
      options.events.emit('error', 'runtime/refused', `the configuration was refused: ${served}`)
    } else {
      if (was && outcome === 'applied')
        options.events.emit('info', 'runtime/current', 'the configuration is current again')
      options.events.emit('info', 'runtime/applied', `plan ${state.plan?.id ?? ''} is being served`, {
        plan: state.plan?.id,
      })
    }
    resolveFirst(state)
    for (const listener of listeners) listener(state)
  }
}

function keyOf(diagnostic: Diagnostic): string {
  return JSON.stringify([diagnostic.code, diagnostic.message, diagnostic.origin])
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
