/** Heads read out of memory that holds more than them: what follows, and what was there before. They read as if they stood alone. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  readNextRequestHead,
  readNextResponseHead,
  readRequestHead,
  readResponseHead,
  type RequestHead,
  type ResponseHead,
} from './head.ts'
import { endOfHead } from './latin1.ts'

const limits = { headerCount: 100, targetBytes: 100 }
const kinds = [
  { kind: 'requests', line: 'GET /a HTTP/1.1\r\nHost: y', next: readNextRequestHead, alone: readRequestHead },
  { kind: 'answers', line: 'HTTP/1.1 200 OK', next: readNextResponseHead, alone: readResponseHead },
] as const

const piece = fc.constantFrom(
  '\r\nhost-x: x',
  '\r\n\r\n',
  '\r\nContent-Length: 5',
  '\r\nX: y\tz',
  '\r\nconnection: close',
  '\r\n\r\n',
  '\r\n',
  '\r',
  '\n',
  ' ',
  ':',
  '\0',
  'abcdefgh',
  'GET / HTTP/1.1',
  'HTTP/1.1 204 No Content',
)

test.each(kinds)('$kind', ({ line, next, alone }) => {
  let good = 0
  const property = fc.property(
    fc.array(piece, { maxLength: 12 }),
    fc.nat(9),
    fc.integer({ min: 30, max: 200 }),
    (pieces, from, size) => {
      const bytes = Buffer.from(`${'.'.repeat(from)}${line}${pieces.join('')}`, 'latin1')
      // what is behind `end` was there before
      const end = Math.min(bytes.length, from + size)
      const found = endOfHead(bytes, from, end)
      const expected = found < 0 ? undefined : alone(bytes, from, found, limits)
      const head = next(bytes, from, end, limits)
      if (expected === undefined || expected.kind === 'refusal') expect(head.kind).toBe('refusal')
      else {
        good++
        expect(shown(head as RequestHead | ResponseHead)).toEqual(shown(expected))
      }
    },
  )
  fc.assert(property, { numRuns: 10_000 })
  expect(good).toBeGreaterThan(200)
})

function shown(head: RequestHead | ResponseHead): unknown {
  const { fields, ...rest } = head
  return { ...rest, fields: [...fields], text: fields.text }
}
