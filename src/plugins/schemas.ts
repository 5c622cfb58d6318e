/** A plugin's JSON schema → a check that writes defaults into what it checks. */
import { Ajv, type ErrorObject } from 'ajv'
import addFormats from 'ajv-formats'
import type { JsonSchema } from './types.ts'

/** Undefined: valid. Else one line that says what is wrong. */
export type Check = (value: unknown) => string | undefined

/**
 * An instance for each schema: plugins are copied from one another, `$id` and all, and are checked apart. Draft 7, types
 * coerced and defaults written, as Express Gateway's Ajv did. Throws on a schema that is none.
 */
export function compileCheck(schema: JsonSchema): Check {
  const ajv = new Ajv({ strict: false, useDefaults: true, coerceTypes: true, allErrors: true, logger: false })
  addFormats.default(ajv)
  // older drafts are named in many plugins; what they use means the same in draft 7
  const { $schema: _draft, ...body } = schema
  const validate = ajv.compile(body)
  return (value) => (validate(value) ? undefined : (validate.errors ?? []).map(printError).join('; '))
}

function printError(error: ErrorObject): string {
  const place = error.instancePath === '' ? '' : `${error.instancePath.slice(1).replaceAll('/', '.')} `
  const allowed =
    error.keyword === 'enum' ? `: ${(error.params['allowedValues'] as unknown[]).map(String).join(', ')}` : ''
  const extra = error.keyword === 'additionalProperties' ? `: ${String(error.params['additionalProperty'])}` : ''
  return `${place}${error.message ?? 'is not valid'}${allowed}${extra}`
}

/** Plain objects and arrays anew; everything else (regular expressions, functions) as it is. */
export function copy<T>(value: T): T {
  if (Array.isArray(value)) return value.map((one: unknown) => copy(one)) as T
  if (typeof value !== 'object' || value === null) return value
  const prototype = Object.getPrototypeOf(value) as unknown
  if (prototype !== Object.prototype && prototype !== null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, copy(one as unknown)])) as T
}
