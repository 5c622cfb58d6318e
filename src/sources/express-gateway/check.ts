/** What the Admin API asks of the source: would a changed configuration be served, and which schemas are there? */
import { readWorld } from './read.ts'
import {
  authSchema,
  baseConditionSchema,
  conditionSchemas,
  gatewaySchema,
  policySchemas,
  systemSchema,
  type Schema,
} from './schemas.ts'
import { isMapping } from './normalise.ts'
import { translate } from './translate.ts'
import type { World } from './world.ts'

/** Effect: reads. The folder with another text in place of gateway.config → a line for each thing that keeps it from being served. */
export async function checkGateway(
  folder: string,
  environment: World['environment'],
  text: string,
): Promise<readonly string[]> {
  const { diagnostics } = translate(await readWorld(folder, environment, { gateway: text }))
  return diagnostics.filter((diagnostic) => diagnostic.severity === 'error').map((diagnostic) => diagnostic.message)
}

export interface ListedSchema {
  readonly type: 'policy' | 'condition' | 'model' | 'config' | 'internal'
  readonly schema: Schema
}

/** Of policies those that are in the whitelist, as Express Gateway loads no others. Pure. */
export function listSchemas(
  gatewayConfig: Readonly<Record<string, unknown>>,
  models: Readonly<Record<string, unknown>>,
): readonly ListedSchema[] {
  const whitelist = Array.isArray(gatewayConfig['policies']) ? (gatewayConfig['policies'] as readonly unknown[]) : []
  const policies = whitelist.map((name) => policySchemas[String(name)]).filter((schema) => schema !== undefined)
  return [
    ...Object.values(models)
      .filter(isMapping)
      .map((schema): ListedSchema => ({ type: 'model', schema })),
    { type: 'config', schema: gatewaySchema },
    { type: 'config', schema: systemSchema },
    { type: 'internal', schema: authSchema },
    { type: 'internal', schema: baseConditionSchema },
    ...policies.map((schema): ListedSchema => ({ type: 'policy', schema })),
    ...Object.values(conditionSchemas).map((schema): ListedSchema => ({ type: 'condition', schema })),
  ]
}
