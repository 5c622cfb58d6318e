/** Environment variables → the configuration of pod routing, or why it is refused. Pure but for the files it is handed. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { Diagnostic } from '../../model/diagnostic.ts'
import { parseSelector, type Requirement, whyNoName } from './labels.ts'

export interface Configuration {
  readonly keySecretName: string
  readonly keySecretField: string
  /** As clients send it: every sign that is no letter and no digit is a hyphen, as nginx compares. */
  readonly keyHeader: string
  readonly selector: { readonly text: string; readonly requirements: readonly Requirement[] }
  readonly hostsAnnotation: string
  readonly pathsAnnotation: string
  readonly port: number
  /** Absent: no TLS at all. */
  readonly tls?: { readonly port: number; readonly certificate: string; readonly key: string }
  readonly certificateFolder: string
  readonly healthChecks: boolean
  /** Bytes; 0 is no limit. */
  readonly bodyBytes: number
  readonly statusPath: string
  readonly fallback: Fallback
}

/** What a known host answers where no path matches. */
export type Fallback =
  | { readonly kind: 'status'; readonly status: number }
  /** `path` is put before that of the request; '' where the URI had none. */
  | {
      readonly kind: 'uri'
      readonly scheme: 'http' | 'https'
      readonly host: string
      readonly port: number
      readonly path: string
    }
  /** Accepted, as it always was, and of no use. */
  | { readonly kind: 'unusable'; readonly text: string }

export type Environment = Readonly<Record<string, string | undefined>>

/** The content of a file, or why it cannot be had. */
export type ReadText = (path: string) => string | Error

export type Configured =
  | { readonly kind: 'configured'; readonly configuration: Configuration; readonly diagnostics: readonly Diagnostic[] }
  | { readonly kind: 'refused'; readonly diagnostics: readonly Diagnostic[] }

/** Every variable with its default, for `--help` and the manual. */
export const variables: readonly { readonly name: string; readonly standard: string; readonly summary: string }[] = [
  {
    name: 'API_KEY_SECRET_NAME',
    standard: 'routing',
    summary: 'the Secret of each namespace with routing keys and certificates',
  },
  {
    name: 'API_KEY_SECRET_FIELD',
    standard: 'api-key',
    summary: 'its field with the routing key; FIELD.anything are further keys that are as good',
  },
  {
    name: 'API_KEY_HEADER',
    standard: 'X-ROUTING-API-KEY',
    summary: 'the request header that must show the key, in base64',
  },
  {
    name: 'ROUTABLE_LABEL_SELECTOR',
    standard: 'github.com/30x.dispatcher.routable=true',
    summary: 'which Namespaces and Pods are routed',
  },
  {
    name: 'HOSTS_ANNOTATION',
    standard: 'github.com/30x.dispatcher.hosts',
    summary: 'of Namespaces: JSON, host to options',
  },
  { name: 'PATHS_ANNOTATION', standard: 'github.com/30x.dispatcher.paths', summary: 'of Pods: JSON, a list of paths' },
  { name: 'ORG_LABEL', standard: 'github.com/30x.dispatcher.org', summary: 'accepted, and without effect' },
  { name: 'ENV_LABEL', standard: 'github.com/30x.dispatcher.env', summary: 'accepted, and without effect' },
  { name: 'APP_NAME_LABEL', standard: 'github.com/30x.dispatcher.app.name', summary: 'accepted, and without effect' },
  { name: 'APP_REV_LABEL', standard: 'github.com/30x.dispatcher.app.rev', summary: 'accepted, and without effect' },
  { name: 'PORT', standard: '80', summary: 'of plain HTTP' },
  { name: 'SSL_PORT', standard: '443', summary: 'of TLS' },
  { name: 'SSL_CERT', standard: '', summary: 'file with the default certificate; it switches TLS on' },
  { name: 'SSL_KEY', standard: '', summary: 'file with its key' },
  { name: 'SSL_CERT_DIR', standard: '/etc/nginx/ssl', summary: 'where the nginx target writes certificates' },
  { name: 'NGINX_ENABLE_HEALTH_CHECKS', standard: 'false', summary: 'check Pods by their own probes' },
  {
    name: 'NGINX_MAX_CLIENT_BODY_SIZE',
    standard: '0',
    summary: 'of request bodies: bytes, or with k, m, g; 0 is no limit',
  },
  { name: 'NGINX_STATUS_PATH', standard: '/dispatcher/status', summary: 'answers 200 on hosts that nobody has' },
  {
    name: 'DEFAULT_LOCATION_RETURN',
    standard: '404',
    summary: 'what known hosts answer for unknown paths: a status, or a URI to ask instead',
  },
]

/** An empty variable is one that is not set. The first thing that is wrong is said; of numbers and booleans, all of them. */
export function readEnvironment(environment: Environment, readText: ReadText): Configured {
  const diagnostics: Diagnostic[] = []
  const get = (name: string): string => {
    const given = environment[name]
    return given !== undefined && given !== '' ? given : (variables.find((one) => one.name === name)?.standard ?? '')
  }
  const refuse = (name: string, message: string, hint: string): Diagnostic => ({
    code: 'pods/environment',
    severity: 'error',
    message: `${name}: ${message}`,
    hint,
    origin: { source: 'pods', object: 'environment', field: name },
  })
  const refused = (...given: readonly Diagnostic[]): Configured => ({ kind: 'refused', diagnostics: given })

  const port = parseInteger(get('PORT'))
  const tlsPort = parseInteger(get('SSL_PORT'))
  const healthChecks = parseBoolean(get('NGINX_ENABLE_HEALTH_CHECKS'))
  const undecoded = [
    ...(port === undefined
      ? [refuse('PORT', `"${get('PORT')}" is not a whole number`, 'a number from 1 to 65535')]
      : []),
    ...(tlsPort === undefined
      ? [refuse('SSL_PORT', `"${get('SSL_PORT')}" is not a whole number`, 'a number from 1 to 65535')]
      : []),
    ...(healthChecks === undefined
      ? [
          refuse(
            'NGINX_ENABLE_HEALTH_CHECKS',
            `"${get('NGINX_ENABLE_HEALTH_CHECKS')}" is neither true nor false`,
            'true or false',
          ),
        ]
      : []),
  ]
  if (port === undefined || tlsPort === undefined || healthChecks === undefined) return refused(...undecoded)

  for (const name of ['HOSTS_ANNOTATION', 'PATHS_ANNOTATION']) {
    // prefixes are domain names, and those are compared in lower case
    const why = whyNoName(get(name).toLowerCase())
    if (why !== undefined)
      return refused(
        refuse(name, `"${get(name)}" is not the name of an annotation: ${why}`, 'example.com/name, or a name alone'),
      )
  }
  for (const [name, value] of [
    ['PORT', port],
    ['SSL_PORT', tlsPort],
  ] as const) {
    if (value < 1 || value > 65_535) return refused(refuse(name, `${value} is not a port`, 'a number from 1 to 65535'))
  }
  const selector = parseSelector(get('ROUTABLE_LABEL_SELECTOR'))
  if (selector.kind === 'mistake')
    return refused(
      refuse(
        'ROUTABLE_LABEL_SELECTOR',
        `"${get('ROUTABLE_LABEL_SELECTOR')}" is not a label selector: ${selector.message}`,
        'for example routable=true',
      ),
    )
  for (const name of ['ORG_LABEL', 'ENV_LABEL', 'APP_NAME_LABEL', 'APP_REV_LABEL']) {
    const parsed = parseSelector(get(name))
    if (parsed.kind === 'mistake')
      return refused(refuse(name, `"${get(name)}" is not a label: ${parsed.message}`, 'the name of a label'))
  }
  const fallback = parseFallback(get('DEFAULT_LOCATION_RETURN'))
  if (typeof fallback === 'string')
    return refused(
      refuse(
        'DEFAULT_LOCATION_RETURN',
        `"${get('DEFAULT_LOCATION_RETURN')}" ${fallback}`,
        'a status from 100 to 999, or http://host:port/path',
      ),
    )
  if (fallback.kind === 'unusable')
    diagnostics.push({
      ...refuse(
        'DEFAULT_LOCATION_RETURN',
        `"${fallback.text}" cannot be served: paths that no Pod has are answered with 503`,
        'a status from 200 to 599 or 999, or http://host:port/path',
      ),
      severity: 'warning',
    })
  const statusPath = get('NGINX_STATUS_PATH')
  if (!isRegexp(statusPath))
    return refused(refuse('NGINX_STATUS_PATH', `"${statusPath}" is not a path`, 'for example /dispatcher/status'))
  if (!statusPath.startsWith('/'))
    diagnostics.push({
      ...refuse(
        'NGINX_STATUS_PATH',
        `"${statusPath}" does not begin with /: no request can ask for it`,
        'for example /dispatcher/status',
      ),
      severity: 'warning',
    })
  const bodyBytes = parseSize(get('NGINX_MAX_CLIENT_BODY_SIZE'))
  if (bodyBytes === undefined)
    return refused(
      refuse(
        'NGINX_MAX_CLIENT_BODY_SIZE',
        `"${get('NGINX_MAX_CLIENT_BODY_SIZE')}" is not a size`,
        'a number of bytes, or one with k, m or g behind it: 34m',
      ),
    )

  const base = {
    keySecretName: get('API_KEY_SECRET_NAME'),
    keySecretField: get('API_KEY_SECRET_FIELD'),
    keyHeader: [...get('API_KEY_HEADER')].map((sign) => (/[A-Za-z0-9]/.test(sign) ? sign : '-')).join(''),
    selector: { text: get('ROUTABLE_LABEL_SELECTOR'), requirements: selector.requirements },
    hostsAnnotation: get('HOSTS_ANNOTATION'),
    pathsAnnotation: get('PATHS_ANNOTATION'),
    port,
    certificateFolder: get('SSL_CERT_DIR'),
    healthChecks,
    bodyBytes,
    statusPath,
    fallback,
  }
  if (get('SSL_CERT') === '') return { kind: 'configured', configuration: base, diagnostics }
  if (get('SSL_KEY') === '')
    return refused(refuse('SSL_KEY', 'is missing beside SSL_CERT', 'the file with the key of the certificate'))
  if (port === tlsPort) return refused(refuse('SSL_PORT', `${tlsPort} is that of plain HTTP`, 'another port than PORT'))
  const pair: Record<'SSL_CERT' | 'SSL_KEY', string> = { SSL_CERT: '', SSL_KEY: '' }
  for (const name of ['SSL_CERT', 'SSL_KEY'] as const) {
    const text = readText(get(name))
    if (text instanceof Error)
      return refused(
        refuse(name, `${get(name)} cannot be read: ${text.message}`, 'a file in PEM that this process may read'),
      )
    pair[name] = text
  }
  const why = whyNoPair(pair.SSL_CERT, pair.SSL_KEY)
  if (why !== undefined)
    return refused(
      refuse('SSL_CERT', `${get('SSL_CERT')} with ${get('SSL_KEY')}: ${why}`, 'a certificate and its own key, in PEM'),
    )
  const tls = {
    port: tlsPort,
    certificate: `${blocksOf(pair.SSL_CERT).join('\n')}\n`,
    key: normalKey(pair.SSL_KEY),
  }
  return { kind: 'configured', configuration: { ...base, tls }, diagnostics }
}

/** Undefined where certificate and key are good, and of one another. */
export function whyNoPair(certificate: string, key: string): string | undefined {
  const blocks = blocksOf(certificate)
  let leaf: X509Certificate
  try {
    const [first] = blocks.map((block) => new X509Certificate(block))
    if (first === undefined) return 'the certificate is not in PEM'
    leaf = first
  } catch {
    return 'the certificate cannot be read'
  }
  try {
    if (!leaf.checkPrivateKey(createPrivateKey(key))) return 'the key does not belong to the certificate'
  } catch {
    return 'the key is not a private key in PEM'
  }
  try {
    // what OpenSSL of a distribution refuses (small keys, old digests) would keep nginx from starting
    createSecureContext({ cert: blocks.join('\n'), key, ciphers: 'DEFAULT@SECLEVEL=2' })
  } catch (error) {
    return `it cannot be served: ${error instanceof Error ? error.message.replace(/^error:[0-9A-F]+:/, '') : String(error)}`
  }
  return undefined
}

/** The certificates of a text in PEM, and nothing that stands between them: other readers stumble over that. */
export function blocksOf(text: string): readonly string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []
}

/** The same key in one form: what stands around it is dropped. Throws where it is none. */
export function normalKey(key: string): string {
  return createPrivateKey(key).export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** As Go reads an integer whose base is in its prefix; undefined where it is none. */
function parseInteger(text: string): number | undefined {
  const match = /^([+-]?)(0[xX]|0[bB]|0[oO]|0(?=_?[0-9]))?([0-9a-fA-F_]+)$/.exec(text)
  if (match === null) return undefined
  const [, sign, prefix = '', digits = ''] = match
  // underscores stand between digits, or between prefix and digits
  if (!/^_?[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*$/.test(digits) || (prefix === '' && digits.startsWith('_'))) return undefined
  const base = { '': 10, '0': 8, '0o': 8, '0x': 16, '0b': 2 }[prefix.toLowerCase()] ?? 10
  let value = 0
  for (const digit of digits.replaceAll('_', '')) {
    const one = Number.parseInt(digit, 16)
    if (one >= base) return undefined
    value = value * base + one
  }
  if (value > Number.MAX_SAFE_INTEGER) return undefined
  return sign === '-' ? -value : value
}

function parseBoolean(text: string): boolean | undefined {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(text)) return true
  return /^(?:0|f|F|FALSE|false|False)$/.test(text) ? false : undefined
}

/** As nginx reads a size. */
function parseSize(text: string): number | undefined {
  const match = /^([0-9]{1,15})([kKmMgG]?)$/.exec(text)
  if (match === null) return undefined
  const bytes = Number(match[1]) * { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 }[(match[2] ?? '').toLowerCase() as 'k']
  return bytes <= Number.MAX_SAFE_INTEGER ? bytes : undefined
}

/** A text says why it is refused. */
function parseFallback(text: string): Fallback | string {
  if (/^[+-]?[0-9]+$/.test(text)) {
    const status = Number(text)
    if (status < 100 || status > 999) return 'is not a status from 100 to 999'
    // 1xx announces another answer, and nobody gives it
    return status < 200 ? { kind: 'unusable', text } : { kind: 'status', status }
  }
  const wrong = whyNoUrl(text)
  if (wrong !== undefined) return wrong
  const match = /^(https?):\/\/(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]+))?(\/[^?#\s]*)?$/i.exec(text)
  if (match === null) return { kind: 'unusable', text }
  const scheme = match[1]?.toLowerCase() === 'https' ? 'https' : 'http'
  const port = match[3] === undefined ? (scheme === 'https' ? 443 : 80) : Number(match[3])
  if (port < 1 || port > 65_535) return { kind: 'unusable', text }
  return { kind: 'uri', scheme, host: (match[2] ?? '').replace(/^\[|\]$/g, ''), port, path: match[4] ?? '' }
}

/** The lenient reading of net/url: little is refused. */
function whyNoUrl(text: string): string | undefined {
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(text)) return 'holds a control character'
  if (text.startsWith(':')) return 'has no scheme before the colon'
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)
  const rest = (scheme === null ? text : text.slice(scheme[0].length)).replace(/[?#].*$/s, '')
  if (scheme === null && /^[^/]*:/.test(rest)) return 'has a colon in its first segment'
  if (/%(?![0-9a-fA-F]{2})/.test(rest)) return 'has a percent sign that encodes nothing'
  const authority = /^\/\/([^/]*)/.exec(rest)?.[1]?.replace(/^.*@/, '')
  if (authority === undefined) return undefined
  if (authority.startsWith('[') && !authority.includes(']')) return 'has a bracket that does not end'
  if (!/^(?:\[[^\]]*\]|[^:[\]]*)(?::[0-9]*)?$/.test(authority)) return 'has no good host and port'
  return /[ <>"]/.test(authority) ? 'has a sign in its host that cannot stand there' : undefined
}

function isRegexp(text: string): boolean {
  try {
    return new RegExp(text) instanceof RegExp
  } catch {
    return false
  }
}
