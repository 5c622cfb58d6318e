/**
 * The common, harmless forms of users' expressions → closures that need no sandbox: reading the request, comparing,
 * joining texts. What is not certain to mean exactly what JavaScript means is left to the sandbox, either here, while
 * compiling (undefined), or while running (leave). Held against QuickJS by a property test.
 */
import { compilePattern } from '../regexp/pattern.ts'
import { parse, type Node } from './parse.ts'
import { bodyOf, hostnameOf, parametersOf, parseQuery, type Subject } from './subject.ts'

export type Fast = (subject: Subject) => unknown

/** Thrown while running: this time the sandbox must say. */
export const leave: unique symbol = Symbol('leave')

export function compileFast(kind: 'expression' | 'template', source: string): Fast | undefined {
  const node = parse(kind, source)
  return node === undefined ? undefined : compile(node)
}

function compile(node: Node): Fast | undefined {
  switch (node.kind) {
    case 'literal': {
      const { value } = node
      return () => value
    }
    case 'name':
      return compileName(node.name)
    case 'member':
      return compileMember(node)
    case 'call':
      return compileCall(node)
    case 'regexp':
      return undefined // only as an argument of match, or before test
    case 'unary':
      return compileUnary(node.operator, node.operand)
    case 'binary':
      return compileBinary(node.operator, node.left, node.right)
    case 'conditional': {
      const test = compile(node.test)
      const yes = compile(node.yes)
      const no = compile(node.no)
      if (test === undefined || yes === undefined || no === undefined) return undefined
      return (subject) => (test(subject) ? yes(subject) : no(subject))
    }
    case 'template':
      return compileTemplate(node.texts, node.values)
  }
}

// --- names and members -----------------------------------------------------------------------------------------------

function compileName(name: string): Fast | undefined {
  switch (name) {
    case 'undefined':
      return () => undefined
    case 'consumer':
      return (subject) => subject.consumer
    case 'apiEndpoint':
      return (subject) => subject.route.annotations?.['apiEndpoint']
    case 'requestID':
      return (subject) => subject.id
    default:
      return undefined
  }
}

/** Things that are not values of their own here, since code could do more with them than read. */
type Root = 'req' | 'egContext' | 'req.headers'

function rootOf(node: Node): Root | undefined {
  if (node.kind === 'name') return node.name === 'req' || node.name === 'egContext' ? node.name : undefined
  if (node.kind !== 'member' || node.optional || node.key.kind !== 'literal') return undefined
  const holder = rootOf(node.object)
  const key = node.key.value
  if (holder === 'egContext') return key === 'req' || key === 'egContext' ? key : undefined
  if (holder === 'req') return key === 'headers' ? 'req.headers' : key === 'egContext' ? 'egContext' : undefined
  return undefined
}

function compileMember(node: Extract<Node, { kind: 'member' }>): Fast | undefined {
  const root = rootOf(node.object)
  if (root === 'req.headers') return compileHeader(node.key)
  if (root !== undefined) {
    if (node.key.kind !== 'literal' || typeof node.key.value !== 'string') return undefined
    return root === 'req' ? compileRequest(node.key.value) : compileName(node.key.value)
  }
  const object = compile(node.object)
  const key = compile(node.key)
  if (object === undefined || key === undefined) return undefined
  const { optional } = node
  return (subject) => {
    const holder = object(subject)
    if (holder === undefined || holder === null) {
      if (optional) return undefined
      throw leave
    }
    return property(holder, key(subject))
  }
}

function compileRequest(name: string): Fast | undefined {
  switch (name) {
    case 'method':
      return (subject) => subject.request.method
    case 'url':
      return (subject) => subject.request.target
    case 'originalUrl':
      return (subject) => subject.request.originalTarget
    case 'path':
      return (subject) => subject.request.path
    case 'ip':
      return (subject) => subject.connection.clientAddress
    case 'protocol':
      return (subject) => subject.connection.scheme
    case 'secure':
      return (subject) => subject.connection.scheme === 'https'
    case 'hostname':
    case 'host':
      return hostnameOf
    case 'query':
      return (subject) => parseQuery(subject.request.query)
    case 'params':
      return parametersOf
    case 'body':
      return bodyOf
    case 'user':
      return (subject) => subject.consumer
    default:
      return undefined
  }
}

function compileHeader(key: Node): Fast | undefined {
  if (key.kind === 'literal') {
    const name = String(key.value)
    if (name in Object.prototype) return undefined
    // names are in lower case; any other spelling finds nothing, as in Node
    return name === name.toLowerCase() ? (subject) => subject.request.headers.get(name) : () => undefined
  }
  const compiled = compile(key)
  if (compiled === undefined) return undefined
  return (subject) => {
    const name = compiled(subject)
    if (typeof name !== 'string' || name in Object.prototype) throw leave
    return name === name.toLowerCase() ? subject.request.headers.get(name) : undefined
  }
}

/** Own data of texts, lists and plain objects; whatever a prototype would have to give is the sandbox's. */
function property(holder: unknown, key: unknown): unknown {
  if (typeof key !== 'string' && typeof key !== 'number') throw leave
  if (typeof holder === 'string') {
    if (key === 'length') return holder.length
    if (typeof key === 'number') return Number.isInteger(key) && key >= 0 ? holder[key] : leaving()
    throw leave
  }
  if (Array.isArray(holder)) {
    if (key === 'length') return holder.length
    if (typeof key === 'number') return Number.isInteger(key) && key >= 0 ? (holder[key] as unknown) : leaving()
    throw leave
  }
  if (typeof holder !== 'object' || holder === null) throw leave
  if (Object.hasOwn(holder, key)) return (holder as Record<string | number, unknown>)[key]
  if (key in Object.prototype) throw leave
  return undefined
}

function leaving(): never {
  throw leave
}

// --- calls -----------------------------------------------------------------------------------------------------------

function compileCall(node: Extract<Node, { kind: 'call' }>): Fast | undefined {
  const { callee } = node
  if (callee.kind !== 'member' || callee.key.kind !== 'literal' || typeof callee.key.value !== 'string')
    return undefined
  const method = callee.key.value
  const [first] = node.arguments
  if (rootOf(callee.object) === 'req') {
    if ((method !== 'get' && method !== 'header') || first?.kind !== 'literal') return undefined
    const name = String(first.value).toLowerCase()
    if (node.arguments.length !== 1 || name === 'referer' || name === 'referrer' || name in Object.prototype)
      return undefined
    return (subject) => subject.request.headers.get(name)
  }
  if (callee.object.kind === 'regexp') {
    const tested = first === undefined ? undefined : compile(first)
    if (method !== 'test' || node.arguments.length !== 1 || tested === undefined) return undefined
    const search = compileRegExp(callee.object)
    return search === undefined ? undefined : (subject) => search(text(tested(subject))) !== null
  }
  const object = compile(callee.object)
  if (object === undefined) return undefined
  const { optional } = callee
  const on =
    (act: (holder: unknown, subject: Subject) => unknown): Fast =>
    (subject) => {
      const holder = object(subject)
      if (optional && (holder === undefined || holder === null)) return undefined
      return act(holder, subject)
    }
  if (method === 'match') {
    const search = first?.kind === 'regexp' && node.arguments.length === 1 ? compileRegExp(first) : undefined
    if (search === undefined) return undefined
    return on((holder) => {
      const found = search(text(holder))
      if (found === null) return null
      const parts = [...found]
      return parts.includes(undefined as never) ? leaving() : parts
    })
  }
  const given = node.arguments.map(compile)
  if (given.some((argument) => argument === undefined)) return undefined
  const list = given as readonly Fast[]
  const act = methods[method]
  if (act === undefined || !act.arity.includes(list.length)) return undefined
  return on((holder, subject) =>
    act.call(
      holder,
      list.map((argument) => argument(subject)),
    ),
  )
}

interface Method {
  readonly arity: readonly number[]
  call(holder: unknown, given: readonly unknown[]): unknown
}

const none = [0]
const one = [1]
const oneOrTwo = [1, 2]

const methods: Readonly<Record<string, Method>> = Object.assign(Object.create(null) as object, {
  toLowerCase: { arity: none, call: (holder) => text(holder).toLowerCase() },
  toUpperCase: { arity: none, call: (holder) => text(holder).toUpperCase() },
  trim: { arity: none, call: (holder) => text(holder).trim() },
  startsWith: { arity: one, call: (holder, [part]) => text(holder).startsWith(text(part)) },
  endsWith: { arity: one, call: (holder, [part]) => text(holder).endsWith(text(part)) },
  includes: {
    arity: one,
    call: (holder, [part]) => (Array.isArray(holder) ? listed(holder, part) !== -1 : text(holder).includes(text(part))),
  },
  indexOf: {
    arity: one,
    call: (holder, [part]) => (Array.isArray(holder) ? listed(holder, part) : text(holder).indexOf(text(part))),
  },
  slice: {
    arity: oneOrTwo,
    call: (holder, [from, to]) => text(holder).slice(whole(from), to === undefined ? undefined : whole(to)),
  },
  substring: {
    arity: oneOrTwo,
    call: (holder, [from, to]) => text(holder).substring(whole(from), to === undefined ? undefined : whole(to)),
  },
  charAt: { arity: one, call: (holder, [at]) => text(holder).charAt(whole(at)) },
  split: { arity: one, call: (holder, [by]) => text(holder).split(text(by)) },
  concat: { arity: one, call: (holder, [more]) => text(holder).concat(text(more)) },
} satisfies Record<string, Method>)

function text(value: unknown): string {
  return typeof value === 'string' ? value : leaving()
}

function whole(value: unknown): number {
  return typeof value === 'number' ? value : leaving()
}

/** Among primitive values only: two equal objects are not the same one, and here they may be copies. */
function listed(list: readonly unknown[], value: unknown): number {
  if (!primitive(value) || (typeof value === 'number' && Number.isNaN(value))) throw leave
  return list.indexOf(value)
}

function compileRegExp(
  node: Extract<Node, { kind: 'regexp' }>,
): ((text: string) => RegExpExecArray | null) | undefined {
  if (node.flags !== '' && node.flags !== 'i') return undefined
  const pattern = compilePattern(node.source, { ignoreCase: node.flags === 'i' })
  if (pattern.kind === 'bad') return undefined
  const { regexp, limit } = pattern
  return (given) => (given.length > limit ? leaving() : regexp.exec(given))
}

// --- operators -------------------------------------------------------------------------------------------------------

function primitive(value: unknown): value is string | number | boolean | undefined | null {
  return typeof value !== 'object' || value === null
}

function compileUnary(operator: '!' | '-' | '+' | 'typeof', operand: Node): Fast | undefined {
  const given = compile(operand)
  if (given === undefined) return undefined
  switch (operator) {
    case '!':
      return (subject) => !given(subject)
    case '-':
      return (subject) => -(simple(given(subject)) as number)
    case '+':
      return (subject) => Number(simple(given(subject)))
    case 'typeof':
      return (subject) => typeof given(subject)
  }
}

function simple(value: unknown): string | number | boolean | undefined | null {
  return primitive(value) ? value : leaving()
}

type Primitive = string | number | boolean | undefined | null

function compileBinary(operator: string, leftNode: Node, rightNode: Node): Fast | undefined {
  if (operator === 'in') return compileIn(leftNode, rightNode)
  const left = compile(leftNode)
  const right = compile(rightNode)
  if (left === undefined || right === undefined) return undefined
  switch (operator) {
    case '&&':
      return (subject) => left(subject) && right(subject)
    case '||':
      return (subject) => left(subject) || right(subject)
    case '??':
      return (subject) => left(subject) ?? right(subject)
    default: {
      const operate = operators[operator]
      if (operate === undefined) return undefined
      return (subject) => operate(left(subject), right(subject))
    }
  }
}

function compileIn(leftNode: Node, rightNode: Node): Fast | undefined {
  const left = compile(leftNode)
  if (left === undefined) return undefined
  if (rootOf(rightNode) === 'req.headers') {
    return (subject) => {
      const name = text(left(subject))
      if (name in Object.prototype) throw leave
      return name === name.toLowerCase() && subject.request.headers.get(name) !== undefined
    }
  }
  const right = compile(rightNode)
  if (right === undefined) return undefined
  return (subject) => {
    const name = text(left(subject))
    const holder = right(subject)
    if (primitive(holder) || Array.isArray(holder) || name in Object.prototype) throw leave
    return Object.hasOwn(holder as object, name)
  }
}

/** Two objects are compared by the sandbox: here a value may be a copy. */
function identical(left: unknown, right: unknown): boolean {
  if (!primitive(left) && !primitive(right)) throw leave
  return left === right
}

const operators: Readonly<Record<string, (left: unknown, right: unknown) => unknown>> = Object.assign(
  Object.create(null) as object,
  {
    '===': identical,
    '!==': (left: unknown, right: unknown) => !identical(left, right),
    // oxlint-disable-next-line eqeqeq -- the user wrote it
    '==': (left: unknown, right: unknown) => simple(left) == simple(right),
    // oxlint-disable-next-line eqeqeq -- the user wrote it
    '!=': (left: unknown, right: unknown) => simple(left) != simple(right),
    '<': (left: unknown, right: unknown) => (simple(left) as string) < (simple(right) as string),
    '>': (left: unknown, right: unknown) => (simple(left) as string) > (simple(right) as string),
    '<=': (left: unknown, right: unknown) => (simple(left) as string) <= (simple(right) as string),
    '>=': (left: unknown, right: unknown) => (simple(left) as string) >= (simple(right) as string),
    '+': (left: unknown, right: unknown) => add(simple(left), simple(right)),
    '-': (left: unknown, right: unknown) => Number(simple(left)) - Number(simple(right)),
    '*': (left: unknown, right: unknown) => Number(simple(left)) * Number(simple(right)),
    '/': (left: unknown, right: unknown) => Number(simple(left)) / Number(simple(right)),
    '%': (left: unknown, right: unknown) => Number(simple(left)) % Number(simple(right)),
  },
)

function add(left: Primitive, right: Primitive): string | number {
  if (typeof left === 'string' || typeof right === 'string') return String(left) + String(right)
  return Number(left) + Number(right)
}

function compileTemplate(texts: readonly string[], values: readonly Node[]): Fast | undefined {
  const given = values.map(compile)
  if (given.some((value) => value === undefined)) return undefined
  const list = given as readonly Fast[]
  return (subject) => {
    let result = texts[0] ?? ''
    for (let index = 0; index < list.length; index++) {
      result += String(simple(list[index]?.(subject))) + (texts[index + 1] ?? '')
    }
    return result
  }
}
