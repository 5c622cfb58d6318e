/** Requests → lines in the event log; a message that fails is a line too, and costs nothing. */
import { expect, test } from 'vitest'
import { bench } from '../testing.ts'

async function lines(config: object): Promise<{ status: number; events: readonly (readonly string[])[] }> {
  const events: string[][] = []
  const emit = (level: string, code: string, message: string): void => void events.push([level, code, message])
  const server = await bench({
    uses: [{ policy: 'log', config }],
    services: { events: { emit, diagnostic: () => undefined } },
  })
  try {
    const { status } = await server.call({ path: '/a?b=c' })
    return { status, events: events.filter(([, code]) => code?.startsWith('log/')) }
  } finally {
    await server.stop()
  }
}

test('a line for each request, at the level that is asked for', async () => {
  expect(await lines({ message: '${req.method} ${req.url}' })).toEqual({
    status: 200,
    events: [['info', 'log/message', 'GET /a?b=c']],
  })
  expect((await lines({ message: 'x', level: 'warn' })).events).toEqual([['warn', 'log/message', 'x']])
})

test('a message that fails is told, and the request goes on', async () => {
  const { status, events } = await lines({ message: '${req.nobody.there}' })
  expect(status).toBe(200)
  expect(events).toEqual([['warn', 'log/failed', expect.stringContaining('failed to build log message') as unknown]])
})
