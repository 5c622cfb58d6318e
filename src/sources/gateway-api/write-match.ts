/** Hosts and paths of the model → those of an HTTPRouteMatch that take exactly the same requests. Pure. */
import type { HostMatch, PathMatch } from '../../model/model.ts'

export interface WrittenPath {
  readonly type: 'Exact' | 'PathPrefix' | 'RegularExpression'
  readonly value: string
}

/** Several: any of them. Undefined: there is no way to write it. */
export function writePath(path: PathMatch | undefined): readonly WrittenPath[] | undefined {
  if (path === undefined) return [{ type: 'PathPrefix', value: '/' }]
  const caseless = 'ignoreCase' in path && path.ignoreCase === true
  switch (path.kind) {
    case 'exact': {
      const { value, optionalSlash = false } = path
      const base = optionalSlash && value.endsWith('/') ? value.slice(0, -1) : value
      const values = optionalSlash ? [base, `${base}/`].filter((each) => each !== '') : [value]
      if (!(caseless && /[a-z]/i.test(value)) && values.every(isPlainPath)) {
        return values.map((each) => ({ type: 'Exact', value: each }))
      }
      return regularExpression(`${literal(base, caseless)}${optionalSlash ? '/?' : ''}`)
    }
    case 'prefix': {
      const base = path.value.replace(/\/+$/, '')
      if (isPlainPath(path.value)) return [{ type: 'PathPrefix', value: base === '' ? '/' : base }]
      return regularExpression(`${literal(base, false)}(?:/.*)?`)
    }
    case 'start':
      if (path.value === '/') return [{ type: 'PathPrefix', value: '/' }]
      return regularExpression(`${literal(path.value, caseless)}.*`)
    case 'regexp': {
      const source = caseless ? foldCase(path.source) : path.source
      return source === undefined ? undefined : regularExpression(wholeValue(source))
    }
  }
}

function regularExpression(source: string): readonly WrittenPath[] | undefined {
  // the longest that the definition allows
  return source.length > 1024 ? undefined : [{ type: 'RegularExpression', value: source }]
}

/** What the definition lets stand in a path of type Exact or PathPrefix. */
export function isPlainPath(path: string): boolean {
  if (!/^\/(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*$/.test(path)) return false
  return path.length <= 1024 && !/\/\/|\/\.\.?(?:\/|$)|%2f/i.test(path)
}

export interface WrittenHost {
  /** Absent: any name. */
  readonly hostname?: string
  /** What the Host header must match as a whole besides; for what a hostname cannot say. */
  readonly header?: string
}

/** Undefined: there is no way to write it. */
export function writeHost(host: HostMatch): WrittenHost | undefined {
  switch (host.kind) {
    case 'exact':
      return isHostname(host.name) ? { hostname: host.name } : undefined
    case 'suffix': {
      const hostname = `*${host.suffix}`
      if (!isHostname(hostname.slice(2))) return undefined
      // a wildcard of the Gateway API stands for one label or more
      return host.labels === 'many' ? { hostname } : { hostname, header: `[^.:]+${literal(host.suffix, true)}${port}` }
    }
    case 'regexp': {
      const folded = foldCase(host.source)
      const [, body] = /^\^((?:[^|\\]|\\.)*)\$$/.exec(folded ?? '') ?? []
      return body === undefined ? undefined : { header: `(?:${body})${port}` }
    }
  }
}

const port = '\\.?(?::[0-9]+)?'

function isHostname(name: string): boolean {
  return name.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name)
}

function literal(text: string, caseless: boolean): string {
  return [...text]
    .map((character) => {
      if (caseless && /[a-z]/i.test(character)) return `[${character.toLowerCase()}${character.toUpperCase()}]`
      return /[\\^$.*+?()[\]{}|]/.test(character) ? `\\${character}` : character
    })
    .join('')
}

/** An expression that is looked for anywhere → one that matches the whole value. */
function wholeValue(source: string): string {
  const plain = source.replaceAll('\\/', '/')
  if (plain.includes('|')) return `.*(?:${plain}).*`
  const front = plain.startsWith('^') ? plain.slice(1) : `.*${plain}`
  return /(?:^|[^\\])(?:\\\\)*\$$/.test(front) ? front.slice(0, -1) : `${front}.*`
}

/**
 * An expression that is matched without case → one with case that matches the same: there is no flag that all data
 * planes understand. Undefined where letters have another meaning.
 */
function foldCase(source: string): string | undefined {
  let result = ''
  let at = 0
  while (at < source.length) {
    const rest = source.slice(at)
    const plain = /^(?:\\[dDwWsSbBtnrfv]|\\[^A-Za-z0-9]|\{[\d,]*\}|\(\?[:=!]|[^A-Za-z\\[])/.exec(rest)
    if (plain !== null) {
      if (rest.startsWith('(?<')) return undefined
      result += plain[0]
      at += plain[0].length
    } else if (rest.startsWith('[')) {
      const found = /^\[(?:\\.|[^\]\\])*\]/.exec(rest)
      const folded = found === null ? undefined : foldClass(found[0])
      if (found === null || folded === undefined) return undefined
      result += folded
      at += found[0].length
    } else if (/^[A-Za-z]/.test(rest)) {
      result += literal(rest[0] ?? '', true)
      at += 1
    } else return undefined
  }
  return result
}

function foldClass(text: string): string | undefined {
  const more: string[] = []
  const items = /\\(.)|(\S)-([^\]\\])|([\s\S])/g
  for (const [, escaped, from, to, single] of text.slice(1, -1).matchAll(items)) {
    if (escaped !== undefined && /[A-Za-z0-9]/.test(escaped) && !/[dDwWsS]/.test(escaped)) return undefined
    if (single !== undefined && /[A-Za-z]/.test(single)) more.push(otherCase(single))
    if (from === undefined || to === undefined) continue
    const range = from + to
    if (/^(?:[a-z]{2}|[A-Z]{2})$/.test(range)) more.push(`${otherCase(from)}-${otherCase(to)}`)
    else if (!/^(?:[0-9]{2}|[ -/][ -/])$/.test(range)) return undefined
  }
  return `${text.slice(0, -1)}${more.join('')}]`
}

function otherCase(letter: string): string {
  return letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()
}
