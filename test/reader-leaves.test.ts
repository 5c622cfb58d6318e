/** Programs whose reader leaves before they have printed: they end as they would have ended, and say nothing of it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')

test.each([
  ['gantry', ['check', 'examples/quickstart', '--no-plugins']],
  ['gantry', ['translate', 'examples/quickstart', '--to', 'model']],
  ['dispatcher', ['--help']],
  ['eg', ['--help']],
])('%s %j', { timeout: 60_000 }, async (name, words) => {
  const child = spawn(process.execPath, ['--import', 'tsx', join(root, 'src/bin', `${name}.ts`), ...words], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  // long before anything can be printed
  child.stdout.destroy()
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  expect(said).not.toMatch(/EPIPE|node:/)
  expect(code).toBe(0)
})
