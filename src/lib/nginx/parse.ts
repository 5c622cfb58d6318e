/**
 * nginx configuration text → directives, as nginx's own reader splits it. Pure. For tests of the printer and for comparing
 * configurations as trees; quotes and escapes are undone, comments are dropped.
 */
export interface ParsedDirective {
  readonly words: readonly string[]
  readonly block?: readonly ParsedDirective[]
}

/** Throws a SyntaxError with a line where nginx would refuse the text. */
export function parseConfiguration(text: string): readonly ParsedDirective[] {
  const reader = { text, at: 0 }
  const directives = readLevel(reader, 0)
  return directives
}

interface Reader {
  readonly text: string
  at: number
}

function readLevel(reader: Reader, depth: number): readonly ParsedDirective[] {
  const directives: ParsedDirective[] = []
  let words: string[] = []
  for (;;) {
    skipSpace(reader)
    const character = reader.text[reader.at]
    if (character === undefined) {
      if (depth > 0 || words.length > 0) throw mistake(reader, 'unexpected end of file')
      return directives
    }
    if (character === ';' || character === '{') {
      reader.at += 1
      if (words.length === 0) throw mistake(reader, `unexpected "${character}"`)
      directives.push(character === ';' ? { words } : { words, block: readLevel(reader, depth + 1) })
      words = []
    } else if (character === '}') {
      reader.at += 1
      if (depth === 0 || words.length > 0) throw mistake(reader, 'unexpected "}"')
      return directives
    } else words.push(readWord(reader))
  }
}

function skipSpace(reader: Reader): void {
  for (;;) {
    const character = reader.text[reader.at]
    if (character === '#') while (reader.at < reader.text.length && reader.text[reader.at] !== '\n') reader.at += 1
    else if (character === ' ' || character === '\t' || character === '\r' || character === '\n') reader.at += 1
    else return
  }
}

function readWord(reader: Reader): string {
  const quote = reader.text[reader.at]
  if (quote === '"' || quote === "'") return readQuoted(reader, quote)
  let word = ''
  for (;;) {
    const character = reader.text[reader.at]
    if (character === undefined || /[\s;]/.test(character)) return word
    // ${name} is part of a word, a lone brace begins a block
    if (character === '{' && !word.endsWith('$')) return word
    if (character === '\\') {
      word += unescape(reader)
      continue
    }
    word += character
    reader.at += 1
  }
}

function readQuoted(reader: Reader, quote: string): string {
  reader.at += 1
  let word = ''
  for (;;) {
    const character = reader.text[reader.at]
    if (character === undefined) throw mistake(reader, 'unexpected end of file in a quoted word')
    if (character === '\\') {
      word += unescape(reader)
      continue
    }
    reader.at += 1
    if (character === quote) {
      const next = reader.text[reader.at]
      if (next !== undefined && !/[\s;{)]/.test(next)) throw mistake(reader, `unexpected "${next}" after a quoted word`)
      return word
    }
    word += character
  }
}

/** Only these escapes mean something; in every other pair both characters stay. */
function unescape(reader: Reader): string {
  const next = reader.text[reader.at + 1] ?? ''
  reader.at += 2
  switch (next) {
    case 't':
      return '\t'
    case 'r':
      return '\r'
    case 'n':
      return '\n'
    case '"':
    case "'":
    case '\\':
      return next
    default:
      return `\\${next}`
  }
}

function mistake(reader: Reader, message: string): SyntaxError {
  const line = reader.text.slice(0, reader.at).split('\n').length
  return new SyntaxError(`line ${line}: ${message}`)
}
