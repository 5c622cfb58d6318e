/** What translators share: the documents, and a place to say what is wrong. */
import type { Diagnostic, Origin, Severity } from '../../model/diagnostic.ts'
import type { Document, Path } from './document.ts'
import type { World } from './world.ts'

export interface Context {
  readonly world: World
  readonly gateway: Document
  readonly system: Document
  readonly diagnostics: Diagnostic[]
}

export interface Complaint {
  readonly code: string
  readonly severity: Severity
  readonly message: string
  readonly hint?: string | undefined
}

/** Against a place in gateway.config. */
export function complain(context: Context, path: Path, complaint: Complaint, object?: string): void {
  push(context, context.gateway.origin(path, object), complaint)
}

export function complainSystem(context: Context, path: Path, complaint: Complaint): void {
  push(context, context.system.origin(path), complaint)
}

function push(context: Context, origin: Origin, complaint: Complaint): void {
  const { code, severity, message, hint } = complaint
  context.diagnostics.push({
    code: `express-gateway/${code}`,
    severity,
    message,
    ...(hint === undefined ? {} : { hint }),
    origin,
  })
}

/** The text of a file that the configuration names; undefined, with an error said, where it cannot be read. */
export function fileText(
  context: Context,
  name: string,
  path: Path,
  document: Document = context.gateway,
): string | undefined {
  const file = context.world.files[name]
  if (file?.kind === 'text') return file.text
  const why = file === undefined || file.kind === 'missing' ? 'there is no such file' : file.reason
  push(context, document.origin(path), {
    code: 'unreadable',
    severity: 'error',
    message: `${name} cannot be read: ${why}`,
    hint: 'a path is looked up from the working directory, then from the folder of the configuration',
  })
  return undefined
}

/** `, did you mean X?`: the known word that is at most two letters away. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let least = word.length <= 4 ? 2 : 3
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase(), least)
    if (distance < least) {
      least = distance
      best = candidate
    }
  }
  return best
}

function editDistance(left: string, right: string, limit: number): number {
  if (Math.abs(left.length - right.length) >= limit) return limit
  let row = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let i = 1; i <= left.length; i++) {
    const next = [i]
    for (let j = 1; j <= right.length; j++) {
      const change = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[right.length] ?? limit
}
