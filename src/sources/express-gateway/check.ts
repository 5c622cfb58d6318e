/** What the Admin API asks of the source: would a changed configuration be served, and which schemas are there? Pure. */
import { expandedModels } from './wishes.ts'
import {
  authSchema,
  baseConditionSchema,
  conditionSchemas,
  gatewaySchema,
  policySchemas,
  systemSchema,
  type Schema,
} from './schemas.ts'
import { translate } from './translate.ts'
import { modelNames, type World } from './world.ts'

/** The world with another text in place of gateway.config → a line for each thing that keeps it from being served. */
export function checkGateway(world: World, text: string): readonly string[] {
  const { name } = world.gateway
  const { diagnostics } = translate({ ...world, gateway: { kind: 'text', name, text } })
  return diagnostics.filter((diagnostic) => diagnostic.severity === 'error').map((diagnostic) => diagnostic.message)
}

export interface ListedSchema {
  readonly type: 'policy' | 'condition' | 'model' | 'config' | 'internal'
  readonly schema: Schema
}

/** Of policies those that are in the whitelist, as Express Gateway loads no others. */
export function listSchemas(world: World, whitelist: readonly string[]): readonly ListedSchema[] {
  const policies = whitelist.flatMap((name) => policySchemas[name] ?? [])
  return [
    ...modelNames.map((name) => expandedModels(world)[name]).map((schema): ListedSchema => ({ type: 'model', schema })),
    { type: 'config', schema: gatewaySchema },
    { type: 'config', schema: systemSchema },
    { type: 'internal', schema: authSchema },
    { type: 'internal', schema: baseConditionSchema },
    ...policies.map((schema): ListedSchema => ({ type: 'policy', schema })),
    ...Object.values(conditionSchemas).map((schema): ListedSchema => ({ type: 'condition', schema })),
  ]
}
