/**
 * Model ↔ text. Pure. One thing a paragraph: its head at the margin, its parts indented, where it comes from behind `#`.
 *
 *     route shop/cart  on web/http  host shop.example.com  GET /cart/**  # source file shop.yml line 4
 *       rate-limit {"max":3} when {"kind":"authenticated"}  # …
 *       -> forward shop/cart weight 2
 *
 * A word is bare where it can be, else a JSON string; whatever has no words of its own is `name=JSON`. `print` then
 * `parse` gives the same model, field by field, except for secrets that were redacted.
 */
import type { Diagnostic } from './diagnostic.ts'
import { emptyModel, type Model } from './model.ts'
import { TextMistake, readLine, type Line } from './text-words.ts'
import { printParagraphs } from './text-print.ts'
import { ParagraphReader } from './text-parse.ts'

export interface PrintOptions {
  /** `reveal` writes secrets as they are: for files that only their owner reads. */
  readonly secrets: 'redact' | 'reveal'
}

export function printModel(model: Model, options: PrintOptions): string {
  return printParagraphs(model, options)
}

/** Never throws for what is written: a paragraph that cannot be read is left out, with a diagnostic at its line. */
export function parseModel(
  text: string,
  options: { readonly file?: string } = {},
): { readonly model: Model; readonly diagnostics: readonly Diagnostic[] } {
  const diagnostics: Diagnostic[] = []
  const reader = new ParagraphReader()
  const finish = (paragraph: readonly Line[]): void => {
    try {
      reader.read(paragraph)
    } catch (error) {
      if (!(error instanceof TextMistake)) throw error
      diagnostics.push(mistake(error, options.file))
    }
  }
  let paragraph: Line[] = []
  text.split('\n').forEach((raw, index) => {
    try {
      const line = readLine(raw, index + 1)
      if (line === undefined) return
      if (line.indent === 0 && paragraph.length > 0) {
        finish(paragraph)
        paragraph = []
      }
      paragraph.push(line)
    } catch (error) {
      if (!(error instanceof TextMistake)) throw error
      diagnostics.push(mistake(error, options.file))
    }
  })
  if (paragraph.length > 0) finish(paragraph)
  return { model: { ...emptyModel, ...reader.model }, diagnostics }
}

function mistake(error: TextMistake, file: string | undefined): Diagnostic {
  return {
    code: 'model/text',
    severity: 'error',
    message: error.message,
    origin: { source: 'model', line: error.line, ...(file === undefined ? {} : { file }) },
  }
}
