/** `normal-request`: requests are read as nginx reads them, before a route is looked up. For listeners. */
import { normalPath } from '../../lib/path/normal.ts'
import { z } from 'zod'
import type { Policy, Reply } from '../policy.ts'

const config = z.strictObject({
  /** `drop`: header fields with an underscore in their name go no further, for many programs read it as a hyphen. */
  underscores: z.enum(['drop', 'keep']).default('drop'),
})
export type Config = z.infer<typeof config>

const unreadable: Reply = {
  kind: 'reply',
  status: 400,
  headers: [['Content-Type', 'text/plain; charset=utf-8']],
  body: 'Bad Request: the path cannot be decoded\n',
}

export const normalRequest: Policy<Config> = {
  name: 'normal-request',
  summary: 'decodes and normalises the path before a route is looked up',
  config,
  engine: ({ underscores }) => ({
    request: ({ request }) => {
      const { path } = request
      if (underscores === 'drop') {
        let odd: string[] | undefined
        for (const [name] of request.headers) if (name.includes('_')) (odd ??= []).push(name)
        if (odd !== undefined) for (const name of odd) request.headers.delete(name)
      }
      if (path === '*') return undefined
      const normal = normalPath(path)
      if (normal === path) return undefined
      if (normal === undefined) return unreadable
      const question = request.target.indexOf('?')
      request.target = question === -1 ? normal : normal + request.target.slice(question)
      return undefined
    },
  }),
  nginx: ({ underscores }) => ({ path: 'decoded', ...(underscores === 'drop' ? { underscores } : {}) }),
}
