/** HPACK against the examples of RFC 7541, appendix C, and against itself. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Decoder } from './decoder.ts'
import { Encoder } from './encoder.ts'
import { decodeHuffman, encodeHuffman, huffmanSize } from './huffman.ts'
import { HeaderList } from './list.ts'

function read(decoder: Decoder, hex: string): string[] | undefined {
  const block = Buffer.from(hex.replaceAll(' ', ''), 'hex')
  const fields: string[] = []
  const good = decoder.decode(block, 0, block.length, { field: ({ name, value }) => fields.push(`${name}: ${value}`) })
  return good ? fields : undefined
}

const request = [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com']
const secure = [':method: GET', ':scheme: https', ':path: /index.html', ':authority: www.example.com']
const found = (status: string, second: number): string[] => [
  `:status: ${status}`,
  'cache-control: private',
  `date: Mon, 21 Oct 2013 20:13:${second} GMT`,
  'location: https://www.example.com',
]
const cookie = 'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'

describe('RFC 7541, appendix C', () => {
  test.each([
    ['C.2.1', '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572', 'custom-key: custom-header', 55],
    ['C.2.2', '040c 2f73 616d 706c 652f 7061 7468', ':path: /sample/path', 0],
    ['C.2.3', '1008 7061 7373 776f 7264 0673 6563 7265 74', 'password: secret', 0],
    ['C.2.4', '82', ':method: GET', 0],
  ])('%s', (_section, hex, field, bytes) => {
    const decoder = new Decoder()
    expect(read(decoder, hex)).toEqual([field])
    expect(decoder.bytes).toBe(bytes)
  })

  test.each([
    [
      'C.3',
      '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '8286 84be 5808 6e6f 2d63 6163 6865',
      '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    ],
    [
      'C.4',
      '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
      '8286 84be 5886 a8eb 1064 9cbf',
      '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    ],
  ])('%s: requests', (_section, first, second, third) => {
    const decoder = new Decoder()
    expect(read(decoder, first)).toEqual(request)
    expect(decoder.bytes).toBe(57)
    expect(read(decoder, second)).toEqual([...request, 'cache-control: no-cache'])
    expect(decoder.bytes).toBe(110)
    expect(read(decoder, third)).toEqual([...secure, 'custom-key: custom-value'])
    expect(decoder.bytes).toBe(164)
  })

  test.each([
    [
      'C.5',
      `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d
      546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
      '4803 3330 37c1 c0bf',
      `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f
      6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b
      2076 6572 7369 6f6e 3d31`,
    ],
    [
      'C.6',
      `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7
      8f0b 97c8 e9ae 82ae 43d3`,
      '4883 640e ffc1 c0bf',
      `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335
      dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
    ],
  ])('%s: answers, in a table of 256 bytes', (_section, first, second, third) => {
    const decoder = new Decoder()
    expect(read(decoder, `3fe101${first.replaceAll(/\s/g, '')}`)).toEqual(found('302', 21))
    expect(decoder.bytes).toBe(222)
    expect(read(decoder, second)).toEqual(found('307', 21))
    expect(decoder.bytes).toBe(222)
    const [, cached, date, location] = found('200', 22)
    expect(read(decoder, third.replaceAll(/\s/g, ''))).toEqual([
      ':status: 200',
      cached,
      date,
      location,
      'content-encoding: gzip',
      cookie,
    ])
    expect(decoder.bytes).toBe(215)
  })

  test.each([
    ['www.example.com', 'f1e3c2e5f23a6ba0ab90f4ff'],
    ['no-cache', 'a8eb10649cbf'],
    ['custom-value', '25a849e95bb8e8b4bf'],
    ['302', '6402'],
    ['private', 'aec3771a4b'],
    ['Mon, 21 Oct 2013 20:13:21 GMT', 'd07abe941054d444a8200595040b8166e082a62d1bff'],
  ])('%s, coded', (text, hex) => {
    expect(Buffer.from(encodeHuffman(text), 'latin1').toString('hex')).toBe(hex)
    expect(huffmanSize(text)).toBe(hex.length / 2)
  })
})

describe('what is no block', () => {
  test.each([
    ['index 0', '80'],
    ['an index that nothing is at', 'be'],
    ['a name that nothing is at', '7f00 0161'],
    ['the end within an index', 'ff'],
    ['the end within a name', '4005 61'],
    ['the end within a length', '007f'],
    ['no value', '0001 61'],
    ['a number without end', 'ff80808080808080808001'],
    ['a number that is too large', 'ffffffffff7f'],
    ['a table larger than ours', '3fe21f'],
    ['a table that changes behind a field', '8220'],
    ['padding that is longer than seven bits', '000161 82 1fff'],
    ['padding that is not of ones', '000161 81 18'],
    ['EOS', '000161 84 ffffffff'],
    ['EOS behind a letter', '000161 85 1fffffffff'],
  ])('%s', (_what, hex) => {
    expect(read(new Decoder(), hex)).toBeUndefined()
  })

  test('neighbours that are', () => {
    expect(read(new Decoder(), '3fe11f')).toEqual([])
    expect(read(new Decoder(), '20 3fe11f 82')).toEqual([':method: GET'])
    expect(read(new Decoder(), '000161 81 1f')).toEqual(['a: a'])
    expect(read(new Decoder(), '000161 80')).toEqual(['a: '])
  })
})

describe('tables', () => {
  test('a field that is larger empties it', () => {
    const decoder = new Decoder()
    read(decoder, '400161 0161')
    expect(decoder.bytes).toBe(34)
    read(decoder, `400162 7f811f${'61'.repeat(4096)}`)
    expect(decoder.bytes).toBe(0)
  })

  test('a bomb of references is as long as it may be, and the table lives on', () => {
    const decoder = new Decoder()
    read(decoder, `400162 7fa11e${'61'.repeat(4000)}`)
    const list = new HeaderList()
    list.begin('request', 20_000)
    const bomb = Buffer.alloc(60_000, 0xbe)
    expect(decoder.decode(bomb, 0, bomb.length, list)).toBe(true)
    expect(list.long).toBe(true)
    expect(list.lines.length).toBeLessThan(21_000)
    expect(read(decoder, 'be')).toHaveLength(1)
  })
})

const token = fc.string({ unit: fc.constantFrom(...'abcXYZ019-_'), minLength: 1, maxLength: 20 })
const text = fc
  .string({ unit: fc.integer({ min: 0x21, max: 0xff }).map((code) => String.fromCharCode(code)), maxLength: 60 })
  .filter((value) => !value.includes('\x7f'))
const head = fc.array(
  fc.tuple(fc.oneof(token, fc.constantFrom('Server', 'date', 'Content-Type', 'set-cookie', 'etag')), text),
  { maxLength: 12 },
)

describe('what the encoder writes, the decoder reads', () => {
  test('whatever comes, in whatever table', () => {
    const size = fc.option(fc.integer({ min: 0, max: 6000 }), { nil: undefined })
    fc.assert(
      fc.property(fc.array(head, { minLength: 1, maxLength: 5 }), fc.array(size, { maxLength: 40 }), (heads, sizes) => {
        const encoder = new Encoder()
        const decoder = new Decoder()
        for (const [at, bytes] of [...sizes, undefined].entries()) {
          if (bytes !== undefined) encoder.resize(bytes)
          // the same few again and again, as answers are
          const fields = heads[at % heads.length]!
          const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
          const block = Buffer.from(encoder.encode(200, lines), 'latin1').toString('hex')
          expect(read(decoder, block)).toEqual([
            ':status: 200',
            ...fields.map(([name, value]) => `${name.toLowerCase()}: ${value}`),
          ])
          expect(decoder.bytes).toBeLessThanOrEqual(4096)
        }
      }),
      { numRuns: 300 },
    )
  })

  test('a head that comes again is a few bytes, its cookies never in a table', () => {
    const encoder = new Encoder()
    const lines = 'X-Again: 12345678901234567890\r\nSet-Cookie: a=b\r\nContent-Type: text/again\r\n'
    const sizes = Array.from({ length: 4 }, () => encoder.encode(200, lines).length)
    expect(sizes[0]).toBeGreaterThan(30)
    // the cookie as a literal that nobody may keep, and three references
    expect(encoder.encode(200, lines)).toBe('\x88\xbf\x1f\x28\x03a=b\xbe')
    expect(sizes[3]).toBe(9)
  })

  test('Huffman, there and back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const coded = Buffer.from(encodeHuffman(Buffer.from(bytes).toString('latin1')), 'latin1')
        const into = Buffer.alloc(coded.length * 2)
        const end = decodeHuffman(coded, 0, coded.length, into, 0)
        expect(into.subarray(0, end)).toEqual(Buffer.from(bytes))
      }),
    )
  })

  test('whatever bytes come, the decoder ends, and keeps to its limits', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 10 }), (blocks) => {
        const decoder = new Decoder()
        for (const block of blocks) {
          const bytes = Buffer.from(block)
          if (!decoder.decode(bytes, 0, bytes.length, { field: () => undefined })) return
          expect(decoder.bytes).toBeLessThanOrEqual(4096)
        }
      }),
      { numRuns: 2000 },
    )
  })
})
