/** One answer for everybody: status, words, fields, and 304 to who holds its ETag. */
import { expect, test } from 'vitest'
import { answers } from '../testing.ts'
import { reply } from './policy.ts'

const uses = (config: object) => [{ policy: 'reply', config }]

test('defaults, and what may be said', async () => {
  const [plain] = await answers({ uses: uses({}) }, [{}])
  expect([plain?.status, plain?.body, plain?.headers['content-type'], plain?.seen]).toEqual([
    200,
    '',
    undefined,
    undefined,
  ])
  const config = { status: 418, body: 'teapot', contentType: 'text/x', headers: [{ name: 'X-Why', value: 'because' }] }
  const [full] = await answers({ uses: uses(config) }, [{ method: 'POST', body: 'ignored' }])
  expect(full).toMatchObject({ status: 418, body: 'teapot', headers: { 'content-type': 'text/x', 'x-why': 'because' } })
})

test('its ETag is that of Express; who holds it gets 304, for GET and HEAD of a good answer only', async () => {
  const etag = 'W/"5-qvTGHdzF6KLavt4PO0gs2a6pQ00"'
  const ask = (status: number, method: string, held: string) =>
    answers({ uses: uses({ status, body: 'hello', etag: 'weak' }) }, [{ method, headers: { 'if-none-match': held } }])
  const statusOf = async (...words: Parameters<typeof ask>) => (await ask(...words))[0]?.status
  expect((await ask(200, 'GET', '"x"'))[0]).toMatchObject({ status: 200, body: 'hello', headers: { etag } })
  expect((await ask(200, 'GET', `"a", ${etag}`))[0]).toMatchObject({ status: 304, body: '', headers: { etag } })
  expect(await statusOf(200, 'HEAD', '*')).toBe(304)
  expect(await statusOf(200, 'GET', etag.slice(2))).toBe(304)
  expect(await statusOf(200, 'POST', etag)).toBe(200)
  expect(await statusOf(400, 'GET', etag)).toBe(400)
})

test('the action of a route answers the same', async () => {
  const action = { kind: 'reply', status: 200, body: 'hello', contentType: 'text/html', etag: 'weak' } as const
  const etag = 'W/"5-qvTGHdzF6KLavt4PO0gs2a6pQ00"'
  const found = await answers({ uses: [], action }, [{}, { headers: { 'if-none-match': etag } }, { method: 'HEAD' }])
  expect(found.map(({ status, body, headers }) => [status, body, headers.etag])).toEqual([
    [200, 'hello', etag],
    [304, '', etag],
    [200, '', etag],
  ])
  const bare = { kind: 'reply', status: 204, body: 'hello', etag: 'weak' } as const
  expect((await answers({ uses: [], action: bare }, [{}]))[0]).toMatchObject({ status: 204, body: '' })
})

test.each([{ status: 199 }, { status: 600 }, { contentType: 'a\r\nb' }, { headers: [{ name: '', value: '' }] }])(
  '%j is refused',
  (config) => {
    expect(reply.config.safeParse(config).success).toBe(false)
  },
)
