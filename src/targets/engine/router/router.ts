/**
 * Rules in order → the first that takes a request. Pure; compiled for a plan, asked for every request. What the next plan
 * has in common with this one is shared with it.
 */
import type { Work } from '../../../lib/turns.ts'
import { noParameters, parametersOf, problems, type Facts, type Problem } from '../../../pipeline/match.ts'
import { groupsFor, HostsBuild, type Group, type Hosts } from './hosts.ts'
import { keysOf, NONE, placesOf } from './order.ts'
import { Entry, type Asked, type Search } from './paths.ts'

export type { Facts, Problem } from '../../../pipeline/match.ts'
export type { Asked } from './paths.ts'

export interface Found<T> {
  /** Says where it stands in the list: the larger, the later. Give it as `after`, to the same rules, to go on behind it. */
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

export const noRules: Rules<never> = { find: () => undefined }

export class RuleTable<T> implements Rules<T> {
  readonly #entries: readonly Entry<T>[]
  readonly #hosts: Hosts<T>
  readonly #search: Search<T> = {
    best: undefined,
    bestIndex: Infinity,
    problem: undefined,
    captures: undefined,
    later: [],
  }

  private constructor(entries: readonly Entry<T>[], hosts: Hosts<T>) {
    this.#entries = entries
    this.#hosts = hosts
  }

  find(facts: Facts, after = -1): Found<T> | undefined {
    const search = this.#search
    reset(search)
    const hosts = this.#hosts
    const groups = groupsFor(hosts, facts.host)
    for (let at = 0; at < groups.length; at++) {
      const group = groups[at] as Group<T>
      group.paths.find(facts, after, search, group.problem)
    }
    hosts.any?.find(facts, after, search, undefined)
    const { best, problem, captures } = search
    if (best === undefined) return undefined
    const { index, value } = best
    if (problem !== undefined) return { index, value, parameters: noParameters, problem }
    if (captures === undefined || captures.length === 1) return best
    search.captures = undefined
    const parameters = parametersOf(captures, best.names)
    return parameters === undefined
      ? { index, value, parameters: noParameters, problem: problems.undecodable }
      : { index, value, parameters, problem: undefined }
  }

  /** In pieces. `askedOf` a value is always the same; `before`: what the list before was compiled to. */
  static *of<T>(values: readonly T[], askedOf: (value: T) => Asked, before?: RuleTable<T>): Work<RuleTable<T>> {
    const old = before === undefined ? [] : before.#entries
    const places = yield* placesOf(old, ({ value }) => value, values)
    yield
    const keys = keysOf(places, (place) => old[place]?.index ?? NONE)
    yield
    const entries: Entry<T>[] = []
    const stays = new Uint8Array(old.length)
    let staying = 0
    for (let at = 0; at < values.length; at++) {
      const place = places[at] ?? NONE
      const index = keys[at] ?? NONE
      const known = place === NONE ? undefined : old[place]
      const value = values[at] as T
      if (known?.index === index) {
        stays[place] = 1
        staying++
        entries.push(known)
        if (at % 256 === 255) yield
        continue
      }
      entries.push(new Entry(index, value, askedOf(value), known))
      // a piece of work is worth more than what it costs to stop
      if (at % 16 === 15) yield
    }
    if (before !== undefined && staying === old.length && staying === entries.length) return before
    // to take most of it out costs more than to begin with nothing
    const shared = staying * 2 > old.length ? before : undefined
    const build = new HostsBuild(shared === undefined ? undefined : shared.#hosts)
    if (shared !== undefined) {
      for (const [place, entry] of old.entries()) {
        if (stays[place] !== 1) build.remove(entry)
        if (place % 256 === 255) yield
      }
    }
    for (const [at, entry] of entries.entries()) {
      const place = places[at] ?? NONE
      const known = place !== NONE && old[place] === entry
      if (shared === undefined || !known) build.add(entry)
      if (at % 16 === 15) yield
    }
    return new RuleTable(entries, yield* build.finish())
  }
}

function reset(search: Search<unknown>): void {
  search.best = undefined
  search.bestIndex = Infinity
  search.problem = undefined
  search.captures = undefined
}
