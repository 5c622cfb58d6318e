/**
 * Rules of one host → the first that takes a path. Pure; a radix tree over characters, so that a look-up slices nothing:
 * exact paths, prefixes by segments, starts by characters and regexps (under the text that all of their paths begin with)
 * are found in one walk.
 */
import type { HostMatch, Match } from '../../../model/model.ts'
import {
  compileChecks,
  compilePathPattern,
  noParameters,
  problems,
  withoutSlash,
  type Check,
  type Facts,
  type Problem,
} from '../../../pipeline/match.ts'
import type { Pattern } from '../../../lib/regexp/pattern.ts'
import { childOf, firstBehind, isEmpty, Node, withEntry, withoutEntry, type Owner, type Place } from './tree.ts'

/** What a value of the list takes. */
export interface Asked {
  /** Any of these; absent or empty: every host. */
  readonly hosts?: readonly HostMatch[] | undefined
  readonly match: Match
}

/** One rule, compiled once however many hosts it has: also what is found where there is nothing to add. */
export class Entry<T> {
  readonly index: number
  readonly value: T
  readonly parameters = noParameters
  readonly problem = undefined
  readonly asked: Asked
  readonly checks: Check | undefined
  readonly pattern: Pattern | undefined
  readonly names: readonly string[] | undefined

  /** `like`: the same rule under another index. */
  constructor(index: number, value: T, asked: Asked, like: Entry<T> | undefined) {
    this.index = index
    this.value = value
    this.asked = asked
    const { path } = asked.match
    const regexp = like ?? (path?.kind === 'regexp' ? compilePathPattern(path) : undefined)
    this.checks = like === undefined ? compileChecks(asked.match) : like.checks
    this.pattern = regexp?.pattern
    this.names = regexp?.names
  }
}

/** What a look-up has found so far; made once for each table and used again, for a look-up is never interrupted. */
export interface Search<T> {
  best: Entry<T> | undefined
  /** Of `best`; without one, as large as can be. */
  bestIndex: number
  problem: Problem | undefined
  captures: RegExpExecArray | undefined
  readonly later: Entry<T>[][]
}

/** A build changes those that it made, and begins with a copy of others. */
export class PathIndex<T> {
  readonly #owner: Owner
  #asWritten: Node<Entry<T>>
  #folded: Node<Entry<T>> | undefined

  constructor(owner: Owner, before?: PathIndex<T>) {
    this.#owner = owner
    this.#asWritten = before === undefined ? new Node('', owner) : before.#asWritten
    this.#folded = before === undefined ? undefined : before.#folded
  }

  get empty(): boolean {
    return isEmpty(this.#asWritten) && this.#folded === undefined
  }

  add(entry: Entry<T>): void {
    this.#change(entry, withEntry)
  }

  remove(entry: Entry<T>): void {
    this.#change(entry, withoutEntry)
    if (this.#folded !== undefined && isEmpty(this.#folded)) this.#folded = undefined
  }

  #change(entry: Entry<T>, change: typeof withEntry): void {
    const { path } = entry.asked.match
    const owner = this.#owner
    const asWritten = (text: string, place: Place): void => {
      this.#asWritten = change(this.#asWritten, text, place, entry, owner)
    }
    switch (path?.kind) {
      case undefined:
        return asWritten('', 'start')
      case 'prefix':
        return asWritten(withoutSlash(path.value), 'prefix')
      case 'regexp':
        return asWritten(entry.pattern?.prefix ?? '', 'patterns')
      case 'start':
      case 'exact': {
        const [text, place]: [string, Place] =
          path.kind === 'start'
            ? [path.value, 'start']
            : path.optionalSlash === true
              ? [withoutSlash(path.value), 'either']
              : [path.value, 'exact']
        if (path.ignoreCase !== true) return asWritten(text, place)
        this.#folded = change(this.#folded ?? new Node('', owner), text.toLowerCase(), place, entry, owner)
      }
    }
  }

  /** Betters `search` by rules with `after < index < search.bestIndex`. `trouble` is the host's. */
  find(facts: Facts, after: number, search: Search<T>, trouble: Problem | undefined): void {
    const { path } = facts
    walk(this.#asWritten, path, facts, after, search, trouble)
    if (this.#folded !== undefined) walk(this.#folded, path.toLowerCase(), facts, after, search, trouble)
    if (search.later.length > 0) tryPatterns(path, facts, after, search, trouble)
  }
}

const slash = 47

function walk<T>(
  root: Node<Entry<T>>,
  path: string,
  facts: Facts,
  after: number,
  search: Search<T>,
  trouble: Problem | undefined,
): void {
  let node = root
  let at = 0
  for (;;) {
    if (node.start !== undefined) consider(node.start, facts, after, search, trouble)
    // regexps last: a rule that comes first by a cheaper way saves them
    if (node.patterns !== undefined) search.later.push(node.patterns)
    if (at === path.length) {
      if (node.prefix !== undefined) consider(node.prefix, facts, after, search, trouble)
      if (node.exact !== undefined) consider(node.exact, facts, after, search, trouble)
      if (node.either !== undefined) consider(node.either, facts, after, search, trouble)
      return
    }
    const code = path.charCodeAt(at)
    if (code === slash) {
      if (node.prefix !== undefined) consider(node.prefix, facts, after, search, trouble)
      if (node.either !== undefined && at + 1 === path.length) consider(node.either, facts, after, search, trouble)
    }
    const child = childOf(node, code)
    if (child === undefined || !path.startsWith(child.label, at)) return
    at += child.label.length
    node = child
  }
}

function consider<T>(
  entries: readonly Entry<T>[],
  facts: Facts,
  after: number,
  search: Search<T>,
  trouble: Problem | undefined,
): void {
  for (let position = after < 0 ? 0 : firstBehind(entries, after); position < entries.length; position++) {
    const entry = entries[position] as Entry<T>
    if (entry.index >= search.bestIndex) return
    const verdict = entry.checks === undefined ? true : entry.checks(facts)
    if (verdict === false) continue
    search.best = entry
    search.bestIndex = entry.index
    search.problem = trouble ?? (verdict === true ? undefined : verdict)
    search.captures = undefined
    return
  }
}

function tryPatterns<T>(
  path: string,
  facts: Facts,
  after: number,
  search: Search<T>,
  trouble: Problem | undefined,
): void {
  for (const entries of search.later) {
    for (let position = after < 0 ? 0 : firstBehind(entries, after); position < entries.length; position++) {
      const entry = entries[position] as Entry<T>
      if (entry.index >= search.bestIndex) break
      // the cheap questions before the regexp
      const verdict = entry.checks === undefined ? true : entry.checks(facts)
      if (verdict === false) continue
      const pattern = entry.pattern as Pattern
      let problem: Problem | undefined
      let captures: RegExpExecArray | undefined
      if (pattern.kind === 'bad') problem = problems.badPattern
      else if (path.length > pattern.limit) problem = problems.pathTooLong
      else {
        const found = pattern.regexp.exec(path)
        if (found === null) continue
        captures = found
      }
      search.best = entry
      search.bestIndex = entry.index
      search.problem = trouble ?? problem ?? (verdict === true ? undefined : verdict)
      search.captures = captures
      break
    }
  }
  search.later.length = 0
}
