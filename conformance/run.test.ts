/** The runner itself: quick and loud without a controller, right about a test that passes and one that fails. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { whyNoApiServer } from './lab.ts'
import { runsFor } from './loud.ts'
import { typescript } from './program.ts'
import { whyNoLab } from './tools.ts'

// runs that fail leave their logs
const folder = mkdtempSync(join(tmpdir(), 'gantry-runs-'))
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }))

const acceptAll = typescript(join(import.meta.dirname, 'fixtures/accept-all.ts')).join(' ')

function run(...args: readonly string[]): Promise<{ readonly status: number | null; readonly said: string }> {
  const [file = '', ...rest] = typescript(join(import.meta.dirname, 'run.ts'), args)
  return new Promise((resolve, reject) => {
    const child = spawn(file, rest, { env: { ...process.env, TMPDIR: folder }, stdio: ['ignore', 'pipe', 'pipe'] })
    const chunks: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.once('error', reject)
    child.once('close', (status) => resolve({ status, said: Buffer.concat(chunks).toString() }))
  })
}

describe.runIf(runsFor('the conformance runner', whyNoLab() ?? whyNoApiServer({ crds: 'standard' })))(
  'run.ts',
  { timeout: 240_000 },
  () => {
    it('does not start the suite when nobody accepts the class', async () => {
      const { status, said } = await run('--install', 'true', '--accept-within', '2')
      expect(said).toMatch(/GatewayClass gantry was not accepted within 2 s.*the suite was not started/)
      expect(status).toBe(1)
    })

    it('says at once that the controller ended', async () => {
      const { status, said } = await run('--controller', 'sh -c "echo no license; exit 4"')
      expect(said).toMatch(/the controller ended with 4/)
      expect(said).toMatch(/no license/)
      expect(status).toBe(1)
    })

    it('passes a test that passes', async () => {
      const { status, said } = await run('--controller', acceptAll, '--test', 'GatewayClassObservedGenerationBump')
      expect(said).toMatch(/GatewayClassObservedGenerationBump: passed/)
      expect(status).toBe(0)
    })

    it('fails for a test that does not exist', async () => {
      const { status, said } = await run('--controller', acceptAll, '--test', 'NoSuchTest')
      expect(said).toMatch(/NoSuchTest.*is the name right/)
      expect(status).toBe(1)
    })
  },
)
