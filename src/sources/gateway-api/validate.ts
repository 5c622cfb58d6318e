/**
 * An object of the Gateway API as written → the same with defaults and without unknown fields, and what the API server
 * would refuse or warn about. Pure. The facts are those of the published definitions.
 */
import { isIPv4, isIPv6 } from 'node:net'
import { nearestWord } from '../../lib/yaml/words.ts'
import { evaluateRule, explainRule, isTransitionRule } from './rules.ts'
import type { KindSchema, Schema } from './schema.ts'
import { kinds, parts } from './schemas.generated.ts'

export type Path = readonly (string | number)[]

export interface Problem {
  readonly severity: 'error' | 'warning'
  readonly path: Path
  readonly message: string
  readonly hint?: string
}

export interface Validated {
  /** With defaults; only of use when no problem is an error. */
  readonly spec: unknown
  readonly problems: readonly Problem[]
}

/** `structure` leaves the CEL rules out: what is stored in a cluster has passed them already. */
export type Depth = 'structure' | 'rules'

export function kindSchema(group: string, kind: string): KindSchema | undefined {
  const found = kinds[kind]
  return found?.group === group ? found : undefined
}

export function validateSpec(kind: KindSchema, spec: unknown, depth: Depth): Validated {
  const problems: Problem[] = []
  const value = visit(kind.spec, spec, ['spec'], problems)
  // rules presume the structure: a rule over a value of the wrong type would only repeat the mistake in worse words
  if (depth === 'rules' && !problems.some((problem) => problem.severity === 'error'))
    judge(kind.spec, value, ['spec'], problems)
  return { spec: value, problems }
}

/** `spec.rules[0].matches` */
export function printPath(path: Path): string {
  return path.map((each, index) => (typeof each === 'number' ? `[${each}]` : index === 0 ? each : `.${each}`)).join('')
}

function resolve(schema: Schema): Schema {
  return schema.part === undefined ? schema : resolve(parts[schema.part]!)
}

function visit(reference: Schema, value: unknown, path: Path, problems: Problem[]): unknown {
  const schema = resolve(reference)
  const fail = (message: string, hint?: string): void => {
    problems.push({ severity: 'error', path, message, ...(hint === undefined ? {} : { hint }) })
  }
  switch (schema.type) {
    case 'object':
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        fail(`${describe(value)} is not an object`)
        return value
      }
      return visitObject(schema, value as Readonly<Record<string, unknown>>, path, problems)
    case 'array': {
      if (!Array.isArray(value)) {
        fail(`${describe(value)} is not a list`)
        return value
      }
      if (schema.minItems !== undefined && value.length < schema.minItems)
        fail(`has ${value.length} entries`, `at least ${schema.minItems}`)
      if (schema.maxItems !== undefined && value.length > schema.maxItems) {
        fail(`has ${value.length} entries`, `at most ${schema.maxItems}`)
        return value
      }
      const items = value.map((each, index) => visit(schema.items!, each, [...path, index], problems))
      checkDuplicates(schema, items, path, problems)
      return items
    }
    case 'string':
      if (typeof value !== 'string') fail(`${describe(value)} is not a string`)
      else checkString(schema, value, fail)
      return value
    case 'integer':
    case 'number':
      if (typeof value !== 'number' || (schema.type === 'integer' && !Number.isInteger(value)))
        fail(`${describe(value)} is not a whole number`)
      else {
        if (schema.minimum !== undefined && value < schema.minimum)
          fail(`${value} is too small`, `at least ${schema.minimum}`)
        if (schema.maximum !== undefined && value > schema.maximum)
          fail(`${value} is too large`, `at most ${schema.maximum}`)
        if (schema.format === 'int32' && Math.abs(value) > 2147483647) fail(`${value} does not fit in 32 bits`)
        checkEnum(schema, value, fail)
      }
      return value
    case 'boolean':
      if (typeof value !== 'boolean') fail(`${describe(value)} is not true or false`)
      return value
    case undefined:
      return value
  }
}

function visitObject(
  schema: Schema,
  value: Readonly<Record<string, unknown>>,
  path: Path,
  problems: Problem[],
): unknown {
  const result: Record<string, unknown> = {}
  const properties = schema.properties
  for (const [name, each] of Object.entries(value)) {
    const child = properties !== undefined && Object.hasOwn(properties, name) ? resolve(properties[name]!) : undefined
    if (child !== undefined) {
      // null counts as absent where a default stands ready
      if (each === null && child.default !== undefined) continue
      result[name] = visit(child, each, [...path, name], problems)
    } else if (schema.additionalProperties !== undefined) {
      result[name] = visit(schema.additionalProperties, each, [...path, name], problems)
    } else if (properties === undefined || schema.preserveUnknownFields === true) {
      result[name] = each
    } else {
      const meant = nearestWord(name, Object.keys(properties))
      problems.push({
        severity: 'warning',
        path: [...path, name],
        message: 'unknown field, it is ignored',
        hint: meant === undefined ? `one of ${Object.keys(properties).join(', ')}` : `did you mean ${meant}?`,
      })
    }
  }
  for (const [name, each] of Object.entries(properties ?? {})) {
    if (Object.hasOwn(result, name)) continue
    const fallback = resolve(each).default
    // a default is completed by the defaults inside it
    if (fallback !== undefined) result[name] = visit(each, structuredClone(fallback), [...path, name], problems)
  }
  for (const name of schema.required ?? []) {
    if (!Object.hasOwn(result, name)) problems.push({ severity: 'error', path, message: `${name} is missing` })
  }
  const count = Object.keys(result).length
  if (schema.minProperties !== undefined && count < schema.minProperties) {
    problems.push({
      severity: 'error',
      path,
      message: `has ${count} entries`,
      hint: `at least ${schema.minProperties}`,
    })
  }
  if (schema.maxProperties !== undefined && count > schema.maxProperties) {
    problems.push({ severity: 'error', path, message: `has ${count} entries`, hint: `at most ${schema.maxProperties}` })
  }
  if (schema.oneOf !== undefined && schema.oneOf.filter((each) => fits(each, result)).length !== 1) {
    const address = result['value']
    const message =
      result['type'] === 'IPAddress'
        ? `${describe(address)} is not an IP address`
        : 'fits none or several of the shapes allowed here'
    problems.push({ severity: 'error', path, message })
  }
  return result
}

/** The few value validations that stand inside oneOf, anyOf and not. */
function fits(schema: Schema, value: unknown): boolean {
  if (schema.enum !== undefined && !schema.enum.includes(value as string)) return false
  if (schema.format === 'ipv4' && typeof value === 'string' && !isIPv4(value)) return false
  if (schema.format === 'ipv6' && typeof value === 'string' && !isIPv6(value)) return false
  if (schema.not !== undefined && fits(schema.not, value)) return false
  if (schema.anyOf !== undefined && !schema.anyOf.some((each) => fits(each, value))) return false
  for (const [name, each] of Object.entries(schema.properties ?? {})) {
    const member = (value as Readonly<Record<string, unknown>>)[name]
    if (member !== undefined && !fits(each, member)) return false
  }
  return true
}

function checkString(schema: Schema, value: string, fail: (message: string, hint?: string) => void): void {
  // limits count characters, not UTF-16 units
  const length = value.length > (schema.maxLength ?? Infinity) ? [...value].length : value.length
  if (schema.maxLength !== undefined && length > schema.maxLength) {
    fail(`has ${length} characters`, `at most ${schema.maxLength}`)
    return
  }
  if (schema.minLength !== undefined && length < schema.minLength) {
    fail(length === 0 ? 'is empty' : `has ${length} characters`, `at least ${schema.minLength}`)
    return
  }
  checkEnum(schema, value, fail)
  if (schema.pattern !== undefined && !pattern(schema.pattern).test(value)) {
    fail(`${describe(value)} is not written as it must be`, `it must match ${schema.pattern}`)
  }
}

function checkEnum(schema: Schema, value: string | number, fail: (message: string, hint?: string) => void): void {
  if (schema.enum !== undefined && !schema.enum.includes(value))
    fail(`${describe(value)} is not known here`, `one of ${schema.enum.join(', ')}`)
}

function checkDuplicates(schema: Schema, items: readonly unknown[], path: Path, problems: Problem[]): void {
  if (schema.listType === undefined) return
  const keys = schema.listMapKeys
  const seen = new Set<string>()
  items.forEach((item, index) => {
    const entry = item as Readonly<Record<string, unknown>> | null
    const key = JSON.stringify(
      schema.listType === 'map' && keys !== undefined ? keys.map((name) => entry?.[name]) : item,
    )
    if (seen.has(key))
      problems.push({
        severity: 'error',
        path: [...path, index],
        message: `${keyWords(keys, entry)} stands here twice`,
      })
    seen.add(key)
  })
}

function keyWords(keys: readonly string[] | undefined, entry: unknown): string {
  if (keys === undefined) return describe(entry)
  return keys
    .map((name) => `${name} ${describe((entry as Readonly<Record<string, unknown>> | null)?.[name])}`)
    .join(', ')
}

/** The CEL rules, children first. */
function judge(reference: Schema, value: unknown, path: Path, problems: Problem[]): void {
  const schema = resolve(reference)
  if (Array.isArray(value)) value.forEach((each, index) => judge(schema.items!, each, [...path, index], problems))
  else if (typeof value === 'object' && value !== null) {
    for (const [name, each] of Object.entries(value)) {
      const child = schema.properties?.[name] ?? schema.additionalProperties
      if (child !== undefined) judge(child, each, [...path, name], problems)
    }
  }
  for (const { rule } of schema.rules ?? []) {
    if (isTransitionRule(rule)) continue
    const result = evaluateRule(rule, value)
    if (result === 'holds') continue
    const message = explainRule(rule)
    problems.push({ severity: 'error', path, message: result === 'broken' ? message : `${message} (${result.error})` })
  }
}

function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value)
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'an object' : String(value as number | boolean)
}

const patterns = new Map<string, RegExp>()

function pattern(source: string): RegExp {
  let compiled = patterns.get(source)
  if (compiled === undefined) {
    compiled = new RegExp(source)
    patterns.set(source, compiled)
  }
  return compiled
}
