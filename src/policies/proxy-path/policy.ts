/** `proxy-path`: the path of a request → the path at a service that lies under a path of its own. */
import { z } from 'zod'
import { compilePattern } from '../../lib/regexp/pattern.ts'
import { type ExchangeRequest, type Policy, unsupported } from '../policy.ts'
import { regexpSource } from '../shared/schema.ts'

const config = z.strictObject({
  /**
   * What is taken from the front of the target **as the client sent it** (after changes by others for `none`).
   * `path`: all of the path, the query stays. `characters`: so many of the target. `match`: what the expression finds at the
   * front of the path; nothing where it finds nothing. The rest always begins with one `/`.
   */
  strip: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('none') }),
      z.strictObject({ kind: z.literal('path') }),
      z.strictObject({ kind: z.literal('characters'), count: z.int().min(0) }),
      z.strictObject({ kind: z.literal('match'), source: regexpSource, ignoreCase: z.boolean().default(false) }),
    ])
    .default({ kind: 'none' }),
  /** `join`: the service's path, then the request's. `ignore`: the service's alone, and the request's query is dropped. */
  request: z.enum(['join', 'ignore']).default('join'),
  /** The path of the service's address, without query; '' for none. */
  prepend: z
    .string()
    .regex(/^(\/[^?#\s]*)?$/, 'is not a path')
    .default(''),
  /** The query of the service's address, without `?`. It stands before that of the request. */
  query: z
    .string()
    .regex(/^[^#\s]*$/, 'is not a query')
    .default(''),
  /** Runs of slashes in the path: `collapse` to one, or `keep`. */
  slashes: z.enum(['collapse', 'keep']).default('collapse'),
})
export type Config = z.infer<typeof config>

export const proxyPath: Policy<Config> = {
  name: 'proxy-path',
  summary: "puts the request's path under that of the service",
  config,
  engine: (config) => {
    const rest = stripper(config.strip)
    const collapse = config.slashes === 'collapse' ? collapseSlashes : (path: string): string => path
    const before = config.query
    if (config.request === 'ignore') {
      const path = config.prepend === '' ? '/' : collapse(config.prepend)
      const target = before === '' ? path : `${path}?${before}`
      return {
        request: (exchange) => {
          exchange.request.target = target
          return undefined
        },
      }
    }
    const prefix = config.prepend.endsWith('/') ? config.prepend.slice(0, -1) : config.prepend
    return {
      request: (exchange) => {
        const { request } = exchange
        const target = rest(request)
        // `OPTIONS *` asks about the server, not about a path
        if (target === '*') return undefined
        const question = target.indexOf('?')
        if (question === -1) {
          const path = collapse(prefix + target)
          request.target = before === '' ? path : `${path}?${before}`
        } else {
          const query = target.slice(question + 1)
          const path = collapse(prefix + target.slice(0, question))
          request.target = before === '' ? `${path}?${query}` : `${path}?${before}${query === '' ? '' : `&${query}`}`
        }
        return undefined
      },
    }
  },
  nginx: (config) => {
    if (config.slashes === 'collapse') return unsupported('nginx cannot collapse slashes without decoding the path')
    if (config.strip.kind !== 'none') return unsupported('nginx cannot cut a path without decoding it')
    const prefix = config.prepend.replace(/\/$/, '')
    if (/[$"\\{};]/.test(prefix + config.query))
      return unsupported('the path of the service holds signs that nginx would read')
    if (config.request === 'ignore') {
      const target = (config.prepend === '' ? '/' : config.prepend) + (config.query === '' ? '' : `?${config.query}`)
      return { location: [{ name: 'set', args: [{ raw: '$gantry_target' }, target] }] }
    }
    if (config.query !== '') return unsupported('nginx cannot put a query before that of the request')
    if (prefix === '') return {}
    return { location: [{ name: 'set', args: [{ raw: '$gantry_target' }, { raw: `${prefix}$gantry_target` }] }] }
  },
}

/** What is left of the target; it begins with '/'. */
function stripper(strip: Config['strip']): (request: ExchangeRequest) => string {
  switch (strip.kind) {
    case 'none':
      return (request) => request.target
    case 'path':
      return (request) => {
        const question = request.originalTarget.indexOf('?')
        return question === -1 ? '/' : `/${request.originalTarget.slice(question)}`
      }
    case 'characters':
      return (request) => rooted(request.originalTarget.slice(strip.count))
    case 'match': {
      const pattern = compilePattern(strip.source, { ignoreCase: strip.ignoreCase })
      if (pattern.kind === 'bad') throw new Error(`strip ${JSON.stringify(strip.source)}: ${pattern.why}`)
      const { regexp, limit } = pattern
      return (request) => {
        const target = request.originalTarget
        const question = target.indexOf('?')
        const path = question === -1 ? target : target.slice(0, question)
        const found = path.length <= limit ? regexp.exec(path) : null
        return found === null || found.index !== 0 ? target : rooted(target.slice(found[0].length))
      }
    }
  }
}

function rooted(rest: string): string {
  return rest.startsWith('/') ? rest : `/${rest}`
}

function collapseSlashes(path: string): string {
  for (let at = 1; at < path.length; at++) {
    if (path.charCodeAt(at) === 0x2f && path.charCodeAt(at - 1) === 0x2f) return path.replace(/\/{2,}/g, '/')
  }
  return path
}
