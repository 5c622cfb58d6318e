/** `shared-key`: one secret that every caller must show in a header, or 403. Nobody is identified by it. */
import { STATUS_CODES } from 'node:http'
import { z } from 'zod'
import { type NginxDirective, type NginxRaw, type Policy, type Reply, unsupported } from '../policy.ts'
import { equalSecrets } from '../shared/equal.ts'
import { headerVariable } from '../shared/nginx.ts'
import { headerName, secret, status } from '../shared/schema.ts'

const keyText = secret.refine((key) => key.reveal() !== '', 'is empty: every caller would know it')

export const config = z.strictObject({
  header: headerName,
  /** The exact value of the header. */
  key: keyText,
  /** Others that are as good, while callers move from one to the next. */
  alternatives: z.array(keyText).default([]),
  status: status.default(403),
})
export type Config = z.infer<typeof config>

export const sharedKey: Policy<Config> = {
  name: 'shared-key',
  summary: 'lets in who shows one secret in a header',
  config,
  engine: (config) => {
    const name = config.header.toLowerCase()
    const keys = [config.key, ...config.alternatives].map((key) => key.reveal())
    const refused: Reply = {
      kind: 'reply',
      status: config.status,
      headers: [['Content-Type', 'text/plain; charset=utf-8']],
      body: STATUS_CODES[config.status] ?? '',
    }
    return {
      request: (exchange) => {
        const shown = exchange.request.headers.get(name)
        if (shown === undefined) return refused
        let good = false
        // all of them, always: which one it was is nobody's business
        for (const key of keys) if (equalSecrets(shown, key)) good = true
        return good ? undefined : refused
      },
    }
  },
  nginx: (config) => {
    const variable = headerVariable(config.header)
    if (variable === undefined) return unsupported(`nginx has no variable for the header ${config.header}`)
    const keys = [config.key, ...config.alternatives].map((key) => key.reveal())
    if (keys.some((key) => key.includes('$'))) return unsupported('nginx would read $ as the name of a variable')
    const compared = (sign: string, key: string): (string | NginxRaw)[] => [
      { raw: '(' },
      { raw: variable },
      { raw: sign },
      key,
      { raw: ')' },
    ]
    const refuse: NginxDirective = { name: 'return', args: [String(config.status)] }
    const [only] = keys
    if (keys.length === 1 && only !== undefined)
      return { location: [{ name: 'if', args: compared('!=', only), block: [refuse] }] }
    const known = { raw: '$gantry_key' }
    return {
      location: [
        { name: 'set', args: [known, '0'] },
        ...keys.map((key) => ({ name: 'if', args: compared('=', key), block: [{ name: 'set', args: [known, '1'] }] })),
        { name: 'if', args: [{ raw: '(' }, known, { raw: '=' }, '0', { raw: ')' }], block: [refuse] },
      ],
    }
  },
}
