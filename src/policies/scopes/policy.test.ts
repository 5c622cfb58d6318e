/** scopes and metrics-label on the engine. */
import { expect, test } from 'vitest'
import type { Policy } from '../policy.ts'
import { z } from 'zod'
import { createTestServices, serve } from '../../targets/engine/testing.ts'
import { metricsLabel } from '../metrics-label/policy.ts'
import { scopes, scopesOf } from './policy.ts'

const origin = { source: 'test' }
const identify: Policy<Record<string, never>> = {
  name: 'identify',
  summary: 'the consumer that a header names, for this test',
  config: z.strictObject({}),
  engine: () => ({
    request: (exchange) => {
      const held = exchange.request.headers.get('x-scopes')
      if (held !== undefined) exchange.consumer = { id: 'app', ...(held === '' ? {} : { scopes: held }) }
      return undefined
    },
  }),
  nginx: () => ({}),
}

test('who holds every scope passes, who lacks one is 403, nobody 401; the counter knows consumers only by proof', async () => {
  const counts = new Map<string, number>()
  const services = createTestServices()
  const served = await serve(
    {
      routes: [
        {
          id: 't',
          listeners: [],
          label: 'wms',
          match: {},
          policies: ['metrics-label', 'identify', 'scopes'].map((policy) => ({
            policy,
            config: policy === 'scopes' ? { scopes: ['wms', 'k2'] } : {},
            origin,
          })),
          action: { kind: 'reply', status: 200 },
          origin,
        },
      ],
    },
    {
      policies: [identify, scopes, metricsLabel],
      services: {
        metrics: {
          ...services.metrics,
          counter: () => (labels) => void counts.set(labels.join(), (counts.get(labels.join()) ?? 0) + 1),
        },
      },
    },
  )
  const ask = async (headers: Record<string, string>): Promise<number> => (await fetch(served.url, { headers })).status
  try {
    expect(await ask({ 'x-scopes': 'k2,wms,more' })).toBe(200)
    expect(await ask({ 'x-scopes': '["wms","k2"]' })).toBe(200)
    expect(await ask({ 'x-scopes': 'wms' })).toBe(403)
    expect(await ask({ 'x-scopes': '' })).toBe(403)
    expect(await ask({ 'eg-consumer-id': 'spoofed' })).toBe(401)
    await expect
      .poll(() => Object.fromEntries(counts))
      .toEqual({ 'SUCCESS,200,app,wms': 2, 'FAILED,403,app,wms': 2, 'FAILED,401,anonymous,wms': 1 })
  } finally {
    await served.stop()
  }
})

test('scopes as stores keep them', () => {
  expect([['a'], 'a,b', '["a","b"]', '', undefined, '[odd'].map(scopesOf)).toEqual([
    ['a'],
    ['a', 'b'],
    ['a', 'b'],
    [],
    [],
    ['[odd'],
  ])
})
