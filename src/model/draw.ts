/** Diagnostics → text for a terminal, or JSON. Pure; where a source line is shown, the caller says what is in the file. */
import pc from 'picocolors'
import { placeOf, timesOf, type Diagnostic, type Origin, type Severity } from './diagnostic.ts'

export interface DrawOptions {
  readonly color: boolean
  /** The text of a file as the origin names it; undefined: the line is not shown. */
  sourceText(file: string): string | undefined
}

/**
 *     shop.yml:4:9: error[check/port]: 70000 is not a port
 *       4 | port: 70000
 *         |       ^
 *       hint: a number from 1 to 65535
 *       see shop.yml:2:1 (listener a)
 */
export function drawDiagnostics(diagnostics: readonly Diagnostic[], options: DrawOptions): string {
  const colors = pc.createColors(options.color)
  const files = new Map<string, readonly string[] | undefined>()
  const linesOf = (file: string): readonly string[] | undefined => {
    if (!files.has(file)) files.set(file, options.sourceText(file)?.split(/\r?\n/))
    return files.get(file)
  }
  return diagnostics.map((diagnostic) => draw(diagnostic, linesOf, colors)).join('\n')
}

/** `array`: one JSON document. `lines`: one object a line. */
export function diagnosticsJson(diagnostics: readonly Diagnostic[], form: 'array' | 'lines'): string {
  if (form === 'array') return `${JSON.stringify(diagnostics, undefined, 2)}\n`
  return diagnostics.map((diagnostic) => `${JSON.stringify(diagnostic)}\n`).join('')
}

type Colors = ReturnType<typeof pc.createColors>

const paint: Readonly<Record<Severity, 'red' | 'yellow' | 'cyan'>> = { error: 'red', warning: 'yellow', info: 'cyan' }

function draw(
  diagnostic: Diagnostic,
  linesOf: (file: string) => readonly string[] | undefined,
  colors: Colors,
): string {
  const { severity, code, message, hint, origin, related = [] } = diagnostic
  const color = colors[paint[severity]]
  const place = origin === undefined ? '' : `${colors.bold(visible(placeOf(origin)))}: `
  const lines = [`${place}${color(`${severity}[${code}]`)}: ${visible(message)}${timesOf(diagnostic)}`]
  if (origin !== undefined) lines.push(...excerpt(origin, linesOf, colors, color))
  if (hint !== undefined) lines.push(`  ${colors.green('hint')}: ${visible(hint)}`)
  for (const other of related) lines.push(`  ${colors.dim('see')} ${visible(describe(other))}`)
  return `${lines.join('\n')}\n`
}

function describe(origin: Origin): string {
  const place = placeOf(origin)
  return origin.file === undefined || origin.object === undefined ? place : `${place} (${origin.object})`
}

/** So much of a line is shown, for configuration may be one long line. */
const width = 100

function excerpt(
  { file, line, column }: Origin,
  linesOf: (file: string) => readonly string[] | undefined,
  colors: Colors,
  color: (text: string) => string,
): string[] {
  if (file === undefined || line === undefined) return []
  const text = linesOf(file)?.[line - 1]
  if (text === undefined || text.trim() === '') return []
  // without a column: the whole line is meant
  const at = column === undefined ? text.length - text.trimStart().length : Math.min(column - 1, text.length)
  const start = at < width - 10 ? 0 : at - width / 2
  const shown = visible(text.slice(start, start + width))
  const number = String(line)
  const gutter = (label: string): string => colors.dim(`  ${label.padStart(number.length)} | `)
  const length = column === undefined ? Math.max(1, shown.trim().length) : 1
  return [`${gutter(number)}${shown}`, `${gutter('')}${' '.repeat(at - start)}${color('^'.repeat(length))}`]
}

/** What a stranger wrote must not move the cursor or change colours: one character for each control character. */
function visible(text: string): string {
  return text.replaceAll('\t', ' ').replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\ufffd')
}
