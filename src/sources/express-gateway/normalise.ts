/** The parsed gateway configuration → its endpoints and pipelines with all spellings made one. Pure. */
import type { Path } from './document.ts'

export type Mapping = Readonly<Record<string, unknown>>

/** One definition of an apiEndpoint; a list of them under one name gives several, in order. */
export interface ApiEndpoint {
  readonly name: string
  /** As `egContext.apiEndpoint` shows it: the definition with its name, `scopes` always a list. */
  readonly record: Mapping & { readonly apiEndpointName: string; readonly scopes: readonly unknown[] }
  readonly path: Path
  /** In the list, where there is one. */
  readonly position?: number
}

export interface Pipeline {
  readonly name: string
  readonly apiEndpoints: readonly string[]
  readonly items: readonly Item[]
  readonly path: Path
  /** What else stands there: properties of the user's own. */
  readonly definition: Mapping
}

/** One entry of a pipeline's policies. */
export interface Item {
  readonly policy: string
  readonly steps: readonly Step[]
  readonly path: Path
  /** Further keys of the same entry, which never run. */
  readonly ignored: readonly string[]
}

export interface Step {
  readonly condition: Mapping | undefined
  readonly action: Mapping
  readonly path: Path
  /** Keys beside condition and action: likely an action that was not indented. */
  readonly strays: readonly string[]
}

export function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof RegExp)
}

export function listOf(value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return []
  return Array.isArray(value) ? value : [value]
}

/** YAML's scalars as text; anything else is not one. */
export function textOf(value: unknown, otherwise: string): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : otherwise
}

/** The plural key where it is there, else its singular alias, with the key that was found. */
function either(mapping: Mapping, plural: string, singular: string): readonly [key: string, value: unknown] {
  return mapping[plural] === undefined && mapping[singular] !== undefined
    ? [singular, mapping[singular]]
    : [plural, mapping[plural]]
}

export function apiEndpointsOf(config: Mapping): readonly ApiEndpoint[] {
  const [key, value] = either(config, 'apiEndpoints', 'apiEndpoint')
  if (!isMapping(value)) return []
  return Object.entries(value).flatMap(([name, definition]) => {
    const many = Array.isArray(definition)
    return listOf(definition).flatMap((one, index) => {
      if (!isMapping(one)) return []
      const record = { ...one, apiEndpointName: name, scopes: listOf(one['scopes']) }
      return [many ? { name, record, path: [key, name, index], position: index } : { name, record, path: [key, name] }]
    })
  })
}

export function serviceEndpointsOf(config: Mapping): Readonly<Record<string, Mapping>> {
  const value = config['serviceEndpoints']
  if (!isMapping(value)) return {}
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, Mapping] => isMapping(entry[1])))
}

export function pipelinesOf(config: Mapping): readonly Pipeline[] {
  const [key, value] = either(config, 'pipelines', 'pipeline')
  if (Array.isArray(value)) {
    return value.flatMap((one: unknown, index) => {
      if (!isMapping(one)) return []
      const name = typeof one['name'] === 'string' ? one['name'] : String(index)
      return [pipelineOf(name, one, [key, index])]
    })
  }
  if (!isMapping(value)) return []
  return Object.entries(value).flatMap(([name, one]) => (isMapping(one) ? [pipelineOf(name, one, [key, name])] : []))
}

function pipelineOf(name: string, definition: Mapping, path: Path): Pipeline {
  const [, endpoints] = either(definition, 'apiEndpoints', 'apiEndpoint')
  const { apiEndpoint: _apiEndpoint, policy: _policy, ...rest } = definition
  const [policiesKey, policies] = either(definition, 'policies', 'policy')
  const items: Item[] = []
  if (Array.isArray(policies)) {
    for (const [index, item] of (policies as readonly unknown[]).entries()) {
      if (isMapping(item)) items.push(...itemOf(item, [...path, policiesKey, index]))
      else if (typeof item === 'string') items.push(...itemOf({ [item]: null }, [...path, policiesKey, index]))
    }
  } else if (isMapping(policies)) {
    // the way of the first versions: one mapping, every key a policy
    for (const [policy, steps] of Object.entries(policies)) {
      items.push(...itemOf({ [policy]: steps }, [...path, policiesKey]))
    }
  }
  return { name, apiEndpoints: listOf(endpoints).map(String), items, path, definition: rest }
}

function itemOf(item: Mapping, path: Path): readonly Item[] {
  const [policy, ...ignored] = Object.keys(item)
  if (policy === undefined) return []
  const given = item[policy]
  const here = [...path, policy]
  const steps = Array.isArray(given) && given.length > 0 ? (given as readonly unknown[]) : [given]
  return [
    {
      policy,
      path: here,
      ignored,
      steps: steps.map((step, index) => {
        const at = Array.isArray(given) && given.length > 0 ? [...here, index] : here
        const mapping = isMapping(step) ? step : {}
        return {
          condition: isMapping(mapping['condition']) ? mapping['condition'] : undefined,
          action: isMapping(mapping['action']) ? mapping['action'] : {},
          path: at,
          strays: Object.keys(mapping).filter((key) => key !== 'condition' && key !== 'action'),
        }
      }),
    },
  ]
}
