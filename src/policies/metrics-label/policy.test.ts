/** Each answer is counted once, under the consumer that was proved and never under one that a client claims. */
import { expect, test } from 'vitest'
import { bench } from '../testing.ts'

test('labels of answers', async () => {
  const counted: string[][] = []
  const server = await bench({
    uses: [
      { policy: 'metrics-label', config: { endpoint: 'maps' } },
      { policy: 'key-auth', config: { otherwise: 'anonymous' } },
    ],
    services: {
      metrics: {
        counter: (name, help, labels) => {
          counted.push([name, help, ...(labels ?? [])])
          return (values) => void counted.push([...values])
        },
        histogram: () => () => undefined,
        gauge: () => undefined,
      },
    },
  })
  try {
    await server.call({ headers: { authorization: 'apiKey k1:s3cret:with:colons' } })
    await server.call({ path: '/?status=304', headers: { 'eg-consumer-id': 'forged' } })
    expect(counted[0]).toEqual(['eg', 'express-gateway', 'type', 'status_code', 'consumer', 'api_endpoint'])
    await expect
      .poll(() => counted.slice(1))
      .toEqual([
        ['SUCCESS', '200', 'u-1', 'maps'],
        ['FAILED', '304', 'anonymous', 'maps'],
      ])
  } finally {
    await server.stop()
  }
})
