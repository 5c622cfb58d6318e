/**
 * Listeners of a Gateway and its ListenerSets, in order of precedence → which of them cannot stand beside others. Pure.
 * Inside one Gateway nobody wins; between a Gateway and its sets, and between sets, the earlier one does.
 */
import { overlap } from './hostname.ts'
import type { Gateway, ListenerSet } from './resources.ts'
import type { Fault } from './status.ts'
import type { Listener } from './types.generated.ts'

export interface Entry {
  readonly spec: Listener
  readonly owner: Gateway | ListenerSet
  readonly rank: 'gateway' | 'set'
}

export interface Conflict extends Fault {
  readonly reason: 'HostnameConflict' | 'ProtocolConflict' | 'ListenerConflict' | 'PortUnavailable'
}

type Family = 'http' | 'tls' | 'tcp' | 'udp'

const families: Readonly<Record<string, Family | undefined>> = {
  HTTP: 'http',
  HTTPS: 'tls',
  TLS: 'tls',
  TCP: 'tcp',
  UDP: 'udp',
}

/** One socket: which families and names are taken, and by whom. */
interface Port {
  readonly families: Map<Family, Entry[]>
  readonly names: Map<string, Entry[]>
}

/** `claimed`: listeners of older Gateways on the same machine, which keep what they have. */
export function findConflicts(entries: readonly Entry[], claimed: readonly Entry[]): ReadonlyMap<Entry, Conflict> {
  const conflicts = new Map<Entry, Conflict>()
  const ports = new Map<string, Port>()
  for (const entry of claimed) take(ports, entry)
  const own = entries.filter((entry) => entry.rank === 'gateway')
  for (const entry of own) {
    const found = conflictWith(ports, entry)
    if (found !== undefined) conflicts.set(entry, { reason: 'PortUnavailable', message: found.message })
  }
  for (const entry of own) if (!conflicts.has(entry)) take(ports, entry)
  for (const entry of own) {
    if (conflicts.has(entry)) continue
    const found = conflictWith(ports, entry)
    if (found !== undefined) conflicts.set(entry, found)
  }
  for (const entry of entries) {
    if (entry.rank === 'gateway') continue
    const found = conflictWith(ports, entry)
    if (found === undefined) take(ports, entry)
    else conflicts.set(entry, found)
  }
  return conflicts
}

function conflictWith(ports: Map<string, Port>, entry: Entry): Conflict | undefined {
  const family = families[entry.spec.protocol]
  const port = ports.get(socketOf(entry))
  if (family === undefined || port === undefined) return undefined
  for (const [other, takers] of port.families) {
    const taker = other === family ? undefined : takers.find((each) => each !== entry)
    if (taker !== undefined)
      return {
        reason: 'ProtocolConflict',
        message: `port ${entry.spec.port} speaks ${taker.spec.protocol} for ${nameOf(taker)}`,
      }
  }
  const taker = port.names.get(entry.spec.hostname?.toLowerCase() ?? '')?.find((each) => each !== entry)
  if (taker === undefined) return undefined
  if (family === 'tcp' || family === 'udp')
    return { reason: 'ListenerConflict', message: `port ${entry.spec.port} belongs to ${nameOf(taker)}` }
  const host = entry.spec.hostname === undefined ? 'no hostname' : entry.spec.hostname
  return { reason: 'HostnameConflict', message: `port ${entry.spec.port} with ${host} belongs to ${nameOf(taker)}` }
}

function take(ports: Map<string, Port>, entry: Entry): void {
  const family = families[entry.spec.protocol]
  if (family === undefined) return
  const socket = socketOf(entry)
  let port = ports.get(socket)
  if (port === undefined) {
    port = { families: new Map(), names: new Map() }
    ports.set(socket, port)
  }
  push(port.families, family, entry)
  push(port.names, entry.spec.hostname?.toLowerCase() ?? '', entry)
}

/** UDP has ports of its own. */
function socketOf({ spec }: Entry): string {
  return `${spec.protocol === 'UDP' ? 'udp' : 'tcp'} ${spec.port}`
}

function push<Key>(map: Map<Key, Entry[]>, key: Key, entry: Entry): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [entry])
  else list.push(entry)
}

function nameOf({ owner, spec }: Entry): string {
  return `listener ${spec.name} of ${owner.kind} ${owner.metadata.namespace}/${owner.metadata.name}`
}

interface Secured {
  readonly spec: Listener
  readonly protocol: string | undefined
  /** Names in its certificates. */
  readonly names: readonly string[]
}

/**
 * HTTPS listeners of one port that a client may mistake for one another: it reuses a connection where the certificate
 * fits another name too (RFC 9113, 9.1.1). We answer such requests with 421; the condition tells why.
 */
export function findOverlaps<Item extends Secured>(listeners: readonly Item[]): ReadonlyMap<Item, Fault> {
  const result = new Map<Item, Fault>()
  const byPort = new Map<number, Item[]>()
  for (const each of listeners) {
    if (each.protocol !== 'https') continue
    const list = byPort.get(each.spec.port)
    if (list === undefined) byPort.set(each.spec.port, [each])
    else list.push(each)
  }
  for (const list of byPort.values()) {
    // quadratic in the listeners of a port, so thousands of exact names are left unjudged rather than judged for seconds
    if (list.length < 2 || list.length > 500) continue
    for (const left of list) {
      const hosts = list.find(
        (right) => right !== left && overlap(left.spec.hostname?.toLowerCase(), right.spec.hostname?.toLowerCase()),
      )
      if (hosts !== undefined) {
        result.set(left, {
          reason: 'OverlappingHostnames',
          message: `its hostname overlaps with that of listener ${hosts.spec.name}`,
        })
        continue
      }
      const certificates = list.find(
        (right) => right !== left && right.names.some((name) => overlap(name, left.spec.hostname?.toLowerCase())),
      )
      if (certificates !== undefined) {
        result.set(left, {
          reason: 'OverlappingCertificates',
          message: `a certificate of listener ${certificates.spec.name} is good for its hostname too`,
        })
      }
    }
  }
  return result
}
