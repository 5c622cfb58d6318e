/** Words of the text form: bare or JSON, written and read. Pure. */
import type { Origin } from './diagnostic.ts'
import { Secret } from './secret.ts'

export class TextMistake extends Error {
  readonly line: number
  constructor(message: string, line: number) {
    super(message)
    this.line = line
  }
}

/** One token: a word, or `name=JSON`, or JSON alone. `bare` words may be keywords; quoted ones never are. */
export interface Token {
  readonly kind: 'word' | 'field' | 'json'
  readonly bare: boolean
  readonly text: string
  readonly value: unknown
}

export interface Line {
  readonly number: number
  readonly indent: number
  readonly tokens: readonly Token[]
  readonly origin: Origin | undefined
}

const bareWord = /^[\p{L}\p{N}_./*:@%+~!$&?;,^|<>-][\p{L}\p{N}_./*:@%+~!$&?;,^|<>()[\]'-]*$/u

/** Bare words that begin a line of their own, or follow an argument. */
const keywords = new Set(['->', 'when', 'with', 'weight', 'on', 'host', 'ignore-case', 'optional-slash'])

export function word(text: string): string {
  return bareWord.test(text) && !keywords.has(text) ? text : JSON.stringify(text)
}

export type Json = (value: unknown) => string

/**
 * One line of JSON. What JSON has no word for is an object with one key that begins with `$`: `{"$regexp":["a","i"]}`,
 * `{"$secret":"…"}`; a key of the data that begins so gets one `$` more.
 */
export function jsonWith(secrets: 'redact' | 'reveal'): Json {
  const plain = (value: unknown): unknown => {
    if (value instanceof RegExp) return { $regexp: [value.source, value.flags] }
    if (value instanceof Secret) return { $secret: secrets === 'reveal' ? value.reveal() : '[redacted]' }
    if (Array.isArray(value)) return value.map((item: unknown) => plain(item) ?? null)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(
      Object.entries(value).map(([key, part]: [string, unknown]) => [
        key.startsWith('$') ? `$${key}` : key,
        plain(part),
      ]),
    )
  }
  return (value) => JSON.stringify(plain(value)) ?? 'undefined'
}

function revive(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const entries: [string, unknown][] = Object.entries(value)
  const [only] = entries
  if (only?.[0] === '$secret' && typeof only[1] === 'string') return new Secret(only[1])
  if (only?.[0] === '$regexp' && Array.isArray(only[1])) return new RegExp(String(only[1][0]), String(only[1][1]))
  if (!entries.some(([key]) => key.startsWith('$'))) return value
  return Object.fromEntries(entries.map(([key, part]) => [key.startsWith('$$') ? key.slice(1) : key, part]))
}

export function printOrigin(origin: Origin): string {
  const { source, file, line, column, object, field: place } = origin
  const parts = [word(source)]
  if (file !== undefined) parts.push(`file ${word(file)}`)
  if (line !== undefined) parts.push(`line ${line}`)
  if (column !== undefined) parts.push(`column ${column}`)
  if (object !== undefined) parts.push(`object ${word(object)}`)
  if (place !== undefined) parts.push(`field ${word(place)}`)
  return `  # ${parts.join(' ')}`
}

// --- reading ---------------------------------------------------------------------------------------------------------

/** Undefined for empty lines and lines that are only a comment. */
export function readLine(raw: string, number: number): Line | undefined {
  const text = raw.endsWith('\r') ? raw.slice(0, -1) : raw
  const indent = text.length - text.trimStart().length
  const scanner = new Scanner(text, indent, number)
  const tokens = scanner.tokens()
  if (tokens.length === 0) return undefined
  return { number, indent, tokens, origin: scanner.comment() }
}

class Scanner {
  readonly #text: string
  readonly #line: number
  #at: number

  constructor(text: string, at: number, line: number) {
    this.#text = text
    this.#at = at
    this.#line = line
  }

  /** Until the end, or the `#` of a comment. */
  tokens(): Token[] {
    const tokens: Token[] = []
    for (;;) {
      while (' \t'.includes(this.#text.charAt(this.#at)) && this.#at < this.#text.length) this.#at++
      if (this.#at >= this.#text.length || this.#text.charAt(this.#at) === '#') return tokens
      tokens.push(this.#token())
    }
  }

  comment(): Origin | undefined {
    if (this.#text.charAt(this.#at) !== '#') return undefined
    const tokens = new Scanner(this.#text, this.#at + 1, this.#line).tokens()
    const [source] = tokens
    if (source === undefined) return undefined
    const origin: Record<string, unknown> = { source: source.text }
    for (let at = 1; at + 1 < tokens.length; at += 2) {
      const name = tokens[at]?.text ?? ''
      const value = tokens[at + 1]?.text ?? ''
      if (name === 'line' || name === 'column') origin[name] = Number(value)
      else if (name === 'file' || name === 'object' || name === 'field') origin[name] = value
      else throw new TextMistake(`"${name}" is no part of an origin`, this.#line)
    }
    return origin as unknown as Origin
  }

  #token(): Token {
    const start = this.#at
    const first = this.#text.charAt(start)
    if (first === '"') {
      const value = this.#json()
      return { kind: 'word', bare: false, text: String(value), value }
    }
    if (first === '{' || first === '[') {
      return { kind: 'json', bare: false, text: '', value: this.#json() }
    }
    while (this.#at < this.#text.length && !' \t'.includes(this.#text.charAt(this.#at))) {
      if (this.#text.charAt(this.#at) === '=' && this.#at > start) {
        const name = this.#text.slice(start, this.#at++)
        return { kind: 'field', bare: true, text: name, value: this.#json() }
      }
      this.#at++
    }
    const text = this.#text.slice(start, this.#at)
    return { kind: 'word', bare: true, text, value: text }
  }

  /** One JSON value, however long: strings are skipped whole, brackets counted. */
  #json(): unknown {
    const start = this.#at
    let depth = 0
    for (; this.#at < this.#text.length; this.#at++) {
      const character = this.#text.charAt(this.#at)
      if (character === '"') {
        this.#at++
        while (this.#at < this.#text.length && this.#text.charAt(this.#at) !== '"') {
          this.#at += this.#text.charAt(this.#at) === '\\' ? 2 : 1
        }
        if (depth === 0) {
          this.#at++
          break
        }
      } else if (character === '{' || character === '[') depth++
      else if (character === '}' || character === ']') {
        depth--
        if (depth === 0) {
          this.#at++
          break
        }
      } else if (depth === 0 && ' \t'.includes(character)) break
    }
    const text = this.#text.slice(start, this.#at)
    if (text === 'undefined') return undefined
    try {
      return JSON.parse(text, revive) as unknown
    } catch (error) {
      const why = error instanceof SyntaxError ? error.message : String(error)
      throw new TextMistake(`${text} is not JSON: ${why}`, this.#line)
    }
  }
}
