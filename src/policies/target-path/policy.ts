/** `target-path`: the front of a normalised path → another; or the target as the client sent it. Behind `normal-request`. */
import { z } from 'zod'
import { literal } from '../../lib/nginx/print.ts'
import { decodedPath, normalPath } from '../../lib/path/normal.ts'
import { escapePattern } from '../shared/nginx.ts'
import { type Policy, unsupported } from '../policy.ts'

const path = z.string().regex(/^\/[^\s?\0]*$/, 'is not a path')

const config = z.strictObject({
  /** By characters, in normal form. A path that does not begin with it stays as it was sent. */
  from: path,
  /** What stands in its place, as written. Absent: nothing changes, the backend sees what the client sent. */
  to: path.optional(),
})
export type Config = z.infer<typeof config>

export const targetPath: Policy<Config> = {
  name: 'target-path',
  summary: 'replaces the front of the path, or restores what the client sent',
  config,
  engine: ({ from, to }) => ({
    request: ({ request }) => {
      const { target } = request
      if (to === undefined || !target.startsWith(from)) request.target = request.originalTarget
      else request.target = to + target.slice(from.length)
      return undefined
    },
  }),
  nginx: ({ from, to }) => {
    if (to === undefined) return { target: 'settled' }
    const decoded = decodedPath(from)
    const replacement = decodedPath(to)
    if (decoded === undefined) return unsupported('the path holds bytes that cannot be written')
    // nginx escapes what it has rewritten: what would come out differently is left to the engine
    if (replacement === undefined || to.includes('//') || normalPath(to) !== to)
      return unsupported('nginx would write the target path in another way')
    if (/[$\\]/.test(replacement)) return unsupported('nginx would read $ or \\ in the target path')
    return {
      uri: 'rewritten',
      target: 'settled',
      location: [
        {
          name: 'rewrite',
          args: [literal(`(?s)^${escapePattern(decoded)}(.*)$`), literal(`${replacement}$1`), 'break'],
        },
      ],
    }
  },
}
