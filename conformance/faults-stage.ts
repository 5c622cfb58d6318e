/** A real API server behind a front, controllers and data planes as processes, a client that never stops asking: what fault tests need. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { createServer, connect as connectTo, type Server, type Socket } from 'node:net'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Asked, type Front, type Rule, startFront } from './faults.ts'
import type { Resource } from './kubelet/objects.ts'
import { type ApiServer, freePorts, startApiServer } from './lab.ts'
import { type Program, startProgram, typescript } from './program.ts'

export const api = '/apis/gateway.networking.k8s.io/v1'
export const routesPath = `${api}/namespaces/default/httproutes`
export const gatewayPath = `${api}/namespaces/default/gateways/web`

export interface Route extends Resource {
  readonly status?: {
    readonly parents?: readonly {
      readonly controllerName: string
      readonly conditions: readonly {
        readonly type: string
        readonly status: string
        readonly observedGeneration: number
      }[]
    }[]
  }
}

export interface Stage {
  readonly server: ApiServer
  readonly front: Front
  /** Of the Gateway, on this machine. */
  readonly port: number
  /** Requests that changed something, leases aside, since `forget`. */
  readonly writes: readonly Asked[]
  forget(): void
  /** Like `front.obey`, and everything is counted all the same. */
  obey(rule: Rule): void
  startController(name: string): Promise<Controller>
  startDataPlane(name: string): Promise<DataPlane>
  /** A route that redirects from its path to a host: it needs no backend, and its answer says which version it is. */
  putRoute(name: string, host?: string): Promise<void>
  route(name: string): Promise<Route>
  /** Where a path leads: the host of the redirect, or the status. */
  ask(path: string): Promise<string>
  /** Asks every 10 ms until `stop`, which gives every answer other than this one. */
  watch(path: string, answer: string): { stop(): Promise<readonly string[]> }
  stop(): Promise<void>
}

export interface Controller {
  readonly program: Program
  /** Where data planes find it. */
  readonly port: number
  /** Where the kubelet would ask. */
  readonly health: string
}

export interface DataPlane {
  readonly program: Program
  readonly health: string
}

const gantry = resolve(import.meta.dirname, '../src/bin/gantry.ts')

export async function startStage(): Promise<Stage> {
  const manifests = [resolve(import.meta.dirname, '../deploy/kubernetes')]
  const server = await startApiServer({ crds: 'standard', controllers: false, manifests })
  // no right beyond those of the manifests: what is missing there fails here
  const account = ['-n', 'gantry-system', 'gantry-controller']
  const front = await startFront(server, (await server.kubectl(['create', 'token', ...account])).trim())
  const [port, busPort] = (await freePorts(2)) as [number, number]
  const writes: Asked[] = []
  let rule: Rule = () => undefined
  const obey = (next: Rule): void => {
    rule = next
    front.obey((asked) => {
      if (asked.method !== 'GET' && !asked.path.includes('/leases')) writes.push(asked)
      return rule(asked)
    })
  }
  obey(rule)
  await server.kubectl(['apply', '-f', '-'], objects(port))

  const controllers: Controller[] = []
  const programs: Program[] = []
  // what the Service of the controllers is in a cluster: it knows who is there, not who leads
  const bus = await startBus(busPort, () =>
    controllers.filter(({ program }) => program.isRunning()).map((each) => each.port),
  )
  const agent = new Agent({ keepAlive: true })
  const ask = (path: string): Promise<string> => answerOf(agent, port, path)

  return {
    server,
    front,
    port,
    writes,
    forget: () => void writes.splice(0),
    obey,
    async startController(name) {
      const [own, health] = (await freePorts(2)) as [number, number]
      const words = ['controller', '--kubeconfig', front.kubeconfig, '--namespace', 'gantry-system', '--image', 'none']
      const ports = ['--port', String(own), '--health-port', String(health)]
      const [file, ...args] = typescript(gantry, [...words, ...ports]) as [string, ...string[]]
      const env = { ...process.env, POD_NAMESPACE: 'gantry-system', POD_NAME: name }
      const program = startProgram(file, args, `${server.folder}/${name}-${own}.log`, env)
      programs.push(program)
      const controller = { program, port: own, health: `http://127.0.0.1:${health}` }
      controllers.push(controller)
      return controller
    },
    async startDataPlane(name) {
      const [health] = (await freePorts(1)) as [number]
      const folder = `${server.folder}/data-plane`
      const words = ['data-plane', '--control', `wss://127.0.0.1:${busPort}`, '--fleet', 'default/web', '--name', name]
      const files = [
        '--token-file',
        `${folder}/token`,
        '--ca-file',
        `${folder}/ca.crt`,
        '--health-port',
        String(health),
      ]
      const [file, ...args] = typescript(gantry, [...words, ...files]) as [string, ...string[]]
      const program = startProgram(file, args, `${server.folder}/${name}.log`)
      programs.push(program)
      return { program, health: `http://127.0.0.1:${health}` }
    },
    async putRoute(name, host = name) {
      await server.kubectl(['apply', '-f', '-'], JSON.stringify(redirect(name, host)))
    },
    route: (name) => server.kube.get<Route>(`${routesPath}/${name}`),
    ask,
    watch(path, answer) {
      const other: string[] = []
      let stopped = false
      const asking = (async () => {
        while (!stopped) {
          const got = await ask(path)
          if (got !== answer) other.push(got)
          await sleep(10)
        }
      })()
      return {
        stop: async () => {
          stopped = true
          await asking
          return other
        },
      }
    },
    async stop() {
      agent.destroy()
      await Promise.all(programs.map((each) => each.stop(0)))
      await bus.stop()
      await front.stop()
      await server.stop()
    },
  }
}

/** Token and authority of the fleet, as a Pod would find them mounted. Rejects while the controller has not made them. */
export async function mountSecret({ server }: Stage): Promise<void> {
  const { data } = await server.kube.get<Resource & { data: Readonly<Record<string, string>> }>(
    '/api/v1/namespaces/default/secrets/gantry-web',
  )
  mkdirSync(`${server.folder}/data-plane`, { recursive: true })
  for (const [name, text] of Object.entries(data))
    writeFileSync(`${server.folder}/data-plane/${name}`, Buffer.from(text, 'base64'))
}

/** Says to the cluster what kubelet and controller manager would: so many data planes are ready, and where. */
export async function sayReady({ server }: Stage, count: number): Promise<void> {
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'gantry-web-a', namespace: 'default', labels: { 'kubernetes.io/service-name': 'gantry-web' } },
    addressType: 'IPv4',
    ports: [{ name: 'tcp', port: 80, protocol: 'TCP' }],
    endpoints: Array.from({ length: count }, (_, index) => ({
      addresses: [`10.0.0.${index + 1}`],
      conditions: { ready: true },
    })),
  }
  await server.kubectl(['apply', '--server-side', '-f', '-'], JSON.stringify(slice))
  await server.kube.patch('/api/v1/namespaces/default/services/gantry-web/status', {
    status: { loadBalancer: { ingress: [{ ip: '10.97.0.1' }] } },
  })
}

export function redirect(name: string, host: string): object {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name, namespace: 'default' },
    spec: {
      parentRefs: [{ name: 'web' }],
      rules: [
        {
          matches: [{ path: { type: 'PathPrefix', value: `/${name}` } }],
          filters: [{ type: 'RequestRedirect', requestRedirect: { hostname: `${host}.example` } }],
        },
      ],
    },
  }
}

function objects(port: number): string {
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: default}
spec: {gatewayClassName: gantry, listeners: [{name: http, port: ${port}, protocol: HTTP}]}
`
}

function answerOf(agent: Agent, port: number, path: string): Promise<string> {
  return new Promise((done) => {
    const sent = request({ host: '127.0.0.1', port, path, agent, timeout: 5000 }, (answer) => {
      answer.resume()
      const { location } = answer.headers
      answer.on('end', () => done(location === undefined ? String(answer.statusCode) : new URL(location).hostname))
      answer.on('error', (error) => done(error.message))
    })
    sent.on('timeout', () => sent.destroy(new Error('silence')))
    sent.on('error', (error) => done(error.message))
    sent.end()
  })
}

/** One port for several: each connection goes to the next that is there. */
async function startBus(port: number, ports: () => readonly number[]): Promise<{ stop(): Promise<void> }> {
  const open = new Set<Socket>()
  let turn = 0
  const server: Server = createServer((client) => {
    const known = ports()
    const to = known[turn++ % Math.max(1, known.length)]
    if (to === undefined) return void client.destroy()
    const other = connectTo({ host: '127.0.0.1', port: to })
    for (const [one, end] of [
      [client, other],
      [other, client],
    ] as const) {
      open.add(one)
      one.pipe(end)
      one.on('error', () => end.destroy())
      one.on('close', () => {
        open.delete(one)
        end.destroy()
      })
    }
  })
  await new Promise<void>((done, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', done)
  })
  return {
    stop: async () => {
      for (const socket of open) socket.destroy()
      await new Promise((done) => server.close(done))
    },
  }
}
