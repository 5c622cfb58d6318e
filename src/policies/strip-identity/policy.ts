/** `strip-identity`: a request → the same without headers that only the gateway may say, unless it has said them. */
import { z } from 'zod'
import type { Policy } from '../policy.ts'
import { headerName } from '../shared/schema.ts'

const config = z.strictObject({
  /** Taken away while there is no consumer: a client cannot name one. */
  headers: z.array(headerName).min(1).default(['eg-consumer-id']),
})
export type Config = z.infer<typeof config>

export const stripIdentity: Policy<Config> = {
  name: 'strip-identity',
  summary: 'takes away what a client says about its own identity',
  config,
  engine: ({ headers }) => {
    const names = headers.map((name) => name.toLowerCase())
    return {
      request: (exchange) => {
        if (exchange.consumer !== undefined) return undefined
        const fields = exchange.request.headers
        for (const name of names) fields.deleteAlike(name)
        return undefined
      },
    }
  },
  // an empty value is how nginx leaves a field out; those with `_` it leaves out by itself
  nginx: ({ headers }) => ({ location: headers.map((name) => ({ name: 'proxy_set_header', args: [name, ''] })) }),
}
