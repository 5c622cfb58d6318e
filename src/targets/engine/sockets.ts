/** Listeners → sockets: which share one, which of them a host belongs to, which certificate an SNI gets. Pure. */
import type { SecureContext, SecureContextOptions } from 'node:tls'
import type { Diagnostic } from '../../model/diagnostic.ts'
import type { Certificate, HostMatch, Listener } from '../../model/model.ts'
import { compilePattern } from '../../lib/regexp/pattern.ts'
import type { CompiledListener, ResolvedLimits } from './compile.ts'
import { noRules } from './router/router.ts'
import { byName, compileCertificate, pemOf, type ServedCertificate } from './tls.ts'

/** Everything about one address and port that can change while it is open. */
export interface SocketPlan {
  readonly kind: 'http'
  readonly key: string
  /** Undefined: all addresses. */
  readonly address: string | undefined
  readonly port: number
  readonly listeners: readonly CompiledListener[]
  /** Of heads, before anybody knows which listener they are for. */
  readonly limits: ResolvedLimits
  readonly tls: SocketTls | undefined
  /** The listener with the most specific host that takes this one; for a host of nobody, one without routes. */
  find(host: string): CompiledListener
  /** May a connection that asked for this name carry requests for that listener? */
  directed(serverName: string | undefined, listener: CompiledListener): boolean
}

export interface SocketTls {
  /** For a client that names no server. */
  readonly first: SecureContextOptions
  readonly asksForCertificates: boolean
  /** Every listener of the socket insists: then the handshake itself fails. */
  readonly insists: boolean
  /** What may be spoken after the handshake, in our order of preference. */
  protocolsFor(serverName: string | undefined): readonly string[]
  /** Undefined: no certificate for that name, and the handshake must fail. */
  contextFor(serverName: string): SecureContext | undefined
  /** Must a client of that name have shown a good certificate? */
  requires(serverName: string | undefined): boolean
}

export function compileSockets(
  listeners: readonly CompiledListener[],
  certificates: ReadonlyMap<string, Certificate>,
  diagnostics: Diagnostic[],
): SocketPlan[] {
  const groups = new Map<string, CompiledListener[]>()
  for (const compiled of listeners) {
    const { address, port, id } = compiled.listener
    // a free port is another one for everybody who asks
    const key = port === 0 ? `${address}|0|${id}` : `${address}|${port}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [compiled])
    else if (group[0]!.listener.protocol === compiled.listener.protocol) group.push(compiled)
    else {
      const other = group[0]!.listener
      diagnostics.push({
        code: 'engine/two-protocols',
        severity: 'error',
        message: `listener ${id} wants ${compiled.listener.protocol} on ${address}:${port}, where ${other.id} speaks ${other.protocol}; it is not served`,
        origin: compiled.listener.origin,
        related: [other.origin],
      })
    }
  }
  const plans: SocketPlan[] = []
  for (const [key, group] of groups) {
    const plan = compileSocket(key, group, certificates, diagnostics)
    if (plan !== undefined) plans.push(plan)
  }
  return plans
}

function compileSocket(
  key: string,
  group: readonly CompiledListener[],
  certificates: ReadonlyMap<string, Certificate>,
  diagnostics: Diagnostic[],
): SocketPlan | undefined {
  const first = group[0]!
  const { address, port, protocol } = first.listener
  const own = compileHosts(group)
  const stranger: CompiledListener = {
    ...first,
    listener: { ...first.listener, id: first.listener.id },
    steps: [],
    rules: noRules,
  }
  const tls = protocol === 'https' ? compileSocketTls(group, own, certificates, diagnostics) : undefined
  if (protocol === 'https' && tls === undefined) return undefined
  const strict = group.length > 1
  return {
    kind: 'http',
    key,
    address: address === '*' ? undefined : address,
    port,
    listeners: group,
    limits: first.limits,
    tls,
    find: (host) => own(host) ?? stranger,
    directed: (serverName, listener) => {
      if (serverName === undefined) return true
      const misdirected = listener.listener.tls?.misdirected ?? (strict ? 'refuse' : 'serve')
      return misdirected === 'serve' || (own(serverName) ?? stranger).listener === listener.listener
    },
  }
}

const REMEMBERED_HOSTS = 2000

/** Exact names first, then the longest suffix, then patterns in order, then the listener of every host. */
export function compileHosts<T extends { readonly listener: Listener }>(
  group: readonly T[],
): (host: string) => T | undefined {
  const [only] = group
  if (group.length === 1 && only!.listener.host === undefined) return () => only
  const exact = new Map<string, T>()
  const others: {
    readonly rank: number
    readonly takes: (host: string) => boolean
    readonly compiled: T
  }[] = []
  for (const compiled of group) {
    const { host } = compiled.listener
    if (host?.kind === 'exact') {
      const name = host.name.toLowerCase()
      if (!exact.has(name)) exact.set(name, compiled)
    } else others.push({ ...hostCheck(host), compiled })
  }
  others.sort((a, b) => b.rank - a.rank)
  const remembered = new Map<string, T | undefined>()
  return (host) => {
    const known = exact.get(host) ?? remembered.get(host)
    if (known !== undefined) return known
    if (remembered.has(host)) return undefined
    const found = others.find((other) => other.takes(host))?.compiled
    // names are the clients' to invent
    if (remembered.size >= REMEMBERED_HOSTS) remembered.clear()
    remembered.set(host, found)
    return found
  }
}

export function hostCheck(host: HostMatch | undefined): {
  readonly rank: number
  readonly takes: (host: string) => boolean
} {
  switch (host?.kind) {
    case undefined:
      return { rank: -1, takes: () => true }
    case 'exact':
      return { rank: Number.POSITIVE_INFINITY, takes: (name) => name === host.name.toLowerCase() }
    case 'suffix': {
      const suffix = host.suffix.toLowerCase()
      return {
        rank: suffix.length,
        takes: (name) =>
          name.length > suffix.length &&
          name.endsWith(suffix) &&
          (host.labels === 'many' || !name.slice(0, -suffix.length).includes('.')),
      }
    }
    case 'regexp': {
      const pattern = compilePattern(host.source, { ignoreCase: true })
      // what cannot be matched takes nobody
      if (pattern.kind === 'bad') return { rank: 0, takes: () => false }
      return { rank: 0, takes: (name) => name.length <= pattern.limit && pattern.regexp.test(name) }
    }
  }
}

export function compileSocketTls(
  group: readonly { readonly listener: Listener }[],
  own: (host: string) => { readonly listener: Listener } | undefined,
  certificates: ReadonlyMap<string, Certificate>,
  diagnostics: Diagnostic[],
): SocketTls | undefined {
  const served = new Map<Listener, readonly ServedCertificate[]>()
  for (const { listener } of group) served.set(listener, servedBy(listener, certificates, diagnostics))
  const all = [...served.values()].flat()
  const first = all[0]
  if (first === undefined) {
    const { listener } = group[0]!
    diagnostics.push({
      code: 'engine/no-certificate',
      severity: 'error',
      message: `listener ${listener.id} has no certificate that can be served; its port is not opened`,
      hint: 'a certificate with its key, in PEM',
      origin: listener.origin,
    })
    return undefined
  }
  const asks = group.some(({ listener }) => listener.tls?.clientValidation !== undefined)
  const required = (listener: Listener): boolean => listener.tls?.clientValidation?.mode === 'require'
  return {
    first: first.options,
    asksForCertificates: asks,
    insists: group.every(({ listener }) => required(listener)),
    protocolsFor: (serverName) =>
      ((serverName === undefined ? undefined : own(serverName.toLowerCase())) ?? group[0])?.listener.tls?.alpn ?? ALPN,
    contextFor: (serverName) => {
      const name = serverName.toLowerCase()
      const listener = own(name)?.listener
      const mine = listener === undefined ? all : (served.get(listener) ?? [])
      const exact = byName(mine, name) ?? byName(all, name)
      if (exact !== undefined) return exact.context
      if ((listener ?? group[0]!.listener).tls?.unknownName === 'reject') return undefined
      return (mine[0] ?? first).context
    },
    requires: (serverName) => {
      const listener = serverName === undefined ? undefined : own(serverName)?.listener
      // who says no name could be for any of them
      return listener === undefined ? group.some((one) => required(one.listener)) : required(listener)
    },
  }
}

const ALPN: readonly string[] = ['h2', 'http/1.1']

/** Contexts cost a millisecond each: a certificate keeps its own for as long as it is the same. */
const contexts = new WeakMap<Certificate, Map<string, ServedCertificate>>()

function servedBy(
  listener: Listener,
  certificates: ReadonlyMap<string, Certificate>,
  diagnostics: Diagnostic[],
): ServedCertificate[] {
  const { tls } = listener
  if (tls === undefined) return []
  const problem = (message: string): void => {
    diagnostics.push({ code: 'engine/certificate', severity: 'error', message, origin: listener.origin })
  }
  const ca: string[] = []
  for (const id of tls.clientValidation?.ca ?? []) {
    const authority = certificates.get(id)
    if (authority === undefined)
      problem(`listener ${listener.id}: there is no CA ${id}; clients of it are not believed`)
    else ca.push(pemOf(authority))
  }
  const options = {
    minVersion: tls.minVersion ?? ('TLSv1.2' as const),
    ...(tls.ciphers === undefined ? {} : { ciphers: tls.ciphers }),
    // an empty list of its own: without one the machine's authorities would be believed
    ...(tls.clientValidation === undefined ? {} : { ca }),
  }
  const key = JSON.stringify(options)
  const result: ServedCertificate[] = []
  for (const id of tls.certificates) {
    const certificate = certificates.get(id)
    if (certificate === undefined) {
      problem(`listener ${listener.id}: there is no certificate ${id}`)
      continue
    }
    let known = contexts.get(certificate)
    if (known === undefined) contexts.set(certificate, (known = new Map()))
    let context = known.get(key)
    if (context === undefined) {
      try {
        context = compileCertificate(certificate, options)
        known.set(key, context)
      } catch (error) {
        problem(`certificate ${id}: ${error instanceof Error ? error.message : String(error)}`)
        continue
      }
    }
    result.push(context)
  }
  return result
}
