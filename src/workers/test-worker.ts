/** A worker for the tests beside: an engine with `count`, that answers with the sum of one counter, `hold`, slow to compile, and `echo`, that says its configuration. */
import { inspect } from 'node:util'
import { z } from 'zod'
import type { AnyPolicy } from '../policies/policy.ts'
import { createEngine } from '../targets/engine/engine.ts'
import { createTestServices } from '../targets/engine/testing.ts'
import { serveAsWorker } from './worker.ts'

const count: AnyPolicy = {
  name: 'count',
  summary: 'tells how often it was asked, and by which process',
  config: z.unknown(),
  nginx: () => ({ unsupported: 'a test' }),
  engine: (_, context) => ({
    request: async () => {
      const { count: sum } = await context.services.counters.add('all', 60_000)
      return { kind: 'reply', status: 200, body: `${sum} ${process.pid}`, headers: [['Connection', 'close']] }
    },
  }),
}

const times = z.object({ ms: z.number() })

const hold: AnyPolicy = {
  name: 'hold',
  summary: 'stands still while it is compiled',
  config: times,
  nginx: () => ({ unsupported: 'a test' }),
  engine: (config) => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, times.parse(config).ms)
    return {}
  },
}

const echo: AnyPolicy = {
  name: 'echo',
  summary: 'answers with its configuration',
  config: z.unknown(),
  nginx: () => ({ unsupported: 'a test' }),
  engine: (config) => ({ request: () => ({ kind: 'reply', status: 200, body: inspect(config) }) }),
}

await serveAsWorker((counters) => {
  const engine = createEngine({
    policies: [count, hold, echo],
    services: { ...createTestServices(), counters },
    conditions: () => () => true,
  })
  return Promise.resolve({ engine })
})
