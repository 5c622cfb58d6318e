/** Translations in order of precedence → plan and diagnostics. Pure. */
import type { Diagnostic } from '../model/diagnostic.ts'
import type { Model } from '../model/model.ts'
import { check } from './check.ts'
import { merge } from './merge.ts'
import { planOf, type Plan } from './plan.ts'

/**
 * The diagnostics are those of merging and checking; the translations keep their own. The same models (by identity)
 * give the same plan (by identity).
 */
export function prepare(translations: readonly { readonly model: Model }[]): {
  readonly plan: Plan
  readonly diagnostics: readonly Diagnostic[]
} {
  const merged = merge(translations.map((translation) => translation.model))
  const checked = check(merged.model)
  return { plan: planOf(checked.model), diagnostics: [...merged.diagnostics, ...checked.diagnostics] }
}
