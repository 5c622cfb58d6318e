/** Where clients are sent: each part replaced or kept, the default port left out. */
import { expect, test } from 'vitest'
import { answers, bench } from '../testing.ts'
import { redirect } from './policy.ts'

const uses = (config: object) => [{ policy: 'redirect', config }]

test.each([
  [{ scheme: 'https' }, 'https://shop.test/a/b?c=d'],
  [{ scheme: 'https', port: 8443 }, 'https://shop.test:8443/a/b?c=d'],
  [{ scheme: 'http', port: 80, hostname: 'new.test' }, 'http://new.test/a/b?c=d'],
  [{ scheme: 'https', query: 'drop' }, 'https://shop.test/a/b'],
  [{ scheme: 'https', path: { kind: 'full', value: '/x' } }, 'https://shop.test/x?c=d'],
  [{ scheme: 'https', path: { kind: 'prefix', prefix: '/a', value: '/z' } }, 'https://shop.test/z/b?c=d'],
  [{ scheme: 'https', path: { kind: 'prefix', prefix: '/other', value: '/z' } }, 'https://shop.test/a/b?c=d'],
  [{ scheme: 'https', path: { kind: 'regexp', source: '^/a/(.)', value: '/$1/$1' } }, 'https://shop.test/b/b?c=d'],
  [{ scheme: 'https', hostname: '::1' }, 'https://[::1]/a/b?c=d'],
])('%j: %s', async (config, location) => {
  const [answer] = await answers({ uses: uses(config) }, [{ path: '/a/b?c=d', headers: { host: 'SHOP.test:99' } }])
  expect([answer?.status, answer?.headers.location, answer?.seen]).toEqual([302, location, undefined])
})

test('without a scheme the port is the listener’s', async () => {
  const server = await bench({ uses: uses({ hostname: 'x.test', status: 308 }) })
  try {
    const { status, headers } = await server.call({ path: '/a' })
    expect([status, headers.location]).toEqual([308, `http://x.test:${server.served.port}/a`])
  } finally {
    await server.stop()
  }
})

test.each([
  { status: 300 },
  { hostname: 'a b' },
  { hostname: 'a/b' },
  { port: 0 },
  { path: { kind: 'full', value: '/a b' } },
  { path: { kind: 'prefix', prefix: 'a', value: '/' } },
])('%j is refused', (config) => {
  expect(redirect.config.safeParse(config).success).toBe(false)
})
