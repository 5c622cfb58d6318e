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
