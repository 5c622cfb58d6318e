/** Rules in order → the first that takes a request. Pure; compiled once for a plan, asked for every request. */
import type { HostMatch, Match } from '../../../model/model.ts'
import {
  compileChecks,
  compileHost,
  compilePath,
  compilePathPattern,
  noParameters,
  parametersOf,
  problems,
  type Facts,
  type Problem,
  type Verdict,
} from './matcher.ts'

export type { Facts, Problem } from './matcher.ts'

export interface Rule<T> {
  /** Any of these; absent or empty: every host. */
  readonly hosts?: readonly HostMatch[]
  readonly match: Match
  readonly value: T
}

export interface Found<T> {
  /** Of the rule in the list; give it as `after` to go on behind it. */
  readonly index: number
  readonly value: T
  /** Captures of a path regexp, percent-decoded. */
  readonly parameters: Readonly<Record<string, string>>
  /** Set where the rule must not serve this request: answer with its status. */
  readonly problem: Problem | undefined
}

export interface Rules<T> {
  /** The first rule in order that takes the request; with `after`, the first behind that index. */
  find(facts: Facts, after?: number): Found<T> | undefined
}

export function compileRules<T>(rules: readonly Rule<T>[]): Rules<T> {
  const compiled = rules.map((rule, index) => compileRule(rule, index))
  return {
    find(facts, after = -1) {
      for (let index = after + 1; index < compiled.length; index++) {
        const found = compiled[index]?.(facts)
        if (found !== undefined) return found
      }
      return undefined
    },
  }
}

function compileRule<T>(rule: Rule<T>, index: number): (facts: Facts) => Found<T> | undefined {
  const { value } = rule
  const plain: Found<T> = Object.freeze({ index, value, parameters: noParameters, problem: undefined })
  const hosts = (rule.hosts ?? []).map(compileHost)
  const checks = compileChecks(rule.match)
  const path = compilePathVerdict(rule.match)
  return (facts) => {
    let trouble: Problem | undefined
    const host = hostVerdict(hosts, facts.host)
    if (host === false) return undefined
    if (host !== true) trouble = host
    const taken = path(facts.path)
    if (taken === false) return undefined
    const rest = checks === undefined ? true : checks(facts)
    if (rest === false) return undefined
    if (typeof taken !== 'boolean' && 'kind' in taken) trouble ??= taken
    if (rest !== true) trouble ??= rest
    const parameters = typeof taken === 'boolean' || 'kind' in taken ? noParameters : taken.parameters
    if (trouble === undefined && parameters === noParameters) return plain
    return { index, value, parameters, problem: trouble }
  }
}

function hostVerdict(hosts: readonly ((host: string) => Verdict)[], host: string): Verdict {
  if (hosts.length === 0) return true
  let verdict: Verdict = false
  for (const check of hosts) {
    const here = check(host)
    if (here === true) return true
    if (here !== false) verdict = here
  }
  return verdict
}

type PathVerdict = Verdict | { readonly parameters: Readonly<Record<string, string>> }

function compilePathVerdict(match: Match): (path: string) => PathVerdict {
  const { path } = match
  if (path === undefined) return () => true
  if (path.kind !== 'regexp') return compilePath(path)
  const { pattern, names } = compilePathPattern(path)
  if (pattern.kind === 'bad') return (text) => (text.startsWith(pattern.prefix) ? problems.badPattern : false)
  const { regexp, limit, prefix } = pattern
  return (text) => {
    if (!text.startsWith(prefix)) return false
    if (text.length > limit) return problems.pathTooLong
    const found = regexp.exec(text)
    if (found === null) return false
    const parameters = parametersOf(found, names)
    return parameters === undefined ? problems.undecodable : { parameters }
  }
}
