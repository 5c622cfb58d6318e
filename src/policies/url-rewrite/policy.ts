/** `url-rewrite`: host and path of the request that the backend sees (Gateway API HTTPURLRewriteFilter). */
import { z } from 'zod'
import { type NginxDirective, type Policy, type Step, unsupported } from '../policy.ts'
import { replacedTarget } from '../shared/nginx-path.ts'
import { compileReplacement, pathReplacement, withPath } from '../shared/path.ts'

const config = z
  .strictObject({
    /** Replaces Host. */
    hostname: z
      .string()
      .regex(/^[A-Za-z0-9._~:[\]-]+$/, 'is not a host name')
      .optional(),
    path: pathReplacement.optional(),
  })
  .refine((given) => given.hostname !== undefined || given.path !== undefined, 'says nothing: give hostname or path')
export type Config = z.infer<typeof config>

export const urlRewrite: Policy<Config> = {
  name: 'url-rewrite',
  summary: 'changes host and path of what the backend is asked for',
  config,
  engine: ({ hostname, path }) => {
    const replace = path === undefined ? undefined : compileReplacement(path)
    const step: Step = {
      request: ({ request }) => {
        if (replace !== undefined) {
          const next = replace(request.path)
          if (next !== undefined) request.target = withPath(request.target, next)
        }
        if (hostname !== undefined) request.headers.set('Host', hostname)
        return undefined
      },
    }
    return step
  },
  nginx: ({ hostname, path }) => {
    const location: NginxDirective[] = []
    if (hostname !== undefined) location.push({ name: 'set', args: [{ raw: '$gantry_host' }, hostname] })
    if (path !== undefined) {
      const change = replacedTarget(path)
      if (change === undefined) return unsupported('nginx cannot replace this path without decoding it')
      const conditional = { raw: '(' }
      location.push({
        name: 'if',
        args: [conditional, { raw: '$gantry_target' }, { raw: '~' }, change.pattern, { raw: ')' }],
        block: [{ name: 'set', args: [{ raw: '$gantry_target' }, { raw: change.target }] }],
      })
    }
    return { location }
  },
}
