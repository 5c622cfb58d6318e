/** Text in a small part of JavaScript's expressions → a tree; undefined for anything outside of that part. Pure. */

export type Node =
  | { readonly kind: 'literal'; readonly value: string | number | boolean | null }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'member'; readonly object: Node; readonly key: Node; readonly optional: boolean }
  | { readonly kind: 'call'; readonly callee: Node; readonly arguments: readonly Node[] }
  | { readonly kind: 'regexp'; readonly source: string; readonly flags: string }
  | { readonly kind: 'unary'; readonly operator: '!' | '-' | '+' | 'typeof'; readonly operand: Node }
  | { readonly kind: 'binary'; readonly operator: string; readonly left: Node; readonly right: Node }
  | { readonly kind: 'conditional'; readonly test: Node; readonly yes: Node; readonly no: Node }
  /** One text more than values. */
  | { readonly kind: 'template'; readonly texts: readonly string[]; readonly values: readonly Node[] }

/** By how tightly they bind. */
const binding: Readonly<Record<string, number>> = {
  '??': 1,
  '||': 1,
  '&&': 2,
  '===': 3,
  '!==': 3,
  '==': 3,
  '!=': 3,
  '<': 4,
  '>': 4,
  '<=': 4,
  '>=': 4,
  in: 4,
  '+': 5,
  '-': 5,
  '*': 6,
  '/': 6,
  '%': 6,
}

class Outside extends Error {}

export function parse(kind: 'expression' | 'template', source: string): Node | undefined {
  // deep nesting is the sandbox's, which has a stack limit of its own
  if (source.length > 2000) return undefined
  try {
    const reader = new Reader(source)
    const node = kind === 'template' ? reader.template('') : reader.expression()
    reader.end()
    return node
  } catch (error) {
    if (error instanceof Outside || error instanceof RangeError) return undefined
    throw error
  }
}

class Reader {
  readonly #source: string
  #at = 0

  constructor(source: string) {
    this.#source = source
  }

  end(): void {
    this.#space()
    if (this.#at < this.#source.length) throw new Outside()
  }

  expression(): Node {
    const test = this.#binary(0)
    if (!this.#take('?')) return test
    const yes = this.expression()
    this.#expect(':')
    const no = this.expression()
    return { kind: 'conditional', test, yes, no }
  }

  /** To the closing character, `` ` `` or the end of the source for ''. */
  template(close: '`' | ''): Node {
    const texts: string[] = []
    const values: Node[] = []
    let text = ''
    for (;;) {
      const character = this.#source[this.#at]
      if (character === undefined) {
        if (close !== '') throw new Outside()
        break
      }
      this.#at += 1
      if (character === '`') {
        if (close === '') throw new Outside()
        break
      }
      if (character === '\\') text += this.#escape()
      else if (character === '$' && this.#source[this.#at] === '{') {
        this.#at += 1
        values.push(this.expression())
        this.#expect('}')
        texts.push(text)
        text = ''
      } else if (character === '\r') throw new Outside()
      else text += character
    }
    texts.push(text)
    return { kind: 'template', texts, values }
  }

  #binary(least: number): Node {
    let left = this.#unary()
    for (;;) {
      const operator = this.#operator()
      const power = operator === undefined ? undefined : binding[operator]
      if (operator === undefined || power === undefined || power <= least) return left
      this.#at += operator.length
      const right = this.#binary(power)
      if (mixes(operator, left) || mixes(operator, right)) throw new Outside()
      left = { kind: 'binary', operator, left, right }
    }
  }

  #operator(): string | undefined {
    this.#space()
    for (const operator of ['===', '!==', '==', '!=', '<=', '>=', '&&', '||', '??']) {
      if (this.#source.startsWith(operator, this.#at)) return operator
    }
    const character = this.#source[this.#at] ?? ''
    const next = this.#source[this.#at + 1] ?? ''
    if (character === 'i' && next === 'n' && !/[\w$]/.test(this.#source[this.#at + 2] ?? '')) return 'in'
    if (!'<>+-*/%'.includes(character) || character === '') return undefined
    // ++, --, **, <<, >>, assignments and comments are outside
    if (next === character || next === '=' || (character === '/' && next === '*')) throw new Outside()
    return character
  }

  #unary(): Node {
    this.#space()
    const character = this.#source[this.#at]
    if (character === '!' || character === '-' || character === '+') {
      if (this.#source[this.#at + 1] === character && character !== '!') throw new Outside()
      this.#at += 1
      return { kind: 'unary', operator: character, operand: this.#unary() }
    }
    if (/^typeof(?![\w$])/.test(this.#source.slice(this.#at, this.#at + 7))) {
      this.#at += 6
      return { kind: 'unary', operator: 'typeof', operand: this.#unary() }
    }
    return this.#postfix()
  }

  #postfix(): Node {
    let node = this.#primary()
    let chained = false
    for (;;) {
      this.#space()
      if (this.#source.startsWith('?.', this.#at) && !/\d/.test(this.#source[this.#at + 2] ?? '')) {
        this.#at += 2
        // an optional call, or more behind an optional member, may be cut short as a whole: outside
        if (chained || !/[A-Za-z_$]/.test(this.#source[this.#at] ?? '')) throw new Outside()
        node = { kind: 'member', object: node, key: { kind: 'literal', value: this.#name() }, optional: true }
        chained = true
        continue
      }
      if (this.#take('.')) {
        if (chained) throw new Outside()
        this.#space()
        node = { kind: 'member', object: node, key: { kind: 'literal', value: this.#name() }, optional: false }
      } else if (this.#take('[')) {
        if (chained) throw new Outside()
        node = { kind: 'member', object: node, key: this.expression(), optional: false }
        this.#expect(']')
      } else if (this.#take('(')) {
        const given: Node[] = []
        if (!this.#take(')')) {
          do given.push(this.#argument())
          while (this.#take(','))
          this.#expect(')')
        }
        node = { kind: 'call', callee: node, arguments: given }
      } else return node
    }
  }

  #argument(): Node {
    this.#space()
    return this.expression()
  }

  #primary(): Node {
    this.#space()
    const character = this.#source[this.#at] ?? ''
    if (character === '(') {
      this.#at += 1
      const inner = this.expression()
      this.#expect(')')
      // what stands in brackets may stand beside ?? again
      return inner.kind === 'binary' ? { ...inner, operator: inner.operator } : inner
    }
    if (character === '"' || character === "'") return { kind: 'literal', value: this.#string(character) }
    if (character === '`') {
      this.#at += 1
      return this.template('`')
    }
    if (character === '/') return this.#regexp()
    if (/\d/.test(character)) return { kind: 'literal', value: this.#number() }
    if (/[A-Za-z_$]/.test(character)) {
      const name = this.#name()
      if (name === 'true' || name === 'false') return { kind: 'literal', value: name === 'true' }
      if (name === 'null') return { kind: 'literal', value: null }
      return { kind: 'name', name }
    }
    throw new Outside()
  }

  #name(): string {
    const found = /^[A-Za-z_$][\w$]*/.exec(this.#source.slice(this.#at, this.#at + 200))
    if (found === null) throw new Outside()
    this.#at += found[0].length
    return found[0]
  }

  #number(): number {
    const found = /^(?:0|[1-9]\d{0,14})(?:\.\d{1,10})?(?![\w.$])/.exec(this.#source.slice(this.#at, this.#at + 40))
    if (found === null) throw new Outside()
    this.#at += found[0].length
    return Number(found[0])
  }

  #string(quote: string): string {
    let text = ''
    this.#at += 1
    for (;;) {
      const character = this.#source[this.#at]
      if (character === undefined || character === '\n' || character === '\r') throw new Outside()
      this.#at += 1
      if (character === quote) return text
      text += character === '\\' ? this.#escape() : character
    }
  }

  #escape(): string {
    const character = this.#source[this.#at] ?? ''
    this.#at += 1
    const plain = { n: '\n', t: '\t', r: '\r' }[character]
    if (plain !== undefined) return plain
    if ('\\\'"`/$.-{}'.includes(character) && character !== '') return character
    throw new Outside()
  }

  #regexp(): Node {
    const found = /^\/((?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])*)\/(\w*)/.exec(
      this.#source.slice(this.#at),
    )
    if (found === null) throw new Outside()
    this.#at += found[0].length
    return { kind: 'regexp', source: found[1] ?? '', flags: found[2] ?? '' }
  }

  #space(): void {
    while (/\s/.test(this.#source[this.#at] ?? '')) this.#at += 1
  }

  #take(text: string): boolean {
    this.#space()
    if (!this.#source.startsWith(text, this.#at)) return false
    if (
      text === '?' &&
      /^[?.]/.test(this.#source.slice(this.#at + 1, this.#at + 2)) &&
      !/^\.\d/.test(this.#source.slice(this.#at + 1, this.#at + 3))
    )
      return false
    this.#at += text.length
    return true
  }

  #expect(text: string): void {
    if (!this.#take(text)) throw new Outside()
  }
}

/** `??` may not stand beside `||` or `&&` without brackets; with them it is left to the sandbox as well. */
function mixes(operator: string, side: Node): boolean {
  if (side.kind !== 'binary') return false
  const logical = (one: string): boolean => one === '||' || one === '&&'
  return (operator === '??' && logical(side.operator)) || (logical(operator) && side.operator === '??')
}
