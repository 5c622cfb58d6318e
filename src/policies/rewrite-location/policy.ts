/** `rewrite-location`: the Location of a backend's redirect to itself → the same place as the client knows it. */
import { z } from 'zod'
import { type Policy, unsupported } from '../policy.ts'

const config = z
  .strictObject({
    /** Host and port of the backend, as they stand in its Location: others are left alone. */
    backends: z.array(z.string().min(1)).min(1),
    /** `client`: the Host that the client asked for. */
    host: z
      .union([
        z.strictObject({ kind: z.literal('client') }),
        z.strictObject({ kind: z.literal('set'), name: z.string().min(1) }),
      ])
      .optional(),
    scheme: z.enum(['http', 'https']).optional(),
  })
  .refine((given) => given.host !== undefined || given.scheme !== undefined, 'says nothing: give host or scheme')
export type Config = z.infer<typeof config>

export const rewriteLocation: Policy<Config> = {
  name: 'rewrite-location',
  summary: "makes a backend's redirects to itself redirects to the gateway",
  config,
  engine: (config) => {
    const own = new Set(config.backends.map((backend) => backend.toLowerCase()))
    const clientHost = Symbol('host')
    const { host, scheme } = config
    return {
      // later policies may change the Host that the backend sees
      request: (exchange) => {
        if (host?.kind === 'client') exchange.notes.set(clientHost, exchange.request.headers.get('host'))
        return undefined
      },
      response: (exchange) => {
        const { response } = exchange
        if (response.from !== 'backend' || !redirects.has(response.status)) return
        const said = response.headers.get('location')
        if (said === undefined || !URL.canParse(said)) return
        const url = new URL(said)
        if (!own.has(url.host) && !own.has(`${url.hostname}:${url.port || defaultPort(url.protocol)}`)) return
        if (scheme !== undefined) url.protocol = scheme
        const name = host === undefined ? undefined : host.kind === 'set' ? host.name : exchange.notes.get(clientHost)
        if (typeof name === 'string' && name !== '') {
          // a name without a port must not keep the backend's
          url.port = ''
          url.host = name
        }
        response.headers.set('Location', url.href)
      },
    }
  },
  nginx: () => unsupported('the backends of a location have many addresses'),
}

const redirects = new Set([201, 301, 302, 307, 308])

function defaultPort(protocol: string): string {
  return protocol === 'https:' ? '443' : '80'
}
