/** Fields by number ↔ bytes of Protocol Buffers (encoding of proto3), for the few messages we speak without a schema. Pure. */

/** What a message holds under a number. Maps and repeated messages are the same number again. */
export type ProtoField = readonly [number: number, value: string | Buffer | number | bigint | readonly ProtoField[]]

/** Fields in the order given; texts, bytes and messages with their length, numbers as varints (negative ones as int64). */
export function encodeMessage(fields: readonly ProtoField[]): Buffer {
  return Buffer.concat(
    fields.flatMap(([number, value]) => {
      if (typeof value === 'number' || typeof value === 'bigint')
        return [varint(BigInt(number << 3)), varint(BigInt(value))]
      const bytes =
        typeof value === 'string'
          ? Buffer.from(value)
          : Buffer.isBuffer(value)
            ? value
            : encodeMessage(value as readonly ProtoField[])
      return [varint(BigInt((number << 3) | 2)), varint(BigInt(bytes.length)), bytes]
    }),
  )
}

/** Values of one field, in the order in which they came. */
export interface ProtoMessage {
  has(number: number): boolean
  /** The last one counts, as in every reader of proto3; 0 where there is none. */
  number(number: number): number
  text(number: number): string
  texts(number: number): readonly string[]
  message(number: number): ProtoMessage | undefined
  messages(number: number): readonly ProtoMessage[]
}

/** Throws a RangeError on bytes that are no message. Fields that nobody asks for are passed over. */
export function decodeMessage(bytes: Buffer): ProtoMessage {
  const numbers = new Map<number, bigint[]>()
  const pieces = new Map<number, Buffer[]>()
  let at = 0
  const readVarint = (): bigint => {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++]
      if (byte === undefined) throw new RangeError('the message breaks off')
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asIntN(64, value)
    }
    throw new RangeError('a number is too long')
  }
  const skip = (length: number): Buffer => {
    if (length < 0 || at + length > bytes.length) throw new RangeError('the message breaks off')
    at += length
    return bytes.subarray(at - length, at)
  }
  while (at < bytes.length) {
    const tag = Number(readVarint())
    const number = tag >>> 3
    switch (tag & 7) {
      case 0:
        put(numbers, number, readVarint())
        break
      case 1:
        skip(8)
        break
      case 2:
        put(pieces, number, skip(Number(readVarint())))
        break
      case 5:
        skip(4)
        break
      default:
        throw new RangeError(`wire type ${tag & 7} is not known`)
    }
  }
  const of = (number: number): readonly Buffer[] => pieces.get(number) ?? []
  return {
    has: (number) => numbers.has(number) || pieces.has(number),
    number: (number) => Number(numbers.get(number)?.at(-1) ?? 0n),
    text: (number) => of(number).at(-1)?.toString('utf8') ?? '',
    texts: (number) => of(number).map((piece) => piece.toString('utf8')),
    message: (number) => (of(number).length === 0 ? undefined : decodeMessage(Buffer.concat(of(number)))),
    messages: (number) => of(number).map(decodeMessage),
  }
}

function put<T>(into: Map<number, T[]>, number: number, value: T): void {
  const list = into.get(number)
  if (list === undefined) into.set(number, [value])
  else list.push(value)
}

function varint(value: bigint): Buffer {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, value)
  do {
    const low = Number(rest & 0x7fn)
    rest >>= 7n
    bytes.push(rest === 0n ? low : low | 0x80)
  } while (rest > 0n)
  return Buffer.from(bytes)
}
