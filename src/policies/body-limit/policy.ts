/** `body-limit`: a request with a larger body → 413. */
import { z } from 'zod'
import { BodyTooLarge, type Policy, type Reply } from '../policy.ts'

const config = z.strictObject({
  /** Bytes. */
  limit: z.int().min(0),
})
export type Config = z.infer<typeof config>

export const bodyLimit: Policy<Config> = {
  name: 'body-limit',
  summary: 'refuses larger bodies',
  config,
  engine: ({ limit }) => ({
    request: ({ request }) => {
      const said = request.headers.get('content-length')
      if (said !== undefined) return Number(said) > limit ? tooLarge : undefined
      if (request.body.empty) return undefined
      // no length is said: counted as it comes, and cut off where it goes beyond
      let seen = 0
      request.body.transform({
        piece: (chunk) => {
          seen += chunk.length
          if (seen > limit) throw new BodyTooLarge(limit)
          return chunk
        },
      })
      return undefined
    },
  }),
  // 0 would mean no limit there
  nginx: ({ limit }) => ({ location: [{ name: 'client_max_body_size', args: [String(Math.max(1, limit))] }] }),
}

const tooLarge: Reply = {
  kind: 'reply',
  status: 413,
  headers: [['Content-Type', 'text/plain; charset=utf-8']],
  body: 'Payload Too Large',
}
