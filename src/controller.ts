/**
 * The control plane in a cluster: Gateways of the API server → Deployments of data planes, and plans for them. Knows the source,
 * the fleet and the loop, as main.ts does.
 */
import { randomBytes } from 'node:crypto'
import { gantryAdmin } from './admin/gantry.ts'
import { openAdmin } from './admin/server.ts'
import type { ControllerChoice } from './cli/parts.ts'
import { createAuthority } from './fleet/authority.ts'
import { openPublisher, type Publisher } from './fleet/publisher.ts'
import { createSplitter, type Splitter } from './fleet/split.ts'
import { fleetOfToken, issueToken } from './fleet/token.ts'
import type { Model } from './model/model.ts'
import { prepareFor } from './pipeline/run.ts'
import { createEvents } from './runtime/events.ts'
import { startLoop } from './runtime/loop.ts'
import { createMetrics } from './runtime/metrics.ts'
import { createInfrastructure, type Infrastructure } from './sources/gateway-api/apply-infrastructure.ts'
import { infrastructureOf, type DataPlaneOptions, type Manifest } from './sources/gateway-api/infrastructure.ts'
import { connectKube, type KubeClient } from './sources/gateway-api/kube.ts'
import type { ConfigMap, World } from './sources/gateway-api/resources.ts'
import { createGatewayApi } from './sources/gateway-api/source.ts'
import type { GatewayApiTranslation } from './sources/gateway-api/translate.ts'
import type { Source } from './sources/source.ts'
import type { Applied, Target } from './targets/target.ts'

export interface ControllerOptions extends ControllerChoice {
  readonly version: string
}

const dataPlaneHealthPort = 19001

/** Runs until it is told to stop. */
export async function runController(options: ControllerOptions): Promise<number> {
  const events = createEvents({ level: options.logLevel, format: 'json' })
  const metrics = createMetrics()
  const trouble = (message: string): void => events.emit('warn', 'gateway-api/trouble', message)
  const client = await connectKube(options.kubeconfig === undefined ? {} : { kubeconfig: options.kubeconfig })
  const material = await controlMaterial(client, options, trouble)
  const publisher = await openPublisher({
    address: '0.0.0.0',
    port: options.port,
    certificate: material.certificate,
    key: material.key,
    fleetOf: (token) => fleetOfToken(material.secret, token),
    events,
  })
  const infrastructure = createInfrastructure({ client, trouble })
  const gatewayApi = createGatewayApi({ trouble })
  const dataPlanes: DataPlaneOptions = {
    image: options.image,
    args: [
      'data-plane',
      '--control',
      `wss://${options.service}.${options.namespace}.svc:${options.port}`,
      '--token-file',
      '/etc/gantry/control/token',
      '--ca-file',
      '/etc/gantry/control/ca.crt',
      '--health-address',
      '0.0.0.0',
    ],
    environment: {},
    secretOf: (fleet) => ({ token: issueToken(material.secret, fleet), 'ca.crt': material.ca }),
    healthPort: dataPlaneHealthPort,
  }
  let wanted: readonly Manifest[] = []
  // what the translation knows of Gateways goes beside the model, to whoever runs their data planes
  const source: Source<unknown, unknown> = {
    ...(gatewayApi as Source<unknown, unknown>),
    translate: (world) => {
      const translation = gatewayApi.translate(world as World) as GatewayApiTranslation
      wanted = manifestsOf(world as World, translation, dataPlanes)
      return translation
    },
  }
  const target = fleetTarget(publisher, infrastructure, () => wanted)
  const place = {
    kind: 'cluster' as const,
    environment: process.env,
    ...(options.kubeconfig === undefined ? {} : { kubeconfig: options.kubeconfig }),
  }
  const loop = startLoop({
    feeds: [{ source, place }],
    target,
    prepare: prepareFor(fleetOfListener),
    grant: async () => [],
    events,
    settleMs: 10,
  })
  const startedAt = Date.now()
  const health = await openAdmin({
    address: options.healthAddress,
    port: options.healthPort,
    open: true,
    handlers: [
      healthOnly(
        gantryAdmin({
          version: options.version,
          state: () => loop.state(),
          events,
          metrics,
          addresses: () => [],
          startedAt,
        }),
      ),
    ],
  })
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
  await loop.stop()
  infrastructure.close()
  await publisher.close()
  await health.close()
  client.close()
  return 0
}

/** Plans hold secrets and are nobody's business outside of the process; health and counters are. */
function healthOnly(handler: ReturnType<typeof gantryAdmin>): ReturnType<typeof gantryAdmin> {
  return (request, response, url) =>
    ['/healthz', '/readyz', '/metrics'].includes(url.pathname) ? handler(request, response, url) : false
}

function manifestsOf(world: World, translation: GatewayApiTranslation, options: DataPlaneOptions): readonly Manifest[] {
  const configMaps = new Map(
    world.objects.ConfigMap.map((each) => [`${each.metadata.namespace}/${each.metadata.name}`, each]),
  )
  const classes = new Map(world.objects.GatewayClass.map((each) => [each.metadata.name, each]))
  return translation.gateways.flatMap((view) => {
    const { gateway } = view
    const ofClass = classes.get(gateway.spec.gatewayClassName)?.spec.parametersRef
    const own = gateway.spec.infrastructure?.parametersRef
    const parameters = [
      ofClass === undefined ? undefined : configMaps.get(`${ofClass.namespace ?? ''}/${ofClass.name}`),
      own === undefined ? undefined : configMaps.get(`${gateway.metadata.namespace}/${own.name}`),
    ].filter((each): each is ConfigMap => each !== undefined)
    return gateway.metadata.deletionTimestamp === undefined ? infrastructureOf(view, parameters, options).manifests : []
  })
}

/** Ids of listeners begin with `gateway-api/NAMESPACE/GATEWAY/`. */
function fleetOfListener(listener: string): string | undefined {
  const [, namespace, name] = listener.split('/')
  return namespace === undefined || name === undefined ? undefined : `${namespace}/${name}`
}

/** Data planes as a target: applied when those that are connected serve it. */
function fleetTarget(
  publisher: Publisher,
  infrastructure: Infrastructure,
  wanted: () => readonly Manifest[],
): Target<{ readonly plan: string; readonly models: ReadonlyMap<string, Model> }> {
  const split: Splitter = createSplitter(fleetOfListener)
  return {
    name: 'fleet',
    compile: (plan) => ({ artifact: { plan: plan.id, models: split(plan.model) }, diagnostics: [] }),
    apply: async ({ plan, models }): Promise<Applied> => {
      // Pods take seconds to start, and report themselves ready by their own Service: nobody waits for them here
      void infrastructure.apply(wanted())
      await publisher.publish(plan, models)
      return { kind: 'applied', diagnostics: [] }
    },
    stop: () => Promise.resolve(),
  }
}

interface Material {
  readonly ca: string
  readonly certificate: string
  readonly key: string
  /** Signs the tokens of data planes. */
  readonly secret: string
}

const secretName = 'gantry-control'

/** From our Secret; made by the first of us, so that all replicas and restarts speak with one voice. */
async function controlMaterial(
  client: KubeClient,
  options: ControllerOptions,
  trouble: (message: string) => void,
): Promise<Material> {
  const collection = `/api/v1/namespaces/${options.namespace}/secrets`
  for (let pause = 200; ; pause = Math.min(pause * 2, 5000)) {
    try {
      const found = await client.request('GET', `${collection}/${secretName}`)
      if (found.status === 200) return materialOf((found.body as { data: Readonly<Record<string, string>> }).data)
      if (found.status !== 404) throw new Error(`the API server answered ${found.status}`)
      const host = `${options.service}.${options.namespace}`
      const authority = await createAuthority([
        `${host}.svc`,
        host,
        `${host}.svc.cluster.local`,
        'localhost',
        '127.0.0.1',
      ])
      const stringData = {
        'ca.crt': authority.ca,
        'tls.crt': authority.certificate,
        'tls.key': authority.key,
        secret: randomBytes(32).toString('base64url'),
      }
      const body = {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: secretName, namespace: options.namespace },
        stringData,
      }
      const { status } = await client.request('POST', collection, { body })
      // another one of us was quicker: its Secret is read in the next round
      if (status >= 300 && status !== 409) throw new Error(`the API server answered ${status}`)
    } catch (error) {
      trouble(`Secret ${secretName}: ${error instanceof Error ? error.message : String(error)}`)
      await new Promise((resolve) => setTimeout(resolve, pause))
    }
  }
}

function materialOf(data: Readonly<Record<string, string>>): Material {
  const text = (name: string): string => {
    const value = data[name]
    if (value === undefined) throw new Error(`it has no ${name}`)
    return Buffer.from(value, 'base64').toString()
  }
  return { ca: text('ca.crt'), certificate: text('tls.crt'), key: text('tls.key'), secret: text('secret') }
}
