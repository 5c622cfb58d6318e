/** `rewrite`: a target that matches a pattern → another target, or a redirect to it (express-gateway-plugin-rewrite). */
import { z } from 'zod'
import { compilePattern } from '../../lib/regexp/pattern.ts'
import { type Policy, unsupported } from '../policy.ts'
import { compilePathPattern, fillPathTemplate } from './pattern.ts'
import { regexpSource } from '../shared/schema.ts'

const config = z.strictObject({
  /**
   * On path and query as policies before have left them. `path`: a pattern as `/users/:id` or `/files/(.*)`, anchored,
   * without case; `to` names its parameters again. `regexp`: `to` may hold `$1`, `$&`, `$<name>`; what is around the match stays.
   * A request that does not match goes on unchanged.
   */
  match: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('path'), pattern: z.string().min(1) }),
    z.strictObject({ kind: z.literal('regexp'), source: regexpSource }),
  ]),
  to: z.string().min(1),
  /** Absent: the request goes on with the new target. */
  redirect: z.int().min(300).max(399).optional(),
})
export type Config = z.infer<typeof config>

export const rewrite: Policy<Config> = {
  name: 'rewrite',
  summary: 'turns one target into another, or redirects to it',
  config,
  engine: ({ match, to, redirect }) => {
    const change = match.kind === 'path' ? byPattern(match.pattern, to) : byRegexp(match.source, to)
    return {
      request: ({ request }) => {
        const changed = change(request.target)
        if (changed === undefined) return undefined
        // what began with one slash must not become the name of another host
        const target = changed.startsWith('/') || /^https?:\/\//.test(changed) ? changed : `/${changed}`
        if (redirect === undefined) {
          request.target = target.startsWith('/') ? target : new URL(target).pathname
          return undefined
        }
        const headers: [string, string][] = [
          ['Location', target],
          ['Vary', 'Accept'],
          ['Content-Type', 'text/plain; charset=utf-8'],
        ]
        return { kind: 'reply', status: redirect, headers, body: `Redirecting to ${target}` }
      },
    }
  },
  nginx: () => unsupported('nginx matches the decoded path without its query'),
}

type Change = (target: string) => string | undefined

function byPattern(pattern: string, to: string): Change {
  const { source, names } = compilePathPattern(pattern)
  const compiled = bounded(source, { ignoreCase: true })
  const fill = fillPathTemplate(to)
  return (target) => {
    const found = compiled(target)
    if (found === null) return undefined
    return fill(Object.fromEntries(names.map((name, index) => [name, found[index + 1]])))
  }
}

function byRegexp(source: string, to: string): Change {
  const compiled = bounded(source, { ignoreCase: false })
  const expression = new RegExp(source)
  return (target) => (compiled(target) === null ? undefined : target.replace(expression, to))
}

/** A longer target than the expression may safely be given matches nothing. */
function bounded(source: string, options: { readonly ignoreCase: boolean }): (text: string) => RegExpExecArray | null {
  const pattern = compilePattern(source, options)
  if (pattern.kind === 'bad') throw new Error(`${JSON.stringify(source)}: ${pattern.why}`)
  return (text) => (text.length <= pattern.limit ? pattern.regexp.exec(text) : null)
}
