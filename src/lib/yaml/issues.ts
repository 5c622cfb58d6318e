/** Issues of a zod schema → one sentence each with its place and what was probably meant. Pure. */
import { z } from 'zod'
import type { Path } from './yaml.ts'
import { nearestWord } from './words.ts'

export interface ValueMistake {
  /** Where it stands: for an unknown key, the key. */
  readonly path: Path
  /** `http.port: expected number, received string`. */
  readonly message: string
  /** `did you mean "port"?` */
  readonly hint?: string
}

export function describeIssues(schema: z.ZodType, issues: readonly z.core.$ZodIssue[]): readonly ValueMistake[] {
  return issues.flatMap((issue) => describeIssue(schema, issue, []))
}

function describeIssue(schema: z.ZodType, issue: z.core.$ZodIssue, above: Path): readonly ValueMistake[] {
  const path: Path = [...above, ...issue.path.map((part) => (typeof part === 'number' ? part : String(part)))]
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, path)
    return issue.keys.map((key) => {
      const meant = nearestWord(key, known)
      const where = path.length === 0 ? '' : `${printPath(path)}: `
      const choice = known.length === 0 ? {} : { hint: `known are ${known.join(', ')}` }
      const hint = meant === undefined ? choice : { hint: `did you mean "${meant}"?` }
      return { path: [...path, key], message: `${where}"${key}" is not known`, ...hint }
    })
  }
  if (issue.code === 'invalid_union') {
    // the branch that comes furthest is what was meant
    const [best] = [...issue.errors].sort((one, other) => depthOf(other) - depthOf(one) || one.length - other.length)
    if (best !== undefined && depthOf(best) > 0) return best.flatMap((inner) => describeIssue(schema, inner, path))
  }
  const where = path.length === 0 ? '' : `${printPath(path)}: `
  return [
    { path, message: `${where}${lowerFirst(issue.message.replace(/^Invalid input: /, ''))}`, ...valueHint(issue) },
  ]
}

function depthOf(issues: readonly z.core.$ZodIssue[]): number {
  return Math.max(0, ...issues.map((issue) => issue.path.length + (issue.code === 'unrecognized_keys' ? 1 : 0)))
}

function valueHint(issue: z.core.$ZodIssue): { readonly hint?: string } {
  if (issue.code !== 'invalid_value') return {}
  const known = issue.values.map(String)
  const meant = typeof issue.input === 'string' ? nearestWord(issue.input, known) : undefined
  return { hint: meant === undefined ? `one of ${known.join(', ')}` : `did you mean "${meant}"?` }
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}

/** `http.ports[0]['a b']`. */
export function printPath(path: Path): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else if (/^[\w-]+$/.test(part)) text += text === '' ? part : `.${part}`
    else text += `['${part}']`
  }
  return text
}

/** The keys that an object at the path may have, through optionals, arrays, records and unions. */
function keysAt(schema: z.ZodType, path: Path): readonly string[] {
  let schemas: readonly z.ZodType[] = alternatives(schema)
  for (const part of path) {
    schemas = schemas.flatMap((one): readonly z.ZodType[] => {
      if (one instanceof z.ZodObject) {
        const field = (one.shape as Readonly<Record<string, z.ZodType | undefined>>)[part]
        return field === undefined ? [] : alternatives(field)
      }
      if (one instanceof z.ZodArray) return alternatives(one.element as z.ZodType)
      if (one instanceof z.ZodRecord) return alternatives(one.valueType as z.ZodType)
      return []
    })
  }
  const keys = schemas.flatMap((one) => (one instanceof z.ZodObject ? Object.keys(one.shape as object) : []))
  return [...new Set(keys)]
}

function alternatives(schema: z.ZodType): readonly z.ZodType[] {
  if (schema instanceof z.ZodUnion) return (schema.options as readonly z.ZodType[]).flatMap(alternatives)
  if (schema instanceof z.ZodLazy) return alternatives(schema.unwrap() as z.ZodType)
  if (schema instanceof z.ZodPipe) return alternatives(schema.in as z.ZodType)
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault) {
    return alternatives(schema.unwrap() as z.ZodType)
  }
  return [schema]
}
