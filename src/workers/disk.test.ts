/** A ledger and its disk: one that refuses hard links, and what is read of it when. */
import fs, { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { StoreUnavailable } from '../policies/services.ts'
import { createLedger, openLedger } from './ledger.ts'

const disk = vi.hoisted(() => ({ links: true, tries: 0, reads: 0 }))

// a file system without links is nothing that a test may count on
vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>()
  const linkSync: typeof real.linkSync = (from, to) => {
    disk.tries++
    if (disk.links) return real.linkSync(from, to)
    throw Object.assign(new Error('EPERM: operation not permitted, link'), { code: 'EPERM' })
  }
  const readSync = (...args: Parameters<typeof real.readSync>): number => {
    disk.reads++
    return real.readSync(...args)
  }
  return { ...real, linkSync, readSync }
})

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-ledger-'))
  Object.assign(disk, { links: true, tries: 0, reads: 0 })
})

afterEach(() => {
  vi.useRealTimers()
  rmSync(folder, { recursive: true, force: true })
})

const hour = 3_600_000

test('without links it does not begin, and says what to do', () => {
  disk.links = false
  expect(() => createLedger(folder)).toThrow(/EPERM.*set TMPDIR/)
})

test('a page that cannot be turned leaves nothing, is tried again after a while, and loses no count', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  createLedger(folder)
  const ledger = openLedger({ folder, writer: 1 })
  let counted = 0
  const add = (): void => {
    const { count } = ledger.add('k'.repeat(200), hour)
    if (count !== ++counted) throw new Error(`${count}, and not ${counted}`)
  }
  disk.links = false
  expect(() => {
    for (;;) add()
  }).toThrow(StoreUnavailable)
  expect(counted).toBeGreaterThan(1000)
  const { tries } = disk
  for (let at = 0; at < 100; at++) expect(add).toThrow('EPERM')
  expect(disk.tries).toBe(tries)
  expect(readdirSync(folder)).toHaveLength(1)

  vi.advanceTimersByTime(1001)
  expect(add).toThrow('EPERM')
  expect(disk.tries).toBe(tries + 1)
  expect(readdirSync(folder)).toHaveLength(1)

  disk.links = true
  expect(add).toThrow('EPERM')
  vi.advanceTimersByTime(1001)
  for (let at = 0; at < 10; at++) add()
  ledger.close()
})

test('who does not count reads on all the same, through pages, and has little to read when it does', () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  createLedger(folder)
  const [busy, sleeper] = [openLedger({ folder, writer: 1 }), openLedger({ folder, writer: 2 })]
  for (let at = 0; at < 10_000; at++) {
    busy.add(`${at % 100} ${'k'.repeat(200)}`, hour)
    // 100 notes are 25 KiB
    if (at % 100 === 0) vi.advanceTimersByTime(60)
  }
  vi.advanceTimersByTime(200)
  disk.reads = 0
  expect(sleeper.add(`0 ${'k'.repeat(200)}`, hour).count).toBe(101)
  expect(disk.reads).toBe(1)
  busy.close()
  sleeper.close()
})
