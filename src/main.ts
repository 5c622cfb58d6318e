/** The only file that knows every source, policy and target: arguments → exit code. */
import cluster from 'node:cluster'
import { readFileSync } from 'node:fs'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mountExpressGatewayAdmin } from './admin/express-gateway/mount.ts'
import type { Parts } from './cli/parts.ts'
import { runProgram } from './cli/program.ts'
import { createExpressions } from './lib/expression/expressions.ts'
import { printModel } from './model/text.ts'
import { compileCondition } from './policies/conditions.ts'
import { policies } from './policies/list.ts'
import { checkWithMachine, serveWorker, startMachine, type MachineParts } from './machine.ts'
import { checkGateway, listSchemas } from './sources/express-gateway/check.ts'
import { expressGateway } from './sources/express-gateway/source.ts'
import { createGatewayApi } from './sources/gateway-api/source.ts'
import type { ObjectStatus } from './sources/gateway-api/status.ts'
import { createPods } from './sources/pods/source.ts'
import type { Source } from './sources/source.ts'
import { createEngine } from './targets/engine/engine.ts'

const packageFile: { readonly version: string } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
)

/** Until the process has a log, trouble goes where a person looks. */
let trouble = (message: string): void => void process.stderr.write(`${message}\n`)

const gatewayApi = createGatewayApi({ trouble: (message) => trouble(message) })

const pods = createPods()

const parts: Parts = {
  version: packageFile.version,
  sources: [
    {
      source: expressGateway as Source<unknown, unknown>,
      summary: 'gateway.config.yml, system.config.yml, models/',
      recognise: (folder) => expressGateway.recognise(folder),
    },
    {
      source: gatewayApi as Source<unknown, unknown>,
      summary: 'YAML of gateway.networking.k8s.io',
      recognise: (folder) => gatewayApi.recognise(folder),
      renderStatuses: (statuses) => gatewayApi.renderStatuses(statuses as readonly ObjectStatus[]),
    },
    {
      source: pods as Source<unknown, unknown>,
      summary: 'YAML of Pods and Namespaces with routing annotations',
      recognise: (folder) => pods.recognise(folder),
    },
  ],
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
    return runController({ ...choice, version: packageFile.version })
  },
  check: (plan, wishes, folder) => checkWithMachine(plan, wishes, folder, machineParts),
  start: (options) => {
    trouble = (message) => options.events.emit('warn', 'gateway-api/trouble', message)
    return startMachine(options, machineParts)
  },
}

const machineParts: MachineParts = {
  // the same program again: from source it has the ending of a source
  program: fileURLToPath(new URL(`./bin/gantry${extname(import.meta.url)}`, import.meta.url)),
  createEngine: (given) => createEngine({ ...given, policies, conditions: compileCondition }),
  createExpressions,
  createAdmin: (context) => mountExpressGatewayAdmin(context, { check: checkGateway, schemas: listSchemas }),
}

/** Runs one command line; a worker is told by its primary what to do. */
export async function main(words: readonly string[]): Promise<number> {
  if (!cluster.isWorker) return runProgram(parts, words)
  await serveWorker(machineParts)
  return 0
}
