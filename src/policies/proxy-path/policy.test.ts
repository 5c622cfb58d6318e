/** The request's path under that of the service: what is stripped, joined, collapsed, and what becomes of the query. */
import { expect, test } from 'vitest'
import { answers, bench } from '../testing.ts'
import { proxyPath } from './policy.ts'

async function target(config: object, path: string): Promise<string | undefined> {
  const [answer] = await answers({ uses: [{ policy: 'proxy-path', config }] }, [{ path }])
  return answer?.seen?.target
}

test.each([
  [{}, '/a//b?x=//', '/a/b?x=//'],
  [{ slashes: 'keep' }, '/a//b', '/a//b'],
  [{ prepend: '/base/' }, '/a', '/base/a'],
  [{ prepend: '/base' }, '/a%2Fb?x=1', '/base/a%2Fb?x=1'],
  [{ prepend: '/t', query: 'k=1' }, '/a?b=2', '/t/a?k=1&b=2'],
  [{ query: 'k=1' }, '/a?', '/a?k=1'],
  [{ request: 'ignore', prepend: '/base' }, '/a?b=2', '/base'],
  [{ request: 'ignore', query: 'k=1' }, '/a?b=2', '/?k=1'],
  [{ strip: { kind: 'path' } }, '/a/b?c', '/?c'],
  [{ strip: { kind: 'characters', count: 8 } }, '/strip2/foo?q', '/foo?q'],
  [{ strip: { kind: 'characters', count: 100 } }, '/a', '/'],
  [{ strip: { kind: 'match', source: '^/v\\d' } }, '/v1/users?x', '/users?x'],
  [{ strip: { kind: 'match', source: '^/v\\d' } }, '/users', '/users'],
  [{ strip: { kind: 'match', source: '^/V\\d', ignoreCase: true } }, '/v1', '/'],
])('%j: %s → %s', async (config, path, expected) => {
  expect(await target(config, path)).toBe(expected)
})

test('an expression that a stranger could make run for ever is refused', async () => {
  const config = { strip: { kind: 'match', source: '^(/a+)+$(' } }
  await expect(bench({ uses: [{ policy: 'proxy-path', config }] })).rejects.toThrow(/policy proxy-path/)
})

test.each([
  { prepend: 'base' },
  { prepend: '/a b' },
  { query: 'a#b' },
  { strip: { kind: 'characters', count: -1 } },
  { request: 'both' },
])('%j is refused', (config) => {
  expect(proxyPath.config.safeParse(config).success).toBe(false)
})
