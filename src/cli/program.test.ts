/** Command lines that nobody meant → what is said, and the exit code. */
import { afterEach, expect, test, vi } from 'vitest'
import type { Parts } from './parts.ts'
import { runProgram } from './program.ts'

const parts = {
  version: '1',
  sources: [],
  writers: [{ name: 'model', summary: '' }],
  templates: [{ name: 'gateway-api', summary: '' }],
  programs: [],
} as unknown as Parts

afterEach(() => void vi.restoreAllMocks())

async function said(
  ...argv: readonly string[]
): Promise<{ readonly code: number; readonly out: string; readonly wrong: string }> {
  const [out, wrong] = [vi.spyOn(process.stdout, 'write'), vi.spyOn(process.stderr, 'write')]
  out.mockReturnValue(true)
  wrong.mockReturnValue(true)
  const text = (spy: typeof out): string => spy.mock.calls.map(([chunk]) => String(chunk)).join('')
  const code = await runProgram(parts, argv)
  return { code, out: text(out), wrong: text(wrong) }
}

test.each([['--help'], ['-h'], []])(
  'a command that is not there is no help, but a mistake: rnu %s',
  async (...more) => {
    const { code, out, wrong } = await said('rnu', ...more)
    expect([code, out]).toEqual([2, ''])
    expect(wrong).toContain("unknown command 'rnu'")
    expect(wrong).toContain('Did you mean run?')
  },
)

test.each([['--help'], ['help']])('%s names all commands', async (word) => {
  const { code, out } = await said(word)
  expect(code).toBe(0)
  for (const name of ['run', 'check', 'translate', 'explain', 'init'])
    expect(out).toMatch(new RegExp(`^  ${name} `, 'm'))
})

test.each([
  ['run', '--help'],
  ['help', 'run'],
])('%s %s says where options can stand', async (...words) => {
  const { code, out } = await said(...words)
  expect(code).toBe(0)
  expect(out).toContain('gantry.yml')
})
