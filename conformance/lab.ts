/** Options → a real Kubernetes API (etcd, kube-apiserver, controller manager) on loopback ports of its own. */
import { execFile } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type Kube } from './kubelet/kube.ts'
import { builtCluster, builtSuite, type Channel, type ClusterPrograms, type Suite } from './programs.ts'
import { type Program, startProgram } from './program.ts'

export interface ApiServerOptions {
  /** Which Gateway API definitions to install, with the release's admission policy; default none. */
  readonly crds?: Channel | 'none'
  /** The release they come from; default the newest. */
  readonly suite?: Suite
  /** Files or folders with more objects to apply before the server counts as ready. */
  readonly manifests?: readonly string[]
  /** false: everybody may do everything. Default true. */
  readonly rbac?: boolean
  /** false: no controller manager, so no ReplicaSets, EndpointSlices, token Secrets or garbage collection. Default true. */
  readonly controllers?: boolean
  /** Where state and logs go; default a new temporary folder, which `stop` removes. */
  readonly folder?: string
  /** The address that the server says it has; it always listens on 127.0.0.1. */
  readonly advertise?: string
}

export interface ApiServer {
  /** Path of an administrator's kubeconfig; holds after `restart` too. */
  readonly kubeconfig: string
  readonly url: string
  readonly port: number
  /** PEM, the server's own certificate. */
  readonly ca: string
  /** The same with its key, PEM: good for another server on 127.0.0.1 that the kubeconfig is to trust. */
  readonly certificate: { readonly cert: string; readonly key: string }
  readonly adminToken: string
  readonly folder: string
  /** Requests, watches and caches as administrator. */
  readonly kube: Kube
  /** Runs kubectl as administrator → its output; rejects with its complaint. `input` is standard input. */
  kubectl(args: readonly string[], input?: string): Promise<string>
  /** A kubeconfig with a real token of a service account, which has to exist: the rights are what RBAC gives it. */
  kubeconfigOf(namespace: string, serviceAccount: string): Promise<string>
  /** SIGKILL to the API server: connections break, the port refuses, etcd keeps everything. */
  kill(): Promise<void>
  /** SIGSTOP: connections stay open and nothing answers any more, until `thaw`. */
  freeze(): void
  thaw(): void
  /** Starts the API server again, on the same port, with the same certificate and tokens; ends a running one first. */
  restart(how?: RestartOptions): Promise<void>
  /** Ends everything and removes the folder, unless the caller named it. */
  stop(): Promise<void>
}

export interface RestartOptions {
  /** `lost`: etcd forgets old revisions, so that a watch resumed from before the restart is answered 410. Default `kept`. */
  readonly history?: 'kept' | 'lost'
}

/** Throws when the programs were never built (`npm run conformance -- build`); a test asks `whyNoApiServer` first. */
export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const programs = builtCluster()
  const crds = options.crds ?? 'none'
  const definitions = crds === 'none' ? undefined : builtSuite(options.suite ?? 'v1.7.0')?.definitions(crds)
  const why = whyNoApiServer(options)
  if (!programs || why) throw new Error(why)

  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'gantry-api-'))
  const server = await startOnFreePorts(programs, folder, options)
  try {
    if (definitions) await server.kubectl(['apply', '--server-side', '-f', definitions])
    if (definitions)
      await server.kubectl(['wait', '--for', 'condition=Established', '--timeout', '60s', 'crd', '--all'])
    for (const path of options.manifests ?? []) await server.kubectl(['apply', '--server-side', '-f', path])
    return server
  } catch (error) {
    await server.stop()
    throw error
  }
}

/** Why `startApiServer` would throw on this machine, or undefined. */
export function whyNoApiServer(options: ApiServerOptions = {}): string | undefined {
  const suite = options.suite ?? 'v1.7.0'
  const missing = !builtCluster()
    ? 'the control plane'
    : options.crds && options.crds !== 'none' && !builtSuite(suite)
      ? `the suite ${suite}`
      : undefined
  return missing && `${missing} of the lab is not built: \`npm run conformance -- build\` does it, once, in minutes`
}

// a free port may be taken by somebody else before etcd or the server binds it
const tries = 5

async function startOnFreePorts(
  programs: ClusterPrograms,
  folder: string,
  options: ApiServerOptions,
): Promise<ApiServer> {
  for (let left = tries; ; left--) {
    const [etcd, api] = (await freePorts(2)) as [number, number]
    // again each time: who fails takes the folder away
    mkdirSync(folder, { recursive: true })
    try {
      return await start(programs, folder, { etcd, api }, options)
    } catch (error) {
      if (left === 1 || !/address already in use/.test(String(error))) throw error
      rmSync(`${folder}/etcd`, { recursive: true, force: true })
    }
  }
}

async function start(
  programs: ClusterPrograms,
  folder: string,
  ports: { etcd: number; api: number },
  options: ApiServerOptions,
): Promise<ApiServer> {
  const adminToken = randomBytes(16).toString('hex')
  writeFileSync(`${folder}/tokens.csv`, `${adminToken},lab-admin,lab-admin,system:masters\n`, { mode: 0o600 })
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  writeFileSync(`${folder}/sa.key`, privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 })

  const store = `http://127.0.0.1:${ports.etcd}`
  const url = `https://127.0.0.1:${ports.api}`
  const kubeconfig = `${folder}/kubeconfig`
  const certificate = `${folder}/certs/apiserver.crt`

  const etcd = startProgram(programs.etcd, etcdFlags(folder, store), `${folder}/etcd.log`)
  let manager: Program | undefined
  let api: Program | undefined
  try {
    await until(etcd, () => fetch(`${store}/health`).then((answer) => answer.ok))
    await startServer()
    const ca = readFileSync(certificate, 'utf8')
    writeFileSync(kubeconfig, kubeconfigText(url, ca, adminToken), { mode: 0o600 })
    if (options.controllers !== false)
      manager = startProgram(programs.controllerManager, managerFlags(folder), `${folder}/kube-controller-manager.log`)
    const kubectl = runner(programs.kubectl, kubeconfig)
    return {
      kubeconfig,
      url,
      port: ports.api,
      ca,
      certificate: { cert: ca, key: readFileSync(`${folder}/certs/apiserver.key`, 'utf8') },
      adminToken,
      folder,
      kubectl,
      kube: connect({ server: url, ca, token: adminToken }),
      async kubeconfigOf(namespace, serviceAccount) {
        const token = await kubectl(['create', 'token', '-n', namespace, serviceAccount, '--duration', '24h'])
        const path = `${folder}/kubeconfig-${namespace}-${serviceAccount}`
        writeFileSync(path, kubeconfigText(url, ca, token.trim()), { mode: 0o600 })
        return path
      },
      async kill() {
        api?.signal('SIGKILL')
        await api?.ended
      },
      freeze: () => api?.signal('SIGSTOP'),
      thaw: () => api?.signal('SIGCONT'),
      async restart({ history = 'kept' } = {}) {
        await api?.stop(1000)
        if (history === 'lost') await compact(store)
        await startServer()
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }

  async function startServer(): Promise<void> {
    // a third less CPU for each write, of which a lab has little, for memory (760 MB for 470), of which it has enough
    const env = { GOGC: '300', ...process.env }
    const flags = apiFlags(folder, store, ports.api, options)
    api = startProgram(programs.apiServer, flags, `${folder}/kube-apiserver.log`, env)
    await until(api, () => isReady(url, adminToken))
  }

  async function stop(): Promise<void> {
    // nothing is worth keeping: no grace
    await Promise.all([manager?.stop(0), api?.stop(0), etcd.stop(0)])
    if (!options.folder) rmSync(folder, { recursive: true, force: true })
  }
}

const etcdFlags = (folder: string, store: string): readonly string[] => [
  '--data-dir',
  `${folder}/etcd`,
  '--unsafe-no-fsync',
  '--log-level',
  'warn',
  '--listen-client-urls',
  store,
  '--advertise-client-urls',
  store,
  // a member that is alone meets no peers: any port will do
  '--listen-peer-urls',
  'http://127.0.0.1:0',
  '--initial-advertise-peer-urls',
  'http://127.0.0.1:0',
  '--initial-cluster',
  'default=http://127.0.0.1:0',
]

const apiFlags = (folder: string, store: string, port: number, options: ApiServerOptions): readonly string[] => [
  '--etcd-servers',
  store,
  '--cert-dir',
  `${folder}/certs`,
  '--bind-address',
  '127.0.0.1',
  '--secure-port',
  String(port),
  '--advertise-address',
  options.advertise ?? '127.0.0.1',
  '--endpoint-reconciler-type',
  'none',
  '--service-cluster-ip-range',
  '10.96.0.0/16',
  '--allow-privileged',
  '--authorization-mode',
  options.rbac === false ? 'AlwaysAllow' : 'RBAC',
  '--token-auth-file',
  `${folder}/tokens.csv`,
  '--service-account-issuer',
  'https://lab.invalid',
  '--service-account-key-file',
  `${folder}/sa.key`,
  '--service-account-signing-key-file',
  `${folder}/sa.key`,
  '--kubelet-preferred-address-types',
  'InternalIP',
  // open watches are no reason to linger
  '--shutdown-delay-duration',
  '0s',
  '--shutdown-watch-termination-grace-period',
  '0s',
]

const controllers = [
  'deployment-controller',
  'replicaset-controller',
  'daemonset-controller',
  'endpointslice-controller',
  'namespace-controller',
  'garbage-collector-controller',
  'serviceaccount-controller',
  'root-ca-certificate-publisher-controller',
]

const managerFlags = (folder: string): readonly string[] => [
  '--kubeconfig',
  `${folder}/kubeconfig`,
  '--leader-elect=false',
  '--controllers',
  controllers.join(','),
  '--root-ca-file',
  `${folder}/certs/apiserver.crt`,
  '--service-account-private-key-file',
  `${folder}/sa.key`,
  // nobody asks it anything, and two labs side by side would want one port
  '--secure-port',
  '0',
]

/** A kubeconfig in JSON, which is YAML. */
export function kubeconfigText(server: string, ca: string, token: string): string {
  const text = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'lab',
    contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'lab' } }],
    clusters: [{ name: 'lab', cluster: { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') } }],
    users: [{ name: 'lab', user: { token } }],
  }
  return `${JSON.stringify(text, undefined, 2)}\n`
}

function runner(program: string, kubeconfig: string): ApiServer['kubectl'] {
  return (args, input) =>
    new Promise((resolve, reject) => {
      const child = execFile(
        program,
        ['--kubeconfig', kubeconfig, ...args],
        { maxBuffer: 1 << 28 },
        (error, stdout, stderr) => {
          if (error) reject(new Error(`kubectl ${args.join(' ')}: ${stderr.trim() || error.message}`))
          else resolve(stdout)
        },
      )
      child.stdin?.end(input ?? '')
    })
}

async function until(program: Program, holds: () => Promise<boolean>): Promise<void> {
  for (let left = 600; left > 0; left--) {
    if (await holds().catch(() => false)) return
    if (!program.isRunning()) throw new Error(`${program.log} tells why: ${await program.ended}\n${program.tail()}`)
    await sleep(100)
  }
  throw new Error(`not ready after a minute, ${program.log} tells more:\n${program.tail()}`)
}

function isReady(url: string, token: string): Promise<boolean> {
  return new Promise((resolve) => {
    // the certificate is made by the server that is starting
    const options = {
      rejectUnauthorized: false,
      headers: { authorization: `Bearer ${token}` },
      timeout: 2000,
      agent: false as const,
    }
    const sent = request(`${url}/readyz`, options, (answer) => {
      answer.resume()
      resolve(answer.statusCode === 200)
    })
    sent.on('timeout', () => sent.destroy())
    sent.on('error', () => resolve(false))
    sent.end()
  })
}

/** Makes etcd forget all revisions before the present one. */
async function compact(store: string): Promise<void> {
  const ask = async (path: string, body: object): Promise<{ header?: { revision?: string } }> => {
    const answer = await fetch(`${store}${path}`, { method: 'POST', body: JSON.stringify(body) })
    if (!answer.ok) throw new Error(`etcd ${path}: ${await answer.text()}`)
    return (await answer.json()) as { header?: { revision?: string } }
  }
  // one revision more: what a client saw last is then older than all that is left
  await ask('/v3/kv/put', {
    key: Buffer.from('lab/history').toString('base64'),
    value: Buffer.from(String(Date.now())).toString('base64'),
  })
  const { header } = await ask('/v3/kv/range', { key: Buffer.from('lab/history').toString('base64') })
  await ask('/v3/kv/compaction', { revision: header?.revision, physical: true })
}

/** Ports of 127.0.0.1 that nobody listened on a moment ago, all different. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject)
          server.listen(0, '127.0.0.1', () => {
            const address = server.address()
            resolve(typeof address === 'object' && address ? address.port : 0)
          })
        }),
    ),
  )
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
