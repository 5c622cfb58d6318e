/** What a person sees of a mistake. */
import { expect, test } from 'vitest'
import type { Diagnostic } from './diagnostic.ts'
import { diagnosticsJson, drawDiagnostics } from './draw.ts'

const diagnostic: Diagnostic = {
  code: 'check/port',
  severity: 'error',
  message: 'listener a: 70000 is not a port',
  hint: 'a number from 1 to 65535',
  origin: { source: 'x', file: 'a.yml', line: 2, column: 9 },
  related: [{ source: 'x', file: 'b.yml', line: 1, column: 1, object: 'listener b' }],
}
const file = 'http:\n\tport: 70000\n'
const draw = (one: Diagnostic, text: string | undefined = file, color = false): string =>
  drawDiagnostics([one], { color, sourceText: (name) => (name === 'a.yml' ? text : undefined) })

test('place, line, caret, hint, related', () => {
  expect(draw(diagnostic)).toBe(
    [
      'a.yml:2:9: error[check/port]: listener a: 70000 is not a port',
      '  2 |  port: 70000',
      '    |         ^',
      '  hint: a number from 1 to 65535',
      '  see b.yml:1:1 (listener b)',
      '',
    ].join('\n'),
  )
})

test('without column, file, or line', () => {
  const { column: _, ...origin } = diagnostic.origin ?? { source: 'x' }
  expect(draw({ ...diagnostic, origin })).toContain('    |  ^^^^^^^^^^^\n')
  expect(draw(diagnostic, '')).not.toContain('|')
  const nowhere = draw({ ...diagnostic, origin: { source: 'x', object: 'Pod a/b', field: 'spec' } })
  expect(nowhere).toMatch(/^Pod a\/b spec: error/)
  expect(draw({ code: 'c', severity: 'info', message: 'm' })).toBe('info[c]: m\n')
})

test('long lines are cut around the caret', () => {
  const text = `\n${'a'.repeat(500)}X${'b'.repeat(500)}`
  const lines = draw({ ...diagnostic, origin: { source: 'x', file: 'a.yml', line: 2, column: 501 } }, text).split('\n')
  expect(lines[1]?.charAt(lines[2]?.indexOf('^') ?? -1)).toBe('X')
  expect(lines[1]?.length).toBeLessThan(120)
})

test('colour only where it is wanted; nothing that was written can colour', () => {
  expect(draw(diagnostic, file, true)).toContain('\u001b[31m')
  expect(draw(diagnostic)).not.toContain('\u001b')
  const hostile = draw({ ...diagnostic, message: '\u001b[2Jgone\u202e' }, '\n\u001b[31mred')
  expect(hostile).not.toContain('\u001b')
  expect(hostile).not.toContain('\u202e')
})

test('JSON, as one document or line by line', () => {
  expect(JSON.parse(diagnosticsJson([diagnostic], 'array'))).toEqual([diagnostic])
  const lines = diagnosticsJson([diagnostic, diagnostic], 'lines').trimEnd().split('\n')
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([diagnostic, diagnostic])
})
