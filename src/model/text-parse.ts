/** Paragraphs of the text form → the parts of a model. Pure. Throws a TextMistake for what cannot be read. */
import type { Condition, HostMatch, Model, PathMatch, PolicyUse } from './model.ts'
import { Secret } from './secret.ts'
import { TextMistake, type Line, type Token } from './text-words.ts'

type Fields = Record<string, unknown>
type Parts = { -readonly [Part in Exclude<keyof Model, 'version'>]: Model[Part][number][] }

export class ParagraphReader {
  readonly model: Parts = {
    listeners: [],
    routes: [],
    streams: [],
    backends: [],
    endpoints: [],
    certificates: [],
    consumers: [],
    credentials: [],
  }

  read(lines: readonly Line[]): void {
    const [first, ...parts] = lines
    if (first === undefined) return
    const head = new Words(first)
    const kind = head.word('listener, route, stream, backend, endpoints, certificate, consumer or credential')
    const add = <Part extends keyof Parts>(part: Part, item: Fields): void => {
      // the words were checked one by one; the shape is the printer's
      this.model[part].push(item as unknown as Parts[Part][number] & Model[Part][number])
    }
    switch (kind) {
      case 'listener':
        return add('listeners', readListener(head, parts))
      case 'route':
        return add('routes', readRoute(head, parts))
      case 'stream':
        return add('streams', readStream(head, parts))
      case 'backend':
        return add('backends', readPlain({ id: head.word('an id'), protocol: head.word('a protocol') }, head, parts))
      case 'endpoints':
        return add('endpoints', readEndpoints(head, parts))
      case 'certificate':
        return add('certificates', readPlain({ id: head.word('an id') }, head, parts))
      case 'consumer': {
        const named = { id: head.word('an id'), kind: head.word('user or application'), name: head.word('a name') }
        return add('consumers', readPlain(named, head, parts))
      }
      case 'credential': {
        const named = { id: head.word('an id'), kind: head.word('a kind'), consumer: head.word('a consumer') }
        return add('credentials', readPlain(named, head, parts))
      }
      default:
        throw new TextMistake(`"${kind}" begins no paragraph`, first.number)
    }
  }
}

/** The tokens of one line, one after the other. */
class Words {
  readonly line: Line
  #at = 0

  constructor(line: Line) {
    this.line = line
  }

  peek(): Token | undefined {
    return this.line.tokens[this.#at]
  }

  next(): Token | undefined {
    return this.line.tokens[this.#at++]
  }

  word(what: string): string {
    const token = this.next()
    if (token?.kind !== 'word') this.fail(`${what} is missing`)
    return token.text
  }

  number(what: string): number {
    const text = this.word(what)
    const value = Number(text)
    if (text === '' || Number.isNaN(value)) this.fail(`"${text}" is not ${what}`)
    return value
  }

  /** Takes it if it is this bare word. */
  take(keyword: string): boolean {
    const token = this.peek()
    if (token?.kind !== 'word' || !token.bare || token.text !== keyword) return false
    this.#at++
    return true
  }

  fields(into: Fields): void {
    for (let token = this.next(); token !== undefined; token = this.next()) {
      if (token.kind !== 'field') this.fail(`"${token.text}" is not understood here`)
      into[token.text] = token.value
    }
  }

  fail(message: string): never {
    throw new TextMistake(message, this.line.number)
  }
}

function readPlain(item: Fields, head: Words, parts: readonly Line[]): Fields {
  head.fields(item)
  for (const line of parts) new Words(line).fields(item)
  for (const name of ['key', 'secret']) {
    const value = item[name]
    if (typeof value === 'string') item[name] = new Secret(value) // written by hand
  }
  return withOrigin(item, head.line)
}

function withOrigin(item: Fields, line: Line): Fields {
  item['origin'] = line.origin ?? { source: 'model', line: line.number }
  return item
}

function splitAddress(words: Words): [string, number] {
  const text = words.word('address:port')
  const colon = text.lastIndexOf(':')
  const port = Number(text.slice(colon + 1))
  if (colon < 0 || text.endsWith(':') || Number.isNaN(port)) words.fail(`"${text}" is not address:port`)
  return [text.slice(0, colon), port]
}

function readEndpoints(head: Words, parts: readonly Line[]): Fields {
  const item: Fields = { backend: head.word('a backend') }
  head.fields(item)
  const addresses: Fields[] = []
  for (const line of parts) {
    const words = new Words(line)
    if (line.tokens[0]?.kind === 'field') {
      words.fields(item)
      continue
    }
    const [host, port] = splitAddress(words)
    const endpoint: Fields = { host, port }
    words.fields(endpoint)
    addresses.push(endpoint)
  }
  item['addresses'] = addresses
  return item
}

function readListener(head: Words, parts: readonly Line[]): Fields {
  const item: Fields = { id: head.word('an id'), protocol: head.word('a protocol') }
  const [address, port] = splitAddress(head)
  Object.assign(item, { address, port })
  for (let token = head.next(); token !== undefined; token = head.next()) {
    if (token.kind === 'field') item[token.text] = token.value
    else if (token.text === 'host') item['host'] = readHost(head.word('a host'))
    else if (token.text === 'unmatched') item['unmatched'] = { kind: head.word('express or close') }
    else head.fail(`"${token.text}" is not understood here`)
  }
  const policies: PolicyUse[] = []
  for (const line of parts) {
    if (line.tokens[0]?.kind === 'field') new Words(line).fields(item)
    else policies.push(readUse(line))
  }
  if (policies.length > 0) item['policies'] = policies
  return withOrigin(item, head.line)
}

function readRoute(head: Words, parts: readonly Line[]): Fields {
  const item: Fields = { id: head.word('an id') }
  const match: Fields = {}
  readHead(item, match, head)
  item['match'] = match
  const policies: PolicyUse[] = []
  const action = new ActionReader()
  for (const line of parts) {
    const [first] = line.tokens
    if (first?.kind === 'field') new Words(line).fields(item)
    else if (!action.read(line)) policies.push(readUse(line))
  }
  item['policies'] = policies
  item['action'] = action.action(head)
  return withOrigin(item, head.line)
}

function readStream(head: Words, parts: readonly Line[]): Fields {
  const item: Fields = { id: head.word('an id') }
  readHead(item, {}, head)
  const action = new ActionReader()
  for (const line of parts) {
    if (line.tokens[0]?.kind === 'field') new Words(line).fields(item)
    else if (!action.read(line)) throw new TextMistake('a stream has no policies', line.number)
  }
  item['backends'] = action.backends
  return withOrigin(item, head.line)
}

function readHead(item: Fields, match: Fields, head: Words): void {
  const listeners: string[] = []
  const hosts: unknown[] = []
  const headers: unknown[] = []
  const query: unknown[] = []
  for (let token = head.next(); token !== undefined; token = head.next()) {
    const { kind, text, value, bare } = token
    if (kind === 'field') {
      const dot = text.indexOf('.')
      const named = { name: text.slice(dot + 1), value: typeof value === 'string' ? { kind: 'exact', value } : value }
      if (text === 'host') hosts.push(value)
      else if (text === 'hosts') item['hosts'] = value
      else if (text.startsWith('header.')) headers.push(named)
      else if (text.startsWith('query.')) query.push(named)
      else match[text === 'queries' ? 'query' : text] = value
    } else if (bare && text === 'on') listeners.push(head.word('a listener'))
    else if (bare && text === 'host') hosts.push(readHost(head.word('a host')))
    else if (text.startsWith('/')) match['path'] = readPath(text, head)
    else if (bare && /^[A-Z]+(?:,[A-Z]+)*$/.test(text)) match['methods'] = text.split(',')
    else head.fail(`"${text}" is not understood here`)
  }
  item['listeners'] = listeners
  if (hosts.length > 0) item['hosts'] = hosts
  if (headers.length > 0) match['headers'] = headers
  if (query.length > 0) match['query'] = query
}

function readHost(text: string): HostMatch {
  if (text.startsWith('~')) return { kind: 'regexp', source: text.slice(1) }
  if (text.startsWith('**.')) return { kind: 'suffix', suffix: text.slice(2), labels: 'many' }
  if (text.startsWith('*.')) return { kind: 'suffix', suffix: text.slice(1), labels: 'one' }
  return { kind: 'exact', name: text }
}

function readPath(text: string, head: Words): PathMatch {
  if (text.endsWith('/**')) return { kind: 'prefix', value: text === '/**' ? '/' : text.slice(0, -3) }
  const ignoreCase = head.take('ignore-case') ? { ignoreCase: true } : {}
  if (text.endsWith('*')) return { kind: 'start', value: text.slice(0, -1), ...ignoreCase }
  const optionalSlash = head.take('optional-slash') ? { optionalSlash: true } : {}
  return { kind: 'exact', value: text, ...ignoreCase, ...optionalSlash }
}

function readUse(line: Line): PolicyUse {
  const words: Words = new Words(line)
  const policy = words.word('a policy')
  const given = words.next()
  if (given === undefined || (given.kind !== 'json' && given.text !== 'config'))
    words.fail('the configuration of the policy is missing')
  const when = words.take('when') ? { when: readCondition(words) } : {}
  const extra = words.peek()
  if (extra !== undefined) words.fail(`"${extra.text}" is not understood here`)
  return { policy, config: given.value, ...when, origin: line.origin ?? { source: 'model', line: line.number } }
}

function readCondition(words: Words): Condition {
  const token = words.next()
  if (token?.kind === 'json') return token.value as Condition
  switch (token?.text) {
    case 'method':
      return { kind: 'method', methods: words.word('a method').split(',') }
    case 'authenticated':
    case 'client-certificate':
      return { kind: token.text }
    default:
      return words.fail(`"${token?.text ?? ''}" is no condition`)
  }
}

/** `->` lines, the policies below them, and `with`. */
class ActionReader {
  readonly backends: Fields[] = []
  #single: Fields | undefined
  #forward = false
  readonly #options: Fields = {}

  /** False for lines that belong to somebody else. */
  read(line: Line): boolean {
    const words = new Words(line)
    if (words.take('->')) {
      this.#arrow(words)
      return true
    }
    if (words.take('with')) {
      words.fields(this.#options)
      return true
    }
    const last = this.backends.at(-1)
    if (line.indent <= 2 || last === undefined) return false
    last['policies'] = [...((last['policies'] ?? []) as PolicyUse[]), readUse(line)]
    return true
  }

  #arrow(words: Words): void {
    const kind = words.word('forward, fail, nowhere, reply or next')
    switch (kind) {
      case 'forward':
        return this.#backend({ kind: 'backend', id: words.word('a backend') }, words)
      case 'fail':
        return this.#backend({ kind: 'fail', status: words.number('a status') }, words)
      case 'nowhere':
        this.#forward = true
        return
      case 'next':
        this.#single = { kind }
        return
      case 'reply':
        this.#single = { kind, status: words.number('a status') }
        words.fields(this.#single)
        return
      default:
        words.fail(`"${kind}" is no action`)
    }
  }

  #backend(target: Fields, words: Words): void {
    const weighted: Fields = { target }
    if (words.take('weight')) weighted['weight'] = words.number('a weight')
    words.fields(weighted)
    this.backends.push(weighted)
    this.#forward = true
  }

  action(head: Words): Fields {
    if (this.#forward) return { kind: 'forward', forward: { backends: this.backends, ...this.#options } }
    return this.#single ?? head.fail('the route has no action: a line that begins with ->')
  }
}
