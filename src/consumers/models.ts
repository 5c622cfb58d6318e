/** The three model files → checks of what is written into users, applications and credentials. Pure. */
import { Ajv, type AnySchemaObject, type ErrorObject, type ValidateFunction } from 'ajv'
import { default as addFormats } from 'ajv-formats'
import { ConsumerMistake } from './mistake.ts'

/** A JSON schema as the model files have it; people add properties of their own. */
export interface ModelSchema {
  readonly $id?: string
  readonly type?: string
  readonly properties?: Readonly<Record<string, PropertySchema>>
  readonly required?: readonly string[]
  readonly [keyword: string]: unknown
}

export interface PropertySchema {
  /** False: an update must not touch it. Not of JSON schema; Express Gateway's own. */
  readonly isMutable?: boolean
  readonly default?: unknown
  readonly [keyword: string]: unknown
}

export interface ModelFiles {
  readonly users: ModelSchema
  readonly applications: ModelSchema
  /** Its properties are schemas, one for each type of credential. */
  readonly credentials: ModelSchema
}

export interface Model {
  readonly schema: ModelSchema
  /** Checked, with defaults and coerced types. Throws ConsumerMistake('invalid') in ajv's words. */
  complete(properties: Readonly<Record<string, unknown>>): Record<string, unknown>
  /** What an update may say: properties of the schema that are mutable. Throws ConsumerMistake('invalid'). */
  checkUpdate(properties: Readonly<Record<string, unknown>>): void
}

export interface Models {
  readonly users: Model
  readonly applications: Model
  /** Undefined: no such type. */
  credential(type: string): Model | undefined
  readonly files: ModelFiles
}

/**
 * Throws what ajv says of a schema that is none: a mistake of start-up, with the file's name. `when used` is for schemas of
 * ours: to compile them takes longer than all else that a process needs before it serves.
 */
export function modelsOf(files: ModelFiles, compile: 'at once' | 'when used' = 'at once'): Models {
  const types = new Map<string, Model>()
  const model = (name: string, schema: ModelSchema, more: Readonly<Record<string, unknown>> = {}): Model => {
    const make = (): Validate => compiled(name, { ...schema, ...more })
    return modelOf(schema, compile === 'at once' ? always(make()) : once(make))
  }
  for (const [type, schema] of Object.entries(files.credentials.properties ?? {})) {
    types.set(type, model(`credentials.${type}`, schema as ModelSchema))
  }
  return {
    users: model('users', files.users),
    // unlike users and credentials, an application has no properties but those of the model
    applications: model('applications', files.applications, { additionalProperties: false }),
    credential: (type) => types.get(type),
    files,
  }
}

type Validate = ValidateFunction<Record<string, unknown>>

const always =
  <T>(value: T): (() => T) =>
  () =>
    value

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => (made ??= { value: make() }).value
}

function modelOf(schema: ModelSchema, validator: () => Validate): Model {
  return {
    schema,
    complete: (properties) => {
      const validate = validator()
      const copy = structuredClone(properties) as Record<string, unknown>
      if (!validate(copy)) throw new ConsumerMistake('invalid', errorsText(validate.errors))
      return copy
    },
    checkUpdate: (properties) => {
      const allowed = (key: string) =>
        Object.hasOwn(schema.properties ?? {}, key) && schema.properties?.[key]?.isMutable !== false
      if (!Object.keys(properties).every(allowed)) {
        throw new ConsumerMistake('invalid', 'one or more properties is invalid')
      }
    },
  }
}

function compiled(name: string, schema: AnySchemaObject): Validate {
  const ajv = new Ajv({ strict: false, useDefaults: true, coerceTypes: true, validateFormats: true, logger: false })
  addFormats.default(ajv)
  const { $schema: _, ...plain } = schema
  try {
    return ajv.compile<Record<string, unknown>>(plain)
  } catch (error) {
    throw new Error(`model ${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

/** ajv 8's errors in the words of ajv 6, which clients know: `data.x should be string`. */
function errorsText(errors: readonly ErrorObject[] | null | undefined): string {
  const texts = (errors ?? []).map(({ instancePath, message }) => {
    const path = instancePath
      .split('/')
      .slice(1)
      .map((part) => {
        const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
        if (/^\d+$/.test(name)) return `[${name}]`
        return /^[A-Za-z_$][\w$]*$/.test(name) ? `.${name}` : `['${name}']`
      })
    return `data${path.join('')} ${(message ?? 'is invalid').replace(/^must/, 'should')}`
  })
  return texts.join(', ')
}
