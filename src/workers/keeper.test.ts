/** A ledger in a folder that somebody cleans: touched in time, and made anew where it was too late. */
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createTestServices } from '../targets/engine/testing.ts'
import { type Keeper, keepLedger } from './keeper.ts'
import { type Ledger, openLedger } from './ledger.ts'

let folder: string
let keeper: Keeper
let ledger: Ledger
let events: { code: string; message: string }[]

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
  folder = mkdtempSync(join(tmpdir(), 'gantry-keeper-'))
  events = []
  const moved = (to: string): void => ledger.move(to)
  keeper = keepLedger({ folder, events: createTestServices(events).events, moved })
  ledger = openLedger({ folder: keeper.ledger(), writer: 1 })
})

afterEach(() => {
  keeper.close()
  ledger.close()
  vi.useRealTimers()
  rmSync(folder, { recursive: true, force: true })
})

test('everything in the folder is touched every hour', () => {
  const long = new Date(Date.now() - 9 * 24 * 3_600_000)
  const all = ['', ...readdirSync(folder, { recursive: true, encoding: 'utf8' })].map((path) => join(folder, path))
  expect(all.length).toBe(4)
  for (const path of all) utimesSync(path, long, long)
  vi.advanceTimersByTime(3_601_000)
  for (const path of all) {
    expect(statSync(path).mtimeMs).toBeGreaterThan(long.getTime() + 3_600_000)
    expect(statSync(path).atimeMs).toBeGreaterThan(long.getTime() + 3_600_000)
  }
  expect(events).toEqual([])
})

test.each(['the folder', 'the ledger', 'its files'])('%s is gone: counts begin anew, and it is said', (what) => {
  ledger.add('a', 1000)
  vi.advanceTimersByTime(5000)
  expect(events).toEqual([])
  const files = readdirSync(keeper.ledger(), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('live'),
  )
  const gone = {
    'the folder': [folder],
    'the ledger': [keeper.ledger()],
    'its files': files.map((name) => join(keeper.ledger(), name)),
  }
  for (const path of gone[what as keyof typeof gone]) rmSync(path, { recursive: true })
  vi.advanceTimersByTime(1000)
  expect(events.map(({ code, message }) => [code, message])).toEqual([
    ['workers/ledger', `what workers have counted was removed from ${folder}: counts begin anew`],
  ])
  expect(ledger.add('a', 1000).count).toBe(1)
  const other = openLedger({ folder: keeper.ledger(), writer: 2 })
  expect(other.add('a', 1000).count).toBe(2)
  other.close()
})

test('a folder that others may write to is not taken, which is said once', () => {
  rmSync(keeper.ledger(), { recursive: true })
  chmodSync(folder, 0o777)
  vi.advanceTimersByTime(5000)
  expect(events.map(({ message }) => message)).toEqual([
    `the ledger of all workers cannot be kept: ${folder} belongs to somebody else`,
  ])
})
