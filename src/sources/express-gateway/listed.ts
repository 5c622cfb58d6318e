/** What is configured → the JSON schemas that the Admin API lists: policies as far as they are whitelisted. Pure. */
import { isMapping, listOf, type Mapping } from './normalise.ts'
import {
  authSchema,
  baseConditionSchema,
  conditionSchemas,
  gatewaySchema,
  policySchemas,
  type Schema,
  systemSchema,
} from './schemas.ts'

export interface Listed {
  readonly type: 'policy' | 'condition' | 'model' | 'config' | 'internal'
  readonly schema: Schema
}

export function listSchemas(gatewayConfig: Mapping, models: Mapping): readonly Listed[] {
  const whitelist = new Set(listOf(gatewayConfig['policies']).map(String))
  const policies = Object.entries(policySchemas).filter(([name]) => whitelist.has(name))
  const modelSchemas = Object.values(models).filter(isMapping)
  return [
    { type: 'internal', schema: authSchema },
    { type: 'internal', schema: baseConditionSchema },
    { type: 'config', schema: gatewaySchema },
    { type: 'config', schema: systemSchema },
    ...modelSchemas.map((schema): Listed => ({ type: 'model', schema })),
    ...policies.map(([, schema]): Listed => ({ type: 'policy', schema })),
    ...Object.values(conditionSchemas).map((schema): Listed => ({ type: 'condition', schema })),
  ]
}
