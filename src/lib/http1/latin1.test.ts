/** Where a head ends, against the plain search. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { endOfHead, latin1 } from './latin1.ts'

test('the end of a head is where a search finds it, in any window', () => {
  const piece = fc.constantFrom('\r', '\n', '\r\n', '\r\n\r\n', 'a', 'ab', '\0', 'abc')
  const property = fc.property(fc.array(piece, { maxLength: 12 }), fc.nat(20), fc.nat(20), (pieces, from, size) => {
    const bytes = Buffer.from(pieces.join(''), 'latin1')
    const start = Math.min(from, bytes.length)
    const end = Math.min(start + size, bytes.length)
    const found = latin1(bytes, start, end).indexOf('\r\n\r\n')
    expect(endOfHead(bytes, start, end)).toBe(found < 0 ? -1 : start + found + 4)
  })
  fc.assert(property, { numRuns: 20_000 })
})
