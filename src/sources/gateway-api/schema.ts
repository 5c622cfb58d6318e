/** The shape of a structural schema, as the generator writes it. Types only. */

export interface Schema {
  /** The schema is this part of the list of parts. */
  readonly part?: number
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean'
  readonly format?: string
  readonly enum?: readonly (string | number)[]
  readonly default?: unknown
  /** Not anchored, RE2 syntax. */
  readonly pattern?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly minProperties?: number
  readonly maxProperties?: number
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly additionalProperties?: Schema
  readonly oneOf?: readonly Schema[]
  readonly anyOf?: readonly Schema[]
  readonly not?: Schema
  readonly preserveUnknownFields?: boolean
  readonly listType?: 'map' | 'set'
  readonly listMapKeys?: readonly string[]
  /** CEL, with `self` for the value and `oldSelf` for the one it replaces. */
  readonly rules?: readonly { readonly rule: string; readonly field?: string }[]
  /** Only the experimental channel has this field. */
  readonly experimental?: boolean
}

export interface KindSchema {
  readonly group: string
  readonly kind: string
  readonly version: string
  readonly plural: string
  readonly scope: 'Namespaced' | 'Cluster'
  /** Only the experimental channel has this kind. */
  readonly experimental: boolean
  readonly spec: Schema
}
