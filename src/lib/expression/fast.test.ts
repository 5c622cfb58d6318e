/** Whatever the fast path says, QuickJS says too. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createExpressions, type SandboxedExpressions } from './expressions.ts'
import { compileFast, leave } from './fast.ts'
import { makeSubject } from './testing.ts'

let sandboxed: SandboxedExpressions
beforeAll(async () => {
  sandboxed = await createExpressions({ fastPath: 'off', time: 1000 })
})
afterAll(() => sandboxed.dispose())

const texts = ['', 'a', 'GET', '/a/b?x=1', 'shop', '1', ' 12 ', 'ä', 'x-a', 'constructor', '10.0.0.7']
const literal = fc.oneof(
  fc.constantFrom(...texts).map((text) => JSON.stringify(text)),
  fc.constantFrom('0', '1', '2.5', '-1', 'true', 'false', 'null', 'undefined', "'q'", '`t${req.method}`'),
)
const reads = `
  req.method req.url req.path req.originalUrl req.ip req.hostname req.protocol req.secure
  req.headers.host req.headers['x-a'] req.headers['X-A'] req.headers.missing req.get('X-A')
  req.query req.query.x req.query.list req.params.b req.params.nope req.body req.body.deep.list
  consumer consumer.username consumer.nope consumer?.id consumer.constructor req.user requestID
  apiEndpoint.scopes apiEndpoint.scopes.length apiEndpoint.scopes[0] apiEndpoint.custom egContext.req.url`
const read = fc.constantFrom(...reads.trim().split(/\s+/))
const { source } = fc.letrec<{ source: string; value: string }>((tie) => ({
  source: tie('value'),
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'medium' },
    literal,
    read,
    read,
    fc
      .tuple(
        tie('value'),
        fc.constantFrom('===', '!==', '==', '!=', '<', '>', '<=', '>=', '+', '-', '*', '%', '&&', '||'),
        tie('value'),
      )
      .map(([left, operator, right]) => `(${left} ${operator} ${right})`),
    fc.tuple(tie('value'), fc.constantFrom('+', '===', '&&'), tie('value')).map((parts) => parts.join(' ')),
    fc.tuple(tie('value'), tie('value'), tie('value')).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
    fc
      .tuple(fc.constantFrom('!', '-', 'typeof ', '+'), tie('value'))
      .map(([operator, operand]) => `${operator}(${operand})`),
    fc
      .tuple(
        tie('value'),
        fc.constantFrom('startsWith', 'endsWith', 'includes', 'indexOf', 'split', 'concat', 'charAt', 'slice'),
        tie('value'),
      )
      .map(([holder, method, given]) => `(${holder}).${method}(${given})`),
    fc
      .tuple(
        tie('value'),
        fc.constantFrom(
          'toLowerCase()',
          'toUpperCase()',
          'trim()',
          'length',
          'x',
          'constructor',
          'match(/^\\/a/)',
          'match(/(G)(E)/i)',
        ),
      )
      .map(([holder, member]) => `(${holder}).${member}`),
    tie('value').map((given) => `/^[a-z0-9.]+$/i.test(${given})`),
    tie('value').map((key) => `(${key}) in req.headers`),
    tie('value').map((key) => `(${key}) in apiEndpoint`),
    fc.tuple(tie('value'), tie('value')).map(([holder, key]) => `(${holder})[${key}]`),
    fc.tuple(tie('value'), tie('value')).map(([left, right]) => '`a${' + left + '}b${' + right + '}`'),
  ),
}))

const subject = fc.record({
  method: fc.constantFrom('GET', 'POST'),
  target: fc.constantFrom('/a/b?x=1', '/', '/a?list=1&list=2&x=%20', '/A/B?x[y]=1'),
  headers: fc.constantFrom<Record<string, string>>(
    { host: 'shop.example.com:8080', 'x-a': '1' },
    { host: '[::1]:80' },
    {},
  ),
  consumer: fc.constantFrom<Record<string, unknown> | undefined>(undefined, { id: '1', username: 'jane' }, {}),
  apiEndpoint: fc.constantFrom<Record<string, unknown>>({ scopes: ['a', 'b'], custom: 'shop' }, { scopes: [] }),
  body: fc.constantFrom<unknown>(undefined, { deep: { list: [1, 'a'] } }, 'text'),
})

let decided = 0

it('means the same as QuickJS, or leaves it to QuickJS', () => {
  fc.assert(
    fc.property(source, subject, (text, { consumer, ...parts }) => {
      const fast = compileFast('expression', text)
      if (fast === undefined) return
      const make = () => makeSubject({ ...parts, ...(consumer === undefined ? {} : { consumer }) })
      let value: unknown
      try {
        value = fast(make())
      } catch (error) {
        if (error === leave) return
        throw error
      }
      decided += 1
      expect(value, text).toEqual(sandboxed.compile('expression', text).evaluate(make()))
    }),
    { numRuns: 1000, seed: 20_261_121 },
  )
  // the comparison is worth something only while the fast path decides often
  expect(decided).toBeGreaterThan(250)
})

it.each([
  'req.url = "/x"',
  'req.foo()',
  'nope',
  'req',
  'req.headers',
  'a ?? b || c',
  'req.url.replace(/a/g, "b")',
  'x => x',
  'new Date()',
  '(1, 2)',
  'req.url++',
  '1 // comment',
  'req.headers.constructor',
  '/(a+)+$/.test(req.url)',
])('leaves %s to QuickJS', (text) => {
  expect(compileFast('expression', text)).toBeUndefined()
})

it.each([
  'req.method === "GET" && req.path.startsWith("/api")',
  "req.headers['x-api-version'] === '2' || !consumer",
  'apiEndpoint.scopes.includes("admin") ? "a" : "b"',
  "req.get('User-Agent').toLowerCase().indexOf('bot') >= 0",
  "'x-a' in req.headers",
  '/^\\/v[12]\\//.test(req.url)',
])('takes %s', (text) => {
  expect(compileFast('expression', text)).toBeTypeOf('function')
})
