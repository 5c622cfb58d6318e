/** `headers`: header fields of the request and of the response are set, added, removed. */
import { z } from 'zod'
import {
  type CompileContext,
  type Exchange,
  type HeaderFields,
  type NginxDirective,
  type NginxRaw,
  type Policy,
  type Step,
  unsupported,
} from '../policy.ts'
import { headerName, type Value, value } from '../shared/schema.ts'
import { compileValue } from '../shared/value.ts'

const field = z.strictObject({ name: headerName, value })

/** In this order: set, add, remove. A value that turns out to be null or undefined changes nothing. */
const changes = z.strictObject({
  /** Replaces, or creates. */
  set: z.array(field).default([]),
  /** One more field of that name. */
  add: z.array(field).default([]),
  remove: z.array(headerName).default([]),
})

const config = z
  .strictObject({ request: changes.optional(), response: changes.optional() })
  .refine(
    (given) => given.request !== undefined || given.response !== undefined,
    'says nothing: give request or response',
  )
export type Config = z.infer<typeof config>
export type Changes = z.infer<typeof changes>

export const headers: Policy<Config> = {
  name: 'headers',
  summary: 'changes header fields of the request and of the response',
  config,
  engine: (config, context) => {
    const request = config.request === undefined ? undefined : compileChanges(config.request, context)
    const response = config.response === undefined ? undefined : compileChanges(config.response, context)
    const step: Step = {}
    if (request !== undefined) {
      step.request = (exchange) => {
        request(exchange.request.headers, exchange)
        return undefined
      }
    }
    if (response !== undefined) step.response = (exchange) => response(exchange.response.headers, exchange)
    return step
  },
  nginx: (config) => {
    if ((config.request?.add.length ?? 0) > 0)
      return unsupported('nginx replaces a request header, it cannot add to one')
    const fields = [...(config.request?.set ?? []), ...(config.response?.set ?? []), ...(config.response?.add ?? [])]
    if (fields.some((field) => nginxValue(field.value) === undefined))
      return unsupported('a value is computed, or holds a $')
    const location: NginxDirective[] = []
    for (const field of config.request?.set ?? []) location.push(passed(field.name, field.value))
    for (const name of config.request?.remove ?? []) location.push({ name: 'proxy_set_header', args: [name, ''] })
    for (const field of config.response?.set ?? []) {
      location.push({ name: 'proxy_hide_header', args: [field.name] }, answered(field.name, field.value))
    }
    for (const field of config.response?.add ?? []) location.push(answered(field.name, field.value))
    for (const name of config.response?.remove ?? []) location.push({ name: 'proxy_hide_header', args: [name] })
    return { location }
  },
}

type Apply = (fields: HeaderFields, exchange: Exchange) => void

function compileChanges(changes: Changes, context: CompileContext): Apply {
  const actions: Apply[] = [
    ...changes.set.map((field) => write(field.name, field.value, 'set', context)),
    ...changes.add.map((field) => write(field.name, field.value, 'append', context)),
    ...changes.remove.map(
      (name): Apply =>
        (fields) =>
          fields.delete(name),
    ),
  ]
  const [only] = actions
  if (actions.length === 1 && only !== undefined) return only
  return (fields, exchange) => {
    for (const action of actions) action(fields, exchange)
  }
}

function write(name: string, given: Value, how: 'set' | 'append', context: CompileContext): Apply {
  const compiled = compileValue(given, context)
  if (compiled.kind === 'text') {
    const { text } = compiled
    return how === 'set' ? (fields) => fields.set(name, text) : (fields) => fields.append(name, text)
  }
  return (fields, exchange) => {
    const text = compiled.of(exchange)
    if (text === undefined) return
    if (how === 'set') fields.set(name, text)
    else fields.append(name, text)
  }
}

function passed(name: string, given: Value): NginxDirective {
  return { name: 'proxy_set_header', args: [name, nginxValue(given) ?? ''] }
}

function answered(name: string, given: Value): NginxDirective {
  return { name: 'add_header', args: [name, nginxValue(given) ?? '', 'always'] }
}

/** Facts that nginx knows in the same words. */
function nginxValue(given: Value): string | NginxRaw | undefined {
  // nginx would read a variable there
  if (typeof given === 'string') return given.includes('$') ? undefined : given
  if (!('fact' in given)) return undefined
  switch (given.fact) {
    case 'client-address':
      return { raw: '$remote_addr' }
    case 'host-header':
      return { raw: '$http_host' }
    case 'method':
      return { raw: '$request_method' }
    case 'scheme':
      return { raw: '$scheme' }
    case 'host':
      return { raw: '$host' }
    case 'exchange-id':
    case 'path':
    case 'target':
    case 'consumer-id':
    case 'route':
      return undefined
  }
}
