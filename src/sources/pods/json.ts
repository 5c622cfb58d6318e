/** JSON text → a tree that still knows how numbers were written and which key came when. Pure. */

export type Json =
  | { readonly kind: 'null' }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'array'; readonly items: readonly Json[] }
  /** In the order of the text, doubles included. */
  | { readonly kind: 'object'; readonly entries: readonly (readonly [key: string, value: Json])[] }

/** RFC 8259, nothing more. The mistake says where. */
export function parseJson(text: string): Json | { readonly kind: 'mistake'; readonly message: string } {
  const reader = new Reader(text)
  try {
    return reader.document()
  } catch (error) {
    if (error instanceof Mistake) return { kind: 'mistake', message: error.message }
    throw error
  }
}

/**
 * The value of a field as Go's encoding/json finds it: names without regard to case, the last one wins, and null changes
 * nothing.
 */
export function fieldOf(object: Json, name: string): Json | undefined {
  if (object.kind !== 'object') return undefined
  let found: Json | undefined
  for (const [key, value] of object.entries)
    if (key.toLowerCase() === name.toLowerCase() && value.kind !== 'null') found = value
  return found
}

class Mistake extends Error {}

const DEPTH = 100

class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  document(): Json {
    const value = this.#value(0)
    this.#space()
    if (this.#at < this.#text.length) throw this.#mistake('something stands behind the value')
    return value
  }

  #value(depth: number): Json {
    if (depth > DEPTH) throw this.#mistake(`more than ${DEPTH} levels`)
    this.#space()
    const character = this.#text[this.#at]
    if (character === '{') return this.#object(depth)
    if (character === '[') return this.#array(depth)
    if (character === '"') return { kind: 'string', value: this.#string() }
    const word = /(?:null|true|false|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)/y
    word.lastIndex = this.#at
    const found = word.exec(this.#text)?.[0]
    if (found === undefined)
      throw this.#mistake(character === undefined ? 'it ends too early' : `unexpected ${JSON.stringify(character)}`)
    this.#at += found.length
    if (found === 'null') return { kind: 'null' }
    if (found === 'true' || found === 'false') return { kind: 'boolean', value: found === 'true' }
    return { kind: 'number', text: found }
  }

  #array(depth: number): Json {
    const items: Json[] = []
    this.#at++
    this.#space()
    if (this.#take(']')) return { kind: 'array', items }
    for (;;) {
      items.push(this.#value(depth + 1))
      this.#space()
      if (this.#take(']')) return { kind: 'array', items }
      this.#expect(',')
    }
  }

  #object(depth: number): Json {
    const entries: [string, Json][] = []
    this.#at++
    this.#space()
    if (this.#take('}')) return { kind: 'object', entries }
    for (;;) {
      this.#space()
      if (this.#text[this.#at] !== '"') throw this.#mistake('a name in quotes is missing')
      const key = this.#string()
      this.#space()
      this.#expect(':')
      entries.push([key, this.#value(depth + 1)])
      this.#space()
      if (this.#take('}')) return { kind: 'object', entries }
      this.#expect(',')
    }
  }

  #string(): string {
    const start = this.#at
    for (let at = start + 1; at < this.#text.length; at++) {
      const character = this.#text[at]
      if (character === '\\') at++
      else if (character === '"') {
        this.#at = at + 1
        try {
          return JSON.parse(this.#text.slice(start, at + 1)) as string
        } catch {
          this.#at = start
          throw this.#mistake('a text with an escape or a control character that is not allowed')
        }
      }
    }
    throw this.#mistake('a text that does not end')
  }

  #space(): void {
    while (' \t\r\n'.includes(this.#text[this.#at] ?? 'x')) this.#at++
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  #expect(character: string): void {
    if (!this.#take(character)) throw this.#mistake(`"${character}" is missing`)
  }

  #mistake(message: string): Mistake {
    return new Mistake(`${message}, at character ${this.#at + 1}`)
  }
}
