/** `reply`: every request that comes here gets this answer. */
import { z } from 'zod'
import { type Policy, type Reply, unsupported } from '../policy.ts'
import { holdsTag, weakTag } from '../shared/etag.ts'
import { headerName, headerValue, status } from '../shared/schema.ts'

const config = z.strictObject({
  status: status.default(200),
  body: z.string().default(''),
  /** Not sent where there is no body. */
  contentType: headerValue.default('text/html; charset=utf-8'),
  headers: z.array(z.strictObject({ name: headerName, value: headerValue })).default([]),
  /** `weak`: an ETag as Express makes it, and 304 to who has it. */
  etag: z.enum(['weak', 'none']).default('none'),
})
export type Config = z.infer<typeof config>

export const reply: Policy<Config> = {
  name: 'reply',
  summary: 'answers every request with the same words',
  config,
  engine: (config) => {
    const bare = config.status === 204 || config.status === 205 || config.status === 304
    const body = bare ? '' : config.body
    const headers: [string, string][] = config.headers.map(({ name, value }) => [name, value])
    if (body !== '') headers.push(['Content-Type', config.contentType])
    const tag = config.etag === 'weak' && !bare ? weakTag(body) : undefined
    if (tag !== undefined) headers.push(['ETag', tag])
    const answer: Reply = { kind: 'reply', status: config.status, headers, body }
    if (tag === undefined || config.status >= 300) return { request: () => answer }
    const unchanged: Reply = { kind: 'reply', status: 304, headers: [['ETag', tag]] }
    return {
      request: ({ request }) => {
        const held = request.headers.get('if-none-match')
        if (held === undefined || (request.method !== 'GET' && request.method !== 'HEAD')) return answer
        return holdsTag(held, tag) ? unchanged : answer
      },
    }
  },
  nginx: (config) => {
    if (config.etag !== 'none') return unsupported('nginx makes no ETag for a fixed answer')
    if (
      [config.body, config.contentType, ...config.headers.map((field) => field.value)].some((text) =>
        text.includes('$'),
      )
    ) {
      return unsupported('nginx would read $ as the name of a variable')
    }
    const answer = config.body === '' ? [String(config.status)] : [String(config.status), config.body]
    return {
      location: [
        { name: 'default_type', args: [config.contentType] },
        ...config.headers.map(({ name, value }) => ({ name: 'add_header', args: [name, value, 'always'] })),
        { name: 'return', args: answer },
      ],
    }
  },
}
