/** `gantry check` of Express Gateway folders: what plugins bring is looked at as at start, and nothing is opened for it. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, test, vi } from 'vitest'
import type { Diagnostic } from '../src/model/diagnostic.ts'
import { main } from '../src/main.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-check-'))
  return () => rmSync(folder, { recursive: true })
})

/** `steps`: of the one pipeline. The plugin `mine` brings the policy `hello` and the condition `lucky`, and says when it runs. */
function write(steps: string, settings = '{ package: ./mine.cjs, mood: good }', whitelist = 'hello, terminate'): void {
  writeFileSync(
    join(folder, 'gateway.config.yml'),
    `http: { port: 1 }
policies: [${whitelist}]
apiEndpoints: { a: { paths: [/a, /b, /c] } }
pipelines:
  a:
    apiEndpoints: [a]
    policies: ${steps}
`,
  )
  writeFileSync(join(folder, 'system.config.yml'), `plugins: { mine: ${settings} }\n`)
  writeFileSync(
    join(folder, 'mine.cjs'),
    `const { writeFileSync } = require('fs')
module.exports = {
  version: '1.2.0',
  schema: { $id: 'mine', type: 'object', properties: { mood: { enum: ['good'] } }, required: ['mood'] },
  init(context) {
    writeFileSync(${JSON.stringify(join(folder, 'ran'))}, '')
    context.services.user.find('nobody')
    context.registerPolicy({ name: 'hello', schema: { $id: 'hello', type: 'object', required: ['to'] }, policy: () => (req, res) => res.end() })
    context.registerCondition({ name: 'lucky', handler: (req, config) => true })
    setInterval(() => undefined, 1000).unref()
  },
}`,
  )
}

async function check(...flags: readonly string[]): Promise<{ code: number; diagnostics: readonly Diagnostic[] }> {
  let text = ''
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text += String(chunk)
    return true
  })
  try {
    const code = await main(['check', folder, '--output', 'json', ...flags])
    return { code, diagnostics: (JSON.parse(text) as { diagnostics: readonly Diagnostic[] }).diagnostics }
  } finally {
    spy.mockRestore()
  }
}

test('a plugin that loads, its policy and its condition are right', async () => {
  write('[{ hello: { condition: { name: lucky }, action: { to: you } } }, { terminate: {} }]')
  expect(await check('--strict')).toEqual({ code: 0, diagnostics: [] })
  expect(existsSync(join(folder, 'ran'))).toBe(true)
  expect(existsSync(join(folder, '.gantry'))).toBe(false)
})

test('a plugin that is missing is said, and what it costs, once for all routes', async () => {
  write('[{ hello: { action: { to: you } } }]', '{ package: ./absent.cjs }')
  const { code, diagnostics } = await check()
  expect(code).toBe(1)
  expect(diagnostics).toMatchObject([
    { code: 'plugins/not-found', severity: 'warning' },
    { code: 'engine/policy-compile', severity: 'error', times: 3, origin: { file: 'gateway.config.yml', line: 7 } },
  ])
})

test.each([
  ['policy', '[{ terminat: {} }]', 'terminat', /no plugin brings the policy terminat \(did you mean terminate\?\)/],
  [
    'condition',
    '[{ hello: { condition: { name: lukcy }, action: { to: you } } }]',
    'hello',
    /no plugin brings a condition "lukcy"/,
  ],
  ['parameters', '[{ hello: { action: { too: you } } }]', 'hello', /hello params validation failed: .*'to'/],
])('a wrong %s is found although there are plugins', async (_what, steps, whitelist, message) => {
  write(steps, undefined, whitelist)
  const { code, diagnostics } = await check()
  expect(code).toBe(1)
  expect(diagnostics).toMatchObject([{ code: 'engine/policy-compile', severity: 'error', times: 3 }])
  expect(diagnostics[0]?.message).toMatch(message)
})

test('settings that the plugin refuses are said', async () => {
  write('[{ terminate: {} }]', '{ package: ./mine.cjs, mood: bad }')
  expect(await check()).toMatchObject({ code: 0, diagnostics: [{ code: 'plugins/failed', severity: 'warning' }] })
  expect((await check('--strict')).code).toBe(1)
})

test('--no-plugins runs none of their code, and says what was not checked', async () => {
  write('[{ hello: { action: { too: you } } }]')
  expect(await check('--no-plugins')).toMatchObject({
    code: 0,
    diagnostics: [{ code: 'check/plugins', severity: 'info', message: expect.stringContaining('(mine)') as string }],
  })
  expect(existsSync(join(folder, 'ran'))).toBe(false)
})
