/** Requests → what the backend sees of them after normalisation, and what is refused. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Bench, bench } from '../testing.ts'

let drop: Bench
let keep: Bench
beforeAll(async () => {
  drop = await bench({ uses: [{ policy: 'normal-request' }] })
  keep = await bench({ uses: [{ policy: 'normal-request', config: { underscores: 'keep' } }] })
})
afterAll(() => Promise.all([drop.stop(), keep.stop()]))

test.each([
  ['/a/b', '/a/b'],
  ['/a//b', '/a/b'],
  ['/%61', '/a'],
  ['/a%20b/%3f', '/a%20b/%3F'],
  ['/a%2Fb', '/a/b'],
  ['/a//b?x=//y/../z', '/a/b?x=//y/../z'],
])('%s becomes %s', async (path, target) => {
  const { status, seen } = await drop.call({ path })
  expect([status, seen?.target]).toEqual([200, target])
})

test.each(['/../a', '/a/../b', '/%zz', '/%00'])('%s is refused', async (path) => {
  const { status, seen } = await drop.call({ path })
  expect([status, seen]).toEqual([400, undefined])
})

test('fields with an underscore go no further, unless they are kept', async () => {
  const headers = { X_User: 'root', 'X-Tenant': 'blue' }
  const dropped = (await drop.call({ headers })).seen?.headers
  expect(dropped).toMatchObject({ 'x-tenant': 'blue' })
  expect(dropped).not.toHaveProperty('x_user')
  expect((await keep.call({ headers })).seen?.headers).toMatchObject({ x_user: 'root' })
})
