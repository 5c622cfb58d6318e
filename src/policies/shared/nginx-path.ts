/** A path replacement → the expression and the text by which nginx does it on a raw target; undefined where it cannot. Pure. */
import { literal } from '../../lib/nginx/print.ts'
import type { NginxRaw } from '../policy.ts'
import { escapePattern } from './nginx.ts'
import type { PathReplacement } from './path.ts'

export interface NginxReplacement {
  /** For `if (… ~ pattern)`. */
  readonly pattern: string | NginxRaw
  /** The new target, with `$1` and `$2` of the pattern. */
  readonly target: string
}

/** The decoded `$uri` is never used: what was sent as `%2F` must reach the backend as `%2F`. */
export function replacedTarget(replacement: PathReplacement): NginxReplacement | undefined {
  if (/[${}"'\\;#\s]/.test(replacement.value)) return undefined
  const value =
    replacement.value.startsWith('/') || replacement.value === '' ? replacement.value : `/${replacement.value}`
  switch (replacement.kind) {
    case 'full':
      return { pattern: literal('^[^?]*(.*)$'), target: `${value === '' ? '/' : value}$1` }
    case 'prefix': {
      const from = replacement.prefix.replace(/\/$/, '')
      const to = value.replace(/\/$/, '')
      // with nothing before it the rest must have its slash; then a path that is the prefix alone is left to the engine
      if (to === '') return undefined
      return { pattern: literal(`^${escapePattern(from)}((?:/[^?]*)?(?:[?].*)?)$`), target: `${to}$1` }
    }
    case 'regexp':
      return undefined
  }
}
