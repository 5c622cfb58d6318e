/** A backend's redirects → what stands where they lead, asked for as RFC 9110 15.4 says. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Bench, bench } from '../testing.ts'

let there: Server
let at = ''
let server: Bench
beforeAll(async () => {
  there = createServer((request, response) => {
    if (request.url === '/round') return response.writeHead(302, { location: '/round' }).end()
    let body = ''
    request.on('data', (piece: Buffer) => (body += piece.toString()))
    request.on('end', () => {
      const { authorization = 'none' } = request.headers
      response.end(`${request.method} ${request.url} ${body} ${authorization}`)
    })
  })
  await new Promise<void>((resolve) => there.listen(0, '127.0.0.1', resolve))
  at = `http://127.0.0.1:${(there.address() as AddressInfo).port}`
  server = await bench({ uses: [{ policy: 'follow-redirects', config: { max: 3 } }] })
})
afterAll(async () => {
  await server.stop()
  there.closeAllConnections()
  await new Promise((resolve) => there.close(resolve))
})

const ask = (status: number, path: string, more: object = {}) =>
  server.call({ path: `/?status=${status}&location=${encodeURIComponent(at + path)}`, ...more })

test('the client gets what stands there, and nothing of the redirect', async () => {
  const answer = await ask(302, '/landed')
  expect([answer.status, answer.body]).toEqual([200, 'GET /landed  none'])
  expect(answer.headers).not.toHaveProperty('location')
})

test('credentials do not go to another host', async () => {
  expect((await ask(302, '/landed', { headers: { authorization: 'Bearer t' } })).body).toBe('GET /landed  none')
})

test.each([
  [302, 'GET /landed  none'],
  [303, 'GET /landed  none'],
  [307, 'POST /landed hello none'],
  [308, 'POST /landed hello none'],
])('a POST after %i', async (status, body) => {
  const more = { method: 'POST', body: 'hello', headers: { 'content-length': '5' } }
  expect((await ask(status, '/landed', more)).body).toBe(body)
})

test('round in a circle is 502', async () => {
  expect((await ask(302, '/round')).status).toBe(502)
})
