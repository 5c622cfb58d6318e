/** World of Namespaces, Pods and Secrets → the model, with a status for each object that is not served as it says. Pure. */
import { createHash } from 'node:crypto'
import type { Diagnostic, Origin } from '../../model/diagnostic.ts'
import {
  type Backend,
  type Certificate,
  emptyModel,
  type Endpoint,
  type Endpoints,
  type Health,
  type HostMatch,
  type Listener,
  type Match,
  type PathMatch,
  type PolicyUse,
  type Route,
} from '../../model/model.ts'
import { Secret } from '../../model/secret.ts'
import type { Translation } from '../source.ts'
import { keysOf } from './certificates.ts'
import type { Configuration } from './environment.ts'
import { Keeper } from './keep.ts'
import { inOrder, type Ranked } from './order.ts'
import type { WantedPath } from './paths.ts'
import { type Status, statusesOf } from './statuses.ts'
import { type OwnedHost, type OwnedPath, ownership, type Table } from './table.ts'
import { sourceName, type World } from './world.ts'

/** One for each reading source: it remembers what it made. */
export function createTranslate(): (world: World) => Translation<Status> {
  const kept: Kept = {
    routes: new Keeper(),
    listeners: new Keeper(),
    backends: new Keeper(),
    endpoints: new Keeper(),
    certificates: new Keeper(),
  }
  return (world) => {
    const { configured } = world
    if (configured.kind === 'refused')
      return {
        model: emptyModel,
        diagnostics: [...configured.diagnostics, ...world.diagnostics],
        statuses: [],
        refused: true,
      }
    const diagnostics: Diagnostic[] = [...configured.diagnostics, ...world.diagnostics]
    const table = ownership(world, configured.configuration, diagnostics)
    const parts = new Parts(configured.configuration, table, kept, diagnostics)
    const model = parts.model()
    for (const keeper of Object.values(kept)) keeper.turn()
    return {
      model,
      diagnostics,
      statuses: statusesOf(world, diagnostics),
      ...(diagnostics.some(({ code }) => aged.has(code)) ? { stale: true } : {}),
    }
  }
}

/** Said where something is served as it was last known. */
const aged = new Set(['pods/api-away', 'pods/secrets-away', 'pods/certificate-files'])

interface Kept {
  readonly routes: Keeper<Route>
  readonly listeners: Keeper<Listener>
  readonly backends: Keeper<Backend>
  readonly endpoints: Keeper<Endpoints>
  readonly certificates: Keeper<Certificate>
}

const HTTP = `${sourceName}/http`
const HTTPS = `${sourceName}/https`
const FALLBACK = `${sourceName}/fallback`
const root: PathMatch = { kind: 'start', value: '/' }
const fromEnvironment: Origin = { source: sourceName, object: 'environment' }

/** As nginx waits by itself; milliseconds. */
const timeouts = { connect: 5000, idle: 60_000 }

class Parts {
  readonly #configuration: Configuration
  readonly #table: Table
  readonly #kept: Kept
  readonly #diagnostics: Diagnostic[]
  readonly #routes: Route[] = []
  readonly #listeners: Listener[] = []
  readonly #backends = new Map<string, { readonly backend: Backend; readonly endpoints: Endpoints }>()
  readonly #certificates = new Map<string, Certificate>()
  readonly #policies = new Map<string, Guard>()

  constructor(configuration: Configuration, table: Table, kept: Kept, diagnostics: Diagnostic[]) {
    this.#configuration = configuration
    this.#table = table
    this.#kept = kept
    this.#diagnostics = diagnostics
  }

  model(): Translation['model'] {
    this.#ports()
    for (const host of this.#table.hosts) this.#host(host)
    const { statusPath, tls } = this.#configuration
    if (statusPath.startsWith('/'))
      this.#route({
        id: `${sourceName}/status`,
        listeners: tls === undefined ? [HTTP] : [HTTP, HTTPS],
        match: { path: { kind: 'exact', value: statusPath } },
        policies: [],
        action: { kind: 'reply', status: 200, body: '' },
        origin: fromEnvironment,
      })
    return {
      ...emptyModel,
      listeners: this.#listeners,
      routes: this.#routes,
      backends: [...this.#backends.values()].map(({ backend }) => backend),
      endpoints: [...this.#backends.values()].map(({ endpoints }) => endpoints),
      certificates: [...this.#certificates.values()],
    }
  }

  /** The two sockets, and what strangers get there. */
  #ports(): void {
    const { port, tls } = this.#configuration
    this.#listener({ ...this.#common(HTTP, port), protocol: 'http' })
    if (tls === undefined) return
    const id = `${sourceName}/default`
    this.#certificates.set(
      id,
      this.#kept.certificates.keep(id, digest([tls.certificate, tls.key]), () => ({
        id,
        certificate: tls.certificate,
        key: new Secret(tls.key),
        origin: fromEnvironment,
      })),
    )
    this.#listener({
      ...this.#common(HTTPS, tls.port),
      protocol: 'https',
      tls: { mode: 'terminate', certificates: [id], minVersion: 'TLSv1.2', misdirected: 'serve' },
    })
  }

  #common(id: string, port: number): Omit<Listener, 'protocol'> {
    return {
      id,
      address: '*',
      port,
      unmatched: { kind: 'close' },
      policies: [{ policy: 'normal-request', config: {}, origin: fromEnvironment }],
      limits: { bodyBytes: this.#configuration.bodyBytes },
      origin: fromEnvironment,
    }
  }

  #host(host: OwnedHost): void {
    const { protection, name } = host
    const origin: Origin = {
      source: sourceName,
      object: `Namespace ${host.owner.name}`,
      field: 'hosts',
      ...host.owner.at,
    }
    const hosts: readonly HostMatch[] = [{ kind: 'exact', name }]
    let listener = HTTP
    let verified: Pick<Match, 'clientCertificate'> = {}
    if (protection.kind === 'tls') {
      listener = `${HTTPS}/${name}`
      const { certificate, client } = protection
      this.#certificates.set(certificate.id, certificate)
      if (client !== undefined) {
        this.#certificates.set(client.id, client)
        verified = { clientCertificate: 'verified' }
      }
      this.#listener({
        ...this.#common(listener, this.#configuration.tls?.port ?? 0),
        protocol: 'https',
        host: { kind: 'exact', name },
        origin,
        tls: {
          mode: 'terminate',
          certificates: [certificate.id],
          minVersion: 'TLSv1.2',
          // who has shown no certificate under another name gets in nowhere
          misdirected: client === undefined ? 'serve' : 'refuse',
          // asked for, and judged by the routes, so that a client without one is told so
          ...(client === undefined ? {} : { clientValidation: { mode: 'request', ca: [client.id] } }),
        },
      })
    }
    const common = { listeners: [listener], hosts }
    for (const ranked of inOrder([...host.paths.values()])) {
      const { path, id, policies, action, from } = this.#ranked(ranked)
      this.#route({
        ...common,
        id: `${sourceName}/${name}/${id}`,
        match: { path, ...verified },
        policies,
        action,
        origin: from,
        label: `${name}${id}`,
      })
    }
    if (!host.paths.has('/')) this.#fallback(name, common, verified, origin)
    if (protection.kind === 'tls' && protection.client !== undefined)
      this.#route({
        ...common,
        id: `${sourceName}/${name} without certificate`,
        match: { path: root },
        policies: [],
        action: {
          kind: 'reply',
          status: 400,
          body: 'a client certificate is required\n',
          contentType: 'text/plain; charset=utf-8',
        },
        origin,
      })
  }

  #ranked(ranked: Ranked): {
    path: PathMatch
    id: string
    policies: readonly PolicyUse[]
    action: Route['action']
    from: Origin
  } {
    const { owned } = ranked
    const first = owned.offers[0]!
    const from: Origin = {
      source: sourceName,
      object: `Pod ${first.pod.namespace}/${first.pod.name}`,
      field: 'paths',
      ...first.pod.at,
    }
    if (ranked.kind === 'slash') {
      const use: PolicyUse = {
        policy: 'redirect',
        config: { status: 301, path: { kind: 'full', value: `${ranked.path}/` } },
        origin: from,
      }
      return {
        path: { kind: 'exact', value: ranked.path },
        id: `${ranked.path} to its slash`,
        policies: [use],
        action: { kind: 'reply', status: 404 },
        from,
      }
    }
    const { base } = first.path
    const path: PathMatch =
      base.kind === 'regexp'
        ? { kind: 'regexp', source: base.source, ...(base.ignoreCase ? { ignoreCase: true } : {}) }
        : { kind: base.kind, value: base.path }
    const guard = this.#guard(owned.namespace.name)
    if (guard.kind === 'unknown')
      return { path, id: owned.key, policies: [], action: { kind: 'reply', status: 503 }, from }
    const to = owned.offers.find((offer) => offer.path.to !== undefined)?.path.to
    const config = { from: base.kind === 'regexp' ? '/' : base.path, ...(to === undefined ? {} : { to }) }
    return {
      path,
      id: owned.key,
      policies: [...guard.policies, { policy: 'target-path', config, origin: from }],
      action: {
        kind: 'forward',
        forward: {
          backends: [{ target: { kind: 'backend', id: this.#backend(owned) } }],
          forwarded: 'none',
          timeouts,
        },
      },
      from,
    }
  }

  /** What protects the paths of a namespace. Not knowing is not the same as nothing. */
  #guard(namespace: string): Guard {
    const known = this.#policies.get(namespace)
    if (known !== undefined) return known
    const guard = this.#makeGuard(namespace)
    this.#policies.set(namespace, guard)
    return guard
  }

  #makeGuard(namespace: string): Guard {
    const { keySecretName, keySecretField, keyHeader } = this.#configuration
    const secret = this.#table.secretOf(namespace)
    const origin: Origin = { source: sourceName, object: `Secret ${namespace}/${keySecretName}` }
    if (secret === 'unknown') {
      this.#diagnostics.push({
        code: 'pods/secret-unknown',
        severity: 'error',
        message: `namespace ${namespace}: whether a routing key protects it is not known, for its secret ${keySecretName} could not be read; its paths answer 503`,
        hint: 'the right to list and watch this secret',
        origin: { source: sourceName, object: `Namespace ${namespace}` },
      })
      return { kind: 'unknown' }
    }
    const keys = secret === 'absent' ? [] : keysOf(secret, keySecretField)
    const [key, ...others] = keys
    if (key === undefined) return { kind: 'known', policies: [] }
    const config = { header: keyHeader, key: new Secret(key), alternatives: others.map((other) => new Secret(other)) }
    return {
      kind: 'known',
      policies: [
        { policy: 'shared-key', config, origin },
        // the key is between caller and gateway
        { policy: 'headers', config: { request: { remove: [keyHeader] } }, origin },
      ],
    }
  }

  #fallback(
    name: string,
    common: Pick<Route, 'listeners' | 'hosts'>,
    verified: Pick<Match, 'clientCertificate'>,
    origin: Origin,
  ): void {
    const { fallback } = this.#configuration
    const route = { ...common, id: `${sourceName}/${name} otherwise`, match: { path: root, ...verified }, origin }
    switch (fallback.kind) {
      case 'status':
        // 444 is nginx's word for an answer that is none, which a listener gives to whom no route takes
        if (fallback.status !== 444)
          this.#route({
            ...route,
            policies: [],
            // nginx says nothing beside a success
            action: { kind: 'reply', status: fallback.status, ...(fallback.status < 300 ? { body: '' } : {}) },
          })
        return
      case 'unusable':
        this.#route({ ...route, policies: [], action: { kind: 'reply', status: 503 } })
        return
      case 'uri': {
        const { path, scheme, host, port } = fallback
        const config = { from: '/', ...(path === '' ? {} : { to: path }) }
        this.#keepBackend(
          FALLBACK,
          {
            id: FALLBACK,
            protocol: 'http1',
            ...(scheme === 'https' ? { tls: { serverName: host, trust: { kind: 'system' } } } : {}),
            origin: fromEnvironment,
          },
          [{ host, port }],
        )
        this.#route({
          ...route,
          policies: [{ policy: 'target-path', config, origin: fromEnvironment }],
          action: {
            kind: 'forward',
            forward: {
              backends: [{ target: { kind: 'backend', id: FALLBACK } }],
              host: { kind: 'backend' },
              forwarded: 'none',
              timeouts,
            },
          },
        })
      }
    }
  }

  #backend({ key, namespace, offers }: OwnedPath): string {
    const id = `${sourceName}/${namespace.name}/${key}`
    if (this.#backends.has(id)) return id
    const health = this.#configuration.healthChecks ? healthOf(offers.map((offer) => offer.path)) : undefined
    const origin: Origin = { source: sourceName, object: `Namespace ${namespace.name}` }
    const addresses: Endpoint[] = []
    for (const { pod, path } of offers) {
      // Ready decides where a Pod says it; one that ends finishes what it has
      if (pod.ready === false && !pod.terminating) continue
      addresses.push({
        host: pod.ip,
        port: path.port,
        ...(path.weight === undefined ? {} : { weight: path.weight }),
        ...(pod.terminating ? { draining: true } : {}),
        label: `${pod.namespace}/${pod.name}`,
      })
    }
    this.#keepBackend(id, { id, protocol: 'http1', ...(health === undefined ? {} : { health }), origin }, addresses)
    return id
  }

  #keepBackend(id: string, backend: Backend, addresses: readonly Endpoint[]): void {
    this.#backends.set(id, {
      backend: this.#kept.backends.keep(id, JSON.stringify(backend), () => backend),
      endpoints: this.#kept.endpoints.keep(id, JSON.stringify(addresses), () => ({ backend: id, addresses })),
    })
  }

  #listener(listener: Listener): void {
    this.#listeners.push(this.#kept.listeners.keep(listener.id, JSON.stringify(listener), () => listener))
  }

  #route(route: Route): void {
    // a Secret prints as [redacted]: which key it is has to be said beside
    const guards = route.policies.map(({ config }) => keyTextOf(config)).join()
    this.#routes.push(this.#kept.routes.keep(route.id, `${JSON.stringify(route)}${guards}`, () => route))
  }
}

type Guard = { readonly kind: 'unknown' } | { readonly kind: 'known'; readonly policies: readonly PolicyUse[] }

function keyTextOf(config: unknown): string {
  if (typeof config !== 'object' || config === null || !('key' in config) || !(config.key instanceof Secret)) return ''
  const others = 'alternatives' in config && Array.isArray(config.alternatives) ? config.alternatives : []
  return digest([config.key, ...others].map((secret) => (secret instanceof Secret ? secret.reveal() : '')))
}

function digest(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}

/** The first probe that is found is that of all. */
function healthOf(paths: readonly WantedPath[]): Health | undefined {
  const probe = paths.find((path) => path.probe !== undefined)?.probe
  if (probe === undefined) return undefined
  const seconds = (value: number, standard: number): number => (value > 0 ? value : standard) * 1000
  const common = {
    interval: seconds(probe.period, 10),
    timeout: seconds(probe.timeout, 1),
    healthy: Math.max(1, probe.success),
    unhealthy: probe.failure > 0 ? probe.failure : 3,
    port: probe.port,
  }
  if (probe.kind !== 'http') return { active: { kind: 'tcp', ...common } }
  const path = encodeURI(probe.path.startsWith('/') ? probe.path : `/${probe.path}`).replaceAll('%25', '%')
  return { active: { kind: 'http', path, statuses: Array.from({ length: 100 }, (_, index) => 200 + index), ...common } }
}
