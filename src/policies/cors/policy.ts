/** `cors`: cross-origin requests (Fetch standard 3.2) → answers to preflights, headers on the others. */
import { z } from 'zod'
import { compilePattern } from '../../lib/regexp/pattern.ts'
import type { Exchange, HeaderFields, Policy, Reply } from '../policy.ts'
import { headerName, regexpSource, status } from '../shared/schema.ts'
import { corsInNginx } from './nginx.ts'

const origin = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('exact'), value: z.string().min(1) }),
  /** `https://*.example.com:8443`: `*` stands for one or more labels. `https://*` for any host. */
  z.strictObject({
    kind: z.literal('wildcard'),
    value: z.string().regex(/^[a-z][a-z0-9+.-]*:\/\/\*(\.[^*/?#]+|:\d+)?$/i, 'is not scheme://*.suffix[:port]'),
  }),
  z.strictObject({ kind: z.literal('regexp'), source: regexpSource, ignoreCase: z.boolean().default(false) }),
])

const config = z.strictObject({
  /**
   * Which origins are welcome, and what they are told in `Access-Control-Allow-Origin`.
   * `any`: every origin, told `*`. `reflect`: every origin, told itself. `list`: those that match, told themselves; others
   * nothing. `fixed`: every request is told this value, wherever it comes from. All but `any` also say `Vary: Origin`.
   */
  origins: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('any') }),
      z.strictObject({ kind: z.literal('reflect') }),
      z.strictObject({ kind: z.literal('list'), of: z.array(origin) }),
      z.strictObject({ kind: z.literal('fixed'), value: z.string().min(1) }),
    ])
    .default({ kind: 'any' }),
  /** Told in a preflight. `reflect`: the method that is asked for. */
  methods: z
    .union([z.literal('reflect'), z.array(z.string().min(1))])
    .default(['GET', 'HEAD', 'PUT', 'PATCH', 'POST', 'DELETE']),
  /** Told in a preflight. `reflect`: the headers that are asked for, with `Vary: Access-Control-Request-Headers`. */
  allowHeaders: z.union([z.literal('reflect'), z.array(headerName)]).default('reflect'),
  exposeHeaders: z.array(z.union([headerName, z.literal('*')])).default([]),
  credentials: z.boolean().default(false),
  /** Seconds. */
  maxAge: z.int().min(0).optional(),
  /**
   * Which requests are answered here. `options`: every OPTIONS. `preflight`: OPTIONS with `Origin` and
   * `Access-Control-Request-Method`. `none`: a preflight gets its headers, but the route answers.
   */
  answer: z.enum(['options', 'preflight', 'none']).default('preflight'),
  /** A request without `Origin`: `ignore` leaves it alone, `serve` treats it as one from a welcome origin where no origin must be compared. */
  withoutOrigin: z.enum(['ignore', 'serve']).default('ignore'),
  /** Of an answered OPTIONS. */
  status: status.default(204),
  /** Who wins when the backend says CORS headers of its own. */
  backendHeaders: z.enum(['replace', 'keep']).default('replace'),
})
export type Config = z.infer<typeof config>

export const cors: Policy<Config> = {
  name: 'cors',
  summary: 'lets pages of other origins use the route',
  config,
  engine: (config) => {
    const allowed = allowedOrigin(config)
    const mine = Symbol('cors')
    const preflight = preflightWriter(config)
    const varies = config.origins.kind !== 'any'
    const exposed = config.exposeHeaders.join(',')
    const keep = config.backendHeaders === 'keep'

    const write = (fields: HeaderFields, origin: string | undefined): void => {
      if (keep && fields.has('access-control-allow-origin')) return
      if (!keep) for (const name of ours) if (fields.has(name)) fields.delete(name)
      if (varies) addVary(fields, 'Origin')
      if (origin === undefined) return
      fields.set('Access-Control-Allow-Origin', origin)
      if (config.credentials) fields.set('Access-Control-Allow-Credentials', 'true')
      if (exposed !== '') fields.set('Access-Control-Expose-Headers', exposed)
    }
    return {
      request: (exchange) => {
        const { method, headers } = exchange.request
        const origin = headers.get('origin')
        const welcome = allowed(origin)
        if (method === 'OPTIONS') {
          const isPreflight = origin !== undefined && headers.has('access-control-request-method')
          if (config.answer === 'options' || (config.answer === 'preflight' && isPreflight)) {
            return preflight(exchange, welcome)
          }
        }
        if (origin === undefined && config.withoutOrigin === 'ignore') {
          // a cache must not give this answer to an origin
          if (varies) exchange.notes.set(mine, noOrigin)
        } else exchange.notes.set(mine, welcome ?? unwelcome)
        return undefined
      },
      response: (exchange) => {
        const note = exchange.notes.get(mine)
        if (note === undefined) return
        const { headers } = exchange.response
        if (note === noOrigin) addVary(headers, 'Origin')
        else {
          write(headers, typeof note === 'string' ? note : undefined)
          if (config.answer === 'none' && exchange.request.method === 'OPTIONS' && typeof note === 'string') {
            for (const [name, value] of preflight(exchange, note).headers ?? []) headers.set(name, value)
          }
        }
      },
    }
  },
  nginx: (config) => corsInNginx(config),
}

const noOrigin = Symbol('no origin')
const unwelcome = Symbol('unwelcome')

const ours = ['access-control-allow-origin', 'access-control-allow-credentials', 'access-control-expose-headers']

function addVary(fields: HeaderFields, name: string): void {
  const said = fields.get('vary')
  if (said === undefined) fields.set('Vary', name)
  else if (said !== '*' && !said.toLowerCase().split(/ *, */).includes(name.toLowerCase())) {
    fields.set('Vary', `${said}, ${name}`)
  }
}

/** What an origin is told; undefined where it is not welcome. */
function allowedOrigin(config: Config): (origin: string | undefined) => string | undefined {
  const { origins } = config
  const without = config.withoutOrigin === 'serve'
  switch (origins.kind) {
    case 'any':
      return (origin) => (origin === undefined && !without ? undefined : '*')
    case 'fixed':
      return (origin) => (origin === undefined && !without ? undefined : origins.value)
    case 'reflect':
      return (origin) => origin
    case 'list': {
      const exact = new Set(origins.of.flatMap((one) => (one.kind === 'exact' ? [one.value] : [])))
      const tests = origins.of.flatMap((one) => (one.kind === 'exact' ? [] : [originTest(one)]))
      return (origin) =>
        origin !== undefined && (exact.has(origin) || tests.some((test) => test(origin))) ? origin : undefined
    }
  }
}

type Inexact = Exclude<z.infer<typeof origin>, { readonly kind: 'exact' }>

function originTest(one: Inexact): (origin: string) => boolean {
  if (one.kind === 'wildcard') {
    const star = one.value.indexOf('*')
    const before = one.value.slice(0, star).toLowerCase()
    const after = one.value.slice(star + 1).toLowerCase()
    return (origin) => {
      const text = origin.toLowerCase()
      if (!text.startsWith(before) || !text.endsWith(after) || text.length <= before.length + after.length) return false
      const middle = text.slice(before.length, text.length - after.length)
      // labels only: no port, no user, no path slips under the star; alone it takes a whole host
      return /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(middle)
    }
  }
  const pattern = compilePattern(one.source, { ignoreCase: one.ignoreCase })
  if (pattern.kind === 'bad') throw new Error(`origin ${JSON.stringify(one.source)}: ${pattern.why}`)
  return (origin) => origin.length <= pattern.limit && pattern.regexp.test(origin)
}

function preflightWriter(config: Config): (exchange: Exchange, origin: string | undefined) => Reply {
  const methods = config.methods === 'reflect' ? undefined : config.methods.join(',')
  const allowHeaders = config.allowHeaders === 'reflect' ? undefined : config.allowHeaders.join(',')
  const vary = [
    ...(config.origins.kind === 'any' ? [] : ['Origin']),
    ...(methods === undefined ? ['Access-Control-Request-Method'] : []),
    ...(allowHeaders === undefined ? ['Access-Control-Request-Headers'] : []),
  ].join(', ')
  const exposed = config.exposeHeaders.join(',')
  return ({ request }, origin) => {
    const headers: [string, string][] = []
    if (vary !== '') headers.push(['Vary', vary])
    if (origin !== undefined) {
      headers.push(['Access-Control-Allow-Origin', origin])
      if (config.credentials) headers.push(['Access-Control-Allow-Credentials', 'true'])
      const told = methods ?? request.headers.get('access-control-request-method')
      if (told !== undefined && told !== '') headers.push(['Access-Control-Allow-Methods', told])
      const names = allowHeaders ?? request.headers.get('access-control-request-headers')
      if (names !== undefined && names !== '') headers.push(['Access-Control-Allow-Headers', names])
      if (config.maxAge !== undefined) headers.push(['Access-Control-Max-Age', String(config.maxAge)])
      if (exposed !== '') headers.push(['Access-Control-Expose-Headers', exposed])
    }
    return { kind: 'reply', status: config.status, headers }
  }
}
