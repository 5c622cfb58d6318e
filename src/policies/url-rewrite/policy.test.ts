/** Host and path of what the backend is asked for; the query stays. */
import { expect, test } from 'vitest'
import { answers, bench } from '../testing.ts'
import { urlRewrite } from './policy.ts'

test.each([
  [{ hostname: 'in.test' }, '/a?b', '/a?b', 'in.test'],
  [{ path: { kind: 'full', value: '/x' } }, '/a?b', '/x?b', 'shop.test'],
  [{ path: { kind: 'prefix', prefix: '/a', value: '/' } }, '/a?b', '/?b', 'shop.test'],
  [{ path: { kind: 'prefix', prefix: '/a/', value: '/z' } }, '/a/b', '/z/b', 'shop.test'],
  [{ path: { kind: 'prefix', prefix: '/a', value: '/z' } }, '/abc', '/abc', 'shop.test'],
  [{ path: { kind: 'regexp', source: '^/u/(\\d+)', value: '/users/$1' } }, '/u/7/x', '/users/7/x', 'shop.test'],
])('%j: %s → %s at %s', async (config, path, target, host) => {
  const [answer] = await answers({ uses: [{ policy: 'url-rewrite', config }] }, [
    { path, headers: { host: 'shop.test' } },
  ])
  expect([answer?.seen?.target, answer?.seen?.headers.host]).toEqual([target, host])
})

test('an expression that is none is refused when it is compiled', async () => {
  const config = { path: { kind: 'regexp', source: '(', value: '/' } }
  await expect(bench({ uses: [{ policy: 'url-rewrite', config }] })).rejects.toThrow(/policy url-rewrite/)
})

test.each([{}, { hostname: 'a b' }, { path: { kind: 'full', value: '/a?b' } }, { path: { kind: 'part' } }])(
  '%j is refused',
  (config) => {
    expect(urlRewrite.config.safeParse(config).success).toBe(false)
  },
)
