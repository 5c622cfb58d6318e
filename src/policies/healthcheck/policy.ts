/** `healthcheck`: GET and HEAD of one path → 200 OK. For listeners, before any route. */
import { z } from 'zod'
import { type Policy, type Reply, unsupported } from '../policy.ts'
import { status } from '../shared/schema.ts'

const config = z.strictObject({
  path: z.string().regex(/^\//, 'does not begin with /').default('/healthcheck'),
  status: status.default(200),
  body: z.string().default('OK'),
})
export type Config = z.infer<typeof config>

export const healthcheck: Policy<Config> = {
  name: 'healthcheck',
  summary: 'tells who asks that the gateway is there',
  config,
  engine: ({ path, status, body }) => {
    const answer: Reply = { kind: 'reply', status, headers: [['Content-Type', 'text/plain; charset=utf-8']], body }
    return {
      request: ({ request }) => {
        if (request.path !== path || (request.method !== 'GET' && request.method !== 'HEAD')) return undefined
        return answer
      },
    }
  },
  nginx: () => unsupported('other methods than GET must reach the routes of the same path'),
}
