/** For tests: rules, each with a value → the table of them, at once. */
import { atOnce } from '../../../../lib/turns.ts'
import type { Asked } from '../paths.ts'
import { RuleTable, type Rules } from '../router.ts'

export interface Rule<T> extends Asked {
  readonly value: T
}

/** `find` gives the value of the rule that was found. */
export interface RulesOfTest<T> extends Rules<T> {
  readonly table: RuleTable<Rule<T>>
}

export function compileRules<T>(rules: readonly Rule<T>[], before?: RulesOfTest<T>): RulesOfTest<T> {
  const table = atOnce(RuleTable.of(rules, (rule) => rule, before?.table))
  return {
    table,
    find(facts, after) {
      const found = table.find(facts, after)
      if (found === undefined) return undefined
      const { index, value, parameters, problem } = found
      return { index, value: value.value, parameters, problem }
    },
  }
}
