/** Each kind of condition on the real engine: which answer comes. */
import { afterEach, describe, expect, test } from 'vitest'
import type { Condition } from '../model/model.ts'
import { type Bench, bench, type Call } from './testing.ts'
import { compileGlob } from './shared/glob.ts'

let server: Bench | undefined
afterEach(async () => {
  await server?.stop()
  server = undefined
})

async function holds(when: Condition, call: Call): Promise<boolean | number> {
  server = await bench({ uses: [{ policy: 'reply', config: { status: 299 }, when }] })
  const { status } = await server.call(call)
  return status === 299 ? true : status === 200 ? false : status
}

const yes: Condition = { kind: 'constant', value: true }
const no: Condition = { kind: 'constant', value: false }
const throws: Condition = { kind: 'expression', language: 'javascript', source: 'nope.nope' }
const json = { 'content-type': 'application/json' }
const body = (schema: Record<string, unknown>): Condition => ({ kind: 'body-schema', schema })
const needsOk = body({ type: 'object', required: ['ok'], properties: { ok: { type: 'boolean' } } })

describe('conditions', () => {
  test.each<[string, Condition, Call, boolean | number]>([
    ['all stops at the first that does not hold', { kind: 'all', of: [yes, no, throws] }, {}, false],
    ['all of nothing holds', { kind: 'all', of: [] }, {}, true],
    ['any stops at the first that holds', { kind: 'any', of: [no, yes, throws] }, {}, true],
    ['any of nothing does not hold', { kind: 'any', of: [] }, {}, false],
    ['not', { kind: 'not', of: no }, {}, true],
    ['a method', { kind: 'method', methods: ['POST', 'PUT'] }, { method: 'POST' }, true],
    ['another method', { kind: 'method', methods: ['POST', 'PUT'] }, {}, false],
    [
      'the target with its query',
      { kind: 'target', value: { kind: 'exact', value: '/a?x=1' } },
      { path: '/a?x=1' },
      true,
    ],
    ['the target without it', { kind: 'target', value: { kind: 'exact', value: '/a?x=1' } }, { path: '/a' }, false],
    [
      'an expression in the query',
      { kind: 'target', value: { kind: 'regexp', source: 'foo\\d' } },
      { path: '/?q=foo2' },
      true,
    ],
    ['a host', { kind: 'host', glob: '*.acme.com' }, { headers: { host: 'a.b.acme.com' } }, true],
    ['a host with a port', { kind: 'host', glob: '*.acme.com' }, { headers: { host: 'a.acme.com:80' } }, false],
    ['nobody is authenticated', { kind: 'authenticated' }, {}, false],
    ['no client certificate', { kind: 'client-certificate' }, {}, false],
    [
      'truth',
      { kind: 'expression', language: 'javascript', source: 'req.headers["x-a"]' },
      { headers: { 'x-a': '1' } },
      true,
    ],
    ['what throws is 500', throws, {}, 500],
    ['a valid body', needsOk, { method: 'POST', headers: json, body: '{"ok":true}' }, true],
    ['a text that means truth', needsOk, { method: 'POST', headers: json, body: '{"ok":"true"}' }, true],
    ['a body that is not valid', needsOk, { method: 'POST', headers: json, body: '{"z":1}' }, false],
    ['none counts as {}', needsOk, {}, false],
    ['a schema inside not', { kind: 'not', of: needsOk }, { method: 'POST', headers: json, body: '{"z":1}' }, true],
    [
      'a schema inside all, after another that waits',
      { kind: 'all', of: [needsOk, needsOk, yes] },
      { method: 'POST', headers: json, body: '{"ok":true}' },
      true,
    ],
    [
      'a form',
      needsOk,
      { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'ok=true' },
      true,
    ],
    [
      '60 kB',
      needsOk,
      { method: 'POST', headers: json, body: JSON.stringify({ ok: true, p: 'x'.repeat(60_000) }) },
      true,
    ],
    [
      '150 kB',
      needsOk,
      { method: 'POST', headers: json, body: JSON.stringify({ ok: true, p: 'x'.repeat(150_000) }) },
      413,
    ],
    ['rubbish', needsOk, { method: 'POST', headers: json, body: '{bad' }, 400],
  ])('%s', async (_what, when, call, expected) => {
    expect(await holds(when, call)).toBe(expected)
  })

  test('a body that was looked at is forwarded as it came', async () => {
    server = await bench({ uses: [{ policy: 'headers', config: { request: {} }, when: needsOk }] })
    const answer = await server.call({ method: 'POST', headers: json, body: '{ "ok": "true" }' })
    expect(answer.seen?.body).toBe('{ "ok": "true" }')
  })

  test('a condition that cannot be compiled costs its route', async () => {
    const impossible: readonly Condition[] = [
      { kind: 'target', value: { kind: 'regexp', source: '(a+)+$' } },
      { kind: 'plugin', name: 'nobody', config: {} },
      { kind: 'expression', language: 'cel', source: 'true' },
    ]
    for (const when of impossible) await expect(bench({ uses: [{ policy: 'reply', when }] })).rejects.toThrow()
  })
})

describe('patterns that a stranger could make run for ever', () => {
  const pattern = (source: string): Condition =>
    body({ type: 'object', properties: { a: { type: 'string', pattern: source } } })
  const sent = (a: string): Call => ({ method: 'POST', headers: json, body: JSON.stringify({ a }) })

  test('are refused in a schema', async () => {
    await expect(bench({ uses: [{ policy: 'reply', when: pattern('^(a+)+$') }] })).rejects.toThrow(/many ways/)
    await expect(bench({ uses: [{ policy: 'reply', when: pattern('^(\\p{L}+)+$') }] })).rejects.toThrow(/many ways/)
  })

  test.each<[string, string, boolean | number]>([
    ['^\\p{Lu}[a-z]+$', 'Über'.slice(0, 1) + 'ber', true],
    ['^\\p{Lu}[a-z]+$', 'uber', false],
    ['a.*b$', 'xaab', true],
    // quadratic: only short texts are looked at
    ['a.*b$', 'a'.repeat(50_000), 413],
  ])('%s is held to %.20s', async (source, text, expected) => {
    expect(await holds(pattern(source), sent(text))).toBe(expected)
  })

  test('are refused as globs', () => {
    expect(() => compileGlob('+(+(a)).com')).toThrow(/many ways/)
    expect(() => compileGlob('*a*a*a*a*a*')).toThrow()
  })
})

test.each<[string, string, boolean]>([
  ['*.acme.com', 'a.b.acme.com', true],
  ['*.acme.com', '.acme.com', false],
  ['?.acme.com', 'a.acme.com', true],
  ['?.acme.com', 'ab.acme.com', false],
  ['[ab].com', 'b.com', true],
  ['[!ab].com', 'b.com', false],
  ['{a,b}.com', 'b.com', true],
  ['h{1..3}.com', 'h2.com', true],
  ['h{1..3}.com', 'h4.com', false],
  ['!a.com', 'b.com', true],
  ['!a.com', 'a.com', false],
  ['@(a|b).com', 'b.com', true],
  ['+(a).com', 'aaa.com', true],
  ['A.com', 'a.com', false],
  ['a.com', 'axcom', false],
  ['*', '', false],
  ['#a', '#a', false],
])('glob %s on %s', (glob, text, expected) => {
  expect(compileGlob(glob)(text)).toBe(expected)
})
