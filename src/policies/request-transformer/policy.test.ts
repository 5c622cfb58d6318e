/** Forms, chunks and limits, on the real engine. */
import { gzipSync } from 'node:zlib'
import { afterEach, expect, test } from 'vitest'
import { type Bench, bench } from '../testing.ts'

let server: Bench | undefined
afterEach(async () => {
  await server?.stop()
  server = undefined
})

const body = {
  add: [
    { name: 'who', value: { json: 'me' } },
    { name: 'from', value: { expression: 'req.body.a' } },
  ],
  remove: ['secret'],
}
const json = { 'content-type': 'application/json' }
const form = { 'content-type': 'application/x-www-form-urlencoded' }

test.each<[string, Record<string, string>, string | Buffer, number, string | undefined]>([
  ['a form', form, 'a=1&secret=2', 200, 'a=1&who=me&from=1'],
  ['a chunked object', { ...json, 'transfer-encoding': 'chunked' }, '{"a":1}', 200, '{"a":1,"who":"me","from":1}'],
  [
    'a compressed object',
    { ...json, 'content-encoding': 'gzip' },
    gzipSync('{"a":1}'),
    200,
    '{"a":1,"who":"me","from":1}',
  ],
  ['a list', json, '[1]', 200, '[1]'],
  ['deep', json, `{"a":${'['.repeat(511)}${']'.repeat(511)}}`, 200, undefined],
  ['too deep', json, `{"a":${'['.repeat(512)}${']'.repeat(512)}}`, 400, undefined],
  ['so deep that it could not be written', json, `${'{"a":'.repeat(15_000)}1${'}'.repeat(15_000)}`, 400, undefined],
  ['too large', json, ' '.repeat(150_000), 413, undefined],
  ['a bomb', { ...json, 'content-encoding': 'gzip' }, gzipSync(' '.repeat(1_000_000)), 413, undefined],
])('%s', async (_what, headers, text, status, expected) => {
  server = await bench({ uses: [{ policy: 'request-transformer', config: { body } }] })
  const answer = await server.call({ method: 'POST', headers, body: text })
  expect(answer.status).toBe(status)
  if (expected !== undefined || status !== 200) expect(answer.seen?.body).toBe(expected)
  const framings = ['content-length', 'transfer-encoding'].filter((name) => name in (answer.seen?.headers ?? {}))
  if (status === 200) expect(framings).toHaveLength(1)
})
