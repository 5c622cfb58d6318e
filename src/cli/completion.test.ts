/** What a shell offers: commands, flags, and what may stand behind a flag. Asked of a real bash. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { completion } from './commands/completion.ts'
import type { Parts } from './parts.ts'
import { createProgram } from './program.ts'

const part = (name: string) => ({ name, summary: '' })
const parts = {
  version: '1',
  sources: [{ source: { name: 'express-gateway' } }, { source: { name: 'pods' } }],
  writers: [part('model'), part('nginx')],
  templates: [part('gateway-api'), part('express-gateway')],
  programs: [part('eg')],
} as unknown as Parts

afterEach(() => void vi.restoreAllMocks())

function scriptFor(shell: string): string {
  let text = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text += String(chunk)
    return true
  })
  completion(createProgram(parts, { code: 0 }), shell)
  vi.restoreAllMocks()
  return text
}

/** Words of the line, the last one being typed. */
function offered(...words: readonly string[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-completion-'))
  try {
    writeFileSync(join(folder, 'script'), scriptFor('bash'))
    writeFileSync(join(folder, 'config.yml'), '')
    const typed = words.map((word) => `'${word}'`).join(' ')
    const program = `source ./script; COMP_WORDS=(gantry ${typed}); COMP_CWORD=${words.length}; _gantry; printf '%s\\n' "\${COMPREPLY[@]}"`
    const found = execFileSync('bash', ['-c', program], { cwd: folder, encoding: 'utf8' })
    return found.split('\n').filter((word) => word !== '')
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test.each([
  [['comp'], ['completion']],
  [['run', '--log-l'], ['--log-level']],
  [
    ['run', '--log-level', ''],
    ['debug', 'info', 'warn', 'error', 'silent'],
  ],
  [['run', '--log-level', '=', 'w'], ['warn']],
  [
    ['run', '--log-level', '='],
    ['debug', 'info', 'warn', 'error', 'silent'],
  ],
  [['run', '--store-kind', 'e'], ['embedded']],
  [
    ['run', '--watch', ''],
    ['on', 'off'],
  ],
  [['run', '--data', 'con'], ['config.yml']],
  [['run', 'con'], ['config.yml']],
  [
    ['check', '-o', ''],
    ['text', 'json'],
  ],
  [['check', '--from', 'p'], ['pods']],
  [['translate', '--to', 'n'], ['nginx']],
  [
    ['init', '-t', ''],
    ['gateway-api', 'express-gateway'],
  ],
  [
    ['completion', ''],
    ['bash', 'zsh', 'fish'],
  ],
])('gantry %j: %j', (words, expected) => {
  expect(offered(...words)).toEqual(expected)
})

test('zsh has the same through its own compatibility with bash', () => {
  expect(scriptFor('zsh')).toBe(`autoload -U +X bashcompinit && bashcompinit\n${scriptFor('bash')}`)
})

test('fish is told what takes a value, and which', () => {
  const script = scriptFor('fish')
  expect(script).toMatch(/seen_subcommand_from run" -l log-level -x -a 'debug info warn error silent' -d /)
  expect(script).toMatch(/seen_subcommand_from run" -l data -r -d /)
  expect(script).toMatch(/seen_subcommand_from check" -l output -s o -x -a 'text json' -d /)
  expect(script).toMatch(/seen_subcommand_from completion" -f -a 'bash zsh fish'/)
  if (spawnSync('fish', ['--version']).status === 0) execFileSync('fish', ['--no-execute'], { input: script })
})
