/** Bodies up to the limit pass, larger ones are 413, whether they say their length or not. */
import net from 'node:net'
import { expect, test } from 'vitest'
import { answers, bench } from '../testing.ts'
import { bodyLimit } from './policy.ts'

const uses = [{ policy: 'body-limit', config: { limit: 10 } }]

test('a length that is said is believed', async () => {
  const calls = ['', 'x'.repeat(10), 'x'.repeat(11)].map((body) => ({ method: 'POST', body }))
  const found = await answers({ uses }, calls)
  expect(found.map(({ status, seen }) => [status, seen?.body.length])).toEqual([
    [200, 0],
    [200, 10],
    [413, undefined],
  ])
})

test('a length that is not said is counted, and no backend takes a part for the whole', async () => {
  const server = await bench({ uses })
  try {
    const post = (chunks: string): Promise<string> =>
      new Promise((resolve) => {
        let got = ''
        const head = 'POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n'
        const socket = net.connect(server.served.port, '127.0.0.1', () => socket.write(head + chunks))
        socket.on('data', (piece: Buffer) => (got += piece.toString()))
        socket.on('error', () => undefined)
        socket.on('close', () => resolve(got))
      })
    expect(await post('5\r\n12345\r\n5\r\n67890\r\n0\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /)
    // the backend has its head already, and must not take what it got for the whole
    expect(await post('5\r\n12345\r\n6\r\n678901\r\n0\r\n\r\n')).toMatch(/^HTTP\/1\.1 413 /)
    expect(server.seen.map(({ body }) => body)).toEqual(['1234567890'])
  } finally {
    await server.stop()
  }
})

test('nginx: 0 would be no limit', () => {
  const args = (limit: number) => bodyLimit.nginx({ limit }, undefined as never)
  expect(args(0)).toEqual({ location: [{ name: 'client_max_body_size', args: ['1'] }] })
  expect(bodyLimit.config.safeParse({ limit: -1 }).success).toBe(false)
  expect(bodyLimit.config.safeParse({}).success).toBe(false)
})
