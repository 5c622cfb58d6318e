/** A ledger on disks that refuse: no hard links, none any more. */
import fs, { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { StoreUnavailable } from '../policies/services.ts'
import { createLedger, openLedger } from './ledger.ts'

const disk = vi.hoisted(() => ({ links: true, tries: 0 }))

// a file system without links is nothing that a test may count on
vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>()
  const linkSync: typeof real.linkSync = (from, to) => {
    disk.tries++
    if (disk.links) return real.linkSync(from, to)
    throw Object.assign(new Error('EPERM: operation not permitted, link'), { code: 'EPERM' })
  }
  return { ...real, linkSync }
})

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-ledger-'))
  Object.assign(disk, { links: true, tries: 0 })
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
