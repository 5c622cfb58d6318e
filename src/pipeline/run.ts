/** Translations in order of precedence → plan and diagnostics. Pure. */
import type { Diagnostic } from '../model/diagnostic.ts'
import type { Model } from '../model/model.ts'
import { check, checkFor } from './check.ts'
import { merge } from './merge.ts'
import { planOf, type Plan } from './plan.ts'

/**
 * The diagnostics are those of merging and checking; the translations keep their own. The same models (by identity)
 * give the same plan (by identity).
 */
export type Prepare = (translations: readonly { readonly model: Model }[]) => {
  readonly plan: Plan
  readonly diagnostics: readonly Diagnostic[]
}

/** For one machine that serves all of it. */
export const prepare: Prepare = prepareWith(check)

/** For several: `machineOf` says which one serves a listener. */
export function prepareFor(machineOf: (listener: string) => string | undefined): Prepare {
  return prepareWith(checkFor(machineOf))
}

function prepareWith(judge: typeof check): Prepare {
  return (translations) => {
    const merged = merge(translations.map((translation) => translation.model))
    const checked = judge(merged.model)
    return { plan: planOf(checked.model), diagnostics: [...merged.diagnostics, ...checked.diagnostics] }
  }
}
