/** A value and its JSON schema → the value with defaults and coerced types, and what is wrong with it. Pure. */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import type { Path } from './document.ts'
import { listOf } from './normalise.ts'
import type { Schema } from './schemas.ts'

export interface Issue {
  readonly path: Path
  /** In the words that Express Gateway's users know: `should have required property 'url'`. */
  readonly message: string
  /** What to write instead, where the rule that was broken says so much. */
  readonly hint?: string
}

export interface Validation {
  /** A copy, with defaults written into it and types coerced where that loses nothing. */
  readonly value: unknown
  /** One for each place, in the order of the schema. */
  readonly issues: readonly Issue[]
}

const ajv = new Ajv({ strict: false, allErrors: true, useDefaults: true, coerceTypes: true, validateFormats: true })
addFormats.default(ajv)
const compiled = new WeakMap<Schema, ValidateFunction>()

export function validate(schema: Schema, given: unknown): Validation {
  let check = compiled.get(schema)
  if (check === undefined) {
    // without its $id: the same schema may be compiled in another copy, and a name may be given only once
    const { $id: _id, ...anonymous } = schema
    check = ajv.compile(anonymous)
    compiled.set(schema, check)
  }
  const holder = { value: copy(given) }
  if (check(holder.value)) return { value: holder.value, issues: [] }
  const places = new Map<string, { path: Path; messages: string[]; hint: string | undefined }>()
  for (const error of check.errors ?? []) {
    const path = pathOf(error.instancePath)
    const key = error.instancePath
    const place = places.get(key) ?? { path, messages: [], hint: undefined }
    places.set(key, place)
    place.hint ??= hintOf(error)
    const message = wordsOf(error)
    if (!place.messages.includes(message)) place.messages.push(message)
  }
  const issues = [...places.values()].map(({ path, messages, hint }) => ({
    path,
    message: messages.join(', '),
    ...(hint === undefined ? {} : { hint }),
  }))
  return { value: holder.value, issues }
}

/** All issues in one line as ajv 6 wrote them: `data.pipelines['p'] should have required property 'policies'`. */
export function printIssues(issues: readonly Issue[]): string {
  return issues.map(({ path, message }) => `data${accessors(path)} ${message}`).join(', ')
}

/** Below a map whose keys users choose stands `['key']`, else `.key`: at the second level of the configuration. */
function accessors(path: Path): string {
  return path
    .map((part, depth) => {
      if (typeof part === 'number') return `[${part}]`
      return depth === 1 || !/^\w+$/.test(part) ? `['${part}']` : `.${part}`
    })
    .join('')
}

function pathOf(pointer: string): Path {
  if (pointer === '') return []
  return pointer
    .slice(1)
    .split('/')
    .map((part) => {
      const plain = part.replaceAll('~1', '/').replaceAll('~0', '~')
      return /^\d+$/.test(plain) ? Number(plain) : plain
    })
}

function wordsOf(error: ErrorObject): string {
  const parameters = error.params as Readonly<Record<string, unknown>>
  switch (error.keyword) {
    case 'enum': {
      const allowed = (parameters['allowedValues'] as readonly unknown[]).map(String).join(', ')
      return `should be equal to one of the allowed values: ${allowed}`
    }
    case 'minProperties':
      return `should NOT have fewer than ${String(parameters['limit'])} properties`
    case 'uniqueItems':
      return 'should NOT have duplicate items'
    case 'oneOf':
      return 'should match exactly one schema in oneOf'
    case 'anyOf':
      return 'should match some schema in anyOf'
    default:
      return (error.message ?? 'is not valid').replace(/^must /, 'should ')
  }
}

/** In the order in which they are said; the first that has one speaks for its place. */
function hintOf({ keyword, params }: ErrorObject): string | undefined {
  const parameters = params as Readonly<Record<string, unknown>>
  switch (keyword) {
    case 'format':
      if (parameters['format'] === 'uri') return 'a URL with its scheme, as http://127.0.0.1:3000'
      if (parameters['format'] === 'regex')
        return 'a JavaScript regular expression; a literal \\ ( [ { * + ? needs a \\ before it'
      return undefined
    case 'required':
      return `add ${String(parameters['missingProperty'])}`
    case 'oneOf':
      return Array.isArray(parameters['passingSchemas'])
        ? 'only one of them may be there: take the other away'
        : undefined
    case 'type':
      return `write ${listOf(parameters['type'])
        .map((type) => TYPES[String(type)] ?? String(type))
        .join(', or ')}`
    default:
      return undefined
  }
}

const TYPES: Readonly<Record<string, string>> = {
  object: 'a mapping (key: value)',
  array: 'a list (lines with a dash, or [a, b])',
  string: 'a text',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
  null: 'nothing at all',
}

/** Plain data is copied; what else YAML can say (regular expressions, dates) is kept. */
function copy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copy)
  if (typeof value !== 'object' || value === null) return value
  if (Object.getPrototypeOf(value) !== Object.prototype && Object.getPrototypeOf(value) !== null) return value
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, copy(part)]))
}
