/** What plugins mount comes first; without plugins nothing happens. */
import { expect, test } from 'vitest'
import type { Plugins } from '../services.ts'
import { answers } from '../testing.ts'
import { pluginRoutes } from './policy.ts'

const plugins = (gatewayRoutes: Plugins['gatewayRoutes']): Plugins => ({
  policy: () => undefined,
  condition: () => undefined,
  gatewayRoutes,
})

test('the routes of plugins answer, or let go on', async () => {
  const routes = plugins({
    request: ({ request }) => (request.path === '/mine' ? { kind: 'reply', status: 299 } : undefined),
  })
  const found = await answers({ uses: [{ policy: 'plugin-routes' }], services: { plugins: routes } }, [
    { path: '/mine' },
    { path: '/other' },
  ])
  expect(found.map(({ status }) => status)).toEqual([299, 200])
})

test('none: everything goes on, also in nginx', async () => {
  const services = { plugins: plugins(undefined) }
  expect((await answers({ uses: [{ policy: 'plugin-routes' }], services }, [{}]))[0]?.status).toBe(200)
  expect(pluginRoutes.nginx({}, { services } as never)).toEqual({})
  expect(pluginRoutes.nginx({}, { services: { plugins: plugins({}) } } as never)).toHaveProperty('unsupported')
  expect(pluginRoutes.config.safeParse({ a: 1 }).success).toBe(false)
})
