/** The program `dispatcher`, put together: the source pods, the engine, nginx. Words → exit code. */
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runDispatcher as run, type Around, type TargetKind } from './cli/dispatcher/program.ts'
import { createExpressions } from './lib/expression/expressions.ts'
import { connectKubernetes, isInCluster, NoClusterError } from './lib/kubernetes/client.ts'
import type { Plan } from './pipeline/plan.ts'
import { compileCondition } from './policies/conditions.ts'
import { policies } from './policies/list.ts'
import type { Services } from './policies/services.ts'
import { createEvents } from './runtime/events.ts'
import { exposeCounts } from './targets/engine/prometheus.ts'
import { createLiveServices } from './runtime/live-services.ts'
import { createMetrics } from './runtime/metrics.ts'
import { readEnvironment, variables } from './sources/pods/environment.ts'
import { readTextFile, readTexts } from './sources/pods/read-files.ts'
import { createPods } from './sources/pods/source.ts'
import type { Source } from './sources/source.ts'
import { createEngine } from './targets/engine/engine.ts'
import { explainNginx, type ServedRoute } from './targets/nginx/compile.ts'
import { createNginx, writeNginx } from './targets/nginx/nginx.ts'
import type { Target } from './targets/target.ts'

const packageFile: { readonly version: string } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
)

export function runDispatcher(words: readonly string[]): Promise<number> {
  return run(words, {
    version: packageFile.version,
    variables,
    source: createPods() as Source<unknown, unknown>,
    check: (environment) => readEnvironment(environment, readTextFile).diagnostics,
    isInCluster,
    whyNoCluster,
    isNoCluster: (error) => error instanceof NoClusterError,
    empty: (environment) => readTexts([], readEnvironment(environment, readTextFile)),
    start,
    writeNginx: async (plan, environment) =>
      writeNginx(plan, {
        policies,
        services: await quietServices(),
        certificateFolder: environment['SSL_CERT_DIR'] || '/etc/nginx/ssl',
      }),
  })
}

async function whyNoCluster(kubeconfig: string | undefined): Promise<string | undefined> {
  try {
    const client = await connectKubernetes(kubeconfig)
    client.close()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** `gantry translate --to nginx`. */
export async function printNginx(plan: Plan): Promise<ReturnType<typeof writeNginx>> {
  return writeNginx(plan, { policies, services: await quietServices() })
}

/** `gantry explain --target nginx`. */
export async function servedByNginx(plan: Plan): Promise<readonly ServedRoute[]> {
  return explainNginx(plan, { policies, services: await quietServices() })
}

async function start(
  kind: TargetKind,
  { environment, events, metrics }: Around,
): ReturnType<Parameters<typeof run>[1]['start']> {
  const services = createLiveServices({ expressions: await createExpressions(), events, metrics })
  const engine = createEngine({ policies, services, conditions: compileCondition })
  exposeCounts(metrics.registry, engine)
  const addresses = (): readonly { listener: string; url: string }[] =>
    [...engine.addresses()].map(([listener, { port }]) => ({
      listener,
      url: `${listener.includes('/https') ? 'https' : 'http'}://localhost:${port}`,
    }))
  if (kind === 'engine') return { target: engine as Target<unknown>, addresses }
  const nginx = createNginx({
    policies,
    services,
    engine: engine as Target<unknown>,
    folder: environment['GANTRY_NGINX_FOLDER'] || mkdtempSync(join(tmpdir(), 'dispatcher-')),
    certificateFolder: environment['SSL_CERT_DIR'] || '/etc/nginx/ssl',
    program: environment['GANTRY_NGINX'] || 'nginx',
  })
  return { target: nginx as Target<unknown>, addresses: () => nginx.addresses(), served: () => nginx.served() }
}

/** For compiling what is only printed. */
async function quietServices(): Promise<Services> {
  return createLiveServices({
    expressions: await createExpressions(),
    events: createEvents({ level: 'silent', format: 'text' }),
    metrics: createMetrics(),
  })
}
