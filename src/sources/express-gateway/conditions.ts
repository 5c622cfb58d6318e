/** A step's condition → the model's Condition. Pure. */
import type { Condition } from '../../model/model.ts'
import type { Path } from './document.ts'
import { isMapping, listOf, type Mapping } from './normalise.ts'
import { parsePattern } from './pattern.ts'
import { nearestWord } from '../../lib/yaml/words.ts'
import { remoteReferences } from './references.ts'
import { complain, type Context } from './report.ts'
import { conditionSchemas } from './schemas.ts'
import { printIssues, validate } from './validate.ts'
import type { TextFile } from './world.ts'

export interface ConditionOptions {
  readonly object: string
  /** Are plugins configured that could bring conditions of their own? */
  readonly plugins: boolean
  /** Is the rewrite plugin among them? Its conditions are built in. */
  readonly rewrite: boolean
}

/** Undefined where the condition is wrong; an error has been said then. */
export function translateCondition(
  context: Context,
  given: Mapping,
  path: Path,
  options: ConditionOptions,
): Condition | undefined {
  const name = given['name']
  if (typeof name !== 'string') {
    return wrong(
      context,
      path,
      options,
      `Condition params validation failed: data should have required property 'name'`,
      `name: one of ${Object.keys(conditionSchemas).join(', ')}`,
    )
  }
  const schema = conditionSchemas[name]
  if (schema === undefined) return foreign(context, name, given, path, options)
  const { value, issues } = validate(schema, given)
  if (issues.length > 0) {
    const [first] = issues
    const place = [...path, ...(first?.path ?? [])]
    const message = `Condition ${name} params validation failed: ${printIssues(issues)}`
    return wrong(context, place, options, message, first?.hint)
  }
  const parameters = value as Mapping
  switch (name) {
    case 'always':
      return { kind: 'constant', value: true }
    case 'never':
      return { kind: 'constant', value: false }
    case 'allOf':
    case 'oneOf': {
      const of = listOf(parameters['conditions']).map((one, index) =>
        translateCondition(context, isMapping(one) ? one : {}, [...path, 'conditions', index], options),
      )
      if (of.some((one) => one === undefined)) return undefined
      // Express Gateway's oneOf holds when at least one does
      return { kind: name === 'allOf' ? 'all' : 'any', of: of as readonly Condition[] }
    }
    case 'not': {
      const inner = isMapping(parameters['condition']) ? parameters['condition'] : {}
      const of = translateCondition(context, inner, [...path, 'condition'], options)
      return of === undefined ? undefined : { kind: 'not', of }
    }
    case 'pathExact':
      return { kind: 'target', value: { kind: 'exact', value: String(parameters['path']) } }
    case 'pathMatch':
      return { kind: 'target', value: { kind: 'regexp', source: String(parameters['pattern']) } }
    case 'method':
      return { kind: 'method', methods: listOf(parameters['methods']).map(String) }
    case 'hostMatch':
      return { kind: 'host', glob: String(parameters['pattern']) }
    case 'expression':
      return { kind: 'expression', language: 'javascript', source: String(parameters['expression']) }
    case 'authenticated':
      return { kind: 'authenticated' }
    case 'anonymous':
      return { kind: 'not', of: { kind: 'authenticated' } }
    case 'tlsClientAuthenticated':
      return { kind: 'client-certificate' }
    case 'json-schema':
      return bodySchema(context, parameters, path, options)
    default:
      throw new Error(`condition ${name} has a schema but no translation`)
  }
}

function bodySchema(
  context: Context,
  parameters: Mapping,
  path: Path,
  options: ConditionOptions,
): Condition | undefined {
  const schema = parameters['schema'] as Mapping
  const documents: Record<string, Mapping> = {}
  for (const url of remoteReferences(schema, context.world.files)) {
    const document = parseDocument(context.world.files[url])
    if (typeof document === 'string') {
      return wrong(
        context,
        [...path, 'schema'],
        options,
        `condition json-schema refers to ${url}, which cannot be used: ${document}`,
        'it is asked for again and again; or write what it says under definitions, and refer to #/definitions/NAME',
      )
    }
    documents[url] = document
  }
  return {
    kind: 'body-schema',
    schema,
    ...(Object.keys(documents).length === 0 ? {} : { documents }),
    ...(parameters['logErrors'] === true ? { logErrors: true } : {}),
  }
}

/** A downloaded schema, or why there is none. */
function parseDocument(file: TextFile | undefined): Mapping | string {
  if (file === undefined) return 'it was not downloaded'
  if (file.kind !== 'text') return file.kind === 'missing' ? 'there is no such document' : file.reason
  try {
    const value: unknown = JSON.parse(file.text)
    return isMapping(value) ? value : 'it is not a JSON schema'
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** A condition that is not ours: of the rewrite plugin, which is built in, or of a plugin that is loaded later. */
function foreign(
  context: Context,
  name: string,
  given: Mapping,
  path: Path,
  options: ConditionOptions,
): Condition | undefined {
  const pattern = given['pattern']
  if (options.rewrite && typeof pattern === 'string') {
    if (name === 'regexpmatch') return { kind: 'target', value: { kind: 'regexp', source: pattern } }
    if (name === 'pathmatch') return { kind: 'target', value: { kind: 'regexp', source: targetPattern(pattern) } }
  }
  const { name: _name, ...config } = given
  if (options.plugins) return { kind: 'plugin', name, config }
  const guess = nearestWord(name, Object.keys(conditionSchemas))
  const known = Object.keys(conditionSchemas).join(', ')
  const hint =
    guess === undefined
      ? `one of ${known}; or name the plugin that brings it in system.config`
      : `did you mean ${guess}?`
  return wrong(context, [...path, 'name'], options, `there is no condition ${name}`, hint)
}

/** A path pattern as a regular expression over path and query. */
function targetPattern(pattern: string): string {
  const parsed = parsePattern(pattern)
  if (parsed.kind === 'bad' || parsed.path === undefined) return '.*'
  if (parsed.path.kind === 'regexp') return parsed.path.source.replace(/\$$/, '(?:\\?.*)?$')
  const escaped = parsed.path.value.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
  return parsed.path.kind === 'exact' ? `^${escaped}\\/?(?:\\?.*)?$` : `^${escaped}`
}

function wrong(context: Context, path: Path, options: ConditionOptions, message: string, hint?: string): undefined {
  complain(context, path, { code: 'condition', severity: 'error', message, hint }, options.object)
  return undefined
}
