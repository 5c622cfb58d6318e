/** The running process → Express Gateway's Admin API on it. */
import type { AdminContext } from '../../runtime/admin-context.ts'
import type { Handler } from '../../lib/handler.ts'
import { expressGatewayAdmin } from './admin.ts'
import type { ListedSchema } from './options.ts'

/** What the source knows of its own files; main.ts hands it in, since nobody here knows a source by name. */
export interface SourceKnowledge {
  check(folder: string, environment: NodeJS.ProcessEnv, text: string): Promise<readonly string[]>
  schemas(
    gatewayConfig: Readonly<Record<string, unknown>>,
    models: Readonly<Record<string, unknown>>,
  ): readonly ListedSchema[]
}

export function mountExpressGatewayAdmin(context: AdminContext, knowledge: SourceKnowledge): Handler {
  const configuration = () => context.configuration()
  return expressGatewayAdmin({
    answers: context.settings.admin.answers,
    consumers: () => context.consumers(),
    configuration,
    schemas: () => {
      const active = configuration()
      const ours = knowledge.schemas(active?.gatewayConfig ?? {}, active?.models ?? {})
      return [...ours, ...context.plugins.schemas.map(({ type, schema }) => ({ type, schema }))]
    },
    check: (text) => knowledge.check(configuration()?.folder ?? context.folder, process.env, text),
    settled: () => served(context),
  })
}

/** The watcher sees the new file, the loop applies it: a moment. With nobody watching it waits for the next start. */
async function served(context: AdminContext): Promise<void> {
  if (!context.settings.watch || (process.env['EG_DISABLE_CONFIG_WATCH'] ?? '') !== '') return
  const before = context.configuration()
  const until = Date.now() + 3000
  while (context.configuration() === before && Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await context.settled()
}
