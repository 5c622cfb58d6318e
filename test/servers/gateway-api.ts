/** Texts of the Gateway API and ports of services → an engine on loopback that serves them, follows new ones, and says their statuses. */
import { compileCondition } from '../../src/policies/conditions.ts'
import { policies } from '../../src/policies/list.ts'
import { createFileReader } from '../../src/sources/gateway-api/files.ts'
import { printStatuses } from '../../src/sources/gateway-api/print-statuses.ts'
import { createTranslator } from '../../src/sources/gateway-api/translate.ts'
import { serve, type Served } from '../../src/targets/engine/testing.ts'

export interface ServedTexts {
  readonly served: Served
  /** Of the texts that are served now, as they are printed. */
  statuses(): string
  /** What is wrong with them, a line each. */
  problems(): readonly string[]
  /** Others, on the same engine and port. */
  change(texts: Texts): Promise<void>
}

/** By name of the file. */
export type Texts = Readonly<Record<string, string>>

export async function serveGatewayApi(texts: Texts): Promise<ServedTexts> {
  const read = createFileReader({ controllerName: 'gantry.dev/gateway-controller', address: '127.0.0.1' })
  const translate = createTranslator()
  let statuses = ''
  let problems: readonly string[] = []
  const modelOf = (given: Texts): Parameters<typeof serve>[0] => {
    const world = read(new Map(Object.entries(given)), new Map())
    const translated = translate(world)
    statuses = printStatuses(translated.statuses)
    problems = [...world.problems, ...translated.diagnostics].map((each) => each.message)
    const listeners = translated.model.listeners.map((each) => ({ ...each, address: '127.0.0.1', port: 0 }))
    return { ...translated.model, listeners }
  }
  const served = await serve(modelOf(texts), { policies, conditions: compileCondition })
  return {
    served,
    statuses: () => statuses,
    problems: () => problems,
    change: async (next) => void (await served.swap(modelOf(next))),
  }
}
