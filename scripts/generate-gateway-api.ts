/**
 * Published custom resource definitions of the Gateway API → `schemas.generated.ts` and `types.generated.ts`.
 *
 *     npx tsx scripts/generate-gateway-api.ts FOLDER
 *
 * FOLDER is `config/crd` of the Go module sigs.k8s.io/gateway-api (`go mod download -json sigs.k8s.io/gateway-api@v1.7.0`
 * prints where it lies). Only facts are taken over: types, limits, defaults and rules. No sentence of theirs is kept.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import prettier from 'prettier'

interface Schema {
  type?: string
  format?: string
  enum?: (string | number)[]
  default?: unknown
  pattern?: string
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  minItems?: number
  maxItems?: number
  minProperties?: number
  maxProperties?: number
  required?: string[]
  properties?: Record<string, Schema>
  items?: Schema
  additionalProperties?: Schema
  oneOf?: Schema[]
  anyOf?: Schema[]
  not?: Schema
  preserveUnknownFields?: boolean
  listType?: string
  listMapKeys?: string[]
  rules?: { rule: string; field?: string }[]
  experimental?: boolean
}

interface KindSchema {
  group: string
  kind: string
  version: string
  plural: string
  scope: string
  experimental: boolean
  spec: Schema
}

type Json = Record<string, unknown>

const folder = process.argv[2]
if (folder === undefined) throw new Error('say where config/crd of the module lies')
const target = join(import.meta.dirname, '../src/sources/gateway-api')
const experimental = readChannel('experimental')
const standard = readChannel('standard')
const bundle = experimental.bundle
for (const [name, kind] of experimental.kinds) {
  const known = standard.kinds.get(name)
  kind.experimental = known === undefined
  if (known !== undefined) markExperimental(kind.spec, known.spec)
}
const kinds = [...experimental.kinds.values()].sort((a, b) => (a.kind < b.kind ? -1 : 1))
await write('schemas.generated.ts', printSchemas())
await write('types.generated.ts', printTypes())

function readChannel(channel: string): { bundle: string; kinds: Map<string, KindSchema> } {
  const kinds = new Map<string, KindSchema>()
  let bundle = ''
  for (const file of readdirSync(join(folder!, channel)).sort()) {
    for (const document of parseAllDocuments(readFileSync(join(folder!, channel, file), 'utf8'))) {
      const crd = document.toJS() as Json
      if (crd?.['kind'] !== 'CustomResourceDefinition') continue
      const spec = crd['spec'] as Json
      const names = spec['names'] as { kind: string; plural: string }
      const annotations = (crd['metadata'] as Json)['annotations'] as Record<string, string>
      bundle = annotations['gateway.networking.k8s.io/bundle-version'] ?? bundle
      const versions = spec['versions'] as Json[]
      const version = versions.find((each) => each['name'] === 'v1') ?? versions[0]!
      const schema = ((version['schema'] as Json)['openAPIV3Schema'] as Json)['properties'] as Json
      kinds.set(names.kind, {
        group: spec['group'] as string,
        kind: names.kind,
        version: version['name'] as string,
        plural: names.plural,
        scope: spec['scope'] as string,
        experimental: false,
        spec: compact(schema['spec'] as Json, names.kind),
      })
    }
  }
  return { bundle, kinds }
}

function compact(schema: Json, path: string): Schema {
  const result: Schema = {}
  for (const [key, value] of Object.entries(schema)) {
    switch (key) {
      case 'description':
        break
      case 'x-kubernetes-validations':
        result.rules = (value as Json[]).map((each) => ({
          rule: each['rule'] as string,
          ...(each['fieldPath'] === undefined ? {} : { field: each['fieldPath'] as string }),
        }))
        break
      case 'x-kubernetes-list-type':
        if (value !== 'atomic') result.listType = value as string
        break
      case 'x-kubernetes-list-map-keys':
        result.listMapKeys = value as string[]
        break
      case 'x-kubernetes-map-type':
        break
      case 'x-kubernetes-preserve-unknown-fields':
        result.preserveUnknownFields = value as boolean
        break
      case 'properties':
        result.properties = Object.fromEntries(
          Object.entries(value as Record<string, Json>).map(([name, each]) => [name, compact(each, `${path}.${name}`)]),
        )
        break
      case 'items':
        result.items = compact(value as Json, `${path}[]`)
        break
      case 'additionalProperties':
        result.additionalProperties = compact(value as Json, `${path}{}`)
        break
      case 'oneOf':
      case 'anyOf':
        result[key] = (value as Json[]).map((each) => compact(each, path))
        break
      case 'not':
        result.not = compact(value as Json, path)
        break
      case 'type':
      case 'format':
      case 'enum':
      case 'default':
      case 'pattern':
      case 'minLength':
      case 'maxLength':
      case 'minimum':
      case 'maximum':
      case 'minItems':
      case 'maxItems':
      case 'minProperties':
      case 'maxProperties':
      case 'required':
        Object.assign(result, { [key]: value })
        break
      default:
        throw new Error(
          `${path}: ${key} is new in these definitions; teach the generator and the validator what it means`,
        )
    }
  }
  return result
}

/** Fields that only the experimental channel has. */
function markExperimental(schema: Schema, known: Schema): void {
  for (const [name, each] of Object.entries(schema.properties ?? {})) {
    const other = known.properties?.[name]
    if (other === undefined) each.experimental = true
    else markExperimental(each, other)
  }
  if (schema.items !== undefined && known.items !== undefined) markExperimental(schema.items, known.items)
}

function header(what: string): string {
  return `/** ${what} Generated from Gateway API ${bundle} by scripts/generate-gateway-api.ts; do not edit. */\n`
}

/** Equal parts are written once. */
function printSchemas(): string {
  const counts = new Map<string, number>()
  const count = (schema: Schema): void => {
    const key = JSON.stringify(schema)
    const seen = counts.get(key) ?? 0
    counts.set(key, seen + 1)
    if (seen === 0) for (const child of children(schema)) count(child)
  }
  for (const kind of kinds) count(kind.spec)
  const parts: string[] = []
  const numbers = new Map<string, number>()
  const print = (schema: Schema, whole: boolean): string => {
    const key = JSON.stringify(schema)
    if (!whole && key.length > 120 && (counts.get(key) ?? 0) > 1) {
      let number = numbers.get(key)
      if (number === undefined) {
        const text = print(schema, true)
        number = parts.push(text) - 1
        numbers.set(key, number)
      }
      return `{ part: ${number} }`
    }
    const entries = Object.entries(schema).map(([name, value]) => {
      if (name === 'properties') {
        const properties = Object.entries(value as Record<string, Schema>)
        return `properties: { ${properties.map(([each, child]) => `${JSON.stringify(each)}: ${print(child, false)}`).join(', ')} }`
      }
      if (name === 'items' || name === 'additionalProperties') return `${name}: ${print(value as Schema, false)}`
      return `${name}: ${JSON.stringify(value)}`
    })
    return `{ ${entries.join(', ')} }`
  }
  const body = kinds.map(
    ({ spec, ...rest }) => `${rest.kind}: { ...${JSON.stringify(rest)}, spec: ${print(spec, false)} }`,
  )
  return `${header('Structural schemas and CEL rules of each kind.')}
import type { KindSchema, Schema } from './schema.ts'

export const bundleVersion = ${JSON.stringify(bundle)}

/** What occurs more than once; \`part\` is an index into this list. */
export const parts: readonly Schema[] = [${parts.join(',\n')}]

export const kinds: Readonly<Record<string, KindSchema>> = { ${body.join(',\n').replaceAll('...{', '').replaceAll('}, spec:', ', spec:')} }
`
}

function* children(schema: Schema): Generator<Schema> {
  yield* Object.values(schema.properties ?? {})
  if (schema.items !== undefined) yield schema.items
  if (schema.additionalProperties !== undefined) yield schema.additionalProperties
}

/** One interface for each kind's spec, with names for parts that occur more than once. */
function printTypes(): string {
  const shape = (schema: Schema): string =>
    JSON.stringify(schema, (key, value: unknown) => {
      const facts = [
        'type',
        'properties',
        'items',
        'additionalProperties',
        'required',
        'enum',
        'default',
        'preserveUnknownFields',
      ]
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
      const owner = value as Json
      if (key === 'properties') return value
      return Object.fromEntries(Object.entries(owner).filter(([name]) => facts.includes(name)))
    })
  const counts = new Map<string, number>()
  const count = (schema: Schema): void => {
    const key = shape(schema)
    counts.set(key, (counts.get(key) ?? 0) + 1)
    for (const child of children(schema)) count(child)
  }
  for (const kind of kinds) count(kind.spec)
  const names = new Map<string, string>()
  const taken = new Set<string>(kinds.map((kind) => `${kind.kind}Spec`))
  const declarations: string[] = []
  const nameFor = (path: readonly string[]): string => {
    for (let length = 1; length <= path.length; length++) {
      const name = path
        .slice(-length)
        .map((each) => each[0]!.toUpperCase() + each.slice(1))
        .join('')
      if (!taken.has(name) && name !== 'Record') return name
    }
    throw new Error(`no name is left for ${path.join('.')}`)
  }
  const print = (schema: Schema, path: readonly string[]): string => {
    if (schema.enum !== undefined)
      return schema.enum.map((each) => (typeof each === 'string' ? `'${each}'` : `${each}`)).join(' | ')
    switch (schema.type) {
      case 'string':
        return 'string'
      case 'integer':
      case 'number':
        return 'number'
      case 'boolean':
        return 'boolean'
      case 'array': {
        const last = path.at(-1)!
        const single = last.endsWith('ies')
          ? `${last.slice(0, -3)}y`
          : /(ss|ch)es$/.test(last)
            ? last.slice(0, -2)
            : last.replace(/s$/, '')
        const item = print(schema.items!, [...path.slice(0, -1), single])
        return `readonly ${item.includes(' | ') ? `(${item})` : item}[]`
      }
      case 'object':
        break
      default:
        throw new Error(`${path.join('.')} is of type ${schema.type}`)
    }
    if (schema.properties === undefined) {
      const value = schema.additionalProperties === undefined ? 'unknown' : print(schema.additionalProperties, path)
      return `Readonly<Record<string, ${value}>>`
    }
    const key = shape(schema)
    const known = names.get(key)
    if (known !== undefined) return known
    const members = (): string =>
      `{ ${Object.entries(schema.properties!)
        .map(([name, child]) => {
          const optional = schema.required?.includes(name) === true || child.default !== undefined ? '' : '?'
          return `readonly ${/^\w+$/.test(name) ? name : JSON.stringify(name)}${optional}: ${print(child, [...path, name])}`
        })
        .join('\n')} }`
    if (path.length > 1 && (counts.get(key)! > 1 || path.length > 2)) {
      const name = nameFor(path)
      taken.add(name)
      names.set(key, name)
      declarations.push(`export interface ${name} ${members()}`)
      return name
    }
    return members()
  }
  const bodies = kinds.map((kind) => `export interface ${kind.kind}Spec ${print(kind.spec, [kind.kind])}`)
  return `${header('The spec of each kind after defaults have been applied.')}\n${bodies.join('\n\n')}\n\n${declarations.join('\n\n')}\n`
}

async function write(name: string, text: string): Promise<void> {
  const file = join(target, name)
  const options = (await prettier.resolveConfig(file)) ?? {}
  writeFileSync(file, await prettier.format(text, { ...options, filepath: file }))
}
