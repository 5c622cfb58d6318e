/** Fields → bytes as the encoding's documentation shows them, and back. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeMessage, encodeMessage } from './protobuf.ts'

describe('encodeMessage', () => {
  test('writes the examples of the documentation', () => {
    expect(encodeMessage([[1, 150]]).toString('hex')).toBe('089601')
    expect(encodeMessage([[2, 'testing']]).toString('hex')).toBe('120774657374696e67')
    expect(encodeMessage([[3, [[1, 150]]]]).toString('hex')).toBe('1a03089601')
    expect(encodeMessage([[1, -2n]]).toString('hex')).toBe('08feffffffffffffffff01')
  })
})

describe('decodeMessage', () => {
  test('reads back what was written, passes over what it is not asked for', () => {
    const message = decodeMessage(
      Buffer.concat([
        encodeMessage([
          [1, 150],
          [2, 'a'],
          [2, 'b'],
          [4, [[1, -7n]]],
        ]),
        Buffer.from('0d01020304', 'hex'),
        Buffer.from('110102030405060708', 'hex'),
      ]),
    )
    expect([message.number(1), message.text(2), message.texts(2)]).toEqual([150, 'b', ['a', 'b']])
    expect(message.message(4)?.number(1)).toBe(-7)
    expect([message.has(4), message.has(9), message.number(9), message.text(9)]).toEqual([true, false, 0, ''])
    expect(message.message(9)).toBeUndefined()
  })

  test('a message that came in pieces is one (proto3 merges)', () => {
    const message = decodeMessage(
      encodeMessage([
        [1, [[1, 5]]],
        [1, [[2, 'x']]],
      ]),
    )
    expect([message.message(1)?.number(1), message.message(1)?.text(2)]).toEqual([5, 'x'])
  })

  test.each(['08', '1205616263', '0b', '08ffffffffffffffffffff01'])('refuses %s', (hex) => {
    expect(() => decodeMessage(Buffer.from(hex, 'hex'))).toThrow(RangeError)
  })

  test('never does anything but read or refuse', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          decodeMessage(Buffer.from(bytes))
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError)
        }
      }),
    )
  })

  test('numbers and texts survive', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 53n), max: 2n ** 53n }), fc.string({ unit: 'grapheme' }), (number, text) => {
        const message = decodeMessage(
          encodeMessage([
            [1, number],
            [536_870_911, text],
          ]),
        )
        expect([message.number(1), message.text(536_870_911)]).toEqual([Number(number), text])
      }),
    )
  })
})
