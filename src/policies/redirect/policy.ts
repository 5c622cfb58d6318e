/** `redirect`: a request → 30x with a Location built from it (Gateway API HTTPRequestRedirectFilter). */
import { z } from 'zod'
import { type NginxPiece, type Policy, type Unsupported, unsupported } from '../policy.ts'
import { replacedTarget } from '../shared/nginx-path.ts'
import { compileReplacement, pathReplacement } from '../shared/path.ts'

const config = z.strictObject({
  /** Absent: that of the listener. */
  scheme: z.enum(['http', 'https']).optional(),
  /** Absent: the host that was asked for. */
  hostname: z
    .string()
    .regex(/^[A-Za-z0-9._~:[\]-]+$/, 'is not a host name')
    .optional(),
  /** Absent: the default one of `scheme` where that is given, else the listener's. The default port of a scheme is not written. */
  port: z.int().min(1).max(65535).optional(),
  path: pathReplacement.optional(),
  /** `keep`: the query goes with it. */
  query: z.enum(['keep', 'drop']).default('keep'),
  status: z.union([z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)]).default(302),
})
export type Config = z.infer<typeof config>

export const redirect: Policy<Config> = {
  name: 'redirect',
  summary: 'sends the client elsewhere',
  config,
  engine: (config, context) => {
    const replace = config.path === undefined ? undefined : compileReplacement(config.path)
    const ports = new Map(context.model.listeners.map((listener) => [listener.id, listener.port]))
    const { status } = config
    return {
      request: (exchange) => {
        const { request, connection } = exchange
        const scheme = config.scheme ?? connection.scheme
        // 0: the system has chosen one
        const listened = ports.get(connection.listener) || connection.localPort
        const port = config.port ?? (config.scheme === undefined ? listened : defaultPorts[scheme])
        const host = bracketed(config.hostname ?? request.host)
        const authority = port === defaultPorts[scheme] ? host : `${host}:${port}`
        const path = replace?.(request.path) ?? request.path
        const query = config.query === 'keep' && request.query !== '' ? `?${request.query}` : ''
        return { kind: 'reply', status, headers: [['Location', `${scheme}://${authority}${path}${query}`]] }
      },
    }
  },
  nginx: (config, context) => inNginx(config, context.route?.listeners.length === 1),
}

const defaultPorts = { http: 80, https: 443 } as const

/** An IPv6 address stands in brackets in a URL. */
function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}

function inNginx(config: Config, oneListener: boolean): NginxPiece | Unsupported {
  if (config.scheme === undefined && config.port === undefined && !oneListener) {
    return unsupported('the port differs from listener to listener')
  }
  const scheme = config.scheme ?? '$scheme'
  const host = config.hostname === undefined ? '$host' : bracketed(config.hostname)
  const port = config.port ?? (config.scheme === undefined ? undefined : defaultPorts[config.scheme])
  if (port === undefined || (config.scheme === undefined && (port === 80 || port === 443))) {
    return unsupported('whether the port is the default one is known for each request only')
  }
  const authority = config.scheme !== undefined && port === defaultPorts[config.scheme] ? host : `${host}:${port}`
  const answer = (target: string): { name: string; args: ({ raw: string } | string)[] } => ({
    name: 'return',
    args: [String(config.status), { raw: `${scheme}://${authority}${target}` }],
  })
  if (config.query === 'drop') return unsupported('nginx has no variable for the path alone as it was sent')
  if (config.path === undefined) return { location: [answer('$request_uri')] }
  const change = replacedTarget(config.path)
  if (change === undefined) return unsupported('nginx cannot replace this path without decoding it')
  return {
    location: [
      {
        name: 'if',
        args: [{ raw: '(' }, { raw: '$request_uri' }, { raw: '~' }, change.pattern, { raw: ')' }],
        block: [answer(change.target)],
      },
      answer('$request_uri'),
    ],
  }
}
