/** A running lab → what the rows need of it: objects to make, statuses to count, requests to send, processes to look at. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type Kube } from '../../conformance/kubelet/kube.ts'
import type { Resource } from '../../conformance/kubelet/objects.ts'

const api = '/apis/gateway.networking.k8s.io/v1'
const namespace = 'scale'
export const routesPath = `${api}/namespaces/${namespace}/httproutes`
const gatewaysPath = `${api}/namespaces/${namespace}/gateways`
const core = `/api/v1/namespaces/${namespace}`
export const slicesPath = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`

interface Condition {
  readonly type: string
  readonly status: string
}

interface Route extends Resource {
  readonly status?: { readonly parents?: readonly { readonly conditions: readonly Condition[] }[] }
}

interface Gateway extends Resource {
  readonly status?: {
    readonly addresses?: readonly { readonly value: string }[]
    readonly conditions?: readonly Condition[]
    readonly listeners?: readonly { readonly attachedRoutes: number }[]
  }
}

export interface Usage {
  /** Resident memory, MB. */
  readonly now: number
  readonly peak: number
  /** Seconds since they began. */
  readonly cpu: number
}

export interface Cluster {
  readonly kube: Kube
  /** Of the Gateway. */
  readonly address: string
  /** Status writes since `reset`, as the watch tells them, and where things stand. */
  readonly told: { routes: number; gateway: number; readonly accepted: ReadonlySet<string>; attached: number }
  reset(): void
  /** The status of an answer; 0: none. */
  ask(path: string): Promise<number>
  /** Removes all routes and waits until none is attached. */
  clear(): Promise<void>
}

/** An administrator's, with the namespace that everything is in. */
export async function enter(): Promise<Kube> {
  const kube = access()
  await kube.post('/api/v1/namespaces', { metadata: { name: namespace } })
  return kube
}

export async function prepare(kube: Kube, gatewayClass: string): Promise<Cluster> {
  await startEcho(kube)
  await kube.post(gatewaysPath, {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name: 'scale' },
    spec: { gatewayClassName: gatewayClass, listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] },
  })
  const address = await until('the Gateway is programmed', 60, async () => {
    const { status } = await kube.get<Gateway>(`${gatewaysPath}/scale`)
    return isTrue(status?.conditions, 'Programmed') ? status?.addresses?.[0]?.value : undefined
  })

  const accepted = new Set<string>()
  const told = { routes: 0, gateway: 0, accepted, attached: 0 }
  await kube.watch<Route>(routesPath, ({ metadata, status }, change) => {
    if (change === 'gone') return void accepted.delete(metadata.name)
    const [parent] = status?.parents ?? []
    if (parent === undefined) return
    told.routes += 1
    if (isTrue(parent.conditions, 'Accepted')) accepted.add(metadata.name)
  })
  await kube.watch<Gateway>(gatewaysPath, ({ status }) => {
    told.gateway += 1
    told.attached = status?.listeners?.[0]?.attachedRoutes ?? 0
  })
  const agent = new Agent({ keepAlive: true })
  return {
    kube,
    address,
    told,
    reset: () => {
      told.routes = 0
      told.gateway = 0
    },
    ask: (path) => statusOf(agent, address, path),
    clear: async () => {
      await clearRoutes(kube)
      await until('no route is attached', 120, () => told.attached === 0)
      await sleep(1000)
    },
  }
}

export async function clearRoutes(kube: Kube): Promise<void> {
  const { items } = await kube.get<{ items: readonly Resource[] } & Resource>(routesPath)
  await inParallel(16, items.length, (index) => kube.delete(`${routesPath}/${items[index]!.metadata.name}`))
}

/** A route of a path of its own. */
export function routeTo(name: string, service = 'echo', more: object = {}): object {
  const backendRefs = [{ name: service, port: 80 }]
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name, namespace },
    spec: {
      parentRefs: [{ name: 'scale' }],
      rules: [{ matches: [{ path: { type: 'PathPrefix', value: `/${name}/` } }], ...more, backendRefs }],
    },
  }
}

/** Four Pods and two Services of them. */
async function startEcho(kube: Kube): Promise<void> {
  const labels = { app: 'echo' }
  const field = (name: string, fieldPath: string): object => ({ name, valueFrom: { fieldRef: { fieldPath } } })
  const env = [field('POD_NAME', 'metadata.name'), field('NAMESPACE', 'metadata.namespace')]
  const template = { metadata: { labels }, spec: { containers: [{ name: 'echo', image: 'echo-basic', env }] } }
  await kube.post(`/apis/apps/v1/namespaces/${namespace}/deployments`, {
    metadata: { name: 'echo' },
    spec: { replicas: 4, selector: { matchLabels: labels }, template },
  })
  for (const name of ['echo', 'echo-too'])
    await kube.post(`${core}/services`, {
      metadata: { name },
      spec: { selector: labels, ports: [{ port: 80, targetPort: 3000 }] },
    })
  await until('the backends are ready', 60, async () => (await echoAddresses(kube)).length === 4)
}

export async function echoAddresses(kube: Kube): Promise<readonly string[]> {
  const { items } = await kube.get<{ items: readonly (Resource & { endpoints?: readonly Endpoint[] })[] } & Resource>(
    `${slicesPath}?labelSelector=kubernetes.io/service-name=echo`,
  )
  return items.flatMap(({ endpoints }) =>
    (endpoints ?? []).filter((each) => each.conditions?.ready).flatMap((each) => each.addresses),
  )
}

interface Endpoint {
  readonly addresses: readonly string[]
  readonly conditions?: { readonly ready?: boolean }
}

/** A Service with endpoints that nobody but the bench changes. */
export async function makeService(kube: Kube, name: string, addresses: readonly string[]): Promise<void> {
  await kube.post(`${core}/services`, { metadata: { name }, spec: { ports: [{ port: 80, targetPort: 3000 }] } })
  await kube.post(slicesPath, {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ port: 3000, protocol: 'TCP' }],
    endpoints: endpointsOf(addresses),
  })
}

export function endpointsOf(addresses: readonly string[]): readonly object[] {
  return addresses.map((address) => ({ addresses: [address], conditions: { ready: true } }))
}

function isTrue(conditions: readonly Condition[] | undefined, type: string): boolean {
  return conditions?.some((each) => each.type === type && each.status === 'True') ?? false
}

function statusOf(agent: Agent, host: string, path: string): Promise<number> {
  return new Promise((done) => {
    const sent = request({ host, path, agent, timeout: 2000 }, (answer) => {
      answer.resume()
      answer.on('end', () => done(answer.statusCode ?? 0))
      answer.on('error', () => done(0))
    })
    sent.on('timeout', () => sent.destroy())
    sent.on('error', () => done(0))
    sent.end()
  })
}

/** Of `/proc`: user and system time in hundredths of a second are its 14th and 15th word. */
export function usage(text: string): Usage {
  let [now, peak, cpu] = [0, 0, 0]
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').includes(text)) continue
      const status = readFileSync(`/proc/${pid}/status`, 'utf8')
      const words = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')
      now += Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024
      peak += Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024
      cpu += (Number(words[11]) + Number(words[12])) / 100
    } catch {
      // it ended while it was looked at
    }
  }
  return { now, peak, cpu }
}

export async function inParallel(
  width: number,
  count: number,
  work: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0
  await Promise.all(
    Array.from({ length: width }, async () => {
      while (next < count) await work(next++)
    }),
  )
}

export async function until<Answer>(
  what: string,
  seconds: number,
  ask: () => Promise<Answer> | Answer,
): Promise<NonNullable<Answer>> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(10)) {
    const answer = await ask()
    if (answer !== undefined && answer !== null && answer !== false) return answer
  }
  throw new Error(`not within ${seconds} s: ${what}`)
}

function access(): Kube {
  interface Config {
    readonly clusters: readonly { readonly cluster: { readonly server: string; readonly [field: string]: string } }[]
    readonly users: readonly { readonly user: { readonly token: string } }[]
  }
  const text = execFileSync('kubectl', ['config', 'view', '--raw', '-o', 'json'], { encoding: 'utf8' })
  const { clusters, users } = JSON.parse(text) as Config
  const { server, ...authority } = clusters[0]!.cluster
  const data = authority['certificate-authority-data']
  const ca =
    data === undefined
      ? readFileSync(authority['certificate-authority'] ?? '', 'utf8')
      : Buffer.from(data, 'base64').toString()
  return connect({ server, ca, token: users[0]!.user.token })
}
