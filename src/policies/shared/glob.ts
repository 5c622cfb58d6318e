/** A glob as minimatch reads it, over texts without '/' → a test. Pure. */
import { compilePattern } from '../../lib/regexp/pattern.ts'

/**
 * `*` any characters but '/', `?` one, `[a-z]` and `[!a-z]`, `{a,b}` and `{1..3}`, `@(a|b)` with `?`, `*`, `+` before it as well,
 * `!` at the front for the contrary, `\` before a sign that stands for itself. Exact in case. A wildcard at the front takes
 * neither a dot nor nothing; a glob that begins with '#' matches nothing. Throws for one that a stranger could make run for ever.
 */
export function compileGlob(glob: string): (text: string) => boolean {
  if (glob.startsWith('#')) return () => false
  let contrary = false
  let pattern = glob
  while (pattern.startsWith('!') && !pattern.startsWith('!(')) {
    contrary = !contrary
    pattern = pattern.slice(1)
  }
  if (pattern === '') return (text) => (text === '') !== contrary
  const sources = expandBraces(pattern).map(sourceOf)
  const compiled = compilePattern(`^(?:${sources.join('|')})$`)
  if (compiled.kind === 'bad') throw new Error(`${JSON.stringify(glob)}: ${compiled.why}`)
  // a longer name is none
  const limit = Math.min(512, compiled.limit)
  return (text) => (text.length <= limit && compiled.regexp.test(text)) !== contrary
}

const mostAlternatives = 1000

/** `a{b,c}` → `ab`, `ac`. */
function expandBraces(pattern: string): readonly string[] {
  const done: string[] = []
  const waiting = [pattern]
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const braces = /\{([^{}]*)\}/.exec(next)
    const choices = braces === null ? undefined : choicesIn(braces[1] ?? '')
    if (braces === null || choices === undefined || done.length + waiting.length > mostAlternatives) {
      done.push(next)
      continue
    }
    const before = next.slice(0, braces.index)
    const after = next.slice(braces.index + braces[0].length)
    waiting.push(...choices.map((choice) => before + choice + after))
  }
  return done
}

function choicesIn(inner: string): readonly string[] | undefined {
  if (inner.includes(',')) return inner.split(',')
  const range = /^(-?\d{1,6})\.\.(-?\d{1,6})$/.exec(inner)
  if (range === null) return undefined
  const [from, to] = [Number(range[1]), Number(range[2])]
  const length = Math.abs(to - from) + 1
  if (length > mostAlternatives) return undefined
  return Array.from({ length }, (_, index) => String(from + (to < from ? -index : index)))
}

function sourceOf(pattern: string): string {
  let source = /^[*?[]/.test(pattern) ? '(?!\\.)(?=.)' : ''
  const open: string[] = []
  for (let at = 0; at < pattern.length; at++) {
    const sign = pattern[at] ?? ''
    if (/[@?*+!]/.test(sign) && pattern[at + 1] === '(' && pattern.indexOf(')', at) !== -1) {
      source += sign === '!' ? '(?!(?:' : '(?:'
      open.push(sign)
      at++
    } else if (sign === ')' && open.length > 0) {
      const kind = open.pop()
      source += kind === '!' ? ')$)[^/]*?' : `)${kind === '@' ? '' : (kind ?? '')}`
    } else if (sign === '|' && open.length > 0) {
      source += '|'
    } else if (sign === '*') {
      if (!source.endsWith('[^/]*')) source += '[^/]*'
    } else if (sign === '?') {
      source += '[^/]'
    } else if (sign === '[') {
      const close = pattern.indexOf(']', at + 2)
      if (close === -1) source += '\\['
      else {
        const inner = pattern.slice(at + 1, close).replace(/[\\[\]&]/g, '\\$&')
        source += `[${inner.replace(/^[!^]/, '^')}]`
        at = close
      }
    } else if (sign === '\\' && at + 1 < pattern.length) {
      source += escape(pattern[++at] ?? '')
    } else source += escape(sign)
  }
  // a group that never ends is text after all
  return open.length > 0 ? escape(pattern) : source
}

function escape(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
