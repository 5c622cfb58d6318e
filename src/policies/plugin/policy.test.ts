/** A plugin's own policy runs under its name; one that nobody brings is no policy. */
import { expect, test } from 'vitest'
import type { Step } from '../policy.ts'
import type { Plugins } from '../services.ts'
import { answers, bench } from '../testing.ts'
import { plugin } from './policy.ts'

const plugins: Plugins = {
  policy: (name) =>
    name === 'hello'
      ? {
          compile: ({ who }): Step => {
            if (who === undefined) throw new Error('Policy hello params validation failed')
            return { request: () => ({ kind: 'reply', status: 299, body: `hello ${JSON.stringify(who)}` }) }
          },
        }
      : undefined,
  condition: () => undefined,
  gatewayRoutes: undefined,
}
const uses = (config: object) => [{ policy: 'plugin', config }]

test('it is given its parameters', async () => {
  const config = { name: 'hello', config: { who: 'you' } }
  expect((await answers({ uses: uses(config), services: { plugins } }, [{}]))[0]).toMatchObject({
    status: 299,
    body: 'hello "you"',
    seen: undefined,
  })
})

test('what it refuses, and what is not there, is said', async () => {
  await expect(bench({ uses: uses({ name: 'hello' }), services: { plugins } })).rejects.toThrow(
    'params validation failed',
  )
  const absent = bench({ uses: uses({ name: 'cros', guess: 'cors' }), services: { plugins } })
  await expect(absent).rejects.toThrow('no plugin brings the policy cros (did you mean cors?)')
})

test.each([{}, { name: '' }, { name: 'a', config: 1 }])('%j is refused', (config) => {
  expect(plugin.config.safeParse(config).success).toBe(false)
})
