/**
 * Rules of one host → the first that takes a path. Pure to compile; a radix tree over characters, so that a look-up
 * slices nothing: exact paths, prefixes by segments, starts by characters and regexps (under the text that all of
 * their paths begin with) are found in one walk.
 */
import type { Match } from '../../../model/model.ts'
import {
  compileChecks,
  compilePathPattern,
  problems,
  withoutSlash,
  type Check,
  type Facts,
  type Problem,
} from '../../../pipeline/match.ts'
import type { Pattern } from '../../../lib/regexp/pattern.ts'

/** One rule, compiled once however many hosts it has. */
export interface Entry<Result> {
  readonly index: number
  readonly result: Result
  readonly path: Match['path']
  readonly checks: Check | undefined
  readonly pattern: Pattern | undefined
  readonly names: readonly string[] | undefined
}

export function compileEntry<Result>(index: number, match: Match, result: Result): Entry<Result> {
  const { path } = match
  const regexp = path?.kind === 'regexp' ? compilePathPattern(path) : undefined
  return { index, result, path, checks: compileChecks(match), pattern: regexp?.pattern, names: regexp?.names }
}

/** What a look-up has found so far; made once for each table and used again, for a look-up is never interrupted. */
export interface Search<Result> {
  best: Entry<Result> | undefined
  /** Of `best`; without one, as large as can be. */
  bestIndex: number
  problem: Problem | undefined
  captures: RegExpExecArray | undefined
  readonly later: Entry<Result>[][]
}

interface Node<Result> {
  label: string
  /** The first character of the label. */
  code: number
  /** One for each character that can follow. A chain, for each hop through an array is a line of cache more. */
  child: Node<Result> | undefined
  sibling: Node<Result> | undefined
  /** Of a chain that is longer than such a hop: the same nodes by their character, from `first` on. */
  table: (Node<Result> | undefined)[] | undefined
  first: number
  exact: Entry<Result>[] | undefined
  prefix: Entry<Result>[] | undefined
  start: Entry<Result>[] | undefined
  patterns: Entry<Result>[] | undefined
}

type Place = 'exact' | 'prefix' | 'start' | 'patterns'

/** Add in order of the rules' index. */
export class PathIndex<Result> {
  readonly #asWritten: Node<Result> = newNode('')
  #folded: Node<Result> | undefined
  empty = true

  add(entry: Entry<Result>): void {
    const { path } = entry
    this.empty = false
    if (path === undefined) return put(this.#asWritten, '', 'start', entry)
    switch (path.kind) {
      case 'prefix':
        return put(this.#asWritten, withoutSlash(path.value), 'prefix', entry)
      case 'regexp':
        return put(this.#asWritten, entry.pattern?.prefix ?? '', 'patterns', entry)
      case 'start': {
        const [root, value] = this.#rootFor(path.value, path.ignoreCase)
        return put(root, value, 'start', entry)
      }
      case 'exact': {
        const [root, value] = this.#rootFor(path.value, path.ignoreCase)
        if (path.optionalSlash !== true) return put(root, value, 'exact', entry)
        const base = withoutSlash(value)
        put(root, base, 'exact', entry)
        return put(root, `${base}/`, 'exact', entry)
      }
    }
  }

  #rootFor(value: string, ignoreCase: boolean | undefined): [Node<Result>, string] {
    if (ignoreCase !== true) return [this.#asWritten, value]
    this.#folded ??= newNode('')
    return [this.#folded, value.toLowerCase()]
  }

  /** Betters `search` by rules with `after < index < search.bestIndex`. `trouble` is the host's. */
  find(facts: Facts, after: number, search: Search<Result>, trouble: Problem | undefined): void {
    const { path } = facts
    walk(this.#asWritten, path, facts, after, search, trouble)
    if (this.#folded !== undefined) walk(this.#folded, path.toLowerCase(), facts, after, search, trouble)
    if (search.later.length > 0) tryPatterns(path, facts, after, search, trouble)
  }
}

const slash = 47

function walk<Result>(
  root: Node<Result>,
  path: string,
  facts: Facts,
  after: number,
  search: Search<Result>,
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
      return
    }
    const code = path.charCodeAt(at)
    if (code === slash && node.prefix !== undefined) consider(node.prefix, facts, after, search, trouble)
    const { table } = node
    let child: Node<Result> | undefined
    if (table === undefined) {
      child = node.child
      while (child !== undefined && child.code !== code) child = child.sibling
    } else {
      const place = code - node.first
      child = place >= 0 && place < table.length ? table[place] : undefined
    }
    if (child === undefined || !path.startsWith(child.label, at)) return
    at += child.label.length
    node = child
  }
}

function consider<Result>(
  entries: readonly Entry<Result>[],
  facts: Facts,
  after: number,
  search: Search<Result>,
  trouble: Problem | undefined,
): void {
  for (let position = after < 0 ? 0 : firstBehind(entries, after); position < entries.length; position++) {
    const entry = entries[position] as Entry<Result>
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

function tryPatterns<Result>(
  path: string,
  facts: Facts,
  after: number,
  search: Search<Result>,
  trouble: Problem | undefined,
): void {
  for (const entries of search.later) {
    for (let position = after < 0 ? 0 : firstBehind(entries, after); position < entries.length; position++) {
      const entry = entries[position] as Entry<Result>
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

/** Where the entries begin whose index is larger. */
function firstBehind(entries: readonly Entry<unknown>[], after: number): number {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((entries[middle] as Entry<unknown>).index <= after) low = middle + 1
    else high = middle
  }
  return low
}

function newNode<Result>(label: string): Node<Result> {
  return {
    label,
    code: label.charCodeAt(0),
    child: undefined,
    sibling: undefined,
    table: undefined,
    first: 0,
    exact: undefined,
    prefix: undefined,
    start: undefined,
    patterns: undefined,
  }
}

const LONG_CHAIN = 4
/** Characters that lie further apart than this stay in a chain. */
const WIDE = 128

function tabulate<Result>(node: Node<Result>): void {
  let count = 0
  let first = Infinity
  let last = 0
  for (let child = node.child; child !== undefined; child = child.sibling) {
    count++
    first = Math.min(first, child.code)
    last = Math.max(last, child.code)
  }
  node.table = undefined
  if (count < LONG_CHAIN || last - first >= WIDE) return
  const table = Array.from<Node<Result> | undefined>({ length: last - first + 1 }).fill(undefined)
  for (let child = node.child; child !== undefined; child = child.sibling) table[child.code - first] = child
  node.table = table
  node.first = first
}

function put<Result>(root: Node<Result>, text: string, kind: Place, entry: Entry<Result>): void {
  let node = root
  let at = 0
  while (at < text.length) {
    const code = text.charCodeAt(at)
    let child = node.child
    while (child !== undefined && child.code !== code) child = child.sibling
    if (child === undefined) {
      const leaf = newNode<Result>(text.slice(at))
      leaf.sibling = node.child
      node.child = leaf
      tabulate(node)
      node = leaf
      break
    }
    let common = 1
    while (
      common < child.label.length &&
      at + common < text.length &&
      child.label.charCodeAt(common) === text.charCodeAt(at + common)
    ) {
      common++
    }
    at += common
    if (common === child.label.length) {
      node = child
      continue
    }
    // the node stays where it hangs and becomes the upper half; what it held moves into the lower one
    const lower: Node<Result> = { ...child, label: child.label.slice(common), sibling: undefined }
    lower.code = lower.label.charCodeAt(0)
    Object.assign(child, newNode<Result>(child.label.slice(0, common)), { child: lower, sibling: child.sibling })
    node = child
  }
  const entries = (node[kind] ??= [])
  // a rule with two equal hosts is still one rule
  if (entries[entries.length - 1] !== entry) entries.push(entry)
}
