/** `http` and `https` → listeners and their certificates. Pure. */
import type { Certificate, Listener, ListenerTls, PolicyUse } from '../../model/model.ts'
import { Secret } from '../../model/secret.ts'
import { sourceName } from './document.ts'
import { isMapping, listOf, type Mapping } from './normalise.ts'
import { complain, fileText, type Context } from './report.ts'

export interface Listeners {
  readonly listeners: readonly Listener[]
  readonly certificates: readonly Certificate[]
}

/** `policies`: what every request passes before a route is looked up. */
export function translateListeners(context: Context, config: Mapping, policies: readonly PolicyUse[]): Listeners {
  const listeners: Listener[] = []
  const certificates: Certificate[] = []
  const { http, https } = config
  const common = policies.length === 0 ? {} : { policies }
  if (isMapping(http)) {
    listeners.push({
      id: `${sourceName}/http`,
      address: addressOf(http),
      port: portOf(context, 'http', http),
      protocol: 'http',
      unmatched: { kind: 'express' },
      ...common,
      origin: context.gateway.origin(['http'], 'http'),
    })
  }
  if (isMapping(https) && isMapping(https['tls'])) {
    listeners.push({
      id: `${sourceName}/https`,
      address: addressOf(https),
      port: portOf(context, 'https', https),
      protocol: 'https',
      tls: translateTls(context, https, https['tls'], certificates),
      unmatched: { kind: 'express' },
      ...common,
      origin: context.gateway.origin(['https'], 'https'),
    })
  } else if (isMapping(https)) {
    complain(context, ['https'], {
      code: 'https-without-tls',
      severity: 'warning',
      message: 'https has no tls; nothing listens there',
      hint: 'tls: { default: { key: FILE, cert: FILE } }',
    })
  }
  if (listeners.length === 0) {
    complain(context, [], {
      code: 'no-listener',
      severity: 'warning',
      message: 'neither http nor https is configured; the gateway listens nowhere',
      hint: 'http: { port: 8080 }',
    })
  }
  return { listeners, certificates }
}

function addressOf(section: Mapping): string {
  const { hostname } = section
  if (typeof hostname !== 'string' || hostname === '' || hostname === '0.0.0.0' || hostname === '::') return '*'
  return hostname === 'localhost' ? '127.0.0.1' : hostname
}

function portOf(context: Context, section: 'http' | 'https', given: Mapping): number {
  const port = given['port'] ?? 0
  if (typeof port === 'number' && Number.isInteger(port) && port >= 0 && port <= 65535) return port
  complain(context, [section, 'port'], {
    code: 'port',
    severity: 'error',
    message: `${section}.port: ${JSON.stringify(port)} is not a port`,
    hint: 'a number from 1 to 65535; 0 lets the system choose',
  })
  return 0
}

function translateTls(context: Context, https: Mapping, tls: Mapping, certificates: Certificate[]): ListenerTls {
  const ids: string[] = []
  const authorities = new Map<string, string>()
  let fallback: string | undefined
  for (const [name, given] of Object.entries(tls)) {
    if (!isMapping(given)) continue
    const path = ['https', 'tls', name]
    const key = typeof given['key'] === 'string' ? fileText(context, given['key'], [...path, 'key']) : undefined
    const certificate =
      typeof given['cert'] === 'string' ? fileText(context, given['cert'], [...path, 'cert']) : undefined
    for (const file of listOf(given['ca']).map(String)) {
      const text = fileText(context, file, [...path, 'ca'])
      if (text !== undefined) authorities.set(file, text)
    }
    if (key === undefined || certificate === undefined) continue
    const id = `${sourceName}/tls/${name}`
    certificates.push({
      id,
      certificate,
      key: new Secret(key),
      hosts: name === 'default' ? [] : [name.toLowerCase()],
      origin: context.gateway.origin(path, `https.tls ${name}`),
    })
    if (name === 'default') fallback = id
    else ids.push(id)
  }
  const options = isMapping(https['options']) ? https['options'] : {}
  reportOptions(context, options)
  const clientValidation = validationOf(context, options, authorities, certificates)
  return {
    mode: 'terminate',
    // who names no host, or one that nobody knows, gets the default certificate; without one, no connection
    certificates: fallback === undefined ? ids : [fallback, ...ids],
    unknownName: fallback === undefined ? 'reject' : 'first',
    ...(typeof options['ciphers'] === 'string' ? { ciphers: options['ciphers'] } : {}),
    ...(options['minVersion'] === 'TLSv1.2' || options['minVersion'] === 'TLSv1.3'
      ? { minVersion: options['minVersion'] }
      : {}),
    ...(clientValidation === undefined ? {} : { clientValidation }),
  }
}

function validationOf(
  context: Context,
  options: Mapping,
  authorities: ReadonlyMap<string, string>,
  certificates: Certificate[],
): ListenerTls['clientValidation'] {
  if (options['requestCert'] !== true) return undefined
  const ca = [...authorities].map(([file, certificate]) => {
    const id = `${sourceName}/ca/${file}`
    certificates.push({ id, certificate, origin: context.gateway.origin(['https', 'tls'], 'https.tls') })
    return id
  })
  return { mode: options['rejectUnauthorized'] === false ? 'request' : 'require', ca }
}

const understood = ['requestCert', 'rejectUnauthorized', 'ciphers', 'minVersion']

function reportOptions(context: Context, options: Mapping): void {
  for (const key of Object.keys(options)) {
    if (understood.includes(key)) continue
    complain(context, ['https', 'options', key], {
      code: 'tls-option',
      severity: 'warning',
      message: `https.options.${key} has no effect`,
      hint: `understood are ${understood.join(', ')}`,
    })
  }
}
