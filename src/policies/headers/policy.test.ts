/** Fields are set, added and removed on both sides; values are texts, facts, expressions and templates. */
import { expect, test } from 'vitest'
import { answers } from '../testing.ts'
import { headers } from './policy.ts'

const use = (config: object) => [{ policy: 'headers', config }]

test('requests: set replaces, add adds, remove removes, in this order', async () => {
  const request = {
    set: [{ name: 'X-Set', value: 'new' }],
    add: [
      { name: 'X-Add', value: 'more' },
      { name: 'X-Gone', value: 'again' },
    ],
    remove: ['X-Gone'],
  }
  const [answer] = await answers({ uses: use({ request }) }, [
    { headers: { 'x-set': 'old', 'x-add': 'first', 'x-gone': 'old' } },
  ])
  expect(answer?.seen?.headers).toMatchObject({ 'x-set': 'new', 'x-add': 'first, more' })
  expect(answer?.seen?.headers).not.toHaveProperty('x-gone')
})

test('answers: the backend’s fields are changed', async () => {
  const response = { set: [{ name: 'X-Backend', value: 'hidden' }], remove: ['Set-Cookie'] }
  const [answer] = await answers({ uses: use({ response }) }, [{}])
  expect(answer?.headers['x-backend']).toBe('hidden')
  expect(answer?.headers).not.toHaveProperty('set-cookie')
})

test('values', async () => {
  const value = (given: unknown, name: string) => ({ name, value: given })
  const request = {
    set: [
      value({ fact: 'exchange-id' }, 'x-id'),
      value({ fact: 'client-address' }, 'x-client'),
      value({ fact: 'target' }, 'x-target'),
      value({ fact: 'consumer-id' }, 'x-nobody'),
      value({ expression: '1 + 1' }, 'x-sum'),
      value({ expression: 'undefined' }, 'x-nothing'),
      value({ template: '${req.method}!' }, 'x-template'),
    ],
  }
  const [answer] = await answers({ uses: use({ request }) }, [{ path: '/a?b' }])
  expect(answer?.seen?.headers).toMatchObject({
    'x-id': expect.stringMatching(/^[0-9a-zA-Z]{22}$/) as unknown,
    'x-client': '127.0.0.1',
    'x-target': '/a?b',
    'x-sum': '2',
    'x-template': 'GET!',
  })
  expect(answer?.seen?.headers).not.toHaveProperty('x-nothing')
})

test.each([
  {},
  { request: { set: [{ name: 'a b', value: 'x' }] } },
  { request: { set: [{ name: 'a', value: 'x\r\ny' }] } },
  { response: { remove: [''] } },
  { response: { set: [{ name: 'a', value: { fact: 'weather' } }] } },
])('%j is refused', (config) => {
  expect(headers.config.safeParse(config).success).toBe(false)
})

test('what an expression makes of a value cannot end the field', async () => {
  const request = { set: [{ name: 'x-evil', value: { expression: '"a\\r\\nx-more: b"' } }] }
  const [answer] = await answers({ uses: use({ request }) }, [{}])
  expect(answer?.status).toBe(500)
})
