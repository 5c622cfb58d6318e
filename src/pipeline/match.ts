/** The parts of a match → questions about a request. Pure. What they mean, once, for the engine's index and for explain. */
import type { HostMatch, Match, NamedMatch, PathMatch, ValueMatch } from '../model/model.ts'
import { compilePattern, type Pattern } from '../lib/regexp/pattern.ts'

/** What the router may know of a request. Read only where a rule needs it. */
export interface Facts {
  /** Lower case, without port and without a trailing dot; '' where the client sent none. */
  readonly host: string
  /** As the client sent it, percent-encoding untouched, without the query. */
  readonly path: string
  readonly method: string
  /** After '?', without it; '' where there is none. */
  readonly query: string
  /** Values of one name joined by ', '; undefined where there is none. Only called for rules that match on headers or content. */
  header(lowerName: string): string | undefined
  readonly clientCertificate: 'absent' | 'verified' | 'unverified'
}

/** Why a rule that was found cannot be served as it stands; the caller answers with the status. */
export interface Problem {
  readonly kind: 'undecodable-parameter' | 'path-too-long' | 'field-too-long' | 'bad-pattern'
  readonly status: 400 | 414 | 431 | 500
  readonly reason: string
}

export const problems = {
  undecodable: problem('undecodable-parameter', 400, 'a path parameter is not valid percent-encoding'),
  pathTooLong: problem('path-too-long', 414, 'the path is too long for the pattern of this route'),
  fieldTooLong: problem('field-too-long', 431, 'a value is too long for the pattern of this route'),
  badPattern: problem('bad-pattern', 500, 'a pattern of this route cannot be used'),
} as const

function problem(kind: Problem['kind'], status: Problem['status'], reason: string): Problem {
  return Object.freeze({ kind, status, reason })
}

/** `false`: no. `true`: yes. A problem: yes or perhaps, but the request cannot be served by this rule; it must not fall through. */
export type Verdict = boolean | Problem

export type Check = (facts: Facts) => Verdict

/** Everything but host and path; undefined where nothing is asked. Cheap questions come first. */
export function compileChecks(match: Match): Check | undefined {
  const checks: Check[] = []
  if (match.methods !== undefined) checks.push(methodCheck(match.methods))
  if (match.clientCertificate === 'verified') checks.push((facts) => facts.clientCertificate === 'verified')
  if (match.content !== undefined) checks.push(contentCheck(match.content))
  for (const header of match.headers ?? []) checks.push(headerCheck(header))
  for (const parameter of match.query ?? []) checks.push(queryCheck(parameter))
  if (checks.length <= 1) return checks[0]
  return (facts) => {
    let trouble: Problem | undefined
    for (const check of checks) {
      const verdict = check(facts)
      if (verdict === false) return false
      if (verdict !== true) trouble ??= verdict
    }
    return trouble ?? true
  }
}

function methodCheck(methods: readonly string[]): Check {
  const [only] = methods
  if (methods.length === 1) return (facts) => facts.method === only
  const set = new Set(methods)
  return (facts) => set.has(facts.method)
}

export function contentCheck(content: 'grpc' | 'not-grpc'): Check {
  const wanted = content === 'grpc'
  return (facts) => (facts.header('content-type') ?? '').toLowerCase().startsWith('application/grpc') === wanted
}

export function headerCheck({ name, value }: NamedMatch): Check {
  const holds = compileValue(value)
  const lower = name.toLowerCase()
  return (facts) => holds(facts.header(lower))
}

export function queryCheck({ name, value }: NamedMatch): Check {
  const holds = compileValue(value)
  return (facts) => holds(queryValue(facts.query, name))
}

function compileValue(value: ValueMatch): (text: string | undefined) => Verdict {
  switch (value.kind) {
    case 'exact':
      return (text) => text === value.value
    case 'present':
      return (text) => text !== undefined
    case 'regexp': {
      const pattern = compilePattern(value.source)
      if (pattern.kind === 'bad') return (text) => (text === undefined ? false : problems.badPattern)
      const { regexp, limit } = pattern
      return (text) => {
        if (text === undefined) return false
        return text.length > limit ? problems.fieldTooLong : regexp.test(text)
      }
    }
  }
}

/** The first value of that name, decoded (percent and '+'); what cannot be decoded stays as written. '' for `?name`. */
function queryValue(query: string, name: string): string | undefined {
  let start = 0
  while (start < query.length) {
    let end = query.indexOf('&', start)
    if (end === -1) end = query.length
    if (end > start) {
      let equals = query.indexOf('=', start)
      if (equals === -1 || equals > end) equals = end
      if (decodeForm(query.slice(start, equals)) === name) {
        return equals === end ? '' : decodeForm(query.slice(equals + 1, end))
      }
    }
    start = end + 1
  }
  return undefined
}

function decodeForm(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text
  if (!spaced.includes('%')) return spaced
  try {
    return decodeURIComponent(spaced)
  } catch {
    return text // as written: a pair that nobody can read equals only itself
  }
}

// --- hosts -----------------------------------------------------------------------------------------------------------

export type HostCheck = (host: string) => Verdict

export function compileHost(match: HostMatch): HostCheck {
  switch (match.kind) {
    case 'exact': {
      const name = hostName(match.name)
      return (host) => host === name
    }
    case 'suffix': {
      const suffix = hostSuffix(match.suffix)
      if (match.labels === 'many') return (host) => host.length > suffix.length && host.endsWith(suffix)
      return (host) => {
        const label = host.length - suffix.length
        if (label <= 0 || !host.endsWith(suffix)) return false
        const dot = host.indexOf('.')
        return dot === -1 || dot >= label
      }
    }
    case 'regexp': {
      const pattern = compilePattern(match.source, { ignoreCase: true })
      if (pattern.kind === 'bad') return () => problems.badPattern
      const { regexp, limit } = pattern
      return (host) => (host.length > limit ? problems.fieldTooLong : regexp.test(host))
    }
  }
}

/** As hosts are compared: lower case, no trailing dot. */
export function hostName(name: string): string {
  const lower = name.toLowerCase()
  return lower.endsWith('.') ? lower.slice(0, -1) : lower
}

/** A suffix begins at a dot, so that `example.com` never takes `badexample.com`. */
export function hostSuffix(suffix: string): string {
  const name = hostName(suffix)
  return name.startsWith('.') ? name : `.${name}`
}

// --- paths -----------------------------------------------------------------------------------------------------------

/** What `optionalSlash` and prefixes leave away: one trailing slash. */
export function withoutSlash(value: string): string {
  return value.endsWith('/') ? value.slice(0, -1) : value
}

/** Whether one path is taken; a table of many is an index, see the engine's router. */
export function takesPath(match: PathMatch | undefined, path: string): Verdict {
  if (match === undefined) return true
  const fold = (text: string): string =>
    'ignoreCase' in match && match.ignoreCase === true ? text.toLowerCase() : text
  switch (match.kind) {
    case 'exact': {
      if (match.optionalSlash !== true) return fold(path) === fold(match.value)
      const base = withoutSlash(fold(match.value))
      return fold(path) === base || fold(path) === `${base}/`
    }
    case 'prefix': {
      const base = withoutSlash(match.value)
      return path === base || path.startsWith(`${base}/`)
    }
    case 'start':
      return fold(path).startsWith(fold(match.value))
    case 'regexp': {
      const { pattern, names } = compilePathPattern(match)
      if (!path.startsWith(pattern.prefix)) return false
      if (pattern.kind === 'bad') return problems.badPattern
      if (path.length > pattern.limit) return problems.pathTooLong
      const found = pattern.regexp.exec(path)
      if (found === null) return false
      return parametersOf(found, names) === undefined ? problems.undecodable : true
    }
  }
}

/** A path regexp and the names of its captures. `prefix` is the text that every path it takes begins with. */
export interface PathPattern {
  readonly pattern: Pattern
  readonly names: readonly string[] | undefined
}

export function compilePathPattern(match: Extract<PathMatch, { kind: 'regexp' }>): PathPattern {
  return { pattern: compilePattern(match.source, { ignoreCase: match.ignoreCase }), names: match.parameters }
}

export const noParameters: Readonly<Record<string, string>> = Object.freeze({})

/** The captures, decoded, under their names, else under their numbers from '0'; undefined where one cannot be decoded. */
export function parametersOf(
  found: RegExpExecArray,
  names: readonly string[] | undefined,
): Readonly<Record<string, string>> | undefined {
  if (found.length === 1) return noParameters
  const parameters: Record<string, string> = {}
  for (let index = 1; index < found.length; index++) {
    const raw = found[index]
    if (raw === undefined) continue // a group that took no part
    const value = decodeParameter(raw)
    if (value === undefined) return undefined
    parameters[names?.[index - 1] ?? String(index - 1)] = value
  }
  if (found.groups !== undefined) {
    for (const [name, raw] of Object.entries(found.groups)) {
      const value = raw === undefined ? undefined : decodeParameter(raw)
      if (value !== undefined) parameters[name] = value
    }
  }
  return parameters
}

function decodeParameter(raw: string): string | undefined {
  if (!raw.includes('%')) return raw
  try {
    return decodeURIComponent(raw)
  } catch {
    return undefined
  }
}
