/** Services and EndpointSlices → LoadBalancer addresses, one NAT table, cluster DNS: the lab's kube-proxy, cloud and CoreDNS. */
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { isIPv4 } from 'node:net'
import type { Kube, Observer } from './kube.ts'
import type { EndpointSlice, Resource, Service, ServicePort } from './objects.ts'

export interface Cluster {
  /** ip:port where the API server really listens. */
  readonly api: string
  readonly resolver: string
  /** Addresses for Services of type LoadBalancer, as `a.b`; the last two bytes count up from 0.1. */
  readonly pool: string
}

export async function serveServices(kube: Kube, cluster: Cluster): Promise<void> {
  const services = new Map<string, Service>()
  const slices = new Map<string, EndpointSlice>()
  const give = addressGiver(cluster.pool)
  let giving: Promise<void> = Promise.resolve()
  let scheduled = false

  const into =
    <T extends Resource>(objects: Map<string, T>): Observer<T> =>
    (object, change) => {
      if (change === 'set') objects.set(object.metadata.uid, object)
      else objects.delete(object.metadata.uid)
      if (scheduled) return
      scheduled = true
      // a rollout changes many slices at once: one table for all of them
      setTimeout(() => {
        scheduled = false
        restore(natTable([...services.values()], [...slices.values()], cluster.api))
      }, 20)
    }
  const service = into(services)

  await kube.watch<EndpointSlice>('/apis/discovery.k8s.io/v1/endpointslices', into(slices))
  await kube.watch<Service>('/api/v1/services', (object, change) => {
    service(object, change)
    const { namespace, name } = object.metadata
    const ip = change === 'set' ? give(object, (uid) => services.has(uid)) : undefined
    if (!ip) return
    const patch = { status: { loadBalancer: { ingress: [{ ip, ipMode: 'VIP' }] } } }
    giving = giving
      .then(() => kube.patch(`/api/v1/namespaces/${namespace}/services/${name}/status`, patch))
      .then(
        () => undefined,
        (error: Error) => console.error(`services: ${error.message}`),
      )
  })
  await serveNames((name) => addressesOf(name, [...services.values()], [...slices.values()]), cluster.resolver)
}

/**
 * Answers the address that a Service of type LoadBalancer asks for, or the next free one of the pool; undefined when it
 * has one, and when it asks for one that is not ours to give: it waits for ever then, as with a cloud.
 */
export function addressGiver(pool: string): (service: Service, exists: (uid: string) => boolean) => string | undefined {
  const given = new Map<string, string>()
  let next = 0
  return ({ metadata: { uid }, spec, status }, exists) => {
    if (spec.type !== 'LoadBalancer' || status?.loadBalancer?.ingress?.length) return undefined
    const taken = new Set([...given].filter(([owner]) => owner !== uid && exists(owner)).map(([, ip]) => ip))
    const free = (): string => {
      // round the pool: a new Gateway must not inherit the connections of a deleted one
      next = (next % 2000) + 1
      const ip = `${pool}.${next >> 8}.${next & 255}`
      return (next & 255) === 0 || taken.has(ip) ? free() : ip
    }
    const wish = spec.loadBalancerIP
    if (wish !== undefined && !(isIPv4(wish) && wish.startsWith(`${pool}.`))) return undefined
    const ip = wish ?? given.get(uid) ?? free()
    given.set(uid, ip)
    return ip
  }
}

/** Services and their endpoints → the text of iptables-restore. Pure; the table is replaced whole. */
export function natTable(services: readonly Service[], slices: readonly EndpointSlice[], api: string): string {
  const rules = services.flatMap((service) => {
    const { spec, status, metadata } = service
    const addresses = [
      spec.clusterIP,
      ...(spec.externalIPs ?? []),
      ...(status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip),
    ]
    const reachable = addresses.filter((address) => /^\d+(\.\d+){3}$/.test(address ?? ''))
    return (spec.ports ?? []).flatMap((port) => {
      const kubernetes = metadata.namespace === 'default' && metadata.name === 'kubernetes'
      const targets = kubernetes ? [api] : targetsOf(service, port, slices)
      const protocol = (port.protocol ?? 'TCP').toLowerCase()
      return reachable.flatMap((address) =>
        targets.map((target, index) => {
          const left = targets.length - index
          const share = left === 1 ? '' : ` -m statistic --mode random --probability ${(1 / left).toFixed(6)}`
          return `-A LAB -d ${address}/32 -p ${protocol} -m ${protocol} --dport ${port.port}${share} -j DNAT --to-destination ${target}`
        }),
      )
    })
  })
  const chains = [
    '*nat',
    ':PREROUTING ACCEPT [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    ':POSTROUTING ACCEPT [0:0]',
    ':LAB - [0:0]',
  ]
  const ways = ['-A PREROUTING -j LAB', '-A OUTPUT -j LAB']
  // answers must pass the lab again: Pods share a bridge and would answer each other directly
  const back = '-A POSTROUTING -m conntrack --ctstate DNAT -j MASQUERADE'
  return [...chains, ...ways, back, ...rules, 'COMMIT', ''].join('\n')
}

function targetsOf(service: Service, port: ServicePort, slices: readonly EndpointSlice[]): readonly string[] {
  const own = slices.filter((slice) => belongs(slice, service) && slice.addressType === 'IPv4')
  return own.flatMap((slice) => {
    const at = (slice.ports ?? []).find(
      (it) => (it.name ?? '') === (port.name ?? '') && (it.protocol ?? 'TCP') === (port.protocol ?? 'TCP'),
    )
    return at?.port === undefined ? [] : readyAddresses(slice).map((address) => `${address}:${at.port}`)
  })
}

const belongs = (slice: EndpointSlice, service: Service): boolean =>
  slice.metadata.namespace === service.metadata.namespace &&
  slice.metadata.labels?.['kubernetes.io/service-name'] === service.metadata.name

const readyAddresses = (slice: EndpointSlice): readonly string[] =>
  (slice.endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false).flatMap(({ addresses }) => addresses)

let restoring: Promise<void> = Promise.resolve()
let restored = ''

function restore(table: string): void {
  restoring = restoring.then(
    () =>
      new Promise((resolve) => {
        if (table === restored) return resolve()
        const child = spawn('iptables-restore', ['-w'], { stdio: ['pipe', 'ignore', 'inherit'] })
        child.on('error', (error) => {
          console.error(`services: ${error.message}`)
          resolve()
        })
        child.on('exit', (code) => {
          if (code === 0) restored = table
          else console.error(`services: iptables-restore ended with ${code}, the table before stays`)
          resolve()
        })
        child.stdin.end(table)
      }),
  )
}

/** A name of the cluster domain → IPv4 addresses, or undefined when there is no such Service. Pure. */
export function addressesOf(
  name: string,
  services: readonly Service[],
  slices: readonly EndpointSlice[],
): readonly string[] | undefined {
  const [, service, namespace] = /^([^.]+)\.([^.]+)\.svc\.cluster\.local$/.exec(name.toLowerCase()) ?? []
  const found = services.find((it) => it.metadata.name === service && it.metadata.namespace === namespace)
  if (!found) return undefined
  const { clusterIP } = found.spec
  if (clusterIP !== 'None') return clusterIP ? [clusterIP] : []
  return slices.filter((slice) => belongs(slice, found) && slice.addressType === 'IPv4').flatMap(readyAddresses)
}

/** RFC 1035 over UDP, and nothing is ever forwarded. */
function serveNames(resolve: (name: string) => readonly string[] | undefined, address: string): Promise<void> {
  const socket = createSocket('udp4')
  socket.on('message', (query, from) => {
    const answer = answerTo(query, resolve)
    if (answer) socket.send(answer, from.port, from.address)
  })
  return new Promise((done, reject) => {
    socket.once('error', reject)
    socket.bind(53, address, done)
  })
}

/** DNS query → A records of Services, NXDOMAIN for all else, undefined for what is no query (RFC 1035, 4.1). Pure. */
export function answerTo(query: Buffer, resolve: (name: string) => readonly string[] | undefined): Buffer | undefined {
  const labels: string[] = []
  let at = 12
  for (let length = query[at]; length; length = query[at]) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += length + 1
  }
  const end = at + 5
  if (query.length < end) return undefined
  const found = resolve(labels.join('.'))
  const addresses = found && query.readUInt16BE(at + 1) === 1 ? found : []
  const header = Buffer.from(query.subarray(0, 12))
  header.writeUInt16BE(found ? 0x8580 : 0x8583, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(addresses.length, 6)
  header.writeUInt32BE(0, 8)
  // name: a pointer to the question; type A, class IN, 5 s to live, 4 bytes
  const records = addresses.map((ip) =>
    Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, ...ip.split('.').map(Number)]),
  )
  return Buffer.concat([header, query.subarray(12, end), ...records])
}
