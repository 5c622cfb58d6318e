/**
 * A path pattern as Express 4 understands it (path-to-regexp 0.1) → the model's PathMatch. Pure.
 *
 * `*` is any text, `:name` one segment, `:name(regexp)`, `:name?`, `:name*`, `(group)`, `/(` without capture; `.` is a
 * dot; everything else keeps its meaning in a regular expression. Without case, one trailing slash more or less.
 */
import type { PathMatch } from '../../model/model.ts'

export type Pattern =
  | {
      readonly kind: 'pattern'
      /** Absent: every path. */
      readonly path: PathMatch | undefined
      /** What `stripPath` takes away: see StripPath. */
      readonly strip: Strip
    }
  | { readonly kind: 'bad'; readonly reason: string }

/**
 * `nothing`; `everything`: the path becomes `/`; `characters`: so many from the front; `match`: what this regular
 * expression finds at the front.
 */
export type Strip =
  | { readonly kind: 'nothing' | 'everything' }
  | { readonly kind: 'characters'; readonly count: number }
  | { readonly kind: 'match'; readonly source: string; readonly ignoreCase: boolean }

export function parsePattern(pattern: string): Pattern {
  if (pattern === '*') return { kind: 'pattern', path: undefined, strip: { kind: 'nothing' } }
  const strip = stripOf(pattern)
  const literal = literalOf(pattern)
  if (literal !== undefined) {
    const path: PathMatch = {
      kind: 'exact',
      value: literal,
      ignoreCase: true,
      ...(literal === '/' ? {} : { optionalSlash: true }),
    }
    return { kind: 'pattern', path, strip }
  }
  const start = pattern.endsWith('*') ? literalOf(pattern.slice(0, -1), { trailingSlash: 'keep' }) : undefined
  if (start !== undefined && start !== '') {
    return { kind: 'pattern', path: { kind: 'start', value: start, ignoreCase: true }, strip }
  }
  const compiled = compile(pattern)
  const source = `^${compiled.source}${pattern.endsWith('/') ? '?' : '\\/?'}$`
  const reason = fault(source)
  if (reason !== undefined) return { kind: 'bad', reason }
  const path: PathMatch = { kind: 'regexp', source, ignoreCase: true, ...parameters(compiled.names) }
  return { kind: 'pattern', path, strip }
}

/** `pathRegex`: used as written, with case, unanchored; its groups are parameters by number. */
export function parsePathRegex(source: string): Pattern {
  const reason = fault(source)
  if (reason !== undefined) return { kind: 'bad', reason }
  // what stands at the front of a path can be taken away; what is found in its middle cannot
  const strip: Strip = source.startsWith('^') ? { kind: 'match', source, ignoreCase: false } : { kind: 'nothing' }
  return { kind: 'pattern', path: { kind: 'regexp', source }, strip }
}

function fault(source: string): string | undefined {
  try {
    new RegExp(source)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** The pattern where it is plain text; undefined where anything in it has a meaning. */
function literalOf(pattern: string, options: { readonly trailingSlash?: 'keep' } = {}): string | undefined {
  if (!pattern.startsWith('/')) return undefined
  if (/[*:()?+[\]{}|^$\\]/.test(pattern)) return undefined
  if (options.trailingSlash === 'keep' || pattern === '/') return pattern
  return pattern.endsWith('/') ? pattern.slice(0, -1) : pattern
}

function parameters(names: readonly string[]): { readonly parameters?: readonly string[] } {
  return names.length === 0 ? {} : { parameters: names }
}

/** Everything before the first wildcard goes; with no wildcard, everything; before a pattern that begins with one, nothing. */
function stripOf(pattern: string): Strip {
  const wildcard = pattern.search(/[:*]/)
  if (wildcard === -1) return { kind: 'everything' }
  if (wildcard === 0) return { kind: 'nothing' }
  const front = pattern.slice(0, wildcard)
  // counting characters is only right where each of them stands for itself
  if (!/[()?+[\]{}|^$\\]/.test(front)) return { kind: 'characters', count: wildcard }
  const open = front.lastIndexOf('(') > front.lastIndexOf(')') ? front.slice(0, front.lastIndexOf('(')) : front
  const source = `^${compile(open).source}`
  return fault(source) === undefined ? { kind: 'match', source, ignoreCase: true } : { kind: 'nothing' }
}

interface Compiled {
  readonly source: string
  /** Of each capturing group, in order: a parameter's name or a number. */
  readonly names: readonly string[]
}

function compile(pattern: string): Compiled {
  const names: string[] = []
  let numbered = 0
  let source = ''
  let at = 0
  const capture = (name?: string): void => {
    names.push(name ?? String(numbered++))
  }
  while (at < pattern.length) {
    const rest = pattern.slice(at)
    const parameter = /^(\/)?(\.)?:(\w+)(\(.*?\))?(\*)?(\?)?/.exec(rest)
    if (parameter !== null) {
      const [whole, slash = '', dot = '', name = '', custom, star, optional = ''] = parameter
      const separator = dot === '' ? '' : '\\.'
      capture(name)
      if (custom !== undefined) for (let left = groupsIn(custom.slice(1, -1)); left > 0; left--) capture()
      const own = custom ?? `([^\\/${separator}]+?)`
      if (star !== undefined) capture()
      const more = star === undefined ? '' : `((?:[\\/${separator}].+?)?)`
      const front = `${slash === '' ? '' : '\\/'}${separator}`
      source += optional === '' ? `${front}(?:${own}${more})` : `(?:${front}${own}${more})?`
      at += whole.length
      continue
    }
    const character = pattern[at] ?? ''
    at += 1
    if (character === '\\') {
      source += character + (pattern[at] ?? '')
      at += 1
    } else if (character === '*') {
      capture()
      source += '(.*)'
    } else if (character === '.') {
      source += '\\.'
    } else if (character === '/') {
      source += '\\/'
      if (pattern[at] === '(' && pattern[at + 1] !== '?') {
        source += '(?:'
        at += 1
      }
    } else {
      if (character === '(' && pattern[at] !== '?') capture()
      source += character
    }
  }
  return { source, names }
}

function groupsIn(source: string): number {
  let groups = 0
  for (let at = 0; at < source.length; at++) {
    if (source[at] === '\\') at += 1
    else if (source[at] === '(' && source[at + 1] !== '?') groups += 1
  }
  return groups
}
