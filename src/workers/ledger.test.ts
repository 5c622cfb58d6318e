/** A ledger: the sums of one counter, whoever asks, through full pages, deaths over a note, and disks that cannot be written. */
import { execFile } from 'node:child_process'
import { appendFileSync, closeSync, fstatSync, mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { Windows } from '../lib/windows.ts'
import { StoreUnavailable } from '../policies/services.ts'
import { createLedger, type Ledger, openLedger } from './ledger.ts'
import { LONGEST, NoteBytes } from './notes.ts'

const cleanups: (() => void)[] = []

afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup()
})

function folderOf(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-ledger-'))
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }))
  createLedger(folder)
  return folder
}

function opened(folder: string, writer: number, now?: () => number): Ledger {
  const ledger = openLedger({ folder, writer, ...(now === undefined ? {} : { now }) })
  cleanups.push(() => ledger.close())
  return ledger
}

/** Of which a thousand and a half fill a page. */
const long = 'k'.repeat(256)
const hour = 3_600_000
const counter = fileURLToPath(new URL('test-counter.ts', import.meta.url))

describe('a ledger', () => {
  test('two count as one; who comes later knows what there was', () => {
    const folder = folderOf()
    const [one, two] = [opened(folder, 1), opened(folder, 2)]
    expect([one, two, two, one].map((ledger) => ledger.add('a', hour).count)).toEqual([1, 2, 3, 4])
    expect(opened(folder, 3).add('a', hour).count).toBe(5)
    expect(one.add('a', hour, -2).count).toBe(3)
    expect(two.add('b', hour, -2).count).toBe(0)
  })

  test('a window is over for all at once', () => {
    const folder = folderOf()
    let now = 1000
    const [one, two] = [opened(folder, 1, () => now), opened(folder, 2, () => now)]
    expect(one.add('a', 500)).toEqual({ count: 1, resetAt: 1500 })
    now = 1499
    expect(two.add('a', 500)).toEqual({ count: 2, resetAt: 1500 })
    now = 1500
    expect(two.add('a', 500)).toEqual({ count: 1, resetAt: 2000 })
    expect(one.add('a', 500)).toEqual({ count: 2, resetAt: 2000 })
  })

  test('full pages are carried over and taken away; who slept through many of them goes on', () => {
    const folder = folderOf()
    const [one, two] = [opened(folder, 1), opened(folder, 2)]
    expect(two.add(long, hour).count).toBe(1)
    for (let at = 2; at <= 10_000; at++) expect(one.add(long, hour).count).toBe(at)
    const pages = readdirSync(folder).map((name) => Number.parseInt(name, 10))
    expect(pages.length).toBeLessThanOrEqual(2)
    expect(Math.max(...pages)).toBeGreaterThan(5)
    expect(two.add(long, hour).count).toBe(10_001)
    expect(opened(folder, 3).add(long, hour).count).toBe(10_002)
    expect(one.add(long, hour).count).toBe(10_003)
  })

  test('any text is a key, and no two are the same', () => {
    const folder = folderOf()
    const [one, two] = [opened(folder, 1), opened(folder, 2)]
    const keys = [
      '',
      'a',
      'ä',
      'Ā',
      '\ud800',
      '\udfff',
      '\ufffd',
      'a\0',
      '€'.repeat(256),
      '€'.repeat(257),
      'x'.repeat(100_000),
    ]
    for (const key of keys) expect(one.add(key, hour).count).toBe(1)
    for (const key of keys) expect(two.add(key, hour).count).toBe(2)
  })

  test('who died over a note, or found no room for all of it, ends the page for everyone, and nothing is lost', () => {
    const dying = new NoteBytes(LONGEST)
    const size = dying.write(0, { writer: 9, turn: 1, time: Date.now(), windowMs: hour, amount: 1000 }, 'a')
    // all but the last byte, too
    for (let length = 1; length < size; length++) {
      const folder = folderOf()
      const [one, two] = [opened(folder, 1), opened(folder, 2)]
      one.add('a', hour)
      appendFileSync(join(folder, readdirSync(folder)[0]!, 'live'), dying.bytes.subarray(0, length))
      expect(two.add('a', hour).count).toBe(2)
      expect(one.add('a', hour).count).toBe(3)
      expect(opened(folder, 3).add('a', hour).count).toBe(4)
    }
  })

  test('where nothing can be written, nothing is counted and the caller is told', async () => {
    const folder = folderOf()
    // no file of more than 64 KiB: what does not fit is cut, and then refused
    const limited = `ulimit -f 128 && exec "$0" --import tsx "$@"`
    const args = ['-c', limited, process.execPath, counter, folder, '1', long, '1000']
    const { stdout } = await promisify(execFile)('/bin/sh', args)
    const sums = stdout.split(' ')
    const counted = sums.filter((sum) => sum !== 'unavailable').length
    expect(sums.slice(0, counted)).toEqual(Array.from({ length: counted }, (_, at) => String(at + 1)))
    expect(counted).toBeGreaterThan(100)
    expect(counted).toBeLessThan(250)
    expect(opened(folder, 2).add(long, hour).count).toBe(counted + 1)
    rmSync(folder, { recursive: true })
    expect(() => openLedger({ folder, writer: 3 })).toThrow('no such file')
  })

  test('once it is closed, it touches no file: the number of its own may be that of another', () => {
    const folder = folderOf()
    const ledger = openLedger({ folder, writer: 1 })
    ledger.add('a', hour)
    ledger.close()
    const other = join(folder, 'other')
    const fd = openSync(other, 'w+')
    try {
      expect(() => ledger.add('a', hour)).toThrow(StoreUnavailable)
      ledger.close()
      expect(fstatSync(fd).size).toBe(0)
    } finally {
      closeSync(fd)
    }
  })

  test('whatever several add, in whatever order, the sums are those of one that counts alone', () => {
    const step = fc.record({
      who: fc.integer({ min: 0, max: 3 }),
      key: fc.constantFrom('a', 'b', long, 'ä€'),
      ms: fc.constantFrom(50, 500, 50_000),
      amount: fc.constantFrom(1, 1, 1, 5, -1),
      // clocks of processes may differ
      pass: fc.integer({ min: -5, max: 40 }),
      /** So much that the page is nearly full, or full many times. */
      many: fc.oneof({ weight: 30, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.constantFrom(1400, 6000) }),
      anew: fc.oneof({ weight: 20, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const folder = folderOf()
        let now = 1_000_000
        let writer = 10
        const members = [1, 2, 3, 4].map((each) => opened(folder, each, () => now))
        const alone = new Windows()
        for (const { who, key, ms, amount, pass, many, anew } of steps) {
          now += pass
          if (anew) members[who] = opened(folder, ++writer, () => now)
          for (let at = 0; at < many; at++) {
            const state = members[who]!.add(key, ms, amount)
            const right = alone.add(now, key, ms, amount)
            if (state.count !== right?.count || state.resetAt !== right.resetAt) expect(state).toEqual(right)
          }
        }
      }),
      { numRuns: 40 },
    )
  })

  test('full of windows, it takes no new key, for nobody, until some are over', () => {
    const folder = folderOf()
    let now = 1000
    const bounded = (writer: number): Ledger => {
      const ledger = openLedger({ folder, writer, most: 3, now: () => now })
      cleanups.push(() => ledger.close())
      return ledger
    }
    const [one, two] = [bounded(1), bounded(2)]
    for (const key of ['a', 'b', 'c']) one.add(key, 5000)
    for (const ledger of [two, one, bounded(3)]) expect(() => ledger.add('d', 5000)).toThrow('it holds 3 windows')
    expect(two.add('a', 5000).count).toBe(2)
    // a page later, too
    for (let at = 0; at < 12_000; at++) two.add('b', 5000)
    expect(() => bounded(4).add('d', 5000)).toThrow(StoreUnavailable)
    now = 6000
    expect([one, two, bounded(5)].map((ledger) => ledger.add('d', 5000).count)).toEqual([1, 2, 3])
  })

  test('processes that count at the same time: each number is given once', async () => {
    const folder = folderOf()
    const each = 5000
    const run = (writer: number) =>
      promisify(execFile)(process.execPath, ['--import', 'tsx', counter, folder, String(writer), long, String(each)])
    const printed = await Promise.all([1, 2, 3].map(run))
    const sums = printed.flatMap(({ stdout }) => stdout.split(' ').map(Number))
    expect(sums.sort((a, b) => a - b)).toEqual(Array.from({ length: 3 * each }, (_, at) => at + 1))
    expect(opened(folder, 4).add(long, hour).count).toBe(3 * each + 1)
  })
})
