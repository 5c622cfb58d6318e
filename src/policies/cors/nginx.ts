/** `cors` → conditions and headers of nginx, where origins are compared as text. Pure. */
import { literal } from '../../lib/nginx/print.ts'
import { type NginxDirective, type NginxPiece, type NginxRaw, type Unsupported, unsupported } from '../policy.ts'
import { escapePattern, variableFor } from '../shared/nginx.ts'
import type { Config } from './policy.ts'

/** nginx leaves out a header whose value is empty, so every header hangs on a variable that is empty for the unwelcome. */
export function corsInNginx(config: Config): NginxPiece | Unsupported {
  if (config.backendHeaders === 'keep') return unsupported('nginx cannot see whether the backend has said a header')
  if (config.answer !== 'preflight' || config.withoutOrigin === 'serve') {
    return unsupported('nginx answers only real preflights here')
  }
  const conditions = originConditions(config)
  if (conditions === undefined) return unsupported('an origin is a regular expression, or holds a $')

  const welcome = { raw: variableFor('cors_origin', config) }
  const location: NginxDirective[] = [set(welcome, '')]
  for (const { operator, operand, told } of conditions) {
    location.push(when({ raw: '$http_origin' }, operator, operand, [set(welcome, told)]))
  }
  const told = (purpose: string, header: string, value: string | NginxRaw): NginxDirective => {
    const variable = { raw: variableFor(purpose, config) }
    location.push(set(variable, ''), when(welcome, '!=', '', [set(variable, value)]))
    return add(header, variable)
  }
  const all = [add('Access-Control-Allow-Origin', welcome)]
  if (config.origins.kind !== 'any') all.push(add('Vary', 'Origin'))
  if (config.credentials) all.push(told('cors_credentials', 'Access-Control-Allow-Credentials', 'true'))
  const exposed = config.exposeHeaders.join(',')
  if (exposed !== '') all.push(told('cors_expose', 'Access-Control-Expose-Headers', exposed))

  const methods =
    config.methods === 'reflect' ? { raw: '$http_access_control_request_method' } : config.methods.join(',')
  const allowed =
    config.allowHeaders === 'reflect' ? { raw: '$http_access_control_request_headers' } : config.allowHeaders.join(',')
  const asked = { raw: variableFor('cors_asked', config) }
  const preflight = [...all]
  if (methods !== '') preflight.push(told('cors_methods', 'Access-Control-Allow-Methods', methods))
  if (allowed !== '') preflight.push(told('cors_headers', 'Access-Control-Allow-Headers', allowed))
  if (config.maxAge !== undefined) preflight.push(told('cors_age', 'Access-Control-Max-Age', String(config.maxAge)))
  if (config.methods === 'reflect') preflight.push(add('Vary', 'Access-Control-Request-Method'))
  if (config.allowHeaders === 'reflect') preflight.push(add('Vary', 'Access-Control-Request-Headers'))
  preflight.push({ name: 'return', args: [String(config.status)] })
  location.push(
    set(asked, { raw: '$request_method:$http_access_control_request_method:$http_origin' }),
    when(asked, '~', literal('^OPTIONS:[^:]+:.+$'), preflight),
    ...hidden.map((name) => ({ name: 'proxy_hide_header', args: [name] })),
    ...all,
  )
  return { location }
}

const hidden = ['Access-Control-Allow-Origin', 'Access-Control-Allow-Credentials', 'Access-Control-Expose-Headers']

interface OriginCondition {
  readonly operator: '=' | '~*' | '!='
  readonly operand: string | NginxRaw
  readonly told: string | NginxRaw
}

function originConditions({ origins }: Config): readonly OriginCondition[] | undefined {
  const itself = { raw: '$http_origin' }
  switch (origins.kind) {
    case 'any':
      return [{ operator: '!=', operand: '', told: '*' }]
    case 'reflect':
      return [{ operator: '!=', operand: '', told: itself }]
    case 'fixed':
      return origins.value.includes('$') ? undefined : [{ operator: '!=', operand: '', told: origins.value }]
    case 'list': {
      const conditions: OriginCondition[] = []
      for (const one of origins.of) {
        if (one.kind === 'regexp' || (one.kind === 'exact' && one.value.includes('$'))) return undefined
        if (one.kind === 'exact') conditions.push({ operator: '=', operand: one.value, told: itself })
        else {
          const [before = '', after = ''] = one.value.split('*')
          const labels = '[a-z0-9_-]+([.][a-z0-9_-]+)*'
          const source = `^${escapePattern(before)}${labels}${escapePattern(after)}$`
          conditions.push({ operator: '~*', operand: literal(source), told: itself })
        }
      }
      return conditions
    }
  }
}

function set(variable: NginxRaw, value: string | NginxRaw): NginxDirective {
  return { name: 'set', args: [variable, value] }
}

function add(name: string, value: string | NginxRaw): NginxDirective {
  return { name: 'add_header', args: [name, value, 'always'] }
}

function when(
  left: NginxRaw,
  operator: string,
  right: string | NginxRaw,
  block: readonly NginxDirective[],
): NginxDirective {
  return { name: 'if', args: [{ raw: '(' }, left, { raw: operator }, right, { raw: ')' }], block }
}
