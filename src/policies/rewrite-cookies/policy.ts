/** `rewrite-cookies`: Domain and Path of the cookies that a backend sets → those that the client shall see. */
import { z } from 'zod'
import { type NginxDirective, type Policy, unsupported } from '../policy.ts'

/** From what stands there (without case for domains; `*` for anything else) to what shall; '' takes the attribute away. */
const table = z.record(z.string().min(1), z.string().regex(/^[^;\r\n\0]*$/, 'holds a semicolon or a line break'))

const config = z
  .strictObject({ domain: table.optional(), path: table.optional() })
  .refine((given) => given.domain !== undefined || given.path !== undefined, 'says nothing: give domain or path')
export type Config = z.infer<typeof config>

export const rewriteCookies: Policy<Config> = {
  name: 'rewrite-cookies',
  summary: 'changes Domain and Path of cookies',
  config,
  engine: ({ domain, path }) => {
    const domains = domain === undefined ? undefined : lowered(domain)
    return {
      response: ({ response }) => {
        const { headers } = response
        if (response.from !== 'backend' || !headers.has('set-cookie')) return
        const cookies = headers.all('set-cookie')
        const changed = cookies.map((cookie) => rewritten(cookie, domains, path))
        if (changed.every((cookie, index) => cookie === cookies[index])) return
        headers.delete('Set-Cookie')
        for (const cookie of changed) headers.append('Set-Cookie', cookie)
      },
    }
  },
  nginx: ({ domain, path }) => {
    const location: NginxDirective[] = []
    for (const [name, table] of [
      ['proxy_cookie_domain', domain],
      ['proxy_cookie_path', path],
    ] as const) {
      for (const [from, to] of Object.entries(table ?? {})) {
        if (from === '*' || to === '' || `${from}${to}`.includes('$') || name === 'proxy_cookie_path') {
          return unsupported('nginx replaces a known domain only')
        }
        location.push({ name, args: [from, to] })
      }
    }
    return { location }
  },
}

type Table = Readonly<Record<string, string>>

function lowered(table: Table): Table {
  return Object.fromEntries(Object.entries(table).map(([from, to]) => [from.toLowerCase(), to]))
}

/** RFC 6265 4.1.1: attributes after the first ';', their names without case. */
function rewritten(cookie: string, domains: Table | undefined, paths: Table | undefined): string {
  const [pair = '', ...attributes] = cookie.split(';')
  const kept = attributes.flatMap((attribute): readonly string[] => {
    const equals = attribute.indexOf('=')
    const name = (equals === -1 ? attribute : attribute.slice(0, equals)).trim().toLowerCase()
    const value = equals === -1 ? '' : attribute.slice(equals + 1).trim()
    const table = name === 'domain' ? domains : name === 'path' ? paths : undefined
    if (table === undefined) return [attribute]
    const known = name === 'domain' ? value.toLowerCase().replace(/^\./, '') : value
    const to = Object.hasOwn(table, known) ? table[known] : table['*']
    if (to === undefined) return [attribute]
    return to === '' ? [] : [`${attribute.slice(0, equals)}=${to}`]
  })
  return [pair, ...kept].join(';')
}
