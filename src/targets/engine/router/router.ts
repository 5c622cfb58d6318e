/** Rules in order → the first that takes a request. Pure; compiled once for a plan, asked for every request. */
import { atOnce, type Work } from '../../../lib/turns.ts'
import type { HostMatch, Match } from '../../../model/model.ts'
import {
  compileHost,
  hostName,
  hostSuffix,
  noParameters,
  parametersOf,
  problems,
  type Facts,
  type HostCheck,
  type Problem,
} from '../../../pipeline/match.ts'
import { compileEntry, PathIndex, type Search } from './paths.ts'

export type { Facts, Problem } from '../../../pipeline/match.ts'

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

/**
 * Host → the path indices of its exact name, of the suffixes and regexps that take it, and of every host. For a name
 * that some rule spells out, that list is made here; for others it is looked up label by label.
 */
export function compileRules<T>(rules: readonly Rule<T>[]): Rules<T> {
  return atOnce(rulesOf(rules))
}

/** The same, in pieces. */
export function* rulesOf<T>(rules: Iterable<Rule<T>>): Work<Rules<T>> {
  const hosts = new HostTable<T>()
  let index = -1
  for (const rule of rules) {
    index++
    const plain: Found<T> = Object.freeze({ index, value: rule.value, parameters: noParameters, problem: undefined })
    const entry = compileEntry(index, rule.match, plain)
    if (rule.hosts === undefined || rule.hosts.length === 0) hosts.any.add(entry)
    else for (const host of rule.hosts) hosts.indexOf(host).add(entry)
    // a piece of work is worth more than what it costs to stop
    if (index % 16 === 15) yield
  }
  yield* hosts.settle()

  const search: Search<Found<T>> = {
    best: undefined,
    bestIndex: Infinity,
    problem: undefined,
    captures: undefined,
    later: [],
  }
  return {
    find(facts, after = -1) {
      reset(search)
      const groups = hosts.of(facts.host)
      for (let at = 0; at < groups.length; at++) {
        const group = groups[at] as Group<T>
        group.paths.find(facts, after, search, group.problem)
      }
      const { best, problem, captures } = search
      if (best === undefined) return undefined
      const { result } = best
      if (problem !== undefined) return { index: result.index, value: result.value, parameters: noParameters, problem }
      if (captures === undefined || captures.length === 1) return result
      search.captures = undefined
      const parameters = parametersOf(captures, best.names)
      return parameters === undefined
        ? { index: result.index, value: result.value, parameters: noParameters, problem: problems.undecodable }
        : { index: result.index, value: result.value, parameters, problem: undefined }
    },
  }
}

function reset(search: Search<unknown>): void {
  search.best = undefined
  search.bestIndex = Infinity
  search.problem = undefined
  search.captures = undefined
}

interface Group<T> {
  readonly paths: PathIndex<Found<T>>
  /** Why nothing of this group can be served: its host regexp. */
  readonly problem: Problem | undefined
}

class HostTable<T> {
  readonly any = new PathIndex<Found<T>>()
  readonly #exact = new Map<string, PathIndex<Found<T>>>()
  readonly #one = new Map<string, PathIndex<Found<T>>>()
  readonly #many = new Map<string, PathIndex<Found<T>>>()
  readonly #patterns = new Map<string, { readonly check: HostCheck; readonly paths: PathIndex<Found<T>> }>()
  readonly #known = new Map<string, readonly Group<T>[]>()
  #others: readonly Group<T>[] = []

  indexOf(host: HostMatch): PathIndex<Found<T>> {
    switch (host.kind) {
      case 'exact':
        return getOrMake(this.#exact, hostName(host.name))
      case 'suffix':
        return getOrMake(host.labels === 'one' ? this.#one : this.#many, hostSuffix(host.suffix))
      case 'regexp': {
        const known = this.#patterns.get(host.source)
        if (known !== undefined) return known.paths
        const made = { check: compileHost(host), paths: new PathIndex<Found<T>>() }
        this.#patterns.set(host.source, made)
        return made.paths
      }
    }
  }

  /** Once all rules are in. */
  *settle(): Work<void> {
    this.#others = this.#lookUp('')
    for (const [name, paths] of this.#exact) {
      this.#known.set(name, [{ paths, problem: undefined }, ...this.#lookUp(name)])
      yield
    }
  }

  of(host: string): readonly Group<T>[] {
    const known = this.#known.get(host)
    if (known !== undefined) return known
    if (this.#one.size === 0 && this.#many.size === 0 && this.#patterns.size === 0) return this.#others
    return this.#lookUp(host)
  }

  /** Without the exact name. A rule with one good and one bad host is good: what has a problem comes last. */
  #lookUp(host: string): readonly Group<T>[] {
    const groups: Group<T>[] = []
    if (!this.any.empty) groups.push({ paths: this.any, problem: undefined })
    const add = (paths: PathIndex<Found<T>> | undefined): void => {
      if (paths !== undefined) groups.push({ paths, problem: undefined })
    }
    if (this.#one.size > 0 || this.#many.size > 0) {
      for (let dot = host.indexOf('.', 1); dot !== -1; dot = host.indexOf('.', dot + 1)) {
        const suffix = host.slice(dot)
        add(this.#many.get(suffix))
        if (host.lastIndexOf('.', dot - 1) === -1) add(this.#one.get(suffix))
      }
    }
    const troubled: Group<T>[] = []
    for (const { check, paths } of this.#patterns.values()) {
      const verdict = check(host)
      if (verdict === true) add(paths)
      else if (verdict !== false) troubled.push({ paths, problem: verdict })
    }
    return [...groups, ...troubled]
  }
}

function getOrMake<T>(indices: Map<string, PathIndex<Found<T>>>, name: string): PathIndex<Found<T>> {
  let index = indices.get(name)
  if (index === undefined) indices.set(name, (index = new PathIndex()))
  return index
}
