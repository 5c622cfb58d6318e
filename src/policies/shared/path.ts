/** A path and its replacement → the new path. Pure. */
import { z } from 'zod'
import { compilePattern } from '../../lib/regexp/pattern.ts'

const pathText = z.string().regex(/^[^\s?#\0]*$/, 'is not a path')

export const pathReplacement = z.discriminatedUnion('kind', [
  /** The whole path; the query stays. */
  z.strictObject({ kind: z.literal('full'), value: pathText }),
  /** The segments of `prefix` at the front; '' or `/` takes them away. A path outside of the prefix stays as it is. */
  z.strictObject({
    kind: z.literal('prefix'),
    prefix: z.string().regex(/^\//, 'does not begin with /'),
    value: pathText,
  }),
  /** What the expression finds in the path; `$1` to `$9` and `$<name>` are its groups. */
  z.strictObject({ kind: z.literal('regexp'), source: z.string().min(1), value: pathText }),
])
export type PathReplacement = z.infer<typeof pathReplacement>

/**
 * The new path; undefined where a prefix or an expression does not take the path.
 * Gateway API 2.9 (HTTPPathModifier): by segments, the rest keeps its slash, and the result begins with one.
 */
export type ReplacePath = (path: string) => string | undefined

/** Throws for an expression that is none, or that a stranger could make run for ever. */
export function compileReplacement(replacement: PathReplacement): ReplacePath {
  switch (replacement.kind) {
    case 'full': {
      const path = rooted(replacement.value)
      return () => path
    }
    case 'prefix':
      return prefixReplacement(replacement.prefix, replacement.value)
    case 'regexp': {
      const pattern = compilePattern(replacement.source)
      if (pattern.kind === 'bad') throw new Error(`path ${JSON.stringify(replacement.source)}: ${pattern.why}`)
      const { regexp, limit } = pattern
      return (path) =>
        path.length <= limit && regexp.test(path) ? rooted(path.replace(regexp, replacement.value)) : undefined
    }
  }
}

function prefixReplacement(prefix: string, value: string): ReplacePath {
  const from = trimmed(prefix)
  const to = trimmed(value)
  return (path) => {
    if (!path.startsWith(from)) return undefined
    const rest = path.slice(from.length)
    if (rest === '') return rooted(to)
    // /abc is no prefix of /abcd
    return rest.startsWith('/') ? rooted(to + rest) : undefined
  }
}

function trimmed(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path
}

function rooted(path: string): string {
  return path.startsWith('/') ? path : `/${path}`
}

/** Another path on the same query. */
export function withPath(target: string, path: string): string {
  const question = target.indexOf('?')
  return question === -1 ? path : path + target.slice(question)
}
