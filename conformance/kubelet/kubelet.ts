/** Pods of the API → processes on this machine, and their status back. Also the scheduler: every Pod is ours. */
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Image, imageOf, type Images, launchOf } from './environment.ts'
import { type Kube, KubeError } from './kube.ts'
import type { Logs } from './logs.ts'
import type { ContainerSpec, Pod, Resource, Source, Volume } from './objects.ts'
import { isReady } from './probe.ts'
import { addNetwork, bridge, dropNetwork, type Mount, start, stop } from './sandbox.ts'
import { type Container, now, statusOf, type Turned } from './status.ts'
import { type Lookup, renderVolume, sourcesOf } from './volumes.ts'

export interface Node {
  readonly name: string
  readonly port: number
  /** Where volumes and logs lie; `scratch` is on tmpfs. */
  readonly folder: string
  readonly scratch: string
  readonly images: Images
}

/** A Pod while it is ours. */
interface Work {
  pod: Pod
  readonly network: string | undefined
  readonly folder: string
  readonly scratch: string
  readonly init: readonly Container[]
  readonly containers: readonly Container[]
  readonly since: string
  readonly turned: Turned
  readonly tokens: Map<string, string>
  /** While its network is being made: it cannot be taken away halfway. */
  connecting: Promise<unknown> | undefined
  ip: string
  ended: boolean
  patching: boolean
  stale: boolean
}

const nameOf = ({ metadata }: Resource) => `${metadata.namespace}/${metadata.name}`
const urlOf = ({ metadata }: Resource) => `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`

/** Resolves when all Pods of the first list are being started; goes on until the process ends. */
export async function runKubelet(kube: Kube, node: Node, logs: Logs): Promise<void> {
  const works = new Map<string, Work>()
  const complain = (about: string) => (error: unknown) => {
    // 404 and 409: the Pod went away or another one has its name, the watch tells
    if (!(error instanceof KubeError && (error.status === 404 || error.status === 409)))
      console.error(`kubelet: ${about}:`, error)
  }

  await registerNode(kube, node)
  const changed = (kind: string) => (object: Resource) => {
    for (const work of works.values()) {
      if (
        work.pod.metadata.namespace === object.metadata.namespace &&
        sourcesOf(work.pod).has(`${kind}/${object.metadata.name}`)
      ) {
        void writeVolumes(work).catch(complain(nameOf(work.pod)))
      }
    }
  }
  const objects = {
    Secret: await kube.cache<Source>('/api/v1/secrets', changed('Secret')),
    ConfigMap: await kube.cache<Source>('/api/v1/configmaps', changed('ConfigMap')),
  }
  const lookup: Lookup = (kind, namespace, name) => objects[kind].get(namespace, name)

  await kube.watch<Pod>('/api/v1/pods', (pod, change) => {
    const work = works.get(pod.metadata.uid)
    if (work) work.pod = pod
    if (change === 'gone') return void (work && end(work).catch(complain(`end ${nameOf(pod)}`)))
    if (!pod.spec.nodeName) return void bind(pod).catch(complain(`bind ${nameOf(pod)}`))
    if (pod.spec.nodeName !== node.name) return
    if (pod.metadata.deletionTimestamp)
      return void (work ? end(work) : remove(pod)).catch(complain(`delete ${nameOf(pod)}`))
    if (!work) void run(pod).catch(complain(`run ${nameOf(pod)}`))
  })

  async function bind(pod: Pod): Promise<void> {
    const target = { apiVersion: 'v1', kind: 'Node', name: node.name }
    await kube.post(`${urlOf(pod)}/binding`, {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name: pod.metadata.name },
      target,
    })
  }

  async function run(pod: Pod): Promise<void> {
    const { uid } = pod.metadata
    const container = (spec: ContainerSpec): Container => ({
      spec,
      image: imageOf(spec.image, node.images),
      state: { waiting: { reason: 'ContainerCreating' } },
      lastState: {},
      ready: false,
      restarts: 0,
    })
    const work: Work = {
      pod,
      network: pod.spec.hostNetwork ? undefined : `p-${uid}`,
      folder: `${node.folder}/pods/${uid}`,
      scratch: `${node.scratch}/${uid}`,
      since: now(),
      turned: new Map(),
      tokens: new Map(),
      connecting: undefined,
      init: (pod.spec.initContainers ?? []).map(container),
      containers: pod.spec.containers.map(container),
      ip: bridge.address,
      ended: false,
      patching: false,
      stale: false,
    }
    works.set(uid, work)
    if (work.network) {
      const made = addNetwork(work.network)
      work.connecting = made.catch(() => undefined)
      work.ip = await made
    }
    report(work)
    while (!work.ended && !(await writeVolumes(work))) await sleep(100)
    for (const first of work.init) await keep(work, first, 'until success')
    await Promise.all(work.containers.map((it) => keep(work, it, 'for good')))
  }

  /** Runs a container again and again as the Pod's restart policy says; returns when it will not run any more. */
  async function keep(work: Work, container: Container, how: 'for good' | 'until success'): Promise<void> {
    const policy = work.pod.spec.restartPolicy ?? 'Always'
    for (let wait = 500; !work.ended; wait = Math.min(wait * 2, 30_000)) {
      const began = Date.now()
      const code = await once(work, container)
      if (code === undefined) return
      container.ready = false
      const finished = { exitCode: code, reason: code === 0 ? 'Completed' : 'Error', finishedAt: now() }
      container.lastState = { terminated: { ...finished, ...(container.started && { startedAt: container.started }) } }
      container.state = container.lastState
      const done = how === 'until success' ? code === 0 : policy === 'Never' || (policy === 'OnFailure' && code === 0)
      if (!done) container.state = { waiting: { reason: 'CrashLoopBackOff', message: `exited with ${code}` } }
      report(work)
      if (done) return
      if (Date.now() - began > 60_000) wait = 500
      await sleep(wait)
      container.restarts++
    }
  }

  /** One life of a container → its exit code, undefined when it never started. */
  async function once(work: Work, container: Container): Promise<number | undefined> {
    const { spec, image } = container
    const wait = (reason: string, message: string) => {
      container.state = { waiting: { reason, message } }
      report(work)
    }
    if (!image) {
      wait('ErrImagePull', `no program is known for image ${spec.image}`)
      return undefined
    }
    const log = logs.of(work.pod.metadata.namespace ?? '', work.pod.metadata.name, spec.name)
    const status = { ...work.pod.status, podIP: work.ip, podIPs: [{ ip: work.ip }], hostIP: bridge.address }
    const launchNow = () => launchOf(spec, { ...work.pod, status }, image, apiService, lookup)
    let launch = launchNow()
    for (; launch.kind === 'missing' && !work.ended; launch = launchNow()) {
      wait('CreateContainerConfigError', launch.what)
      await sleep(200)
    }
    if (launch.kind === 'missing' || work.ended) return undefined

    const child = await start({
      network: work.network,
      scratch: `${work.scratch}/${spec.name}-${container.restarts}`,
      mounts: mountsOf(work, spec, image),
      argv: launch.argv,
      env: launch.env,
      directory: spec.workingDir ?? '/',
      line: log.add,
    })
    const exit = new Promise<number>((resolve) => {
      child.once('exit', (code, signal) => resolve(code ?? (signal === 'SIGKILL' ? 137 : 143)))
      child.once('error', (error) => {
        log.add(error.message)
        resolve(128)
      })
    })
    container.child = child
    container.started = now()
    container.state = { running: { startedAt: container.started } }
    report(work)
    if (work.ended) await stop(child, 0)
    void observe(work, container, child, Date.now()).catch(complain(`readiness of ${nameOf(work.pod)}`))
    return exit
  }

  async function observe(work: Work, container: Container, child: ChildProcess, began: number): Promise<void> {
    const lives = () => child.pid !== undefined && child.exitCode === null && child.signalCode === null && !work.ended
    for (let failures = 0; lives();) {
      const { ready, again } = await isReady(container.spec, work.ip, child.pid ?? 0, began)
      failures = ready ? 0 : failures + 1
      const settled = ready || (container.ready && failures < (container.spec.readinessProbe?.failureThreshold ?? 3))
      if (lives() && container.ready !== settled) {
        container.ready = settled
        report(work)
      }
      if (again === undefined) return
      await sleep(again)
    }
  }

  function mountsOf(work: Work, spec: ContainerSpec, { path = [] }: Image): readonly Mount[] {
    const etc = ['hosts', 'resolv.conf'].map((file) => ({
      source: `${work.folder}/etc/${file}`,
      target: `/etc/${file}`,
    }))
    const own = (spec.volumeMounts ?? []).map((mount) => {
      const volume = work.pod.spec.volumes?.find(({ name }) => name === mount.name)
      const root = volume?.hostPath?.path ?? `${work.folder}/volumes/${mount.name}`
      const source = mount.subPath ? `${root}/${mount.subPath}` : root
      if (!existsSync(source)) mkdirSync(source, { recursive: true })
      return { source, target: mount.mountPath }
    })
    // what stands in for the image is not what a volume over its folder hides
    const program = [...path, resolve(import.meta.dirname, '../..')]
      .filter((folder) => own.some(({ target }) => folder.startsWith(`${target}/`)))
      .map((folder) => ({ source: folder, target: folder }))
    return [...etc, ...own, ...program]
  }

  /** True when all files of all volumes are written; called again for every change of a source. */
  async function writeVolumes(work: Work): Promise<boolean> {
    const { pod, folder } = work
    put(`${folder}/etc/hosts`, Buffer.from(`127.0.0.1 localhost\n::1 localhost\n${work.ip} ${pod.metadata.name}\n`))
    const search = `${pod.metadata.namespace}.svc.cluster.local svc.cluster.local cluster.local`
    put(
      `${folder}/etc/resolv.conf`,
      Buffer.from(`nameserver ${bridge.address}\nsearch ${search}\noptions ndots:5 timeout:1\n`),
    )
    for (const volume of pod.spec.volumes ?? []) {
      const at = `${folder}/volumes/${volume.name}`
      if (volume.hostPath) continue
      const token = work.tokens.get(volume.name) ?? (await tokenFor(pod, volume))
      work.tokens.set(volume.name, token)
      const rendered = renderVolume(volume, pod, lookup, () => token)
      if (rendered.kind === 'missing') {
        for (const container of work.containers) {
          if (container.state.waiting)
            container.state = { waiting: { reason: 'ContainerCreating', message: `waits for ${rendered.what}` } }
        }
        report(work)
        return false
      }
      mkdirSync(at, { recursive: true })
      for (const [path, content] of rendered.files) put(`${at}/${path}`, content)
      if (!volume.emptyDir) removeOthers(at, rendered.files)
    }
    return true
  }

  async function tokenFor(pod: Pod, volume: Volume): Promise<string> {
    const source = volume.projected?.sources.find((it) => it.serviceAccountToken)?.serviceAccountToken
    if (!source) return ''
    const spec = {
      expirationSeconds: source.expirationSeconds ?? 3607,
      boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: pod.metadata.name, uid: pod.metadata.uid },
      ...(source.audience && { audiences: [source.audience] }),
    }
    const path = `/api/v1/namespaces/${pod.metadata.namespace}/serviceaccounts/${pod.spec.serviceAccountName}/token`
    const answer = await kube.post<{ status: { token: string } }>(path, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec,
    })
    return answer.status.token
  }

  async function end(work: Work): Promise<void> {
    if (work.ended) return
    work.ended = true
    const grace = Math.min(1000, (work.pod.metadata.deletionGracePeriodSeconds ?? 1) * 1000 || 1000)
    await Promise.all([...work.init, ...work.containers].flatMap(({ child }) => (child ? [stop(child, grace)] : [])))
    await work.connecting
    if (work.network) await dropNetwork(work.network).catch(complain(`network of ${nameOf(work.pod)}`))
    works.delete(work.pod.metadata.uid)
    logs.drop(work.pod.metadata.namespace ?? '', work.pod.metadata.name)
    for (const folder of [work.folder, work.scratch]) rmSync(folder, { recursive: true, force: true })
    await remove(work.pod).catch(complain(`delete ${nameOf(work.pod)}`))
  }

  function remove(pod: Pod): Promise<void> {
    return kube.delete(urlOf(pod), {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      gracePeriodSeconds: 0,
      preconditions: { uid: pod.metadata.uid },
    })
  }

  /** Sends the status; changes while a request is under way become one more request. */
  function report(work: Work): void {
    work.stale = true
    if (work.patching || work.ended) return
    work.patching = true
    void (async () => {
      while (work.stale && !work.ended) {
        work.stale = false
        await kube
          .patch(`${urlOf(work.pod)}/status`, { status: statusOf(work, bridge.address) })
          .catch(complain(`status of ${nameOf(work.pod)}`))
      }
      work.patching = false
    })()
  }
}

const apiService = {
  KUBERNETES_SERVICE_HOST: '10.96.0.1',
  KUBERNETES_SERVICE_PORT: '443',
  KUBERNETES_SERVICE_PORT_HTTPS: '443',
}

function put(path: string, content: Buffer): void {
  if (existsSync(path) && readFileSync(path).equals(content)) return
  mkdirSync(dirname(path), { recursive: true })
  // etc/ files are bound one by one and never change; a volume's folder is bound, so its files may be replaced whole
  writeFileSync(`${path}.new`, content)
  renameSync(`${path}.new`, path)
}

function removeOthers(folder: string, files: ReadonlyMap<string, Buffer>): void {
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!files.has(file) && statSync(`${folder}/${file}`).isFile()) rmSync(`${folder}/${file}`)
  }
}

async function registerNode(kube: Kube, { name, port }: Node): Promise<void> {
  const resources = { cpu: '64', memory: '256Gi', pods: '4000', 'ephemeral-storage': '100Gi' }
  const labels = { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64' }
  const time = now()
  const condition = {
    type: 'Ready',
    status: 'True',
    reason: 'LabReady',
    message: 'processes can start',
    lastHeartbeatTime: time,
    lastTransitionTime: time,
  }
  const unknown = { machineID: '', systemUUID: '', bootID: '', kernelVersion: '', kubeProxyVersion: '' }
  await kube.post('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } })
  await kube.patch(`/api/v1/nodes/${name}/status`, {
    status: {
      addresses: [
        { type: 'InternalIP', address: bridge.address },
        { type: 'Hostname', address: name },
      ],
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
      capacity: resources,
      allocatable: resources,
      conditions: [condition],
      nodeInfo: {
        ...unknown,
        osImage: 'lab',
        containerRuntimeVersion: 'lab://1',
        kubeletVersion: 'v1.36.3',
        operatingSystem: 'linux',
        architecture: 'amd64',
      },
    },
  })
}
