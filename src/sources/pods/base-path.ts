/** basePath → what it matches, or why it is refused. Pure. A path from its start; nginx's modifiers stay what they were. */
import { compilePattern } from '../../lib/regexp/pattern.ts'
import { normalPath } from '../../lib/path/normal.ts'

export type BasePath =
  /** `stops`: written with `^~`, regular expressions are not asked behind it. */
  | { readonly kind: 'start'; readonly path: string; readonly stops: boolean }
  | { readonly kind: 'exact'; readonly path: string }
  | { readonly kind: 'regexp'; readonly source: string; readonly ignoreCase: boolean }
  | { readonly kind: 'mistake'; readonly message: string; readonly hint: string }

/** Paths in normal form. `= /x` exactly, `^~ /x` before expressions, `~ x` and `~* x` expressions; the blank may be missing. */
export function parseBasePath(text: string): BasePath {
  const [, modifier = '', rest = ''] = /^(=|\^~|~\*|~|@)?[ \t]*(.*)$/s.exec(text) ?? []
  if (modifier === '@') return mistake(`"${text}" names a place inside nginx that no request can ask for`)
  if (modifier === '~' || modifier === '~*') return parseExpression(rest, modifier === '~*')
  const path = parsePath(rest)
  if (typeof path !== 'string') return path
  if (modifier === '=') return { kind: 'exact', path }
  return { kind: 'start', path, stops: modifier === '^~' }
}

/** A path as a user writes it → its normal form. */
function parsePath(text: string): string | Extract<BasePath, { kind: 'mistake' }> {
  if (text === '') return mistake('is empty')
  if (!text.startsWith('/'))
    return mistake(`${JSON.stringify(text)} does not begin with /, and no request could match it`)
  const sign = /[\s\u0000-\u001f\u007f-\u009f"?;{}\\\u2028\u2029]/.exec(text)?.[0] // oxlint-disable-line no-control-regex
  if (sign !== undefined) {
    const code = percent(sign)
    return mistake(`${JSON.stringify(text)} holds ${JSON.stringify(sign)}`, `write it ${code}`)
  }
  const open = /[[(]/.test(text) || /[\])]/.test(text)
  if (open && !isBalanced(text))
    return mistake(`${JSON.stringify(text)} has a bracket without its other half`, 'write it %28, %29, %5B or %5D')
  const bytes = [...text].map((each) => (each > '\u007f' ? percent(each) : each)).join('')
  const path = normalPath(bytes)
  if (path === undefined)
    return mistake(`${JSON.stringify(text)} cannot be decoded`, 'a percent sign itself is written %25')
  if (/\/\/|\/\.{1,2}(?:\/|$)/.test(text))
    return mistake(`${JSON.stringify(text)} has empty or dot segments, and no request could match it`, `write ${path}`)
  if (/%(?:0[0-9A-F]|1[0-9A-F]|7F)/.test(path)) return mistake(`${JSON.stringify(text)} holds a control character`)
  return path
}

/** UTF-8, escaped. */
function percent(text: string): string {
  return [...new TextEncoder().encode(text)]
    .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
    .join('')
}

function parseExpression(source: string, ignoreCase: boolean): BasePath {
  // oxlint-disable-next-line no-control-regex
  if (/[\s\u0000-\u001f\u007f]/.test(source))
    return mistake(
      `the expression ${JSON.stringify(source)} holds a blank or a control character`,
      'write \\x20 for a blank',
    )
  if (source === '') return mistake('has an empty expression')
  const pattern = compilePattern(source, { ignoreCase })
  if (pattern.kind === 'bad') return mistake(`the expression ${JSON.stringify(source)} cannot be used: ${pattern.why}`)
  return { kind: 'regexp', source, ignoreCase }
}

function isBalanced(text: string): boolean {
  try {
    return new RegExp(text.replaceAll(/[^()[\]]/g, 'a')) instanceof RegExp
  } catch {
    return false
  }
}

function mistake(
  message: string,
  hint = 'a path such as /shop, from its beginning',
): Extract<BasePath, { kind: 'mistake' }> {
  return { kind: 'mistake', message, hint }
}

/** What stands in the place of the base path. */
export function whyNoTargetPath(text: string): string | undefined {
  if (text === '') return 'is empty'
  if (!text.startsWith('/')) return `${JSON.stringify(text)} does not begin with /`
  // oxlint-disable-next-line no-control-regex
  const sign = /[\s\u0000-\u001f\u007f-\uffff"?#;{}\\<>^`|]/.exec(text)?.[0]
  if (sign !== undefined) return `${JSON.stringify(text)} holds ${JSON.stringify(sign)}`
  if (/%(?![0-9a-fA-F]{2})|%00/.test(text)) return `${JSON.stringify(text)} has a percent sign that encodes nothing`
  if (/\/\.{1,2}(?:\/|$)/.test(text)) return `${JSON.stringify(text)} has dot segments`
  if (!isBalanced(text)) return `${JSON.stringify(text)} has a bracket without its other half`
  return undefined
}
