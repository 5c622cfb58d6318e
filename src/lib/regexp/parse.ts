/** Source of a regular expression that JavaScript accepts → trees for the analysis of its ambiguity. Pure. */

export type Tree =
  | { readonly kind: 'empty' }
  /** One character; `source` is a RegExp for it alone. */
  | { readonly kind: 'set'; readonly source: string }
  | { readonly kind: 'sequence' | 'choice'; readonly of: readonly Tree[] }
  | { readonly kind: 'repeat'; readonly of: Tree; readonly least: number; readonly most: number }

export type Parsed =
  /** The first tree is the pattern, the others the bodies of its look-arounds. */
  | { readonly kind: 'read'; readonly trees: readonly Tree[]; readonly prefix: string }
  | { readonly kind: 'unreadable'; readonly why: string }

const empty: Tree = { kind: 'empty' }
const anything: Tree = { kind: 'set', source: '[^]' }

export function parseRegexp(source: string): Parsed {
  const parser = new Parser(source)
  const tree = parser.choice(0)
  if (parser.backreference) return { kind: 'unreadable', why: 'backreferences are not supported in patterns' }
  if (parser.tooDeep) return { kind: 'unreadable', why: 'groups are nested too deeply' }
  const anchored = tree.kind !== 'choice' && source.startsWith('^')
  // without an anchor the engine tries every beginning: a loop before all others
  const loop: Tree = { kind: 'repeat', of: anything, least: 0, most: Infinity }
  const whole: Tree = anchored ? tree : { kind: 'sequence', of: [loop, tree] }
  return { kind: 'read', trees: [whole, ...parser.lookarounds], prefix: anchored ? literalPrefix(source) : '' }
}

/** What stands literally behind `^`; a character that a quantifier follows is not certain. */
function literalPrefix(source: string): string {
  const found = /^\^((?:\\[/.\-_~!@%&=:;,'"]|[^\\^$.*+?()[\]{}|])*)/.exec(source)
  if (found === null) return ''
  const written = found[1] ?? ''
  const certain = /[*+?{]/.test(source.charAt(found[0].length)) ? written.replace(/\\?.$/s, '') : written
  return certain.replaceAll('\\', '')
}

class Parser {
  readonly #source: string
  #at = 0
  backreference = false
  tooDeep = false
  readonly lookarounds: Tree[] = []

  constructor(source: string) {
    this.#source = source
  }

  choice(depth: number): Tree {
    if (depth > 50) {
      this.tooDeep = true
      this.#at = this.#source.length
      return empty
    }
    const branches = [this.#sequence(depth)]
    while (this.#take('|')) branches.push(this.#sequence(depth))
    return branches.length === 1 ? (branches[0] as Tree) : { kind: 'choice', of: branches }
  }

  #sequence(depth: number): Tree {
    const parts: Tree[] = []
    while (this.#at < this.#source.length && !'|)'.includes(this.#source.charAt(this.#at))) {
      parts.push(this.#quantified(this.#atom(depth)))
    }
    return { kind: 'sequence', of: parts }
  }

  #take(text: string): boolean {
    if (!this.#source.startsWith(text, this.#at)) return false
    this.#at += text.length
    return true
  }

  /** Moves behind what the sticky pattern takes here. */
  #match(sticky: RegExp): RegExpExecArray | null {
    sticky.lastIndex = this.#at
    const found = sticky.exec(this.#source)
    if (found !== null) this.#at = sticky.lastIndex
    return found
  }

  #quantified(atom: Tree): Tree {
    const found = this.#match(/(?:([*+?])|\{(\d+)(,?)(\d*)\})\??/y)
    if (found === null) return atom
    const [, sign, from, comma, to] = found
    if (sign !== undefined) {
      return { kind: 'repeat', of: atom, least: sign === '+' ? 1 : 0, most: sign === '?' ? 1 : Infinity }
    }
    const least = Number(from)
    return { kind: 'repeat', of: atom, least, most: comma === '' ? least : to === '' ? Infinity : Number(to) }
  }

  #atom(depth: number): Tree {
    if (this.#match(/\^|\$|\\[bB]/y) !== null) return empty
    if (this.#match(/\(\?<?[=!]/y) !== null) {
      // a look-around runs by itself from where it stands: judged alone, as if anchored
      const body = this.choice(depth + 1)
      this.#take(')')
      this.lookarounds.push(body)
      return empty
    }
    if (this.#match(/\((?:\?:|\?<[^>]*>)?/y) !== null) {
      const body = this.choice(depth + 1)
      this.#take(')')
      return body
    }
    const set = this.#match(/\[(?:\\.|[^\]\\])*\]/sy)
    if (set !== null) return { kind: 'set', source: set[0] }
    const escape = this.#match(/\\(?:u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|c[a-zA-Z]|0|k<[^>]*>|[1-9]\d*|.)/sy)
    if (escape !== null) {
      if (/^\\(?:[1-9]|k<)/.test(escape[0])) this.backreference = true
      return { kind: 'set', source: escape[0] }
    }
    const character = this.#source.charAt(this.#at++)
    return { kind: 'set', source: character === '.' ? '.' : `\\u${hex(character)}` }
  }
}

function hex(character: string): string {
  return character.charCodeAt(0).toString(16).padStart(4, '0')
}
