/** What is said again of the same place is counted, not repeated. */
import { expect, test } from 'vitest'
import { foldRepeated, type Diagnostic } from './diagnostic.ts'
import { drawDiagnostics } from './draw.ts'

const said = (message: string, line: number): Diagnostic => ({
  code: 'engine/unknown-policy',
  severity: 'error',
  message,
  origin: { source: 'test', file: 'a.yml', line },
})

test('the same of the same place becomes one, where the first stood', () => {
  const given = [
    said('no policy x', 3),
    said('other', 4),
    said('no policy x', 3),
    said('no policy x', 9),
    said('no policy x', 3),
  ]
  const folded = foldRepeated(given)
  expect(folded).toEqual([{ ...said('no policy x', 3), times: 3 }, said('other', 4), said('no policy x', 9)])
  expect(foldRepeated([...folded, said('no policy x', 3)])[0]).toMatchObject({ times: 4 })
  expect(drawDiagnostics(folded, { color: false, sourceText: () => undefined })).toContain('no policy x (3 times)\n')
})

test('where nothing repeats, nothing is made anew', () => {
  const given = [said('a', 1), said('b', 1)]
  expect(foldRepeated(given)).toBe(given)
})
