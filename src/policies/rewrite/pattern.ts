/**
 * Path patterns as `/users/:id`, `/files/(.*)`, `/:a?/x` (the notation of path-to-regexp 3, which
 * express-gateway-plugin-rewrite uses) → a regular expression with the names of its groups, and templates. Pure.
 */

interface Parameter {
  readonly name: string
  /** What stands before it and belongs to it: '/' or ''. */
  readonly prefix: string
  readonly source: string
  readonly modifier: '' | '?' | '*' | '+'
}

type Token = string | Parameter

const parts = /\\(.)|:(\w+)(?:\(((?:\\.|[^\\()])+)\))?([+*?])?|\(((?:\\.|[^\\()])+)\)([+*?])?/g

function tokensOf(pattern: string): readonly Token[] {
  const tokens: Token[] = []
  let text = ''
  let at = 0
  let unnamed = 0
  for (const found of pattern.matchAll(parts)) {
    text += pattern.slice(at, found.index)
    at = found.index + found[0].length
    if (found[1] !== undefined) {
      text += found[1]
      continue
    }
    const ownsSlash = text.endsWith('/')
    const before = ownsSlash ? text.slice(0, -1) : text
    if (before !== '') tokens.push(before)
    text = ''
    tokens.push({
      name: found[2] ?? String(unnamed++),
      prefix: ownsSlash ? '/' : '',
      source: found[3] ?? found[5] ?? '[^/]+?',
      modifier: (found[4] ?? found[6] ?? '') as Parameter['modifier'],
    })
  }
  text += pattern.slice(at)
  if (text !== '') tokens.push(text)
  return tokens
}

/** Anchored at both ends; one trailing slash more is the same path. */
export function compilePathPattern(pattern: string): { readonly source: string; readonly names: readonly string[] } {
  const names: string[] = []
  let source = '^'
  for (const token of tokensOf(pattern)) {
    if (typeof token === 'string') {
      source += escape(token)
      continue
    }
    names.push(token.name)
    const prefix = escape(token.prefix)
    const many = token.modifier === '*' || token.modifier === '+'
    const value = many ? `(?:${token.source})(?:${prefix}(?:${token.source}))*` : token.source
    const optional = token.modifier === '?' || token.modifier === '*'
    source += optional ? `(?:${prefix}(${value}))?` : `${prefix}(${value})`
  }
  return { source: `${source.replace(/\/$/, '')}/?$`, names }
}

/** `/status/:code` with values as they stood in the target. A parameter without a value leaves nothing. */
export function fillPathTemplate(template: string): (values: Readonly<Record<string, string | undefined>>) => string {
  const tokens = tokensOf(template)
  return (values) =>
    tokens
      .map((token) => {
        if (typeof token === 'string') return token
        const value = values[token.name]
        return value === undefined ? '' : token.prefix + value
      })
      .join('')
}

function escape(text: string): string {
  return text.replace(/[.+*?=^!:${}()[\]|\\]/g, '\\$&')
}
