/**
 * The loop: drafts → grant wishes → compile → apply. The last good plan serves until a better one has been applied whole.
 * Where drafts come from, and one at a time: `drafts.ts`.
 */
import { createDeferred } from '../lib/deferred.ts'
import type { Diagnostic } from '../model/diagnostic.ts'
import { foldRepeated, hasErrors } from '../model/diagnostic.ts'
import type { Plan } from '../pipeline/plan.ts'
import type { Events } from '../policies/services.ts'
import type { Wishes } from '../sources/source.ts'
import type { Target } from '../targets/target.ts'
import { describe, noPlan, type Draft, type Drafts } from './drafts.ts'
import type { MetricsRegistry } from './metrics.ts'

export interface LoopOptions<Artifact> {
  readonly drafts: Drafts
  readonly target: Target<Artifact>
  /** Effect: store, plugins, admin API, as the sources wish. Throwing nothing; an error among the diagnostics keeps the last good plan. */
  grant(wishes: readonly Wishes[]): Promise<readonly Diagnostic[]>
  readonly events: Events
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
  const { drafts, target, events } = options
  const listeners: ((state: LoopState) => void)[] = []
  let state: LoopState = { plan: undefined, appliedAt: undefined, diagnostics: [], stale: false, runs: 0 }
  let retry: NodeJS.Timeout | undefined
  let retryPause = options.retryMs ?? 0
  const first = createDeferred<LoopState>()
  drafts.start(take)

  return {
    state: () => state,
    first: first.promise,
    settled: () => drafts.settled(),
    onChange: (listener) => void listeners.push(listener),
    stop: async () => {
      clearTimeout(retry)
      await drafts.stop()
    },
  }

  async function take(draft: Draft): Promise<'applied' | 'refused'> {
    const diagnostics = [...draft.diagnostics]
    const { plan } = draft
    if (plan === undefined) return refused(diagnostics)
    try {
      const granted = await options.grant(draft.wishes)
      diagnostics.push(...granted)
      if (hasErrors(granted)) return refused(diagnostics)
      const compilation = (await target.compileInTurns?.(plan)) ?? target.compile(plan)
      diagnostics.push(...compilation.diagnostics)
      const applied = await target.apply(compilation.artifact)
      diagnostics.push(...applied.diagnostics)
      if (applied.kind === 'refused') {
        tryAgain()
        return refused(diagnostics)
      }
      retryPause = options.retryMs ?? 0
      state = { ...state, plan, appliedAt: Date.now() }
      finish(diagnostics, draft.standing)
      return 'applied'
    } catch (error) {
      return refused([...diagnostics, noPlan(error)])
    }
  }

  function refused(diagnostics: readonly Diagnostic[]): 'refused' {
    finish(diagnostics, 'refused')
    return 'refused'
  }

  function tryAgain(): void {
    if (options.retryMs === undefined) return
    clearTimeout(retry)
    retry = setTimeout(() => drafts.again(), retryPause).unref()
    retryPause = Math.min(retryPause * 2, 30_000)
  }

  function finish(found: readonly Diagnostic[], standing: Draft['standing']): void {
    const diagnostics = foldRepeated(found)
    const before = new Set(state.diagnostics.map(keyOf))
    for (const diagnostic of diagnostics) if (!before.has(keyOf(diagnostic))) events.diagnostic(diagnostic)
    const was = state.stale
    state = { ...state, diagnostics, stale: standing !== 'current', runs: state.runs + 1 }
    if (standing === 'refused') {
      const served = state.plan === undefined ? 'nothing is served yet' : 'the last good plan serves on'
      events.emit('error', 'runtime/refused', `the configuration was refused: ${served}`)
    } else {
      if (!was && standing === 'stale')
        events.emit(
          'warn',
          'runtime/stale',
          'not all of the configuration is current: what is wrong is served as it was',
        )
      if (was && standing === 'current') events.emit('info', 'runtime/current', 'the configuration is current again')
      events.emit('info', 'runtime/applied', `plan ${state.plan?.id ?? ''} is being served`, {
        plan: state.plan?.id,
      })
    }
    first.resolve(state)
    for (const listener of listeners) tell(listener)
  }

  /** What a listener makes of it is no part of a plan's fate. */
  function tell(listener: (state: LoopState) => void): void {
    try {
      listener(state)
    } catch (error) {
      events.emit('error', 'runtime/listener-failed', `one that hears of each plan failed: ${describe(error)}`)
    }
  }
}

/** As a metric, for whoever must be told that what is served is not what is meant. */
export function exposeStale(metrics: Pick<MetricsRegistry, 'gauge'>, loop: Pick<Loop, 'state'>): void {
  metrics.gauge('gantry_configuration_stale', '1 while what is served may be older than what is meant', () =>
    loop.state().stale ? 1 : 0,
  )
}

function keyOf(diagnostic: Diagnostic): string {
  return JSON.stringify([diagnostic.code, diagnostic.message, diagnostic.origin])
}
