/** A user's mistake, as a value: what is wrong, where, and what to write instead. Imports nothing. */

/** Where something in the model comes from: enough to find the line that said it. */
export interface Origin {
  /** The source that said it: `express-gateway`, `gateway-api`, `pods`. */
  readonly source: string
  /** The object: `pipeline api`, `HTTPRoute shop/cart`, `Pod shop/cart-1`. */
  readonly object?: string
  /** The place inside the object: `policies[1].action.max`, `spec.rules[0]`. */
  readonly field?: string
  /** The file, relative to the place that the source was given; absent for objects of a cluster. */
  readonly file?: string
  /** 1-based. */
  readonly line?: number
  /** 1-based. */
  readonly column?: number
}

/** `error`: this part does not serve. `warning`: it serves, but hardly as meant. `info`: worth knowing. */
export type Severity = 'error' | 'warning' | 'info'

export interface Diagnostic {
  /** Stable, kebab-case, prefixed by who says it: `express-gateway/unknown-key`, `check/unknown-backend`. */
  readonly code: string
  readonly severity: Severity
  /** One sentence with the place in words: `service shop gateway.web.port: "http" is not a port`. */
  readonly message: string
  /** What to write instead: `a number from 1 to 65535`. */
  readonly hint?: string
  readonly origin?: Origin
  /** The other culprits: the second of two routes that claim the same host and path. */
  readonly related?: readonly Origin[]
  /** How often it was said, from 2 on: by each of the routes that one line makes, for example. */
  readonly times?: number
}

/** Those that say the same of the same place become one, where the first stood. */
export function foldRepeated(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const folded = new Map<string, Diagnostic>()
  for (const diagnostic of diagnostics) {
    const { times = 1, ...said } = diagnostic
    const key = JSON.stringify(said)
    const before = folded.get(key)
    folded.set(key, before === undefined ? diagnostic : { ...before, times: (before.times ?? 1) + times })
  }
  return folded.size === diagnostics.length ? diagnostics : [...folded.values()]
}

/** ` (3 times)`, or nothing. */
export function timesOf({ times }: Diagnostic): string {
  return times === undefined ? '' : ` (${times} times)`
}

/** `file:line:column`, or the object where there is no file. */
export function placeOf(origin: Origin): string {
  if (origin.file !== undefined) {
    const line = origin.line === undefined ? '' : `:${origin.line}`
    const column = origin.line === undefined || origin.column === undefined ? '' : `:${origin.column}`
    return `${origin.file}${line}${column}`
  }
  const field = origin.field === undefined ? '' : ` ${origin.field}`
  return `${origin.object ?? origin.source}${field}`
}

export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some((diagnostic) => diagnostic.severity === 'error')
}
