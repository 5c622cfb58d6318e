/** Listeners of bytes and their routes → ports; splits a port by SNI where HTTPS shares it. Pure. */
import type { Diagnostic } from '../../../model/diagnostic.ts'
import type { Certificate, HostMatch, Listener, Model, StreamRoute } from '../../../model/model.ts'
import type { ResolvedLimits } from '../compile.ts'
import type { PortPlan } from '../listeners.ts'
import { createPicker, type Picker } from '../picker.ts'
import type { BackendPool } from '../pool.ts'
import { compileHosts, compileSocketTls, hostCheck, type SocketPlan, type SocketTls } from '../sockets.ts'

/** One TCP port on which something else than HTTP alone is spoken. */
export interface StreamSocketPlan {
  readonly kind: 'stream'
  readonly key: string
  /** Undefined: all addresses. */
  readonly address: string | undefined
  readonly port: number
  /** All of the port, those of `http` too. */
  readonly listeners: readonly { readonly listener: Listener }[]
  readonly limits: ResolvedLimits
  /** `tcp`: bytes as they come. `tls`: a ClientHello is read first, and its SNI decides. */
  readonly transport: 'tcp' | 'tls'
  /** Who takes connections that have sent nothing yet; for `tcp` only. */
  readonly only: StreamListener | undefined
  /** The listeners of `tls` that end it here. */
  readonly tls: SocketTls | undefined
  /** The HTTPS listeners of the same port. */
  readonly http: SocketPlan | undefined
  /** The listener with the most specific host for that SNI; `http`: one of those. */
  find(serverName: string | undefined): StreamListener | 'http' | undefined
}

export interface DatagramSocketPlan {
  readonly kind: 'datagram'
  readonly key: string
  readonly address: string | undefined
  readonly port: number
  readonly listeners: readonly StreamListener[]
  readonly limits: ResolvedLimits
}

export interface StreamListener {
  readonly listener: Listener
  /** Does TLS end here? */
  readonly terminates: boolean
  readonly limits: ResolvedLimits
  /** The first in order that takes that SNI. */
  routeFor(serverName: string | undefined): StreamProgram | undefined
}

export interface StreamProgram {
  readonly route: StreamRoute
  /** Undefined: connections of that share are closed. */
  readonly targets: readonly (BackendPool | undefined)[]
  readonly picker: Picker
}

export interface StreamsContext {
  readonly limits: ResolvedLimits
  readonly certificates: ReadonlyMap<string, Certificate>
  /** Undefined for what is no backend. */
  pool(id: string): BackendPool | undefined
  readonly diagnostics: Diagnostic[]
}

/** `https`: the ports that HTTP has already; those that are shared go into a port of ours. */
export function compileStreams(model: Model, https: readonly SocketPlan[], context: StreamsContext): PortPlan[] {
  const own = model.listeners.filter(({ protocol }) => protocol === 'tls' || protocol === 'tcp' || protocol === 'udp')
  if (own.length === 0) return [...https]
  const result = new Map<string, PortPlan>(https.map((plan) => [plan.key, plan]))
  const programs = compilePrograms(model.streams, context)
  const groups = new Map<string, StreamListener[]>()
  for (const listener of own) {
    const key = keyOf(listener)
    const compiled = compileListener(listener, programs.get(listener.id) ?? [], context)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [compiled])
    else group.push(compiled)
  }
  for (const [key, all] of groups) {
    const shared = result.get(key)
    const group = agreeing(all, shared, context.diagnostics)
    if (group.length === 0) continue
    const plan = compilePort(key, group, shared?.kind === 'http' ? shared : undefined, context)
    if (plan !== undefined) result.set(key, plan)
  }
  return [...result.values()]
}

/** As compileSockets makes them; datagrams have ports of their own. */
function keyOf({ address, port, id, protocol }: Listener): string {
  const where = port === 0 ? `${address}|0|${id}` : `${address}|${port}`
  return protocol === 'udp' ? `udp|${where}` : where
}

/** Who comes second and speaks something else is not served. */
function agreeing(
  group: readonly StreamListener[],
  shared: PortPlan | undefined,
  diagnostics: Diagnostic[],
): StreamListener[] {
  const first = shared?.listeners[0]?.listener ?? group[0]!.listener
  const familyOf = (protocol: string): string => (protocol === 'https' ? 'tls' : protocol)
  return group.filter(({ listener }, index) => {
    const another = listener.protocol === 'tcp' && index > 0 ? group[0]!.listener : first
    const alone = listener.protocol === 'tcp' || listener.protocol === 'udp'
    if (familyOf(listener.protocol) === familyOf(another.protocol) && !(alone && index > 0)) return true
    const { id, protocol, address, port } = listener
    diagnostics.push({
      code: 'engine/two-protocols',
      severity: 'error',
      message: `listener ${id} wants ${protocol} on ${address}:${port}, where ${another.id} speaks ${another.protocol}; it is not served`,
      origin: listener.origin,
      related: [another.origin],
    })
    return false
  })
}

/** By the id of the listener, in order of precedence. */
function compilePrograms(routes: readonly StreamRoute[], context: StreamsContext): Map<string, StreamProgram[]> {
  const result = new Map<string, StreamProgram[]>()
  for (const route of routes) {
    const targets = route.backends.map(({ target }) => {
      if (target.kind === 'fail') return undefined
      const pool = context.pool(target.id)
      if (pool === undefined) {
        const message = `there is no backend ${target.id}; its connections are closed`
        context.diagnostics.push({ code: 'engine/unknown-backend', severity: 'error', message, origin: route.origin })
      }
      return pool
    })
    const program = { route, targets, picker: createPicker(route.backends.map(({ weight }) => weight ?? 1)) }
    for (const id of route.listeners) {
      const known = result.get(id)
      if (known === undefined) result.set(id, [program])
      else known.push(program)
    }
  }
  return result
}

function compileListener(
  listener: Listener,
  programs: readonly StreamProgram[],
  context: StreamsContext,
): StreamListener {
  const limits = { ...context.limits, ...listener.limits }
  const terminates = listener.protocol === 'tls' && listener.tls?.mode !== 'passthrough'
  if (listener.protocol !== 'tls') {
    // only SNI could tell one from another
    return { listener, terminates, limits, routeFor: () => programs[0] }
  }
  const rows = programs.map((program) => ({ program, takes: takesOf(program.route.hosts) }))
  return {
    listener,
    terminates,
    limits,
    routeFor: (serverName) => rows.find((row) => row.takes(serverName))?.program,
  }
}

function takesOf(hosts: readonly HostMatch[] | undefined): (serverName: string | undefined) => boolean {
  if (hosts === undefined || hosts.length === 0) return () => true
  const checks = hosts.map((host) => hostCheck(host).takes)
  return (serverName) => serverName !== undefined && checks.some((takes) => takes(serverName))
}

function compilePort(
  key: string,
  group: readonly StreamListener[],
  http: SocketPlan | undefined,
  context: StreamsContext,
): PortPlan | undefined {
  const first = group[0]!
  const { address: given, port, protocol } = first.listener
  const address = given === '*' ? undefined : given
  if (protocol === 'udp') return { kind: 'datagram', key, address, port, listeners: group, limits: first.limits }
  const base = { kind: 'stream', key, address, port, limits: first.limits } as const
  if (protocol === 'tcp') {
    return {
      ...base,
      listeners: group,
      transport: 'tcp',
      only: first,
      tls: undefined,
      http: undefined,
      find: () => first,
    }
  }
  const everybody = [...group, ...(http?.listeners ?? [])]
  const own = compileHosts<{ readonly listener: Listener }>(everybody)
  const byListener = new Map<Listener, StreamListener>(group.map((one) => [one.listener, one]))
  const ending = group.filter((one) => one.terminates)
  const tls =
    ending.length === 0
      ? undefined
      : compileSocketTls(ending, compileHosts(ending), context.certificates, context.diagnostics)
  // without a certificate they cannot be served, which was said; the others can
  const served = tls === undefined ? group.filter((one) => !one.terminates) : group
  if (served.length === 0 && http === undefined) return undefined
  return {
    ...base,
    listeners: [...served, ...(http?.listeners ?? [])],
    transport: 'tls',
    only: undefined,
    tls,
    http,
    find: (serverName: string | undefined) => {
      const found = own(serverName ?? '')
      if (found === undefined) return undefined
      const mine = byListener.get(found.listener)
      if (mine === undefined) return 'http'
      return served.includes(mine) ? mine : undefined
    },
  }
}
