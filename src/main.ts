/** The only file that knows every source, policy and target: arguments → exit code. */
import { mountExpressGatewayAdmin } from './admin/express-gateway/mount.ts'
import type { Parts } from './cli/parts.ts'
import { runProgram } from './cli/program.ts'
import { printModel } from './model/text.ts'
import { checkWithMachine, startMachine, type MachineParts } from './machine.ts'
import { readBeside, sources } from './reading.ts'
import { servingParts, version } from './serving.ts'
import { checkGateway, listSchemas } from './sources/express-gateway/check.ts'

const parts: Parts = {
  version,
  sources,
  writers: [
    {
      name: 'model',
      summary: "Gantry's own text form",
      write: (plan) => Promise.resolve({ text: printModel(plan.model, { secrets: 'redact' }), diagnostics: [] }),
    },
    {
      name: 'nginx',
      summary: 'configuration of nginx, with what it leaves to the engine',
      write: async (plan) => (await import('./dispatcher.ts')).printNginx(plan),
      served: async (plan) => (await import('./dispatcher.ts')).servedByNginx(plan),
    },
    {
      name: 'gateway-api',
      summary: 'YAML of gateway.networking.k8s.io, with what has no equivalent there',
      write: async (plan) => (await import('./sources/gateway-api/write.ts')).writeGatewayApi(plan),
    },
  ],
  templates: [
    {
      name: 'gateway-api',
      summary: 'a Gateway, two routes and their endpoints, with no cluster',
      folder: new URL('../examples/gateway-api/quickstart/', import.meta.url),
    },
    {
      name: 'express-gateway',
      summary: 'two services, a key and a rate limit',
      folder: new URL('../examples/quickstart/', import.meta.url),
    },
  ],
  programs: [
    {
      name: 'eg',
      summary: "Express Gateway's command line: users, apps, scopes, credentials, plugins",
      run: async (words) => {
        const { runEg } = await import('./cli/eg/program.ts')
        return runEg(words)
      },
    },
    {
      name: 'dispatcher',
      summary: 'route to the Pods of a cluster by their annotations',
      run: async (words) => (await import('./dispatcher.ts')).runDispatcher(words),
    },
  ],
  controller: async (choice) => {
    const { runController } = await import('./controller.ts')
    return runController({ ...choice, version })
  },
  check: (plan, wishes, folder) => checkWithMachine(plan, wishes, folder, machineParts),
  read: readBeside,
  start: (options) => startMachine(options, machineParts),
}

const machineParts: MachineParts = {
  ...servingParts,
  createAdmin: (context) => mountExpressGatewayAdmin(context, { check: checkGateway, schemas: listSchemas }),
}

/** Runs one command line. */
export const main = (words: readonly string[]): Promise<number> => runProgram(parts, words)
