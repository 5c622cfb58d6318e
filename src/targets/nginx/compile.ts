/** Plan → nginx configuration, certificate files, and the plan of the engine behind it. Pure. */
import { createHash } from 'node:crypto'
import { type Directive, literal, printConfiguration } from '../../lib/nginx/print.ts'
import { decodedPath, normalPath } from '../../lib/path/normal.ts'
import { addressOf } from '../../model/address.ts'
import type { Diagnostic } from '../../model/diagnostic.ts'
import type { Certificate, HostMatch, Listener, Route } from '../../model/model.ts'
import { Secret } from '../../model/secret.ts'
import type { Plan } from '../../pipeline/plan.ts'
import type { AnyPolicy } from '../../policies/policy.ts'
import type { Services } from '../../policies/services.ts'
import { cellsOf, type Cell } from './cells.ts'
import { LONGEST_WORD, type PlaceContext, placePolicies, placeRoute, upstreamOf } from './place.ts'

export interface NginxSettings {
  readonly policies: readonly AnyPolicy[]
  readonly services: Services
  /** Sockets, the process id, and what nginx keeps for a moment. Absolute. */
  readonly folder: string
  /** Absolute. */
  readonly certificateFolder: string
  /** Does this machine have IPv6? */
  readonly ipv6: boolean
  /** Default: one for each core. */
  readonly workers?: number
  /** Folders of certificates that nginx itself has refused: their hosts get no handshake, and everybody else is served. */
  readonly refusedCertificates?: ReadonlySet<string>
}

export interface NginxArtifact {
  readonly plan: Plan
  readonly text: string
  /** Names what is served: nginx says it back when it has taken the text. */
  readonly digest: string
  readonly files: readonly CertificateFile[]
  /** For the engine on the sockets of the file system. */
  readonly behind: Plan
  /** One for each route. */
  readonly served: readonly ServedRoute[]
}

/** All of 0600. */
export interface CertificateFile {
  /** Below the folder of certificates; no part of it is a user's. */
  readonly path: string
  readonly content: Secret
}

export interface ServedRoute {
  readonly route: string
  readonly by: 'nginx' | 'engine' | 'both'
  /** Why the engine. */
  readonly why?: string
}

export function compileNginx(
  plan: Plan,
  settings: NginxSettings,
): { readonly artifact: NginxArtifact; readonly diagnostics: readonly Diagnostic[] } {
  return new Compiler(plan, settings).compile()
}

/** `gantry explain`: which routes nginx serves, and why not the others. */
export function explainNginx(
  plan: Plan,
  settings: Pick<NginxSettings, 'policies' | 'services'>,
): readonly ServedRoute[] {
  return compileNginx(plan, { ...settings, folder: '/run', certificateFolder: '/run', ipv6: false }).artifact.served
}

/** Hosts for which servers are made, and the listener that each belongs to. */
interface Site {
  readonly listener: Listener
  readonly host: HostMatch | undefined
}

/** One address and port. */
interface Port {
  readonly key: string
  readonly group: readonly Listener[]
  /** What the first fields of a request meet before nginx has read whose they are: the same for all servers. */
  readonly underscores: 'drop' | 'keep'
}

class Compiler {
  readonly #plan: Plan
  readonly #settings: NginxSettings
  readonly #context: PlaceContext
  readonly #diagnostics: Diagnostic[] = []
  readonly #files = new Map<string, CertificateFile>()
  readonly #upstreams = new Set<string>()
  readonly #http: Directive[] = []
  readonly #by = new Map<string, { nginx: boolean; engine: string | undefined }>()
  /** Address and port, by the name of the upstream. */
  readonly #sockets = new Map<string, string>()
  readonly #certificates: ReadonlyMap<string, Certificate>
  #ordered: ReturnType<typeof orderByHost> | undefined

  constructor(plan: Plan, settings: NginxSettings) {
    const { model } = plan
    this.#plan = plan
    this.#settings = settings
    this.#certificates = new Map(model.certificates.map((one) => [one.id, one]))
    this.#context = {
      model,
      policies: new Map(settings.policies.map((policy) => [policy.name, policy])),
      services: settings.services,
      backends: new Map(model.backends.map((one) => [one.id, one])),
      endpoints: new Map(model.endpoints.map((one) => [one.backend, one])),
    }
  }

  compile(): { readonly artifact: NginxArtifact; readonly diagnostics: readonly Diagnostic[] } {
    const { model } = this.#plan
    const groups = new Map<string, Listener[]>()
    for (const listener of model.listeners) {
      if (listener.protocol !== 'http' && listener.protocol !== 'https') {
        this.#diagnostics.push({
          code: 'nginx/protocol',
          severity: 'error',
          message: `listener ${listener.id} speaks ${listener.protocol}, which this target does not serve`,
          hint: 'the target engine serves it',
          origin: listener.origin,
        })
        continue
      }
      const key = `${listener.address}|${listener.port}`
      const group = groups.get(key)
      if (group === undefined) groups.set(key, [listener])
      else group.push(listener)
    }
    const servers = [...groups].flatMap(([key, group]) => this.#group(key, group))
    const upstreams = [...this.#upstreams]
      .sort()
      .map((id) => upstreamOf(this.#context.backends.get(id)!, this.#context.endpoints.get(id)?.addresses ?? []))
    const engines = [...this.#sockets].map(([name, key]): Directive => ({
      name: 'upstream',
      args: [name],
      comment: key,
      block: [
        { name: 'server', args: [literal(`unix:${this.#socketOf(name)}`)] },
        { name: 'keepalive', args: ['64'] },
      ],
    }))
    const body = [...upstreams, ...engines, ...this.#http, ...servers]
    // printed once: the first place that says it is ours, before anything of a user
    const printed = printConfiguration(this.#whole(body, servers.length, UNSAID))
    const digest = createHash('sha256').update(printed).digest('hex').slice(0, 16)
    const text = printed.replace(UNSAID, digest)
    const served = model.routes.map((route): ServedRoute => {
      const by = this.#by.get(route.id)
      if (by === undefined)
        return {
          route: route.id,
          by: 'engine',
          why:
            route.match.path?.kind === 'regexp' ? 'it matches by an expression' : 'no request reaches it through nginx',
        }
      if (by.engine === undefined) return { route: route.id, by: 'nginx' }
      return { route: route.id, by: by.nginx ? 'both' : 'engine', why: by.engine }
    })
    const artifact = {
      plan: this.#plan,
      text,
      digest,
      files: [...this.#files.values()],
      behind: this.#behind(),
      served,
    }
    return { artifact, diagnostics: this.#diagnostics }
  }

  // --- the text around the servers ---

  #whole(body: readonly Directive[], servers: number, digest: string): readonly Directive[] {
    const { folder, workers } = this.#settings
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name): Directive => ({
      name: `${name}_temp_path`,
      args: [literal(`${folder}/temporary/${name}`)],
    }))
    return [
      {
        name: 'worker_processes',
        args: [workers === undefined ? 'auto' : String(workers)],
        comment: 'written by gantry; changes are lost',
      },
      { name: 'pid', args: [literal(`${folder}/nginx.pid`)] },
      { name: 'error_log', args: ['stderr', 'warn'] },
      {
        name: 'events',
        args: [],
        block: [
          { name: 'worker_connections', args: ['8192'] },
          { name: 'multi_accept', args: ['on'] },
        ],
      },
      {
        name: 'http',
        args: [],
        block: [
          ...temporary,
          { name: 'access_log', args: ['off'] },
          { name: 'server_tokens', args: ['off'] },
          { name: 'types_hash_max_size', args: ['2048'] },
          { name: 'server_names_hash_max_size', args: [String(Math.max(512, servers * 8))] },
          // a name of 253 characters fits
          { name: 'server_names_hash_bucket_size', args: ['512'] },
          { name: 'variables_hash_max_size', args: ['4096'] },
          { name: 'large_client_header_buffers', args: ['8', '32k'] },
          { name: 'default_type', args: ['text/plain'] },
          { name: 'proxy_http_version', args: ['1.1'] },
          { name: 'proxy_request_buffering', args: ['off'] },
          { name: 'proxy_buffering', args: ['off'] },
          { name: 'proxy_redirect', args: ['off'] },
          // what the engine behind asks for comes after an error_page that has led there
          { name: 'recursive_error_pages', args: ['on'] },
          { name: 'proxy_next_upstream', args: ['error', 'timeout'] },
          {
            name: 'map',
            args: [{ raw: '$http_upgrade' }, { raw: '$gantry_connection' }],
            block: [
              { name: 'default', args: ['upgrade'] },
              { name: '', args: ['', ''] },
            ],
          },
          {
            name: 'map',
            args: [{ raw: '$remote_addr' }, { raw: '$gantry_nothing' }],
            block: [{ name: 'default', args: [''] }],
          },
          {
            name: 'map',
            args: [literal('$scheme $http_host'), { raw: '$gantry_port' }],
            block: [
              { name: '', args: [literal('~:([0-9]+)$'), { raw: '$1' }] },
              { name: '', args: [literal('~^https '), '443'] },
              { name: 'default', args: ['80'] },
            ],
          },
          {
            name: 'server',
            args: [],
            comment: 'says which configuration is being served',
            block: [
              { name: 'listen', args: [literal(`unix:${folder}/state.sock`)] },
              { name: 'return', args: ['200', digest] },
            ],
          },
          ...body,
        ],
      },
    ]
  }

  // --- one address and port ---

  #group(key: string, group: readonly Listener[]): readonly Directive[] {
    const sites: Site[] = []
    const drops = group.every(({ policies = [] }) => {
      const pieces = placePolicies(policies, undefined, this.#context)
      return !('unsupported' in pieces) && pieces.underscores === 'drop'
    })
    const port: Port = { key, group, underscores: drops ? 'drop' : 'keep' }
    for (const listener of group) {
      sites.push({ listener, host: listener.host })
      if (isOrderless(listener.host)) continue
      const hosts = new Map<string, HostMatch>()
      for (const route of this.#plan.model.routes) {
        if (!route.listeners.includes(listener.id)) continue
        for (const host of route.hosts ?? []) hosts.set(nameOf(host), host)
      }
      for (const host of hosts.values()) {
        if (isOrderless(host) || nameOf(host) === nameOf(listener.host)) continue
        if (covers(listener.host, host) && ownerOf(host, group) === listener) sites.push({ listener, host })
      }
    }
    const routes = this.#plan.model.routes.filter((route) =>
      route.listeners.some((id) => group.some((one) => one.id === id)),
    )
    const odd = [...group.map(({ host }) => host), ...routes.flatMap((route) => route.hosts ?? [])].find(isOrderless)
    if (odd !== undefined) {
      // which server a name belongs to would be nginx's order, not ours
      const first = group.find(({ host }) => host === undefined) ?? group[0]!
      const why = `the host ${nameOf(odd)} is chosen in an order that nginx does not know`
      for (const route of routes) this.#note(route, why)
      return [this.#server({ listener: first, host: undefined }, port, why)]
    }
    const listed = sites.some(({ host }) => host === undefined)
      ? sites
      : [{ listener: group[0]!, host: undefined, stranger: true }, ...sites]
    return listed.map((site) => this.#server(site, port, undefined))
  }

  #server(
    site: Site & { readonly stranger?: boolean },
    { key, group, underscores }: Port,
    whyEngine: string | undefined,
  ): Directive {
    const { listener, host, stranger } = site
    const { address, port, protocol, limits = {} } = listener
    const listen = address === '*' ? String(port) : addressOf({ host: address, port })
    const listens: Directive[] = [listen, ...(address === '*' && this.#settings.ipv6 ? [`[::]:${port}`] : [])].map(
      (where) => ({
        name: 'listen',
        args: [where, ...(host === undefined ? ['default_server'] : []), ...(protocol === 'https' ? ['ssl'] : [])],
      }),
    )
    const names: Directive[] = host === undefined ? [] : [{ name: 'server_name', args: [nameOf(host)] }]
    const common: Directive[] = [
      ...listens,
      ...names,
      ...(protocol === 'https' ? this.#tls(listener) : []),
      ...(underscores === 'keep' ? [{ name: 'underscores_in_headers', args: ['on'] }] : []),
      { name: 'client_max_body_size', args: [String(limits.bodyBytes ?? 0)] },
      ...(limits.headTimeout === undefined || limits.headTimeout === 0
        ? []
        : [{ name: 'client_header_timeout', args: [`${limits.headTimeout}ms`] }]),
      ...(limits.bodyTimeout === undefined || limits.bodyTimeout === 0
        ? []
        : [{ name: 'client_body_timeout', args: [`${limits.bodyTimeout}ms`] }]),
      ...(limits.idleTimeout === undefined || limits.idleTimeout === 0
        ? []
        : [{ name: 'keepalive_timeout', args: [`${limits.idleTimeout}ms`] }]),
    ]
    const unmatched = this.#unmatched(listener, key)
    if (listener.unmatched?.kind === 'close')
      common.push({ name: 'location', args: ['@gantry_close'], block: [{ name: 'return', args: ['444'] }] })
    if (stranger === true)
      return { name: 'server', args: [], block: [...common, { name: 'location', args: ['/'], block: unmatched }] }
    const routes = this.#routesOf(site)
    const pieces = placePolicies(listener.policies ?? [], undefined, this.#context)
    const cells = cellsOf(routes)
    const why =
      whyEngine ??
      (cells.some(({ path }) => Buffer.byteLength(path) * 2 > LONGEST_WORD)
        ? 'nginx reads no path of this length'
        : undefined) ??
      ('unsupported' in pieces
        ? `listener policy ${pieces.unsupported}`
        : pieces.underscores === underscores
          ? trusts(group)
          : 'fields with _ in their name are dropped here, and passed on for another listener of its port')
    if (why !== undefined || 'unsupported' in pieces) {
      for (const route of routes) this.#note(route, why ?? '')
      return {
        name: 'server',
        args: [],
        block: [...common, { name: 'location', args: ['/'], block: this.#engine(key, listener.unmatched) }],
      }
    }
    const locations = cells.flatMap((cell) => this.#location(cell, pieces.decoded, unmatched, listener, key))
    // where the path is matched as sent, what nginx would read differently is for the engine
    const exactly: Directive[] = pieces.decoded
      ? []
      : [
          { name: 'error_page', args: ['418', '=', '@gantry_engine'] },
          {
            name: 'if',
            args: [
              { raw: '(' },
              { raw: '$request_uri' },
              { raw: '~' },
              literal('^[^?]*(%|//|/[.][.]?(/|[?]|$))'),
              { raw: ')' },
            ],
            block: [{ name: 'return', args: ['418'] }],
          },
          { name: 'location', args: ['@gantry_engine'], block: this.#engine(key, listener.unmatched) },
        ]
    return { name: 'server', args: [], block: [...common, ...pieces.server, ...exactly, ...locations] }
  }

  #location(
    cell: Cell,
    decoded: boolean,
    unmatched: readonly Directive[],
    listener: Listener,
    key: string,
  ): readonly Directive[] {
    const { route, path, unclear } = cell
    // matched as sent, and such a path is never sent to a location
    if (!decoded && normalPath(path) !== path) return []
    const text = decoded ? decodedPath(path) : path
    if (text === undefined) return []
    const args = [...(cell.kind === 'exact' ? ['='] : []), literal(text)]
    if (unclear !== undefined) {
      if (route !== undefined) this.#note(route, unclear)
      return [{ name: 'location', args, block: this.#engine(key, listener.unmatched) }]
    }
    if (route === undefined) return [{ name: 'location', args, block: unmatched }]
    const placed = placeRoute(route, cell.next, decoded ? 'decoded' : 'sent', this.#context)
    if (placed.kind === 'engine') {
      this.#note(route, placed.why)
      return [
        { name: 'location', args, block: this.#engine(key, listener.unmatched), comment: `${route.id}: ${placed.why}` },
      ]
    }
    this.#note(route, undefined)
    if (placed.upstream !== undefined) this.#upstreams.add(placed.upstream)
    return [{ name: 'location', args, block: placed.directives, comment: route.id }]
  }

  #note(route: Route, why: string | undefined): void {
    const known = this.#by.get(route.id) ?? { nginx: false, engine: undefined }
    if (why === undefined) known.nginx = true
    else known.engine ??= why
    this.#by.set(route.id, known)
  }

  #routesOf({ listener, host }: Site): readonly Route[] {
    const { wide, exact } = (this.#ordered ??= orderByHost(this.#plan.model.routes))
    const own = host?.kind === 'exact' ? exact.get(nameOf(host)) : undefined
    const candidates = own === undefined ? wide : [...wide, ...own].sort((a, b) => a.at - b.at)
    return candidates
      .filter(({ route }) => {
        if (!route.listeners.includes(listener.id)) return false
        const hosts = route.hosts ?? []
        return hosts.length === 0 || (host !== undefined && hosts.some((one) => covers(one, host)))
      })
      .map(({ route }) => route)
  }

  #unmatched(listener: Listener, key: string): readonly Directive[] {
    const { unmatched = { kind: 'reply', status: 404 } } = listener
    switch (unmatched.kind) {
      case 'close':
        return [{ name: 'return', args: ['444'] }]
      case 'express':
        return this.#engine(key)
      case 'reply': {
        const { status, body = '', contentType } = unmatched
        if (body.includes('$') || status < 200) return this.#engine(key)
        return [
          ...(body === '' || contentType === undefined ? [] : [{ name: 'default_type', args: [contentType] }]),
          { name: 'return', args: body === '' ? [String(status)] : [String(status), body] },
        ]
      }
    }
  }

  // --- the engine behind ---

  #engine(key: string, unmatched?: Listener['unmatched']): readonly Directive[] {
    const name = engineName(key)
    this.#sockets.set(name, key)
    return [
      { name: 'proxy_set_header', args: ['Host', { raw: '$http_host' }] },
      { name: 'proxy_set_header', args: ['Connection', { raw: '$gantry_connection' }] },
      { name: 'proxy_set_header', args: ['Upgrade', { raw: '$http_upgrade' }] },
      {
        name: 'proxy_set_header',
        args: ['Gantry-Front', literal('$remote_addr $remote_port $scheme $ssl_client_verify $ssl_server_name')],
      },
      { name: 'proxy_read_timeout', args: ['1d'] },
      { name: 'proxy_send_timeout', args: ['1d'] },
      ...(unmatched?.kind === 'close'
        ? [
            { name: 'proxy_intercept_errors', args: ['on'] },
            { name: 'error_page', args: [String(CLOSE), '@gantry_close'] },
          ]
        : []),
      { name: 'proxy_pass', args: [{ raw: `http://${name}` }] },
    ]
  }

  #socketOf(name: string): string {
    return `${this.#settings.folder}/${name}.sock`
  }

  /** The same routes on listeners in the file system; TLS has ended before. */
  #behind(): Plan {
    const { model, id } = this.#plan
    const listeners = model.listeners.flatMap((listener): Listener[] => {
      const name = engineName(`${listener.address}|${listener.port}`)
      if (!this.#sockets.has(name)) return []
      const { tls: _, trustedProxies: __, ...rest } = listener
      // a connection that ends here without an answer would be a 502 there
      const unmatched: Listener['unmatched'] =
        rest.unmatched?.kind === 'close' ? { kind: 'reply', status: CLOSE } : rest.unmatched
      return [
        {
          ...rest,
          ...(unmatched === undefined ? {} : { unmatched }),
          // who lets go first must be nginx: what it has just sent on a connection that ends here would be lost
          limits: { ...rest.limits, idleTimeout: 0 },
          address: `unix:${this.#socketOf(name)}`,
          protocol: 'http',
        },
      ]
    })
    const known = new Set(listeners.map((one) => one.id))
    const routes = model.routes.filter((route) => route.listeners.some((one) => known.has(one)))
    return { ...this.#plan, id: `${id}-behind-nginx`, model: { ...model, listeners, routes, streams: [] } }
  }

  // --- TLS ---

  #tls(listener: Listener): readonly Directive[] {
    const { tls } = listener
    const certificate = tls?.certificates
      .map((one) => this.#certificates.get(one))
      .find((one) => one?.key !== undefined)
    if (tls === undefined || certificate?.key === undefined) {
      this.#diagnostics.push({
        code: 'nginx/no-certificate',
        severity: 'error',
        message: `listener ${listener.id} has no certificate; handshakes fail`,
        hint: 'a certificate with its key',
        origin: listener.origin,
      })
      return [{ name: 'ssl_reject_handshake', args: ['on'] }]
    }
    const names = (listener.host === undefined ? undefined : nameOf(listener.host)) ?? 'default'
    const folder = `${/^[a-z0-9][a-z0-9.-]{0,200}$/.test(names) && !names.includes('..') ? names : 'other'}/${digestOf(
      certificate,
      tls.clientValidation?.ca.map((id) => this.#certificates.get(id)?.certificate ?? ''),
    )}`
    if (this.#settings.refusedCertificates?.has(folder) === true) {
      this.#diagnostics.push({
        code: 'nginx/certificate-refused',
        severity: 'error',
        message: `listener ${listener.id}: nginx refuses its certificate; handshakes fail`,
        hint: 'another certificate: this one is one that nginx and its OpenSSL cannot serve',
        origin: certificate.origin,
      })
      return [{ name: 'ssl_reject_handshake', args: ['on'] }]
    }
    const chain = `${certificate.certificate.trimEnd()}\n${certificate.chain ?? ''}`
    const validation = tls.clientValidation
    const directives: Directive[] = [
      { name: 'ssl_certificate', args: [this.#file(`${folder}/certificate.crt`, new Secret(chain))] },
      { name: 'ssl_certificate_key', args: [this.#file(`${folder}/certificate.key`, certificate.key)] },
      { name: 'ssl_protocols', args: tls.minVersion === 'TLSv1.3' ? ['TLSv1.3'] : ['TLSv1.2', 'TLSv1.3'] },
      { name: 'ssl_session_cache', args: ['shared:gantry:10m'] },
      ...(tls.ciphers === undefined ? [] : [{ name: 'ssl_ciphers', args: [tls.ciphers] }]),
    ]
    if (validation === undefined) return directives
    const anchors = validation.ca.map((id) => this.#certificates.get(id)?.certificate ?? '').join('\n')
    return [
      ...directives,
      { name: 'ssl_client_certificate', args: [this.#file(`${folder}/clientCertificate.crt`, new Secret(anchors))] },
      { name: 'ssl_verify_client', args: [validation.mode === 'require' ? 'on' : 'optional_no_ca'] },
      { name: 'ssl_verify_depth', args: ['9'] },
    ]
  }

  #file(path: string, content: Secret): ReturnType<typeof literal> {
    this.#files.set(path, { path, content })
    return literal(`${this.#settings.certificateFolder}/${path}`)
  }
}

/** How the engine behind asks nginx to close the connection: a status that nobody else gives. */
const CLOSE = 598

/** Of an address and port: another one is another socket, so that one that closes never takes the next one's file along. */
function engineName(key: string): string {
  return `engine_${createHash('sha256').update(key).digest('hex').slice(0, 12)}`
}

/** Another content is another folder: a pair is never half new. */
function digestOf(certificate: Certificate, anchors: readonly string[] = []): string {
  const parts = [certificate.certificate, certificate.chain ?? '', certificate.key?.reveal() ?? '', ...anchors]
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16)
}

/** As long as a digest. */
const UNSAID = '0000000000000000'

interface Placed {
  readonly at: number
  readonly route: Route
}

/** Routes that name one host only, by it, and all others: a site asks for few of many. */
function orderByHost(routes: readonly Route[]): {
  readonly wide: readonly Placed[]
  readonly exact: ReadonlyMap<string, readonly Placed[]>
} {
  const wide: Placed[] = []
  const exact = new Map<string, Placed[]>()
  routes.forEach((route, at) => {
    const [only, another] = route.hosts ?? []
    if (only?.kind !== 'exact' || another !== undefined) {
      wide.push({ at, route })
      return
    }
    const list = exact.get(nameOf(only))
    if (list === undefined) exact.set(nameOf(only), [{ at, route }])
    else list.push({ at, route })
  })
  return { wide, exact }
}

/** Which of them a name belongs to is not settled by the length of the names alone. */
function isOrderless(host: HostMatch | undefined): boolean {
  return host?.kind === 'regexp' || (host?.kind === 'suffix' && host.labels === 'one')
}

function nameOf(host: HostMatch | undefined): string {
  switch (host?.kind) {
    case undefined:
      return ''
    case 'exact':
      return host.name.toLowerCase().replace(/\.$/, '')
    case 'suffix':
      return `*${host.suffix.startsWith('.') ? '' : '.'}${host.suffix.toLowerCase()}`
    case 'regexp':
      return `~${host.source}`
  }
}

/** Does the first take every name of the second? */
function covers(wide: HostMatch | undefined, narrow: HostMatch): boolean {
  if (wide === undefined) return true
  const [outer, inner] = [nameOf(wide), nameOf(narrow)]
  if (wide.kind === 'exact') return narrow.kind === 'exact' && outer === inner
  if (wide.kind !== 'suffix') return false
  return (
    inner.length > outer.length - 1 &&
    inner.endsWith(outer.slice(1)) &&
    (narrow.kind === 'exact' || inner.length >= outer.length)
  )
}

function ownerOf(host: HostMatch, group: readonly Listener[]): Listener | undefined {
  return [...group]
    .filter((one) => covers(one.host, host))
    .sort((a, b) => nameOf(b.host).length - nameOf(a.host).length)[0]
}

function trusts(group: readonly Listener[]): string | undefined {
  return group.some(({ trustedProxies = [] }) => trustedProxies.length > 0)
    ? 'proxies are trusted in front of it'
    : undefined
}
