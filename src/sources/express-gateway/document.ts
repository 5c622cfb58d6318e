/** A configuration file → its value, and where each part of it stands. Pure. */
import { printPath } from '../../lib/yaml/issues.ts'
import { parseYaml, type Path } from '../../lib/yaml/yaml.ts'
import type { Diagnostic, Origin } from '../../model/diagnostic.ts'
import { interpolate } from './interpolate.ts'
import type { TextFile, World } from './world.ts'

export type { Path } from '../../lib/yaml/yaml.ts'

export interface Document {
  readonly file: string
  /** Plain data; a `!!js/regexp` is a RegExp. Undefined where the file could not be parsed. */
  readonly value: unknown
  readonly diagnostics: readonly Diagnostic[]
  /** Where the deepest part of the path that exists is said. */
  origin(path: Path, object?: string): Origin
}

export const sourceName = 'express-gateway'

/** Remembered until `forgetFile`: reading asks which files it names, and translating what it says. */
export function parseFile(file: TextFile, environment: World['environment']): Document {
  const known = documents.get(file)
  if (known?.environment === environment) return known.document
  const document = parseFresh(file, environment)
  documents.set(file, { environment, document })
  return document
}

/** Positions of ten thousand lines take more room than what they say. */
export function forgetFile(file: TextFile): void {
  documents.delete(file)
}

const documents = new WeakMap<TextFile, { readonly environment: World['environment']; readonly document: Document }>()

function parseFresh(file: TextFile, environment: World['environment']): Document {
  if (file.kind !== 'text') {
    const reason = file.kind === 'missing' ? 'there is no such file' : file.reason
    const origin: Origin = { source: sourceName, file: file.name }
    return {
      file: file.name,
      value: undefined,
      diagnostics: [
        {
          code: 'express-gateway/unreadable',
          severity: 'error',
          message: `${file.name} cannot be read: ${reason}`,
          hint: 'what was read before serves on until the file is there again',
          origin,
        },
      ],
      origin: () => origin,
    }
  }
  return parseText(file.name, file.text, environment)
}

function parseText(file: string, text: string, environment: World['environment']): Document {
  const interpolated = interpolate(text, environment)
  const written = lineStarts(text)
  const inserted = interpolated.text === text ? written : lineStarts(interpolated.text)
  const at = (originalOffset: number, more: Partial<Origin> = {}): Origin => {
    const line = lineOf(written, originalOffset)
    return { source: sourceName, ...more, file, line, column: originalOffset - (written[line - 1] ?? 0) + 1 }
  }
  /** From a place in the text with values to the place in the file. */
  const back = ({ line, column }: { readonly line: number; readonly column: number }): number =>
    interpolated.original((inserted[line - 1] ?? 0) + column - 1)

  const diagnostics: Diagnostic[] = interpolated.unknown.map(({ name, offset }) => ({
    code: 'express-gateway/unknown-variable',
    severity: 'warning',
    message: `${file}: the variable ${name} is not set; null stands in its place`,
    hint: `set ${name}, or write \${${name}:-default}; a template that must stay as it is needs a character that no name has, as in \${${name}.toString()}`,
    origin: at(offset),
  }))
  const { documents, mistakes } = parseYaml(interpolated.text, { schema: 'js-yaml-3' })
  for (const mistake of mistakes) {
    diagnostics.push({
      code: 'express-gateway/yaml',
      severity: 'error',
      message: `${file} is not YAML: ${firstLine(mistake.message)}`,
      origin: at(back(mistake)),
    })
  }
  const [document] = documents
  const value = mistakes.length > 0 ? undefined : document?.value
  if (mistakes.length === 0 && (value === null || value === undefined)) {
    diagnostics.push({ code: 'express-gateway/empty', severity: 'error', message: `${file} is empty`, origin: at(0) })
  }
  return {
    file,
    value,
    diagnostics,
    origin(path, object) {
      const field = printPath(path)
      const offset = document === undefined ? 0 : back(document.at(path))
      return at(offset, { ...(object === undefined ? {} : { object }), ...(field === '' ? {} : { field }) })
    },
  }
}

function firstLine(text: string): string {
  return text.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '') ?? text
}

/** Offset of each line's first character. */
function lineStarts(text: string): readonly number[] {
  const starts = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return starts
}

/** 1-based. */
function lineOf(starts: readonly number[], offset: number): number {
  let low = 0
  let high = starts.length
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if ((starts[middle] ?? 0) <= offset) low = middle
    else high = middle
  }
  return low + 1
}
