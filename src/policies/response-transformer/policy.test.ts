/** Bodies in pieces, compressed, too large and of other kinds, on the real engine. */
import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { afterEach, expect, test } from 'vitest'
import { type Bench, bench } from '../testing.ts'

let server: Bench | undefined
afterEach(async () => {
  await server?.stop()
  server = undefined
})

const body = { add: [{ name: 'who', value: { json: 'me' } }], remove: ['secret'] }

async function answerTo(send: (response: ServerResponse) => void, config: object = {}): Promise<readonly unknown[]> {
  server = await bench({
    uses: [{ policy: 'response-transformer', config: { body, ...config } }],
    backend: (_request, _body, response) => send(response),
  })
  const { status, headers, body: text } = await server.call()
  const framings = ['content-length', 'transfer-encoding'].filter((name) => name in headers).length
  return [status, framings, text]
}

test('a body in chunks is one valid message', async () => {
  const answer = await answerTo((response) => {
    response.setHeader('content-type', 'application/json')
    response.write('{"a":1,"sec')
    setImmediate(() => response.end('ret":2}'))
  })
  expect(answer).toEqual([200, 1, '{"a":1,"who":"me"}'])
})

test('a compressed body is sent decompressed', async () => {
  const answer = await answerTo((response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
    response.end(gzipSync('{"secret":1}'))
  })
  expect(answer).toEqual([200, 1, '{"who":"me"}'])
})

test('other bodies go on untouched', async () => {
  expect(
    await answerTo((response) => response.writeHead(200, { 'content-type': 'text/plain' }).end('{"secret":1}')),
  ).toEqual([200, 1, '{"secret":1}'])
})

test.each([
  [{ limit: 10 }, 502],
  [{ limit: 10, tooLarge: 'pass' }, 200],
])('a body that is too large with %j: %d', async (config, status) => {
  const text = JSON.stringify({ secret: 'x'.repeat(50) })
  const answer = await answerTo((response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(text)
  }, config)
  expect(answer[0]).toBe(status)
  if (status === 200) expect(answer[2]).toBe(text)
  else expect(answer[2]).not.toContain('x')
})

test.each([
  [{}, 502],
  [{ tooLarge: 'pass' }, 200],
])('a body that is nested too deeply with %j: %d', async (config, status) => {
  const text = `{"secret":1,"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`
  const answer = await answerTo((response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(text)
  }, config)
  expect(answer[0]).toBe(status)
  if (status === 200) expect(answer[2]).toBe(text)
})
