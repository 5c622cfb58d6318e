/** `scopes`: a consumer without the scopes that are asked for → 403; nobody at all → 401. */
import { z } from 'zod'
import { type Policy, type Reply, unsupported } from '../policy.ts'

const config = z.strictObject({
  /** All of these must be held by the consumer, compared as written. None: everybody passes. */
  scopes: z.array(z.string().min(1)).default([]),
})
export type Config = z.infer<typeof config>

export const scopes: Policy<Config> = {
  name: 'scopes',
  summary: 'asks for scopes that the application itself holds',
  config,
  engine: ({ scopes: required }) => ({
    request: (exchange) => {
      if (required.length === 0) return undefined
      if (exchange.consumer === undefined) return unauthorized
      const held = scopesOf(exchange.consumer['scopes'])
      return required.every((scope) => held.includes(scope)) ? undefined : forbidden
    },
  }),
  nginx: ({ scopes: required }) =>
    required.length === 0 ? {} : unsupported('nginx does not know the scopes of a consumer'),
}

/** A list, or what Express Gateway's store makes of one: JSON, or names joined by commas. */
export function scopesOf(said: unknown): readonly string[] {
  if (Array.isArray(said)) return said.filter((scope): scope is string => typeof scope === 'string')
  if (typeof said !== 'string' || said === '') return []
  if (said.startsWith('[')) {
    try {
      return scopesOf(JSON.parse(said) as unknown)
    } catch {
      // a scope may begin with a bracket
    }
  }
  return said.split(',').map((scope) => scope.trim())
}

const plain = (status: number, body: string): Reply => ({
  kind: 'reply',
  status,
  headers: [['Content-Type', 'text/plain; charset=utf-8']],
  body,
})
const unauthorized = plain(401, 'Unauthorized')
const forbidden = plain(403, 'Forbidden')
