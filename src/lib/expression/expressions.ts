/** Users' JavaScript → something that can be evaluated for each exchange: a closure where that is certain, else the sandbox. */
import { STATUS_CODES } from 'node:http'
import { compileFast, leave, type Fast } from './fast.ts'
import { createSandbox, ExpressionError, type Kind, type Sandbox, type Unit } from './sandbox.ts'
import { bodyOf, headersOf, parametersOf, parseQuery, type Subject } from './subject.ts'

export type { Subject } from './subject.ts'

export interface Compiled {
  /** Throws an ExpressionError: what the code throws, or the limit that it ran into. */
  evaluate(subject: Subject): unknown
}

/** An answer that code sent through `res`. */
export interface Answer {
  readonly kind: 'reply'
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
}

export interface SandboxedExpressions {
  /** `program` gives an Answer or undefined. Throws a SyntaxError. */
  compile(kind: Kind, source: string): Compiled
  /** Header fields that code has set through `res`, onto the answer. */
  finish(subject: Subject): void
  dispose(): void
}

export interface ExpressionOptions {
  /** Of all code together, bytes. Default 64 MiB. */
  readonly memory?: number
  /** Of one evaluation, milliseconds of the processor. Default 50; a single step may take as long again. */
  readonly time?: number
  /** `off`: everything goes to the sandbox (for comparing). Default on. */
  readonly fastPath?: 'on' | 'off'
}

/** What code has left behind on one exchange. */
interface Trace {
  /** Under which the sandbox keeps the objects; undefined while there is nothing to keep. */
  key: number | undefined
  fields: readonly (readonly [name: string, value: unknown])[]
}

const trace = Symbol('gantry.expressions')

export async function createExpressions(options: ExpressionOptions = {}): Promise<SandboxedExpressions> {
  const sandbox = await createSandbox({ memory: options.memory ?? 64 * 1024 * 1024, time: options.time ?? 50 })
  const forgotten = new FinalizationRegistry<number>((key) => sandbox.release(key))
  let keys = 0

  return {
    compile(kind, source) {
      const unit = sandbox.unit(kind, source)
      const slow = (subject: Subject): unknown => evaluateIn(sandbox, unit, subject)
      const fast = kind === 'program' || options.fastPath === 'off' ? undefined : compileFast(kind, source)
      return { evaluate: fast === undefined ? slow : withFast(fast, slow) }
    },
    finish(subject) {
      const left = subject.notes.size === 0 ? undefined : (subject.notes.get(trace) as Trace | undefined)
      if (left === undefined) return
      const { headers, from } = subject.response
      for (const [name, value] of left.fields) {
        // a backend says its own headers last, as it always did
        if (value === undefined || (from === 'backend' && headers.get(name.toLowerCase()) !== undefined)) continue
        if (!Array.isArray(value)) headers.set(name, typeof value === 'string' ? value : JSON.stringify(value))
        else {
          headers.delete(name)
          for (const one of value) headers.append(name, String(one))
        }
      }
    },
    dispose: () => sandbox.dispose(),
  }

  function evaluateIn(box: Sandbox, unit: Unit, subject: Subject): unknown {
    const effects = unit.kind !== 'program' && readsOnly(unit.source) ? 'none' : 'some'
    const left = subject.notes.get(trace) as Trace | undefined
    const slot = left?.key ?? (effects === 'some' ? ++keys : undefined)
    const result = box.run(unit, stateOf(subject, left?.key, slot), { effects })
    if (effects === 'none') return decode(result)
    const end = result.indexOf('\n')
    const changes = JSON.parse(result.slice(0, end)) as Changes
    if (changes.kept === true && slot !== undefined) {
      const made: Trace = { key: slot, fields: [] }
      forgotten.register(made, slot)
      subject.notes.set(trace, made)
    }
    apply(subject, changes)
    if (unit.kind !== 'program') return decode(result.slice(end + 1))
    return changes.sent === undefined ? undefined : answerOf(changes.sent, changes.fields ?? [])
  }
}

function withFast(fast: Fast, slow: Fast): Fast {
  return (subject) => {
    // once code has left something on the exchange, only the sandbox knows it
    if (subject.notes.size > 0 && subject.notes.has(trace)) return slow(subject)
    try {
      return fast(subject)
    } catch (error) {
      if (error === leave) return slow(subject)
      throw error
    }
  }
}

const mutators =
  /[^=!<>]=[^=>]|\+\+|--|\bdelete\b|\bres\b|\b(?:eval|run|match|Function|set\w*|append|push|pop|shift|unshift|splice|sort|reverse|fill|copyWithin|assign|define\w*|add|clear)\b\s*\(|\bthis\b|\bglobalThis\b/

/** Certain to change nothing; whoever is not certain is treated as changing something, which only costs time. */
function readsOnly(source: string): boolean {
  return !mutators.test(` ${source} `)
}

// --- in --------------------------------------------------------------------------------------------------------------

const endpoints = new WeakMap<object, string>()

function stateOf(subject: Subject, key: number | undefined, slot: number | undefined): string {
  const { request, connection, route } = subject
  const body = bodyOf(subject)
  return `{"apiEndpoint":${endpointText(route.annotations)},${JSON.stringify({
    key,
    slot,
    id: subject.id,
    method: request.method,
    url: request.target,
    originalUrl: request.originalTarget,
    version: request.version,
    protocol: connection.scheme,
    ip: connection.clientAddress,
    port: connection.remotePort,
    headers: headersOf(subject),
    params: parametersOf(subject),
    query: parseQuery(request.query),
    pattern: route.annotations?.['pattern'],
    user: subject.consumer,
    body,
  }).slice(1)}`
}

function endpointText(annotations: Readonly<Record<string, unknown>> | undefined): string {
  if (annotations === undefined) return 'null'
  let text = endpoints.get(annotations)
  if (text === undefined) {
    text = JSON.stringify(annotations['apiEndpoint']) ?? 'null'
    endpoints.set(annotations, text)
  }
  return text
}

// --- out -------------------------------------------------------------------------------------------------------------

interface Changes {
  readonly method?: string
  readonly url?: string
  readonly headers?: readonly (readonly [name: string, value: string])[]
  readonly deleted?: readonly string[]
  readonly user?: Readonly<Record<string, unknown>> | null
  readonly fields?: readonly (readonly [name: string, value: unknown])[]
  readonly sent?: { readonly status: number; readonly body?: string; readonly type?: string }
  readonly kept?: boolean
}

/** Throws an ExpressionError for what cannot be written. */
function apply(subject: Subject, changes: Changes): void {
  const { request } = subject
  try {
    if (changes.method !== undefined) request.method = changes.method
    if (changes.url !== undefined) request.target = changes.url.startsWith('/') ? changes.url : `/${changes.url}`
    for (const name of changes.deleted ?? []) request.headers.delete(name)
    for (const [name, value] of changes.headers ?? []) request.headers.set(name, value)
  } catch (error) {
    if (error instanceof TypeError) throw new ExpressionError('thrown', `TypeError: ${error.message}`)
    throw error
  }
  if (changes.user !== undefined) subject.consumer = changes.user ?? undefined
  if (changes.fields === undefined) return
  const left = subject.notes.get(trace) as Trace | undefined
  if (left === undefined) subject.notes.set(trace, { key: undefined, fields: changes.fields })
  else left.fields = changes.fields
}

function answerOf(sent: NonNullable<Changes['sent']>, fields: NonNullable<Changes['fields']>): Answer {
  const { status, type } = sent
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new ExpressionError('thrown', `RangeError: ${status} is not a status of an answer`)
  }
  const headers: (readonly [string, string])[] = type === undefined ? [] : [['Content-Type', type]]
  for (const [name, value] of fields) {
    if (name.toLowerCase() === 'content-length' || value === undefined) continue
    for (const one of Array.isArray(value) ? (value as readonly unknown[]) : [value]) headers.push([name, String(one)])
  }
  return { kind: 'reply', status, headers, body: sent.body ?? STATUS_CODES[status] ?? String(status) }
}

function decode(text: string): unknown {
  switch (text[0]) {
    case 's':
      return text.slice(1)
    case 'j':
      return JSON.parse(text.slice(1)) as unknown
    case 'n':
      return Number(text.slice(1))
    case 'f':
      return {} // a function is true; nothing else can be done with it outside
    default:
      return undefined
  }
}
