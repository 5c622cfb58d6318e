/** A process that was held up asks its sockets before it says that somebody is late. */
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { z } from 'zod'
import type { AnyPolicy } from '../../policies/policy.ts'
import { serve } from './testing.ts'

const origin = { source: 'test' }

/** Holds the thread up when the request has been passed on, before the event loop turns. */
const stall: AnyPolicy = {
  name: 'stall',
  summary: 'stands still',
  config: z.unknown(),
  nginx: () => ({ unsupported: 'a test' }),
  engine: () => ({
    request: () => {
      queueMicrotask(() => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400))
      return undefined
    },
  }),
}

test('a stall of ours is no timeout of a backend that was there all the time', async () => {
  const backend = http.createServer((_, response) => response.end('here')).listen(0, '127.0.0.1')
  await new Promise((resolve) => backend.once('listening', resolve))
  const served = await serve(
    {
      routes: [
        {
          id: 'r',
          listeners: [],
          match: {},
          policies: [{ policy: 'stall', config: {}, origin }],
          action: {
            kind: 'forward',
            forward: { backends: [{ target: { kind: 'backend', id: 'b' } }], timeouts: { connect: 100 } },
          },
          origin,
        },
      ],
      backends: [{ id: 'b', protocol: 'http1', origin }],
      endpoints: [{ backend: 'b', addresses: [{ host: '127.0.0.1', port: (backend.address() as AddressInfo).port }] }],
    },
    { policies: [stall] },
  )
  try {
    const answer = await fetch(served.url)
    expect([answer.status, await answer.text()]).toEqual([200, 'here'])
    expect(served.engine.counts.upstreamFailures['connect-timeout']).toBe(0)
  } finally {
    await served.stop()
    backend.closeAllConnections()
    backend.close()
  }
})
