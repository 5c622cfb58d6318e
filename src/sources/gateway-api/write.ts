/**
 * Model of a plan → Gateway API YAML that serves the same, and diagnostics for all that it cannot say. Pure.
 *
 * Fail closed: a route that would lose a policy which may refuse or change a request becomes a rule without backends,
 * which answers 500; were it left out, a wider rule might take its requests.
 */
import { stringify } from 'yaml'
import type { Diagnostic } from '../../model/diagnostic.ts'
import type {
  Forward,
  Listener,
  Model,
  PathMatch,
  Persistence,
  PolicyUse,
  Route,
  StreamRoute,
  WeightedBackend,
} from '../../model/model.ts'
import { covers, hostRank } from './hostname.ts'
import { isPlainPath, writeHost, writePath, type WrittenHost, type WrittenPath } from './write-match.ts'
import { replacedFront, targetPathOf, writePolicies, type FilterPlace, type WrittenFilter } from './write-policies.ts'
import { Gathered } from './write-gather.ts'
import { orderChanges, type Placed } from './write-order.ts'
import { Names, writeBackend, writeCertificate, type Say, type ServiceName, type Written } from './write-services.ts'

const api = 'gateway.networking.k8s.io/v1'

/** The most that the definition of an HTTPRoute allows. */
const most = { rules: 16, hostnames: 16, matches: 64 } as const

export function writeGatewayApi(plan: { readonly model: Model }): {
  readonly text: string
  readonly diagnostics: readonly Diagnostic[]
} {
  const writer = new Writer(plan.model)
  const objects = writer.write()
  const text = objects.map((object) => stringify(object, { lineWidth: 0 })).join('---\n')
  return { text, diagnostics: writer.diagnostics }
}

interface Rule {
  readonly route: Route
  readonly matches: readonly Match[]
  readonly body: Written
}

interface Match {
  readonly path: WrittenPath
  readonly method?: string
  readonly headers?: readonly Written[]
  readonly queryParams?: readonly Written[]
}

/** Rules of routes that stand together: the same apiEndpoint, hosts and listeners. */
interface Group {
  readonly key: string
  readonly label: string
  readonly listeners: readonly string[]
  readonly hosts: readonly WrittenHost[]
  readonly rules: Rule[]
}

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'])

class Writer {
  readonly diagnostics: Diagnostic[] = []
  readonly #model: Model
  readonly #said = new Set<string>()
  readonly #gathered = new Gathered()
  readonly #services = new Map<string, ServiceName>()
  readonly #streamNames = new Names()
  /** Listener → where its routes attach. */
  readonly #parents = new Map<string, { readonly name: string; readonly sectionName: string }>()

  constructor(model: Model) {
    this.#model = model
  }

  write(): readonly Written[] {
    const model = this.#model
    const names = new Names()
    const backends = model.backends.flatMap((backend) => {
      const written = writeBackend(backend, model, names, this.#say)
      if (written === undefined) return []
      this.#services.set(backend.id, written.service)
      return written.objects
    })
    const gateways = this.#gateways()
    const groups = this.#groups()
    const placed: Placed[] = []
    const routes = groups.flatMap((group, index) => this.#httpRoutes(group, index, groups, placed))
    for (const { later, earlier } of orderChanges(placed)) {
      this.#say(
        'write-order',
        'warning',
        `route ${later.id} stands behind ${earlier.id}, but the Gateway API ranks it first, so it may take requests of the other`,
        later.origin,
        { hint: 'make one of their paths narrower', related: [earlier.origin] },
      )
    }
    const streams = model.streams.flatMap((stream) => this.#stream(stream))
    this.diagnostics.push(...this.#gathered.diagnostics())
    this.#others()
    return [...gateways, ...routes, ...streams, ...backends]
  }

  #say: Say = (code, severity, message, origin, more = {}) => {
    const key = `${code} ${message}`
    if (this.#said.has(key)) return
    this.#said.add(key)
    this.diagnostics.push({ code: `gateway-api/${code}`, severity, message, ...more, origin })
  }

  // --- listeners -----------------------------------------------------------------------------------------------------

  #gateways(): readonly Written[] {
    const objects: Written[] = []
    const secrets = new Map<string, string>()
    const names = new Names()
    const byAddress = new Map<string, Listener[]>()
    for (const listener of this.#model.listeners) {
      byAddress.set(listener.address, [...(byAddress.get(listener.address) ?? []), listener])
    }
    let count = 0
    for (const [address, listeners] of byAddress) {
      const name = ++count === 1 ? 'gateway' : `gateway-${count}`
      const sections = new Names()
      const written = listeners.flatMap((listener) => {
        const section = sections.name(listener.id.split('/').slice(1).join('-'))
        const text = this.#listener(listener, section, secrets, names)
        if (text !== undefined) this.#parents.set(listener.id, { name, sectionName: section })
        return text === undefined ? [] : [text]
      })
      if (written.length === 0) continue
      const addresses = address === '*' ? {} : { addresses: [{ type: 'IPAddress', value: address }] }
      const tls = this.#frontend(
        listeners.filter((each) => this.#parents.has(each.id)),
        name,
        objects,
      )
      objects.push({
        apiVersion: api,
        kind: 'Gateway',
        metadata: { name },
        spec: { gatewayClassName: 'gantry', ...addresses, listeners: written, ...tls },
      })
    }
    for (const certificate of this.#model.certificates) {
      const name = secrets.get(certificate.id)
      if (name !== undefined) objects.push(writeCertificate(certificate, name, this.#say))
    }
    return objects
  }

  #listener(listener: Listener, name: string, secrets: Map<string, string>, names: Names): Written | undefined {
    const { id, origin, tls, host } = listener
    const refuse = (why: string, hint?: string): undefined => {
      const more = hint === undefined ? {} : { hint }
      this.#say('write-listener', 'error', `listener ${id} is left out: ${why}`, origin, more)
      return undefined
    }
    const hostname = host === undefined ? {} : writeHost(host)
    if (hostname === undefined || hostname.header !== undefined)
      return refuse('its host cannot be written as a hostname')
    const rival = this.#model.listeners.find(
      (each) =>
        each.address === listener.address &&
        each.port === listener.port &&
        each.protocol === 'https' &&
        JSON.stringify(each.tls?.clientValidation) !== JSON.stringify(tls?.clientValidation),
    )
    if (rival !== undefined && listener.protocol === 'https')
      return refuse(`it asks for other client certificates than ${rival.id}`, 'give one of them another port')
    const port = listener.port === 0 ? (listener.protocol === 'https' ? 8443 : 8080) : listener.port
    if (listener.port === 0)
      this.#say('write-listener', 'warning', `listener ${id}: port 0 is written as ${port}`, origin)
    if (listener.unmatched?.kind === 'express')
      this.#say('write-unmatched', 'info', `listener ${id}: who finds no route gets a 404 with other words`, origin)
    if (tls?.ciphers !== undefined)
      this.#say('write-listener', 'warning', `listener ${id}: its ciphers are left out`, origin)
    const base = { name, port, ...(hostname.hostname === undefined ? {} : { hostname: hostname.hostname }) }
    switch (listener.protocol) {
      case 'http':
        return { ...base, protocol: 'HTTP' }
      case 'tcp':
      case 'udp':
        return { name, port, protocol: listener.protocol.toUpperCase() }
      case 'tls':
        if (tls?.mode === 'passthrough') return { ...base, protocol: 'TLS', tls: { mode: 'Passthrough' } }
        break
      case 'https':
    }
    const known = (tls?.certificates ?? []).filter((one) => this.#model.certificates.some((each) => each.id === one))
    if (known.length === 0) return refuse('it has no certificate')
    const certificateRefs = known.map((certificate) => {
      const secret = secrets.get(certificate) ?? names.name(certificate.split('/').slice(1).join('-'))
      secrets.set(certificate, secret)
      return { name: secret }
    })
    const options = tls?.minVersion === undefined ? {} : { options: { 'gantry.dev/min-version': tls.minVersion } }
    return {
      ...base,
      protocol: listener.protocol.toUpperCase(),
      tls: { mode: 'Terminate', certificateRefs, ...options },
    }
  }

  /** Who clients must be is said of a port of the Gateway; the authorities stand in ConfigMaps. */
  #frontend(listeners: readonly Listener[], gateway: string, objects: Written[]): Written {
    const perPort = new Map<number, Written>()
    for (const { port, tls, protocol } of listeners) {
      const asked = tls?.clientValidation
      if (asked === undefined || protocol !== 'https' || perPort.has(port)) continue
      const name = `${gateway}-clients-${port}`
      const authorities = this.#model.certificates.filter((each) => asked.ca.includes(each.id))
      // an empty one is no authority: then nobody comes in
      const data = { 'ca.crt': authorities.map((each) => each.certificate).join('\n') }
      objects.push({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data })
      const validation = {
        caCertificateRefs: [{ group: '', kind: 'ConfigMap', name }],
        mode: asked.mode === 'require' ? 'AllowValidOnly' : 'AllowInsecureFallback',
      }
      perPort.set(port, { port: port === 0 ? 8443 : port, tls: { validation } })
    }
    return perPort.size === 0 ? {} : { tls: { frontend: { default: {}, perPort: [...perPort.values()] } } }
  }

  // --- routes --------------------------------------------------------------------------------------------------------

  #groups(): readonly Group[] {
    const groups: Group[] = []
    for (const route of this.#model.routes) {
      const listeners = route.listeners.filter((each) => this.#parents.has(each))
      if (listeners.length === 0) continue
      const hosts = this.#hostsOf(route)
      const rules = this.#rules(route, hosts === undefined ? 'closed' : 'open')
      if (rules.length === 0) continue
      const label = route.label ?? route.id
      const key = JSON.stringify([label, hosts, listeners])
      for (let at = 0; at < rules.length; at += most.rules) {
        const some = rules.slice(at, at + most.rules)
        const last = groups.at(-1)
        if (last?.key === key && last.rules.length + some.length <= most.rules) last.rules.push(...some)
        else groups.push({ key, label, listeners, hosts: hosts ?? [], rules: some })
      }
    }
    return groups
  }

  /** Undefined: one of them cannot be written. */
  #hostsOf(route: Route): readonly WrittenHost[] | undefined {
    const hosts: WrittenHost[] = []
    for (const host of route.hosts ?? []) {
      const written = writeHost(host)
      if (written === undefined) {
        const message = `route ${route.id}: its host cannot be written; what it matches answers 500 on every host that no other route names`
        this.#say('write-host', 'error', message, route.origin)
        return undefined
      }
      hosts.push(written)
    }
    return hosts
  }

  /** What cannot be written whole is written closed: left out, it would hand its requests to a wider route. */
  #rules(route: Route, way: 'open' | 'closed'): readonly Rule[] {
    const { origin, action } = route
    const [first] = route.policies
    if (action.kind === 'next' && first?.policy === 'allow-options' && route.policies.length === 1) {
      const message = `route ${route.id}: no equivalent of automatic answers to OPTIONS yet`
      this.#say('write-policy', 'warning', message, origin)
      return []
    }
    const exact = writePath(route.match.path)
    if (exact === undefined) {
      const message = `route ${route.id}: its path cannot be written; all that begins with ${beginOf(route.match.path)} answers 500 where no narrower route takes it`
      this.#say('write-path', 'error', message, origin)
    }
    if (route.match.content !== undefined || route.match.clientCertificate !== undefined) {
      const what = route.match.content === undefined ? 'client certificates' : 'content types'
      const message = `route ${route.id}: there is no equivalent of a match on ${what}; the rest of what it matches answers 500`
      this.#say('write-match', 'error', message, origin)
    }
    const prefix = this.#prefixOf(route)
    const listeners = this.#model.listeners.filter((each) => route.listeners.includes(each.id))
    const place: FilterPlace = { prefix, path: route.match.path, serviceOf: (id) => this.#services.get(id) }
    const common = listeners[0]?.policies ?? []
    const { filters, closed: lost } = this.#filters(route, [...common, ...route.policies], place)
    const { content, clientCertificate } = route.match
    const closed =
      lost || way === 'closed' || exact === undefined || content !== undefined || clientCertificate !== undefined
    if (action.kind === 'next' && !closed) {
      this.#say('write-next', 'info', `route ${route.id} hands all requests on to the next one; it is left out`, origin)
      return []
    }
    // what is closed is closed whole, not only the part that could have been changed
    const paths: readonly WrittenPath[] =
      exact === undefined
        ? [{ type: 'PathPrefix', value: beginOf(route.match.path) }]
        : closed || prefix === undefined
          ? exact
          : [{ type: 'PathPrefix', value: prefix }]
    const body = closed ? {} : this.#body(route, filters, place)
    const { matches, unwritten } = this.#matches(route, paths)
    // a prefix is replaced in a rule with one match only
    const each = JSON.stringify(body).includes('ReplacePrefixMatch') ? 1 : most.matches
    const rules: Rule[] = []
    for (let at = 0; at < matches.length; at += each) rules.push({ route, matches: matches.slice(at, at + each), body })
    if (unwritten.length > 0) rules.push({ route, matches: unwritten, body: {} })
    return rules
  }

  /** The prefix that a rule must match for its path to be changed, or that is the same as what the route takes. */
  #prefixOf(route: Route): string | undefined {
    const { path } = route.match
    const [same] = writePath(path) ?? []
    if (same?.type === 'PathPrefix') return same.value
    if (path?.kind !== 'start' || !isPlainPath(path.value)) return undefined
    const uses = [...route.policies, ...weightedOf(route).flatMap((each) => each.policies ?? [])]
    const changes = uses.some((use) => {
      const { strip, prepend } = (use.config ?? {}) as { strip?: { kind?: string }; prepend?: string }
      const target = use.policy === 'target-path' ? targetPathOf(use.config) : undefined
      if (target !== undefined) return replacedFront(target, path) !== undefined
      return use.policy === 'proxy-path' && (strip?.kind === 'characters' || (prepend ?? '') !== '')
    })
    if (!changes) return undefined
    const value = path.value.replace(/\/+$/, '')
    this.#say(
      'write-path',
      'warning',
      `route ${route.id}: only a prefix can be replaced, so ${path.value}* is written as the prefix ${value}: with case, and by whole segments`,
      route.origin,
    )
    return value === '' ? '/' : value
  }

  #filters(
    route: Route,
    uses: readonly PolicyUse[],
    place: FilterPlace,
  ): { readonly filters: readonly WrittenFilter[]; readonly closed: boolean } {
    const { filters, losses } = writePolicies(uses, place)
    for (const { kind, words, use, hint } of losses) {
      if (kind === 'lost') {
        this.#say('write-policy', 'warning', words, use.origin, hint === undefined ? {} : { hint })
        continue
      }
      const sentence = (list: string, count: number): string =>
        `${words}; ${list} ${count === 1 ? 'answers' : 'answer'} 500 until it is put back`
      const topic = JSON.stringify([words, use.origin])
      this.#gathered.add(topic, 'error', 'write-policy', route.label ?? route.id, use.origin, sentence, hint)
    }
    return { filters, closed: losses.some((loss) => loss.kind === 'closed') }
  }

  #body(route: Route, filters: readonly WrittenFilter[], place: FilterPlace): Written {
    const { action, origin } = route
    const redirects = filters.some((filter) => filter.type === 'RequestRedirect')
    if (redirects) return { filters: filters.filter((filter) => filter.type !== 'URLRewrite') }
    if (action.kind !== 'forward') {
      if (action.kind === 'reply' && action.status !== 500) {
        const { status } = action
        this.#gathered.add(`reply ${status}`, 'error', 'write-reply', route.id, origin, (list, count) =>
          count === 1
            ? `route ${list}: there is no equivalent of a fixed answer (${status}) yet; it answers 500`
            : `${count} routes: there is no equivalent of a fixed answer (${status}) yet; they answer 500: ${list}`,
        )
      }
      return {}
    }
    const { forward } = action
    const host = this.#hostRewrite(route, forward)
    const all = host === undefined ? filters : withHostname(filters, host)
    const backendRefs = forward.backends.flatMap((backend) => this.#backendRef(route, backend, place))
    if (backendRefs.length < forward.backends.length) return {}
    return {
      ...(all.length === 0 ? {} : { filters: all }),
      ...(backendRefs.length === 0 ? {} : { backendRefs }),
      ...this.#times(route, forward),
    }
  }

  /** Nothing: requests must not go there. */
  #backendRef(route: Route, backend: WeightedBackend, place: FilterPlace): readonly Written[] {
    const { target, weight } = backend
    const share = weight === undefined ? {} : { weight }
    if (target.kind === 'fail') {
      if (target.status !== 500)
        this.#say(
          'write-backend',
          'warning',
          `route ${route.id}: a share of ${target.status} is written as 500`,
          route.origin,
        )
      return [{ name: 'nowhere', port: 80, ...share }]
    }
    const service = this.#services.get(target.id)
    const { filters, closed } = this.#filters(route, backend.policies ?? [], place)
    if (service === undefined) {
      const message = `route ${route.id}: backend ${target.id} cannot be written; it answers 500`
      this.#say('write-backend', 'error', message, route.origin)
    }
    if (service === undefined || closed) return []
    return [{ ...service, ...share, ...(filters.length === 0 ? {} : { filters }) }]
  }

  #hostRewrite(route: Route, forward: Forward): string | undefined {
    if (forward.host === undefined || forward.host.kind === 'keep') return undefined
    if (forward.host.kind === 'set') return forward.host.name.toLowerCase()
    const ids = forward.backends.flatMap(({ target }) => (target.kind === 'backend' ? [target.id] : []))
    const addresses = this.#model.endpoints
      .filter((each) => ids.includes(each.backend))
      .flatMap((each) => each.addresses)
    const [first] = addresses
    const name = first?.host.toLowerCase() ?? ''
    const plain = /^(?=.*[a-z])[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name)
    if (first !== undefined && plain && addresses.every((each) => each.host.toLowerCase() === name)) {
      if (addresses.some((each) => each.port !== 80 && each.port !== 443)) {
        const message = `route ${route.id}: the backend sees Host ${name}, without its port`
        this.#say('write-host-header', 'info', message, route.origin)
      }
      return name
    }
    this.#say(
      'write-host-header',
      'warning',
      `route ${route.id}: the backend sees the Host of the client`,
      route.origin,
    )
    return undefined
  }

  #times(route: Route, { timeouts = {}, retry, persistence }: Forward): Written {
    const { request = 0, backendRequest = 0, connect = 0, firstByte = 0, idle = 0 } = timeouts
    if (connect + firstByte + idle > 0) {
      const hint = 'timeouts.backendRequest limits a whole try'
      const what = 'no equivalent of timeouts for connecting, the first byte or silence'
      const words = (list: string, count: number): string =>
        `${count === 1 ? 'route' : `${count} routes:`} ${list}: ${what}`
      this.#gathered.add('timeouts', 'warning', 'write-timeout', route.id, route.origin, words, hint)
    }
    if (persistence?.idleTimeout !== undefined)
      this.#say(
        'write-persistence',
        'warning',
        `route ${route.id}: its sessions end by absolute time only`,
        route.origin,
      )
    const written = {
      ...(request > 0 ? { request: duration(request) } : {}),
      ...(backendRequest > 0 ? { backendRequest: duration(backendRequest) } : {}),
    }
    const again = retry && {
      attempts: retry.attempts,
      ...(retry.statuses === undefined ? {} : { codes: retry.statuses }),
      ...(retry.backoff === undefined ? {} : { backoff: duration(retry.backoff) }),
    }
    return {
      ...(Object.keys(written).length === 0 ? {} : { timeouts: written }),
      ...(again === undefined ? {} : { retry: again }),
      ...(persistence === undefined ? {} : { sessionPersistence: writePersistence(persistence) }),
    }
  }

  /** `unwritten`: what takes the requests of methods that cannot be matched, besides those of every method that nobody names. */
  #matches(
    route: Route,
    paths: readonly WrittenPath[],
  ): { readonly matches: readonly Match[]; readonly unwritten: readonly Match[] } {
    const { match, origin } = route
    const named = (list: typeof match.headers): readonly Written[] =>
      (list ?? []).map(({ name, value }) => {
        if (value.kind === 'exact') return { name, value: value.value }
        return { type: 'RegularExpression', name, value: value.kind === 'present' ? '.*' : `.*(?:${value.source}).*` }
      })
    const headers = named(match.headers)
    const queryParams = named(match.query)
    const wanted = match.methods?.filter((method) => methods.has(method))
    const others = match.methods?.filter((method) => !methods.has(method)) ?? []
    if (others.length > 0) {
      const message = `route ${route.id}: ${others.join(', ')} cannot be matched; requests of its paths with a method that no route names answer 500`
      this.#say('write-method', 'error', message, origin)
    }
    const matchesOf = (list: readonly (string | undefined)[]): readonly Match[] =>
      list.flatMap((method) =>
        paths.map((path) => ({
          path,
          ...(method === undefined ? {} : { method }),
          ...(headers.length === 0 ? {} : { headers }),
          ...(queryParams.length === 0 ? {} : { queryParams }),
        })),
      )
    return {
      matches: matchesOf(wanted ?? [undefined]),
      unwritten: others.length === 0 ? [] : matchesOf([undefined]).slice(0, most.matches),
    }
  }

  // --- objects of routes ---------------------------------------------------------------------------------------------

  /**
   * A more specific host name goes first in the Gateway API, whatever the path. Where the route of a wider one stands
   * before, it is therefore written for the narrower one as well, and their paths decide.
   */
  #httpRoutes(group: Group, index: number, groups: readonly Group[], placed: Placed[]): readonly Written[] {
    const own: readonly WrittenHost[] = group.hosts.length === 0 ? [{}] : group.hosts
    const later = new Set(
      groups.slice(index + 1).flatMap((each) => each.hosts.flatMap(({ hostname }) => hostname ?? [])),
    )
    const byHeader = new Map<string, (string | undefined)[]>()
    for (const { hostname, header = '' } of own) {
      const lifted = [...later].filter((name) => {
        const bare = name.startsWith('*.') ? name.slice(2) : name
        return hostRank(name) > hostRank(hostname) && covers(hostname, bare)
      })
      byHeader.set(header, [...(byHeader.get(header) ?? []), hostname, ...lifted])
    }
    const objects: Written[] = []
    for (const [header, hostnames] of byHeader) {
      const names = [...new Set(hostnames)]
      const named = names.flatMap((name) => name ?? [])
      const chunks: (readonly string[])[] = names.includes(undefined) ? [[]] : []
      for (let at = 0; at < named.length; at += most.hostnames) chunks.push(named.slice(at, at + most.hostnames))
      for (const chunk of chunks) {
        const suffix = objects.length === 0 ? '' : `-${objects.length + 1}`
        // equal ranks are tried by name
        const number = String(index + 1).padStart(String(groups.length).length, '0')
        const name = `${new Names().name(`r${number}-${group.label}`)}${suffix}`
        const hosts = header === '' ? [] : [{ type: 'RegularExpression', name: 'Host', value: header }]
        const rules = group.rules.map(({ matches, body }) => ({
          matches: matches.map((match) => {
            const headers = [...hosts, ...(match.headers ?? [])]
            return { ...match, ...(headers.length === 0 ? {} : { headers }) }
          }),
          ...body,
        }))
        for (const hostname of chunk.length === 0 ? [undefined] : chunk) {
          group.rules.forEach(({ route }, place) => {
            for (const { path, method, headers = [] } of rules[place]?.matches ?? [])
              placed.push({ route, hostname, path, method, headers: headers.length, header, name, place })
          })
        }
        objects.push({
          apiVersion: api,
          kind: 'HTTPRoute',
          metadata: { name },
          spec: {
            parentRefs: group.listeners.map((each) => this.#parents.get(each)),
            ...(chunk.length === 0 ? {} : { hostnames: chunk }),
            rules,
          },
        })
      }
    }
    return objects
  }

  /** A connection that finds no route is closed: what cannot be written needs nothing in its place. */
  #stream(stream: StreamRoute): readonly Written[] {
    const { id, origin, hosts = [] } = stream
    const listeners = this.#model.listeners.filter((each) => stream.listeners.includes(each.id))
    const protocol = listeners[0]?.protocol
    const refuse = (why: string): readonly [] => {
      this.#say('write-stream', 'error', `stream ${id} is left out, its connections are closed: ${why}`, origin)
      return []
    }
    if (
      protocol === undefined ||
      protocol === 'http' ||
      protocol === 'https' ||
      listeners.some((each) => each.protocol !== protocol)
    )
      return refuse('it is on no listener for streams of one kind')
    const parentRefs = listeners.flatMap((each) => this.#parents.get(each.id) ?? [])
    if (parentRefs.length === 0) return refuse('its listeners cannot be written')
    const names = hosts.map((host) => writeHost(host))
    if (names.some((each) => each?.hostname === undefined || each.header !== undefined))
      return refuse('its host cannot be written as a hostname')
    // the definition wants one at least
    if (protocol === 'tls' && names.length === 0) return refuse('a TLSRoute must name its hosts')
    const backendRefs = stream.backends.map(({ target, weight }) => {
      const service = target.kind === 'fail' ? undefined : this.#services.get(target.id)
      return { ...(service ?? { name: 'nowhere', port: 80 }), ...(weight === undefined ? {} : { weight }) }
    })
    if (stream.timeouts !== undefined)
      this.#say('write-timeout', 'warning', `stream ${id}: no equivalent of its timeouts`, origin)
    return [
      {
        apiVersion: api,
        kind: `${protocol.toUpperCase()}Route`,
        metadata: { name: this.#streamNames.name(id.split('/').slice(1).join('-')) },
        spec: {
          parentRefs,
          ...(names.length === 0 ? {} : { hostnames: names.map((each) => each?.hostname) }),
          rules: [{ backendRefs }],
        },
      },
    ]
  }

  #others(): void {
    const { consumers, credentials, backends } = this.#model
    const paths = this.#model.routes.flatMap((route) => route.policies).find((use) => use.policy === 'proxy-path')
    if (paths !== undefined)
      this.#say('write-slashes', 'info', 'runs of slashes in a path are passed on as they are', paths.origin)
    const [consumer] = [...consumers, ...credentials]
    if (consumer !== undefined)
      this.#say('write-consumers', 'warning', 'consumers and credentials have no equivalent', consumer.origin)
    const [backend] = backends
    if (backend !== undefined) {
      const hint = 'in a cluster give them a selector, or EndpointSlices of your own'
      const message = 'Services say where they answer by annotation, which is for `gantry run FOLDER` only'
      this.#say('write-services', 'info', message, backend.origin, { hint })
    }
  }
}

/** The whole segments that every path of a match begins with: `/` where nothing is sure. */
function beginOf(path: PathMatch | undefined): string {
  const text =
    path === undefined
      ? ''
      : path.kind === 'regexp'
        ? (/^\^((?:\\\/|[-A-Za-z0-9/_~])*)/.exec(path.source)?.[1] ?? '')
        : path.value
  const plain = text.replaceAll('\\/', '/')
  // letters of any case are no beginning that could be written
  const sure =
    path !== undefined && 'ignoreCase' in path && path.ignoreCase === true
      ? '/'
      : plain.slice(0, plain.lastIndexOf('/') + 1)
  const segments = sure.replace(/\/+$/, '')
  return segments !== '' && isPlainPath(segments) ? segments : '/'
}

function weightedOf({ action }: Route): readonly WeightedBackend[] {
  return action.kind === 'forward' ? action.forward.backends : []
}

function withHostname(filters: readonly WrittenFilter[], hostname: string): readonly WrittenFilter[] {
  const before = filters.find((filter) => filter.type === 'URLRewrite')
  const urlRewrite = { hostname, ...(before?.['urlRewrite'] as Written | undefined) }
  return [...filters.filter((filter) => filter !== before), { type: 'URLRewrite', urlRewrite }]
}

function writePersistence({ kind, name, absoluteTimeout, cookiePath }: Persistence): Written {
  if (kind === 'header') return { type: 'Header', header: { name } }
  const cookie = {
    name,
    ...(cookiePath === undefined ? {} : { path: cookiePath }),
    lifetimeType: absoluteTimeout === undefined ? 'Session' : 'Permanent',
  }
  return {
    type: 'Cookie',
    cookie,
    ...(absoluteTimeout === undefined ? {} : { absoluteTimeout: duration(absoluteTimeout) }),
  }
}

/** As the definition allows it: at most five digits a unit. */
function duration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000)
  if (seconds > 99_999) return `${Math.floor(seconds / 3600)}h`
  const rest = Math.round(milliseconds % 1000)
  return [seconds > 0 ? `${seconds}s` : '', rest > 0 || seconds === 0 ? `${rest}ms` : ''].join('')
}
