/** Frames in pieces of every size → the same frames. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ERROR, FLAG, goawayFrame, headersFrames, four, pingFrame, settingsFrame, TYPE, updateFrame } from './frames.ts'
import { FrameReader } from './reader.ts'
import { frame, framesOf } from './testing.ts'

function read(pieces: readonly Buffer[]): string[] {
  const events: string[] = []
  let body = ''
  const reader = new FrameReader({
    onFrame: (type, flags, id, bytes, from, end) =>
      events.push(`${type} ${flags} ${id} ${bytes.toString('hex', from, end)}`),
    onData: (flags, id, size, length) => events.push(`data ${flags} ${id} ${size} ${length}`),
    onPiece: (bytes, from, end) => (body += bytes.toString('hex', from, end)),
    onEndOfData: () => {
      events.push(`end ${body}`)
      body = ''
    },
    onFault: (code) => events.push(`fault ${code}`),
  })
  for (const piece of pieces) {
    // whoever lends us memory uses it again
    const lent = Buffer.from(piece)
    reader.feed(lent, 0, lent.length)
    lent.fill(0xee)
  }
  return events
}

const some = Buffer.concat([
  frame(TYPE.settings, 0, 0),
  frame(TYPE.data, 0, 1, '616263'),
  frame(TYPE.data, FLAG.padded, 1, `03${'64'.repeat(4)}000000`),
  frame(TYPE.data, FLAG.padded, 1, '00'),
  frame(TYPE.data, FLAG.endStream, 1),
  frame(TYPE.headers, 4, 3, '82'.repeat(200)),
  frame(TYPE.data, FLAG.padded, 3, '020000'),
  frame(0xfa, 0xff, 0x7fff_ffff, 'cafe'),
  frame(TYPE.ping, 0, 0, '0102030405060708'),
])

test('what comes is what was sent', () => {
  expect(read([some])).toEqual([
    '4 0 0 ',
    'data 0 1 3 3',
    'end 616263',
    'data 8 1 8 4',
    'end 64646464',
    'data 8 1 1 0',
    'end ',
    'data 1 1 0 0',
    'end ',
    `1 4 3 ${'82'.repeat(200)}`,
    'data 8 3 3 0',
    'end ',
    '250 255 2147483647 cafe',
    '6 0 0 0102030405060708',
  ])
})

test('cut in two anywhere, and byte by byte', () => {
  const whole = read([some])
  for (let at = 0; at <= some.length; at++) expect(read([some.subarray(0, at), some.subarray(at)])).toEqual(whole)
  expect(read([...some].map((byte) => Buffer.from([byte])))).toEqual(whole)
})

test('any frames, cut anywhere', () => {
  const any = fc
    .record({
      type: fc.integer({ min: 0, max: 12 }),
      flags: fc.integer({ min: 0, max: 255 }),
      id: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
      payload: fc.uint8Array({ maxLength: 100 }),
    })
    .map(({ type, flags, id, payload }) => frame(type, flags, id, Buffer.from(payload)))
  fc.assert(
    fc.property(fc.array(any, { maxLength: 8 }), fc.array(fc.nat(900), { maxLength: 12 }), (frames, cuts) => {
      const bytes = Buffer.concat(frames)
      const at = [0, ...cuts.filter((cut) => cut < bytes.length).toSorted((a, b) => a - b), bytes.length]
      const pieces = at.slice(1).map((end, index) => bytes.subarray(at[index], end))
      expect(read(pieces)).toEqual(read([bytes]))
    }),
    { numRuns: 500 },
  )
})

describe('what is no frame', () => {
  test.each([
    ['one byte too long', Buffer.concat([frame(TYPE.headers, 4, 1, Buffer.alloc(16_385))]), ERROR.frameSize],
    ['DATA, one byte too long', frame(TYPE.data, 0, 1, Buffer.alloc(16_385)), ERROR.frameSize],
    ['padding as long as the frame', frame(TYPE.data, FLAG.padded, 1, '0461626364'.slice(0, 8)), ERROR.protocol],
    ['padding without a byte that says how much', frame(TYPE.data, FLAG.padded, 1), ERROR.frameSize],
  ])('%s', (_what, bytes, code) => {
    expect(read([bytes, some])).toEqual([`fault ${code}`])
    expect(read([...bytes.subarray(0, 20)].map((byte) => Buffer.from([byte])))).toEqual([`fault ${code}`])
  })
})

test('frames of ours', () => {
  const written = (text: string): string[] =>
    framesOf(Buffer.from(text, 'latin1')).map(
      ({ type, flags, id, payload }) => `${type} ${flags} ${id} ${payload.toString('hex')}`,
    )
  expect(written(settingsFrame([[3, 128]]))).toEqual(['4 0 0 000300000080'])
  expect(written(goawayFrame(7, ERROR.calm))).toEqual(['7 0 0 000000070000000b'])
  expect(written(updateFrame(four(3), 2 ** 31 - 1))).toEqual(['8 0 3 7fffffff'])
  expect(written(pingFrame('12345678', 1))).toEqual(['6 1 0 3132333435363738'])
  const long = framesOf(Buffer.from(headersFrames(four(5), 'x'.repeat(40_000), FLAG.endStream), 'latin1'))
  expect(long.map(({ type, flags, payload }) => [type, flags, payload.length])).toEqual([
    [1, 1, 16_384],
    [9, 0, 16_384],
    [9, 4, 7232],
  ])
})
