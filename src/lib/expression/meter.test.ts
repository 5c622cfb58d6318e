/** Single steps of an interpreter that would take hours: each is stopped, and what comes after works. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createExpressions, type SandboxedExpressions } from './expressions.ts'
import { ASKS, meter } from './meter.ts'
import type { ExpressionError } from './sandbox.ts'
import { makeSubject } from './testing.ts'

let expressions: SandboxedExpressions
beforeAll(async () => {
  expressions = await createExpressions({ time: 50, fastPath: 'off' })
})
afterAll(() => expressions.dispose())

const endless = [
  'for (;;) {}',
  'Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)',
  'Array.prototype.includes.call({ length: 2 ** 53 - 1 }, 1)',
  'Array.prototype.fill.call({ length: 2 ** 53 - 1 }, 1)',
  'Array.prototype.reverse.call({ length: 2 ** 53 - 1 })',
  'Array.prototype.copyWithin.call({ length: 2 ** 53 - 1 }, 1)',
  'Array.prototype.join.call({ length: 2 ** 53 - 1 }, "")',
  'Array.prototype.lastIndexOf.call({ length: 2 ** 53 - 1 }, 1)',
  'new Array(4294967295).indexOf(1)',
  'new Array(4294967295).sort()',
  // a search that compares half of the text at every place of it
  '"a".repeat(4e6).indexOf("a".repeat(2e6) + "b")',
  '"a".repeat(4e6).includes("a".repeat(2e6) + "b")',
  '"a".repeat(4e6).lastIndexOf("b" + "a".repeat(2e6))',
  '"a".repeat(4e6).split("a".repeat(2e6) + "b")',
  '"a".repeat(4e6).replaceAll("a".repeat(2e6) + "b", "")',
  '/^(a+)+$/.test("a".repeat(40) + "b")',
  '"a".repeat(40000).match(/(a*)*b/)',
  '"a".repeat(200000).replace(/a*b/g, "")',
  // each step is short, but ten thousand of them, after which the interpreter looks at the clock, are not
  'for (;;) "x".repeat(2e7)',
  'for (;;) new Uint8Array(2e7).fill(1)',
  'for (;;) new Uint8Array(2e7).slice()',
  'for (;;) new Uint8Array(1e7).set(new Uint8Array(1e7))',
  'for (;;) JSON.stringify("x".repeat(5e6))',
  '(() => { let n = 9n; for (;;) n = n * n })()',
  'BigInt("9".repeat(300000)).toString().length',
  '(9n ** 200000n).toString().length',
  'Array.from({ length: 2 ** 32 }).length',
  'Object.keys("x".repeat(4e6)).length + Object.keys("y".repeat(4e6)).length',
  '[..."x".repeat(3e6)].sort().join("").normalize("NFKD").length',
]

describe('what has no end ends', () => {
  test.each(endless)('%s', async (source) => {
    const compiled = expressions.compile('expression', source.startsWith('for') ? `(() => { ${source} })()` : source)
    const started = process.cpuUsage()
    let kind: string | undefined
    try {
      compiled.evaluate(makeSubject())
    } catch (error) {
      kind = (error as ExpressionError).kind
    }
    const { user, system } = process.cpuUsage(started)
    // a tenth of a second, and what the rest of this process does; without the meter these take from one second to for ever
    expect((user + system) / 1000).toBeLessThan(900)
    // what is refused for its size, or is done in time, is as good
    if (kind !== undefined) expect(['time', 'memory', 'thrown']).toContain(kind)
    await expect.poll(() => expressions.compile('expression', '6 * 7').evaluate(makeSubject())).toBe(42)
  })
})

test('who comes right after one that was stopped is served, and what was compiled before is there', () => {
  const before = expressions.compile('expression', 'req.method + 1')
  const stuck = expressions.compile('expression', 'Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)')
  expect(() => stuck.evaluate(makeSubject())).toThrow(/took longer than 50 ms/)
  expect(before.evaluate(makeSubject())).toBe('GET1')
})

test('one after the other, each is stopped; none stays behind', async () => {
  const stuck = expressions.compile('expression', 'Array.prototype.fill.call({ length: 2 ** 53 - 1 }, 1)')
  const fine = expressions.compile('expression', '1 + 1')
  const before = process.memoryUsage().rss
  for (let turn = 0; turn < 10; turn++) {
    expect(() => stuck.evaluate(makeSubject())).toThrow(/stopped/)
    await expect.poll(() => fine.evaluate(makeSubject())).toBe(2)
  }
  expect(process.memoryUsage().rss - before).toBeLessThan(256 * 1024 * 1024)
})

describe('the module', () => {
  const near = createRequire(createRequire(import.meta.url).resolve('quickjs-emscripten'))
  const original = readFileSync(near.resolve('@jitl/quickjs-wasmfile-release-sync/wasm'))

  test('grows by less than a third', () => {
    expect(meter(original).bytes.length).toBeLessThan(original.length * 1.34)
  })

  test('is not guessed at', () => {
    expect(() => meter(new Uint8Array(8))).toThrow('no WebAssembly module')
    expect(() => meter(original.subarray(0, 5000))).toThrow('breaks off')
  })

  test('a loop of its own asks, and goes on or ends as it is told', () => {
    // (import "m" "ask" (func (param i32))) (func (export "f") (loop (br 0))), and a global, as the format has it
    const text = [
      [0, 97, 115, 109, 1, 0, 0, 0],
      [1, 8, 2, 0x60, 1, 0x7f, 0, 0x60, 0, 0],
      [2, 9, 1, 1, 109, 3, 97, 115, 107, 0, 0],
      [3, 2, 1, 1],
      [6, 6, 1, 0x7f, 0, 0x41, 0, 0x0b],
      [7, 5, 1, 1, 102, 0, 1],
      [10, 9, 1, 7, 0, 0x03, 0x40, 0x0c, 0, 0x0b, 0x0b],
    ]
    const { bytes, question } = meter(Uint8Array.from(text.flat()))
    expect(question).toEqual(['m', 'ask'])
    let asked = 0
    const ask = (what: number): void => {
      expect(what).toBe(ASKS)
      if (++asked === 5) throw new Error('enough')
    }
    const { Module, Instance } = (globalThis as unknown as { WebAssembly: Wasm }).WebAssembly
    expect(() => new Instance(new Module(bytes), { m: { ask } }).exports.f()).toThrow('enough')
    expect(asked).toBe(5)
  })
})

interface Wasm {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (code: object, imports: object) => { readonly exports: { f(): void } }
}
