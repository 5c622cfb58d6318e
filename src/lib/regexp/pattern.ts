/**
 * A user's regular expression → a RegExp that cannot be made to run for ever, or why not. Pure.
 *
 * JavaScript's engine backtracks, so a pattern may need time exponential in the length of what a stranger sends. The
 * pattern is read into an automaton whose ambiguity says how bad it can get (Weber and Seidl 1991: exponential if some
 * state loops in two ways over one word; else polynomial, its degree the longest chain of loops that share a word).
 * Exponential patterns are refused; the others get the longest text that they may be given, about 20 ms at worst.
 */
import { ambiguity } from './ambiguity.ts'
import { parseRegexp } from './parse.ts'

export type Pattern =
  /** A longer text than `limit` must not be given to it. `prefix`: every text it takes begins so; '' where unknown. */
  | { readonly kind: 'good'; readonly regexp: RegExp; readonly limit: number; readonly prefix: string }
  | { readonly kind: 'bad'; readonly why: string; readonly prefix: string }

/** By degree of ambiguity; the time grows with the length to the power of degree + 1. */
const limits = [65_536, 2048, 256, 100] as const

/** JavaScript syntax without flags, anchored as written. Backreferences are refused: nothing bounds them. */
export function compilePattern(source: string, options: { readonly ignoreCase?: boolean } = {}): Pattern {
  const ignoreCase = options.ignoreCase === true
  let regexp: RegExp
  try {
    regexp = new RegExp(source, ignoreCase ? 'i' : '')
  } catch (error) {
    return { kind: 'bad', why: error instanceof SyntaxError ? error.message : String(error), prefix: '' }
  }
  const parsed = parseRegexp(source)
  if (parsed.kind === 'unreadable') return { kind: 'bad', why: parsed.why, prefix: '' }
  const prefix = ignoreCase ? '' : parsed.prefix
  const degrees = parsed.trees.map((tree) => ambiguity(tree, { ignoreCase, optional: 'as-written' }))
  const hidden = parsed.trees.map((tree) => ambiguity(tree, { ignoreCase, optional: 'loop' }))
  // a?a?a?…: not ambiguous without end, but twice as slow for each of them
  const tooMany = hidden.some((chain) => chain > 8 && chain !== Infinity)
  const degree = tooMany ? Infinity : Math.max(...degrees)
  const limit = limits[degree]
  if (limit !== undefined) return { kind: 'good', regexp, limit, prefix }
  const why =
    degree === Infinity
      ? 'a repetition inside a repetition reads the same text in many ways; a short path could stop the gateway'
      : 'too many repetitions read the same text; a path could stop the gateway for seconds'
  return { kind: 'bad', why, prefix }
}
