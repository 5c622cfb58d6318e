/** One target becomes another, by a path pattern or by an expression, or the client is sent there. */
import { expect, test } from 'vitest'
import { answers, bench } from '../testing.ts'
import { rewrite } from './policy.ts'

const uses = (match: object, to: string, redirect?: number) => [
  { policy: 'rewrite', config: { match, to, ...(redirect === undefined ? {} : { redirect }) } },
]
const path = (pattern: string) => ({ kind: 'path', pattern })
const regexp = (source: string) => ({ kind: 'regexp', source })

test.each([
  [path('/api/users/:name'), '/v1/:name/info', '/API/users/nick', '/v1/nick/info'],
  [path('/api/users/:name'), '/v1/:name', '/other', '/other'],
  [regexp('^/js/(.+)$'), '/src/js/$1', '/js/a.js?x=1', '/src/js/a.js?x=1'],
  [regexp('b'), 'B', '/abc', '/aBc'],
  [regexp('^/(?<one>.)'), 'x$<one>', '/a', '/xa'],
  [regexp('^/go'), 'http://elsewhere.test/there', '/go', '/there'],
])('%j → %s: %s is %s', async (match, to, asked, expected) => {
  expect((await answers({ uses: uses(match, to) }, [{ path: asked }]))[0]?.seen?.target).toBe(expected)
})

test('with a status the client is sent there, and never to a host that it has named itself', async () => {
  const [answer] = await answers({ uses: uses(path('/tina/:code'), '/status/:code', 301) }, [{ path: '/tina/318' }])
  expect(answer).toMatchObject({ status: 301, headers: { location: '/status/318' }, seen: undefined })
  const [evil] = await answers({ uses: uses(regexp('^/to(.*)$'), '$1', 302) }, [{ path: '/toevil.test/x' }])
  expect(evil?.headers.location).toBe('/evil.test/x')
})

test('an expression that a stranger could make run for ever, and one that is none, are refused', async () => {
  await expect(bench({ uses: uses(regexp('('), '/x') })).rejects.toThrow(/policy rewrite/)
})

test.each([{}, { match: path('/a') }, { match: path(''), to: '/' }, { match: path('/a'), to: '/b', redirect: 200 }])(
  '%j is refused',
  (config) => {
    expect(rewrite.config.safeParse(config).success).toBe(false)
  },
)
