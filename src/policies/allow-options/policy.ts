/** `allow-options`: OPTIONS → 200 with the methods that the routes of this path allow. */
import { z } from 'zod'
import { type Policy, unsupported } from '../policy.ts'

const config = z.strictObject({
  /** Upper case, in the order in which they are told. */
  methods: z.array(z.string().regex(/^[A-Z-]+$/, 'is not a method in upper case')).default([]),
  /**
   * `collect`: the methods are noted, and the next route that matches goes on. `answer`: what was noted so far and these
   * are the answer; with nothing to tell, the next route goes on. So the union of many overlapping routes can be told:
   * one collecting route for each, and an answering one at the end.
   */
  // oxlint-disable-next-line unicorn/no-thenable -- a word of the configuration, never awaited
  then: z.enum(['collect', 'answer']).default('answer'),
})
export type Config = z.infer<typeof config>

export const allowOptions: Policy<Config> = {
  name: 'allow-options',
  summary: 'answers OPTIONS with the methods that are allowed',
  config,
  engine: ({ methods, then }) => ({
    request: (exchange) => {
      if (exchange.request.method !== 'OPTIONS') return undefined
      const before = exchange.notes.get(collected)
      const known = before instanceof Set ? (before as Set<string>) : new Set<string>()
      for (const method of methods) known.add(method)
      if (then === 'collect') {
        exchange.notes.set(collected, known)
        return { kind: 'next' }
      }
      if (known.size === 0) return { kind: 'next' }
      const allow = [...known].join(',')
      const headers: [string, string][] = [
        ['Allow', allow],
        ['Content-Type', 'text/html; charset=utf-8'],
      ]
      return { kind: 'reply', status: 200, headers, body: allow }
    },
  }),
  nginx: () => unsupported('the methods of several routes are one answer'),
}

const collected = Symbol('methods')
