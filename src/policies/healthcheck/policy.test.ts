/** GET and HEAD of one path are answered; everything else goes on. */
import { expect, test } from 'vitest'
import { answers } from '../testing.ts'
import { healthcheck } from './policy.ts'

test('as Kargo’s plugin answers', async () => {
  const found = await answers({ uses: [{ policy: 'healthcheck' }] }, [
    { path: '/healthcheck' },
    { path: '/healthcheck?deep=1', method: 'HEAD' },
    { path: '/healthcheck', method: 'POST' },
    { path: '/healthcheck/' },
  ])
  expect(found.map(({ status, body, seen }) => [status, body === 'OK', seen !== undefined])).toEqual([
    [200, true, false],
    [200, false, false],
    [200, false, true],
    [200, false, true],
  ])
  expect(found[0]?.headers['content-type']).toBe('text/plain; charset=utf-8')
})

test('another path, status and word', async () => {
  const config = { path: '/up', status: 204, body: '' }
  expect((await answers({ uses: [{ policy: 'healthcheck', config }] }, [{ path: '/up' }]))[0]?.status).toBe(204)
})

test.each([{ path: 'up' }, { status: 99 }, { body: 1 }, { paths: '/up' }])('%j is refused', (config) => {
  expect(healthcheck.config.safeParse(config).success).toBe(false)
})
