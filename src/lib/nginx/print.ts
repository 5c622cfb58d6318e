/**
 * Directives → nginx configuration text. Pure. A value cannot end its word, its directive or its block, and cannot name a
 * variable: nginx's own reader (ngx_conf_read_token) knows only a few characters, and each of them is escaped here.
 */
export interface Directive {
  /** Lower-case letters, digits and '_'; throws on anything else, since names are never a user's. '': an entry of a map, whose first word is a value. */
  readonly name: string
  readonly args: readonly Argument[]
  readonly block?: readonly Directive[]
  /** Printed as comment lines above; may hold anything. */
  readonly comment?: string
}

/** A string is a value and is quoted; `raw` is text of ours with variables in it (`$host`), checked but not quoted. */
export type Argument = string | { readonly raw: string }

export function printConfiguration(directives: readonly Directive[]): string {
  return printLevel(directives, '')
}

function printLevel(directives: readonly Directive[], indent: string): string {
  return directives.map((directive) => printDirective(directive, indent)).join('')
}

function printDirective(directive: Directive, indent: string): string {
  if (directive.name === '' ? directive.args.length === 0 : !/^[a-z][a-z0-9_]*$/.test(directive.name))
    throw new TypeError(`not a directive's name: ${JSON.stringify(directive.name)}`)
  const comment = directive.comment === undefined ? '' : printComment(directive.comment, indent)
  const words = [...(directive.name === '' ? [] : [directive.name]), ...directive.args.map(printArgument)].join(' ')
  if (directive.block === undefined) return `${comment}${indent}${words};\n`
  return `${comment}${indent}${words} {\n${printLevel(directive.block, `${indent}  `)}${indent}}\n`
}

/** Signs of a comment, escapes not counted: nginx reads no word and no comment of 4,096 bytes. */
const LONGEST_COMMENT = 400

/** Every line break that any reader might know becomes the start of another comment line. */
function printComment(text: string, indent: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what must not get through
  const lines = text.split(/\r\n|[\n\r\u0000\u0085\u2028\u2029]/)
  // oxlint-disable-next-line no-control-regex -- as above
  const clean = lines.map((line) => line.replaceAll(/[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, ' '))
  return clean.map((line) => `${indent}# ${line.slice(0, LONGEST_COMMENT)}\n`).join('')
}

function printArgument(argument: Argument): string {
  if (typeof argument === 'string') return quote(argument)
  if (argument instanceof Literal) return argument.raw
  // raw text is ours; what it must not do is end the word
  // oxlint-disable-next-line no-control-regex -- as above
  if (!/^[^\s;{}"'\\#\u0000]+$/.test(argument.raw))
    throw new TypeError(`not one bare word: ${JSON.stringify(argument.raw)}`)
  return argument.raw
}

/**
 * A value as nginx will read it back, byte for byte. Throws on NUL, which ends nginx's strings, and on '$', which would
 * begin a variable: nginx has no escape for it, so a value with '$' must go through `literal`.
 */
export function quote(value: string): string {
  if (value.includes('\u0000')) throw new TypeError('a value with NUL cannot be written for nginx')
  if (value.includes('$')) throw new TypeError('a value with $ cannot be written where nginx reads variables')
  return quoteLiteral(value)
}

/** For directives that do not read variables (names of files, comments of logs): '$' stays as it is. */
export function literal(value: string): Argument {
  if (value.includes('\u0000')) throw new TypeError('a value with NUL cannot be written for nginx')
  return new Literal(quoteLiteral(value))
}

/** A word that has been quoted already; `printArgument` would refuse its characters as raw text. */
class Literal {
  readonly raw: string
  constructor(raw: string) {
    this.raw = raw
  }
}

function quoteLiteral(value: string): string {
  if (/^[A-Za-z0-9_./:@%+,=~*^?&!|()[\]<>-]+$/.test(value) && !value.startsWith('#')) return value
  const escaped = value.replaceAll(/[\\"\n\r\t]/g, (character) => ESCAPES[character] ?? character)
  return `"${escaped}"`
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '"': '\\"', '\n': '\\n', '\r': '\\r', '\t': '\\t' }
