/** Collecting routes and an answering one, on the real engine: the union of their methods. */
import { expect, test } from 'vitest'
import type { Route } from '../../model/model.ts'
import { serve } from '../../targets/engine/testing.ts'
import { policies } from '../list.ts'

const origin = { source: 'test' }
const route = (id: string, path: string | undefined, config: object): Route => ({
  id,
  listeners: [],
  match: { methods: ['OPTIONS'], ...(path === undefined ? {} : { path: { kind: 'exact', value: path } }) },
  policies: [{ policy: 'allow-options', config, origin }],
  action: { kind: 'next' },
  origin,
})

test('the union of overlapping routes is the answer', async () => {
  const served = await serve(
    {
      routes: [
        // oxlint-disable-next-line unicorn/no-thenable -- a word of the configuration
        route('a', '/m', { methods: ['GET', 'HEAD'], then: 'collect' }),
        // oxlint-disable-next-line unicorn/no-thenable -- a word of the configuration
        route('b', '/m', { methods: ['POST', 'GET'], then: 'collect' }),
        route('end', undefined, {}),
      ],
    },
    { policies },
  )
  try {
    const answer = await fetch(`${served.url}/m`, { method: 'OPTIONS' })
    expect([answer.status, answer.headers.get('allow'), await answer.text()]).toEqual([
      200,
      'GET,HEAD,POST',
      'GET,HEAD,POST',
    ])
    expect((await fetch(`${served.url}/other`, { method: 'OPTIONS' })).status).toBe(404)
  } finally {
    await served.stop()
  }
})
