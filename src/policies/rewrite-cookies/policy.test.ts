/** Domain and Path of the backend’s cookies are changed or taken away; everything else stays as it was. */
import { expect, test } from 'vitest'
import { answers } from '../testing.ts'
import { rewriteCookies } from './policy.ts'

const sent = [
  'a=1; Domain=.Shop.internal; Path=/in; HttpOnly',
  'b=2; domain=other.test',
  'c=Domain=shop.internal; Secure',
]

test.each([
  [{ domain: { 'shop.internal': 'shop.test' } }, ['a=1; Domain=shop.test; Path=/in; HttpOnly', sent[1], sent[2]]],
  [{ domain: { '*': 'z.test' } }, ['a=1; Domain=z.test; Path=/in; HttpOnly', 'b=2; domain=z.test', sent[2]]],
  [{ domain: { '*': '' } }, ['a=1; Path=/in; HttpOnly', 'b=2', sent[2]]],
  [{ path: { '/in': '/' } }, ['a=1; Domain=.Shop.internal; Path=/; HttpOnly', sent[1], sent[2]]],
  [{ path: { '/IN': '/' } }, sent],
])('%j', async (config, expected) => {
  const [answer] = await answers(
    {
      uses: [{ policy: 'rewrite-cookies', config }],
      backend: (_request, _body, response) => response.writeHead(200, { 'set-cookie': sent }).end(),
    },
    [{}],
  )
  expect(answer?.headers['set-cookie']).toEqual(expected)
})

test('cookies of policies are not the backend’s', async () => {
  const reply = { policy: 'reply', config: { headers: [{ name: 'Set-Cookie', value: 'a=1; Domain=x' }] } }
  const use = { policy: 'rewrite-cookies', config: { domain: { '*': '' } } }
  expect((await answers({ uses: [use, reply] }, [{}]))[0]?.headers['set-cookie']).toEqual(['a=1; Domain=x'])
})

test.each([{}, { domain: { a: 'b; Secure' } }, { domain: { '': 'b' } }, { path: { a: 'b\r\n' } }])(
  '%j is refused',
  (config) => {
    expect(rewriteCookies.config.safeParse(config).success).toBe(false)
  },
)
