/** Flags over variables over the file over defaults, and what a bad value costs. */
import { expect, test } from 'vitest'
import { flagOf, settingsTable, settle, variableOf } from './settings.ts'

test('defaults where nobody said anything', () => {
  const { settings, diagnostics } = settle({ flags: {}, environment: {} })
  expect(diagnostics).toEqual([])
  expect(settings.admin.enabled).toBeUndefined()
  expect(settings).toMatchObject({
    workers: 1,
    grace: 10_000,
    watch: true,
    log: { level: 'info', access: 'off' },
  })
})

test('a flag wins over a variable, a variable over the file', () => {
  const file = { workers: 2, admin: { port: 1 }, log: { level: 'debug' } }
  const { settings } = settle({
    flags: { workers: '4' },
    environment: { GANTRY_WORKERS: '3', GANTRY_ADMIN_PORT: '2' },
    file,
  })
  expect(settings.workers).toBe(4)
  expect(settings.admin.port).toBe(2)
  expect(settings.log.level).toBe('debug')
})

test('a bad value is a diagnostic with its place, and the next best is taken', () => {
  const { settings, diagnostics } = settle({ flags: { workers: 'many' }, environment: { GANTRY_WORKERS: '3' } })
  expect(settings.workers).toBe(3)
  expect(diagnostics).toHaveLength(1)
  expect(diagnostics[0]).toMatchObject({ code: 'settings/bad-value', severity: 'error' })
  expect(diagnostics[0]?.message).toContain('--workers: "many"')
})

test('a bad secret is not shown', () => {
  const { diagnostics } = settle({ flags: {}, environment: { GANTRY_ADMIN_TOKEN: 'hunter2' } })
  expect(diagnostics).toHaveLength(1)
  expect(JSON.stringify(diagnostics)).not.toContain('hunter2')
})

test('unknown keys of the file are named with what there is', () => {
  const { diagnostics } = settle({
    flags: {},
    environment: {},
    file: { wrokers: 2, admin: { prot: 1 } },
    fileName: 'gantry.yml',
  })
  expect(diagnostics.map((diagnostic) => diagnostic.message)).toEqual([
    'gantry.yml: unknown key wrokers',
    'gantry.yml: unknown key admin.prot',
  ])
  expect(diagnostics[0]?.hint).toContain('workers')
})

test('each setting has one flag and one variable', () => {
  expect(new Set(settingsTable.map(flagOf)).size).toBe(settingsTable.length)
  expect(settingsTable.map(variableOf)).toContain('GANTRY_ADMIN_PORT')
})
