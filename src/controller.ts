/**
 * The control plane in a cluster: Gateways of the API server → Deployments of data planes, and plans for them. Knows the source,
 * the fleet and the loop, as main.ts does.
 */
import { randomBytes } from 'node:crypto'
import { healthHandler } from './admin/health.ts'
import { openAdmin } from './admin/server.ts'
import type { ControllerChoice } from './cli/parts.ts'
import { createAuthority } from './fleet/authority.ts'
import { openPublisher, type Publisher } from './fleet/publisher.ts'
import { createSplitter, type Splitter } from './fleet/split.ts'
import { fleetOfToken, issueToken } from './fleet/token.ts'
import type { Model } from './model/model.ts'
import { prepareFor } from './pipeline/run.ts'
import { draftHere } from './runtime/drafts.ts'
import { createEvents } from './runtime/events.ts'
import { startLoop } from './runtime/loop.ts'
import { createMetrics } from './runtime/metrics.ts'
import { createInfrastructure, type Infrastructure } from './sources/gateway-api/apply-infrastructure.ts'
import { infrastructureOf, type DataPlaneOptions, type Manifest } from './sources/gateway-api/infrastructure.ts'
import { infrastructureName } from './sources/gateway-api/names.ts'
import { connectKubernetes, type KubernetesClient } from './lib/kubernetes/client.ts'
import type { GatewayView } from './sources/gateway-api/gateway.ts'
import type { ConfigMap, World } from './sources/gateway-api/resources.ts'
import { createLeadership } from './sources/gateway-api/leadership.ts'
import { createGatewayApi, electFor } from './sources/gateway-api/source.ts'
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
  const client = await connectKubernetes(options.kubeconfig)
  let unready: string | undefined = 'data planes cannot come yet'
  // before the API server is asked: who waits for it is alive
  const health = await openAdmin({
    address: options.healthAddress,
    port: options.healthPort,
    open: true,
    handlers: [healthHandler({ unready: () => unready, metrics })],
  })
  const material = await controlMaterial(client, options, trouble)
  const election = electFor(process.env, client, trouble)
  const leads = (): boolean => election?.leads() ?? true
  /** Unknown before the cluster was read: to ask for nothing would be to take away what serves. */
  let wanted: Wanted | undefined
  const publisher = await openPublisher({
    address: '0.0.0.0',
    port: options.port,
    certificate: material.certificate,
    key: material.key,
    fleetOf: (token) => fleetOfToken(material.secret, token),
    // who led, and cannot say so while the API server is away, is the best there is
    welcome: () => leads() || election?.standing() === 'lost',
    expected: (fleet) => wanted?.ready(fleet) ?? 0,
    events,
  })
  // not later: the Service leads data planes to those of us that are ready, and the first plan waits for data planes
  unready = undefined
  const infrastructure = createInfrastructure({ client, leads, trouble })
  const leadership = createLeadership(leads, () => publisher.served())
  election?.onChange((now) => {
    events.emit('info', 'controller/leadership', now ? 'this controller leads' : 'another controller leads, or none')
    if (election.standing() === 'follows') publisher.dismiss()
    if (!now) return
    if (wanted !== undefined) void infrastructure.apply(wanted.manifests)
    void leadership.begin()
  })
  if (election === undefined) void leadership.begin()
  const gatewayApi = createGatewayApi({ trouble, leadership })
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
  const wants = createWants(dataPlanes)
  // what the translation knows of Gateways goes beside the model, to whoever runs their data planes
  const source: Source<unknown, unknown> = {
    ...(gatewayApi as Source<unknown, unknown>),
    translate: (world) => {
      const translation = gatewayApi.translate(world as World) as GatewayApiTranslation
      wanted = wants(world as World, translation)
      return translation
    },
  }
  const target = fleetTarget(publisher, infrastructure, () => wanted?.manifests)
  const place = {
    kind: 'cluster' as const,
    environment: process.env,
    ...(options.kubeconfig === undefined ? {} : { kubeconfig: options.kubeconfig }),
  }
  const loop = startLoop({
    drafts: draftHere({
      feeds: [{ source, place }],
      prepare: prepareFor(fleetOfListener),
      events,
      // the source has gathered already what belongs together
      settleMs: 0,
    }),
    target,
    grant: async () => [],
    events,
  })
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
  await loop.stop()
  await infrastructure.close()
  await election?.close()
  await publisher.close()
  await health.close()
  client.close()
  return 0
}

interface Wanted {
  readonly manifests: readonly Manifest[]
  /** How many data planes of a fleet their Service knows to be ready. */
  ready(fleet: string): number
}

/** What all Gateways together ask of the cluster; the same view with the same parameters asks for the same objects (by identity). */
function createWants(options: DataPlaneOptions): (world: World, translation: GatewayApiTranslation) => Wanted {
  const known = new WeakMap<
    GatewayView,
    { readonly parameters: readonly ConfigMap[]; readonly manifests: readonly Manifest[] }
  >()
  const manifestsOf = (view: GatewayView, parameters: readonly ConfigMap[]): readonly Manifest[] => {
    const before = known.get(view)
    if (
      before?.parameters.length === parameters.length &&
      before.parameters.every((each, at) => each === parameters[at])
    )
      return before.manifests
    const { manifests } = infrastructureOf(view, parameters, options)
    known.set(view, { parameters, manifests })
    return manifests
  }
  return (world, { gateways }) => {
    const configMaps = new Map(
      world.objects.ConfigMap.map((each) => [`${each.metadata.namespace}/${each.metadata.name}`, each]),
    )
    const classes = new Map(world.objects.GatewayClass.map((each) => [each.metadata.name, each]))
    const services = new Map(
      gateways.map(({ gateway, key }) => [
        `${gateway.metadata.namespace}/${infrastructureName(gateway.metadata)}`,
        key,
      ]),
    )
    const ready = new Map<string, number>()
    for (const { metadata, spec } of world.objects.EndpointSlice) {
      const fleet = spec.service === undefined ? undefined : services.get(`${metadata.namespace}/${spec.service}`)
      if (fleet === undefined) continue
      const family = `${spec.addressType} ${fleet}`
      ready.set(family, (ready.get(family) ?? 0) + spec.endpoints.filter((each) => each.ready).length)
    }
    // a Pod with addresses of both families is one data plane
    const readyOf = (fleet: string): number =>
      Math.max(ready.get(`IPv4 ${fleet}`) ?? 0, ready.get(`IPv6 ${fleet}`) ?? 0)
    const manifests = gateways.flatMap((view) => {
      const { gateway } = view
      if (gateway.metadata.deletionTimestamp !== undefined) return []
      const ofClass = classes.get(gateway.spec.gatewayClassName)?.spec.parametersRef
      const own = gateway.spec.infrastructure?.parametersRef
      const parameters = [
        ofClass === undefined ? undefined : configMaps.get(`${ofClass.namespace ?? ''}/${ofClass.name}`),
        own === undefined ? undefined : configMaps.get(`${gateway.metadata.namespace}/${own.name}`),
      ].filter((each): each is ConfigMap => each !== undefined)
      return manifestsOf(view, parameters)
    })
    return { manifests, ready: readyOf }
  }
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
  wanted: () => readonly Manifest[] | undefined,
): Target<ReadonlyMap<string, Model>> {
  const split: Splitter = createSplitter(fleetOfListener)
  return {
    name: 'fleet',
    compile: (plan) => ({ artifact: split(plan.model), diagnostics: [] }),
    apply: async (models): Promise<Applied> => {
      // Pods take seconds to start, and report themselves ready by their own Service: nobody waits for them here
      const manifests = wanted()
      if (manifests !== undefined) void infrastructure.apply(manifests)
      await publisher.publish(models)
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
  client: KubernetesClient,
  options: ControllerOptions,
  trouble: (message: string) => void,
): Promise<Material> {
  const collection = `/api/v1/namespaces/${options.namespace}/secrets`
  for (let pause = 200; ; pause = Math.min(pause * 2, 5000)) {
    try {
      const found = await client.ask({ path: `${collection}/${secretName}` })
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
      const { status } = await client.ask({ method: 'POST', path: collection, body })
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
