/** `shared-key`: one secret that every caller must show in a header, or 403. Nobody is identified by it. */
import { STATUS_CODES } from 'node:http'
import { z } from 'zod'
import { type Policy, type Reply, unsupported } from '../policy.ts'
import { equalSecrets } from '../shared/equal.ts'
import { headerVariable } from '../shared/nginx.ts'
import { headerName, secret, status } from '../shared/schema.ts'

export const config = z.strictObject({
  header: headerName,
  /** The exact value of the header. */
  key: secret.refine((key) => key.reveal() !== '', 'is empty: every caller would know it'),
  status: status.default(403),
})
export type Config = z.infer<typeof config>

export const sharedKey: Policy<Config> = {
  name: 'shared-key',
  summary: 'lets in who shows one secret in a header',
  config,
  engine: (config) => {
    const name = config.header.toLowerCase()
    const key = config.key.reveal()
    const refused: Reply = {
      kind: 'reply',
      status: config.status,
      headers: [['Content-Type', 'text/plain; charset=utf-8']],
      body: STATUS_CODES[config.status] ?? '',
    }
    return {
      request: (exchange) => {
        const shown = exchange.request.headers.get(name)
        return shown !== undefined && equalSecrets(shown, key) ? undefined : refused
      },
    }
  },
  nginx: (config) => {
    const variable = headerVariable(config.header)
    if (variable === undefined) return unsupported(`nginx has no variable for the header ${config.header}`)
    return {
      location: [
        {
          name: 'if',
          args: [{ raw: '(' }, { raw: variable }, { raw: '!=' }, config.key.reveal(), { raw: ')' }],
          block: [{ name: 'return', args: [String(config.status)] }],
        },
      ],
    }
  },
}
