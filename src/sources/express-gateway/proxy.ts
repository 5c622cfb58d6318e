/** A proxy step → what is forwarded where, and what is done to it on the way. Pure. */
import type {
  Backend,
  BackendTls,
  Certificate,
  Endpoints,
  Forward,
  ForwardProxy,
  PolicyUse,
  WeightedBackend,
} from '../../model/model.ts'
import { Secret } from '../../model/secret.ts'
import { sourceName, type Path } from './document.ts'
import { isMapping, listOf, textOf, type Mapping } from './normalise.ts'
import type { Strip } from './pattern.ts'
import { nearestWord } from '../../lib/yaml/words.ts'
import { complain, fileText, type Context } from './report.ts'
import { policySchemas } from './schemas.ts'

/** What all proxy steps of a configuration share. */
export interface Proxies {
  readonly services: Readonly<Record<string, Mapping>>
  readonly backends: Map<string, Backend>
  readonly endpoints: Map<string, Endpoints>
  readonly certificates: Map<string, Certificate>
}

export interface ProxyStep {
  /** Undefined: there is no service; every request gets 502. */
  readonly forward: Forward | undefined
  /** Before the request leaves, whatever backend it goes to. */
  readonly policies: readonly PolicyUse[]
}

export interface ProxyOptions {
  readonly object: string
  readonly path: Path
  strip(): Strip
}

/** `parameters`: the action, with its defaults. Undefined where the step is wrong; an error has been said then. */
export function translateProxy(
  context: Context,
  parameters: Mapping,
  proxies: Proxies,
  options: ProxyOptions,
): ProxyStep | undefined {
  const name = parameters['serviceEndpoint']
  if (typeof name !== 'string' || name === '') {
    complain(
      context,
      options.path,
      {
        code: 'no-service-endpoint',
        severity: 'warning',
        message: `${options.object}: proxy has no serviceEndpoint; every request gets 502`,
        hint: 'write serviceEndpoint: NAME, one of serviceEndpoints',
      },
      options.object,
    )
    return { forward: undefined, policies: [] }
  }
  const service = Object.hasOwn(proxies.services, name) ? proxies.services[name] : undefined
  if (service === undefined) {
    const guess = nearestWord(name, Object.keys(proxies.services))
    complain(
      context,
      [...options.path, 'action', 'serviceEndpoint'],
      {
        code: 'unknown-service-endpoint',
        severity: 'error',
        message: `service endpoint ${name} (referenced in proxy policy configuration) does not exist`,
        hint: guess === undefined ? 'add it to serviceEndpoints' : `did you mean ${guess}?`,
      },
      options.object,
    )
    return undefined
  }
  const own = isMapping(parameters['proxyOptions']) ? parameters['proxyOptions'] : {}
  const shared = isMapping(service['proxyOptions']) ? service['proxyOptions'] : {}
  const settings: Mapping = { ...parameters, ...shared, ...own }
  reportUnsupported(context, settings, options)

  const texts = listOf(service['url'] ?? service['urls']).map(String)
  const wrong = texts.find((text) => !URL.canParse(text))
  if (wrong !== undefined) {
    complain(
      context,
      ['serviceEndpoints', name],
      {
        code: 'wrong-url',
        severity: 'error',
        message: `service endpoint ${name}: ${wrong} is no URL`,
        hint: 'a variable of the environment that is not set is written as null',
      },
      name,
    )
    return undefined
  }
  const addresses = texts.map((text) => new URL(text))
  const tls = addresses.some((url) => url.protocol === 'https:')
    ? tlsSettings(context, settings, proxies, options)
    : undefined
  const via = proxyBetween(context, settings, options)
  const targets = makeBackends(name, addresses, tls, via, proxies, context)
  const perTarget = targets.map(({ url }) => [
    pathUse(url, settings, options, context),
    // nearest to the backend: the others see the answer that was found at the end
    ...(settings['followRedirects'] === true ? [use('follow-redirects', { base: url.origin }, options, context)] : []),
  ])
  const [firstUses = []] = perTarget
  const alike = perTarget.every((uses) => JSON.stringify(uses) === JSON.stringify(firstUses))
  const policies = [
    ...requestUses(settings, options, context),
    ...responseUses(settings, addresses, options, context),
    ...(alike ? firstUses : []),
  ]
  const backends: WeightedBackend[] = targets.map(({ id }, index) => ({
    target: { kind: 'backend', id },
    ...(alike ? {} : { policies: perTarget[index] ?? [] }),
  }))
  const idle = smallest(milliseconds(settings['timeout']), milliseconds(settings['proxyTimeout']))
  const firstByte = milliseconds(settings['proxyTimeout'])
  const forward: Forward = {
    backends,
    host: { kind: settings['changeOrigin'] === false ? 'keep' : 'backend' },
    ...(idle === undefined && firstByte === undefined
      ? {}
      : { timeouts: { ...(firstByte === undefined ? {} : { firstByte }), ...(idle === undefined ? {} : { idle }) } }),
    forwarded: settings['xfwd'] === true ? 'append' : 'none',
    ...(settings['ws'] === false ? { upgrade: false } : {}),
    failure: { status: 502, body: 'Bad gateway.', contentType: 'text/html' },
  }
  return { forward, policies }
}

// --- backends --------------------------------------------------------------------------------------------------------

interface TargetOf {
  readonly id: string
  readonly url: URL
}

/**
 * URLs that differ in host and port only are endpoints of one backend; those with paths or protocols of their own are
 * backends of equal weight, so that each gets its path.
 */
function makeBackends(
  name: string,
  urls: readonly URL[],
  tls: TlsSettings | undefined,
  via: ForwardProxy | undefined,
  proxies: Proxies,
  context: Context,
): readonly TargetOf[] {
  const groups = new Map<string, URL[]>()
  const alike = new Set(urls.map((url) => `${url.protocol} ${url.pathname}${url.search}`)).size <= 1
  for (const [index, url] of urls.entries()) {
    // over TLS the name belongs to the backend: it is what is verified
    const key = alike && url.protocol !== 'https:' ? '' : String(index)
    groups.set(key, [...(groups.get(key) ?? []), url])
  }
  return [...groups].map(([key, members], index) => {
    const [first] = members
    if (first === undefined) throw new Error('a group of addresses is empty')
    const through = via === undefined ? '' : `@${via.protocol}://${via.host}:${via.port}`
    const suffix = `${tls === undefined || first.protocol !== 'https:' ? '' : tls.suffix}${through}`
    const id = `${sourceName}/${name}${groups.size > 1 ? `/${key === '' ? index : key}` : ''}${suffix}`
    const origin = context.gateway.origin(['serviceEndpoints', name], `service endpoint ${name}`)
    if (!proxies.backends.has(id)) {
      proxies.backends.set(id, {
        id,
        protocol: 'http1',
        ...(first.protocol === 'https:'
          ? { tls: { serverName: hostOf(first), ...tls?.tls, trust: tls?.tls.trust ?? { kind: 'system' } } }
          : {}),
        ...(via === undefined ? {} : { via }),
        unavailableStatus: 502,
        origin,
      })
      proxies.endpoints.set(id, {
        backend: id,
        addresses: members.map((url) => ({ host: hostOf(url), port: portOf(url) })),
      })
    }
    return { id, url: first }
  })
}

function hostOf(url: URL): string {
  return url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname
}

function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port)
  return url.protocol === 'https:' ? 443 : 80
}

/**
 * The environment wins over `proxyUrl`, as it did; `no_proxy` was not read, and is not (translate.ts says so). An
 * address without a scheme is one of HTTP.
 */
function proxyBetween(context: Context, settings: Mapping, options: ProxyOptions): ForwardProxy | undefined {
  const { environment } = context.world
  const variable = proxyVariable(environment)
  const written = variable === undefined ? settings['proxyUrl'] : environment[variable]
  if (written === undefined || written === null || written === '') return undefined
  const wrong = (message: string, hint: string): undefined => {
    const path = variable === undefined ? [...options.path, 'action', 'proxyUrl'] : options.path
    const what = variable ?? 'proxyUrl'
    // its text is not said: it may hold a password
    const complaint = {
      code: 'proxy-url',
      severity: 'error',
      message: `${options.object}: ${what} ${message}`,
      hint,
    } as const
    complain(context, path, complaint, options.object)
    return undefined
  }
  const text = textOf(written, '')
  let url: URL
  try {
    url = new URL(/^[a-z][a-z\d+.-]*:\/\//i.test(text) ? text : `http://${text}`)
  } catch {
    return wrong('is not the address of a proxy', 'as http://proxy.example.com:3128')
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    return wrong(
      `asks for a proxy that speaks ${url.protocol.slice(0, -1)}`,
      'http:// or https://; most proxies that speak SOCKS speak HTTP too, and a PAC file names one that does',
    )
  }
  const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
  return {
    protocol: url.protocol === 'http:' ? 'http' : 'https',
    host: hostOf(url),
    port: portOf(url),
    ...(user === ':' ? {} : { authorization: new Secret(`Basic ${Buffer.from(user).toString('base64')}`) }),
  }
}

/** The first variable that names a proxy for everything. */
export function proxyVariable(environment: Context['world']['environment']): string | undefined {
  return ['http_proxy', 'HTTP_PROXY'].find((one) => (environment[one] ?? '') !== '')
}

interface TlsSettings {
  readonly tls: BackendTls
  /** Told apart from the same service with other settings. */
  readonly suffix: string
}

function tlsSettings(context: Context, settings: Mapping, proxies: Proxies, options: ProxyOptions): TlsSettings {
  const target = isMapping(settings['target']) ? settings['target'] : settings
  const { keyFile, certFile, caFile } = target
  const parts: string[] = []
  let clientCertificate: string | undefined
  if (typeof keyFile === 'string' && typeof certFile === 'string') {
    const path = [...options.path, 'action']
    const key = fileText(context, keyFile, path)
    const certificate = fileText(context, certFile, path)
    clientCertificate = `${sourceName}/client/${certFile}`
    parts.push(certFile)
    if (key !== undefined && certificate !== undefined) {
      proxies.certificates.set(clientCertificate, {
        id: clientCertificate,
        certificate,
        key: new Secret(key),
        hosts: [],
        origin: context.gateway.origin(path, options.object),
      })
    }
  }
  let trust: BackendTls['trust'] = { kind: 'system' }
  if (settings['secure'] === false) {
    trust = { kind: 'none' }
    parts.push('unverified')
  } else if (typeof caFile === 'string') {
    const certificate = fileText(context, caFile, [...options.path, 'action'])
    const id = `${sourceName}/ca/${caFile}`
    trust = { kind: 'ca', certificates: [id] }
    parts.push(caFile)
    if (certificate !== undefined) {
      proxies.certificates.set(id, { id, certificate, origin: context.gateway.origin(options.path, options.object) })
    }
  }
  return {
    tls: { trust, ...(clientCertificate === undefined ? {} : { clientCertificate }) },
    suffix: parts.length === 0 ? '' : `#${parts.join(',')}`,
  }
}

// --- policies --------------------------------------------------------------------------------------------------------

function use(policy: string, config: unknown, options: ProxyOptions, context: Context): PolicyUse {
  return { policy, config, origin: context.gateway.origin(options.path, options.object) }
}

function pathUse(url: URL, settings: Mapping, options: ProxyOptions, context: Context): PolicyUse {
  const prepend = settings['prependPath'] === false || url.pathname === '/' ? '' : url.pathname
  return use(
    'proxy-path',
    {
      strip: settings['stripPath'] === true ? stripConfig(options.strip()) : { kind: 'none' },
      request: settings['ignorePath'] === true ? 'ignore' : 'join',
      prepend,
      query: settings['prependPath'] === false ? '' : url.search.slice(1),
      slashes: 'collapse',
    },
    options,
    context,
  )
}

function stripConfig(strip: Strip): unknown {
  switch (strip.kind) {
    case 'nothing':
      return { kind: 'none' }
    case 'everything':
      return { kind: 'path' }
    case 'characters':
    case 'match':
      return strip
  }
}

function requestUses(settings: Mapping, options: ProxyOptions, context: Context): readonly PolicyUse[] {
  const fields = new Map<string, { name: string; value: unknown }>()
  fields.set('eg-request-id', { name: 'eg-request-id', value: { fact: 'exchange-id' } })
  const auth = settings['auth']
  if (typeof auth === 'string') {
    const value = `Basic ${Buffer.from(auth).toString('base64')}`
    fields.set('authorization', { name: 'authorization', value })
  }
  if (isMapping(settings['headers'])) {
    for (const [name, value] of Object.entries(settings['headers'])) {
      fields.set(name.toLowerCase(), { name, value: listOf(value).map(String).join(', ') })
    }
  }
  return [use('headers', { request: { set: [...fields.values()] } }, options, context)]
}

function responseUses(
  settings: Mapping,
  addresses: readonly URL[],
  options: ProxyOptions,
  context: Context,
): readonly PolicyUse[] {
  const uses: PolicyUse[] = []
  const cookies = {
    ...rewriteTable('domain', settings['cookieDomainRewrite']),
    ...rewriteTable('path', settings['cookiePathRewrite']),
  }
  if (Object.keys(cookies).length > 0) uses.push(use('rewrite-cookies', cookies, options, context))
  const hostRewrite = settings['hostRewrite']
  const scheme = settings['protocolRewrite']
  const host =
    typeof hostRewrite === 'string'
      ? { kind: 'set', name: hostRewrite }
      : settings['autoRewrite'] === true
        ? { kind: 'client' }
        : undefined
  if (host !== undefined || typeof scheme === 'string') {
    const config = {
      backends: [...new Set(addresses.map((url) => url.host))],
      ...(host === undefined ? {} : { host }),
      ...(typeof scheme === 'string' ? { scheme: scheme.replace(/:$/, '') } : {}),
    }
    uses.push(use('rewrite-location', config, options, context))
  }
  // nearest to the backend: the others see the answer that was found at the end
  if (settings['followRedirects'] === true)
    uses.push(
      use('follow-redirects', addresses[0] === undefined ? {} : { base: addresses[0].origin }, options, context),
    )
  return uses
}

/** `false` or absent: nothing. A text: for every cookie. A mapping: from what stands there to what shall. */
function rewriteTable(kind: 'domain' | 'path', given: unknown): Readonly<Record<string, unknown>> {
  if (typeof given === 'string') return { [kind]: { '*': given } }
  if (!isMapping(given)) return {}
  return {
    [kind]: Object.fromEntries(Object.entries(given).map(([from, to]) => [from, textOf(to, '')])),
  }
}

function milliseconds(value: unknown): number | undefined {
  const number = typeof value === 'string' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) && number > 0 ? Math.ceil(number) : undefined
}

function smallest(left: number | undefined, right: number | undefined): number | undefined {
  if (left === undefined || right === undefined) return left ?? right
  return Math.min(left, right)
}

// --- what has no meaning here ----------------------------------------------------------------------------------------

const understood = new Set(
  Object.keys((policySchemas['proxy']?.['properties'] ?? {}) as Mapping).concat(
    ['headers', 'cookieDomainRewrite', 'cookiePathRewrite', 'timeout', 'proxyTimeout', 'target', 'proxyOptions', 'ws'],
    ['keyFile', 'certFile', 'caFile'],
  ),
)

/** Known to the schema, so that it is found only where it is switched on. */
const toProxy = 'the path and query go to the service, never the whole URL'

const without: Readonly<Record<string, string>> = {
  localAddress: 'the system chooses the address that requests leave from',
  agent: 'connections to services are kept and shared by the gateway',
  buffer: 'a policy cannot replace the body by this option; use request-transformer',
  selfHandleResponse: 'answers always go to the client',
  forward: 'use a second route, or a policy that mirrors',
  ssl: 'the listener is said under https',
}

function reportUnsupported(context: Context, settings: Mapping, options: ProxyOptions): void {
  const path = [...options.path, 'action']
  for (const key of Object.keys(settings)) {
    if (understood.has(key) && !(key === 'toProxy' && settings[key] === true)) continue
    const reason = key === 'toProxy' ? toProxy : without[key]
    const guess = reason === undefined ? nearestWord(key, [...understood]) : undefined
    complain(
      context,
      [...path, key],
      {
        code: 'proxy-option',
        severity: 'warning',
        message: `${options.object}: the proxy option ${key} has no effect`,
        hint: reason ?? (guess === undefined ? undefined : `did you mean ${guess}?`),
      },
      options.object,
    )
  }
}
