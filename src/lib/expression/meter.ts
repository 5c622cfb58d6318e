/**
 * A WebAssembly module → the same one, which asks its host now and then whether it may go on. Pure.
 *
 * An interpreter asks between the steps of the program that it runs; a single step (a search in a long text, a loop over an
 * array that says it is long) may take hours. WebAssembly cannot be stopped from outside on its own thread, so every loop
 * in it counts down here, and blocks of memory by their size; at nothing the host is asked, and may throw. The bytes are
 * the binary format of the WebAssembly specification, chapter 5. What is not known in it throws: nothing is guessed.
 */

/** What the host is told as the first argument when it is asked; never an address, a size or a length of a real call. */
export const ASKS = -0x7ad0c10d

/** Rounds of loops between two questions: some ten microseconds to a millisecond. */
const ROUNDS = 16_384
/** So many bytes that are copied or filled at once are as long as one round. */
const BYTES_OF_A_ROUND_LOG2 = 6

export interface Metered {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** The imported function that is called with ASKS: [module, name]. */
  readonly question: readonly [module: string, name: string]
}

export function meter(module: Uint8Array): Metered {
  const reader = new Reader(module)
  if (reader.take(8).join() !== '0,97,115,109,1,0,0,0') throw new Error('this is no WebAssembly module')
  const sections: { readonly id: number; readonly body: Uint8Array }[] = []
  while (!reader.done) sections.push({ id: reader.byte(), body: reader.take(reader.unsigned()) })
  const body = (id: number): Reader => {
    const found = sections.find((section) => section.id === id)
    if (found === undefined) throw new Error(`the module has no section ${id}`)
    return new Reader(found.body)
  }
  const imports = readImports(body(SECTION.import), readTypes(body(SECTION.type)))
  const globals = imports.globals + body(SECTION.global).unsigned()
  // the two that are added behind the last one: rounds that are left, and a place to put a length aside
  const inserts = insertsOf(globals, globals + 1, imports.question)

  const parts: Uint8Array[] = [module.subarray(0, 8)]
  for (const section of sections) {
    const written =
      section.id === SECTION.global
        ? withGlobals(section.body)
        : section.id === SECTION.code
          ? withQuestions(section.body, inserts)
          : section.body
    parts.push(Uint8Array.from([section.id, ...unsigned(written.length)]), written)
  }
  return { bytes: joined(parts), question: imports.question.name }
}

const SECTION = { type: 1, import: 2, global: 6, code: 10 } as const
const I32 = 0x7f

interface FunctionType {
  readonly parameters: readonly number[]
  readonly results: number
}

function readTypes(reader: Reader): readonly FunctionType[] {
  return Array.from({ length: reader.unsigned() }, () => {
    if (reader.byte() !== 0x60) throw new Error('a type is no type of functions')
    const parameters = [...reader.take(reader.unsigned())]
    return { parameters, results: reader.take(reader.unsigned()).length }
  })
}

interface Question {
  readonly index: number
  readonly type: FunctionType
  readonly name: readonly [module: string, name: string]
}

/** The function that asks is one of those that are imported anyhow: one more would change the number of every other one. */
function readImports(
  reader: Reader,
  types: readonly FunctionType[],
): { readonly question: Question; readonly globals: number } {
  let globals = 0
  let functions = 0
  let question: Question | undefined
  for (let left = reader.unsigned(); left > 0; left--) {
    const name = [reader.name(), reader.name()] as const
    switch (reader.byte()) {
      case 0: {
        const type = types[reader.unsigned()]
        if (type !== undefined && type.parameters[0] === I32 && type.parameters.every((one) => one === I32)) {
          question ??= { index: functions, type, name }
        }
        functions++
        break
      }
      case 1:
        reader.byte()
        reader.limits()
        break
      case 2:
        reader.limits()
        break
      case 3:
        reader.take(2)
        globals++
        break
      default:
        throw new Error('an import is of an unknown kind')
    }
  }
  if (question === undefined) throw new Error('the module imports no function that could ask')
  return { question, globals }
}

interface Inserts {
  readonly atLoop: readonly number[]
  readonly beforeBlock: readonly number[]
}

function insertsOf(left: number, aside: number, { index, type }: Question): Inserts {
  const getLeft = [0x23, ...unsigned(left)]
  const setLeft = [0x24, ...unsigned(left)]
  const ask = [
    ...constant(ASKS),
    ...type.parameters.slice(1).flatMap(() => constant(0)),
    0x10,
    ...unsigned(index),
    ...Array.from({ length: type.results }, () => 0x1a),
  ]
  // if (left < 1) { left = ROUNDS; ask() }
  const check = [...getLeft, ...constant(1), 0x48, 0x04, 0x40, ...constant(ROUNDS), ...setLeft, ...ask, 0x0b]
  const setAside = [0x24, ...unsigned(aside)]
  const getAside = [0x23, ...unsigned(aside)]
  return {
    atLoop: [...getLeft, ...constant(1), 0x6b, ...setLeft, ...check],
    // the length lies on top: left -= length >>> 6
    beforeBlock: [
      ...setAside,
      ...getLeft,
      ...getAside,
      ...constant(BYTES_OF_A_ROUND_LOG2),
      0x76,
      0x6b,
      ...setLeft,
      ...check,
      ...getAside,
    ],
  }
}

function withGlobals(body: Uint8Array): Uint8Array {
  const reader = new Reader(body)
  const count = reader.unsigned()
  const variable = [I32, 1, ...constant(0), 0x0b]
  return joined([Uint8Array.from(unsigned(count + 2)), reader.rest(), Uint8Array.from([...variable, ...variable])])
}

function withQuestions(body: Uint8Array, inserts: Inserts): Uint8Array {
  const reader = new Reader(body)
  const count = reader.unsigned()
  const parts: Uint8Array[] = [Uint8Array.from(unsigned(count))]
  for (let left = count; left > 0; left--) {
    const code = ofFunction(reader.take(reader.unsigned()), inserts)
    parts.push(Uint8Array.from(unsigned(code.length)), code)
  }
  return joined(parts)
}

/** Locals and instructions. Copies runs between the places where something is put in. */
function ofFunction(body: Uint8Array, { atLoop, beforeBlock }: Inserts): Uint8Array {
  const reader = new Reader(body)
  for (let left = reader.unsigned(); left > 0; left--) {
    reader.unsigned()
    reader.byte()
  }
  const parts: Uint8Array[] = []
  let copied = 0
  const put = (what: readonly number[], at: number): void => {
    parts.push(body.subarray(copied, at), Uint8Array.from(what))
    copied = at
  }
  while (!reader.done) {
    const from = reader.at
    const opcode = reader.byte()
    if (opcode === 0x03) {
      reader.signed()
      put(atLoop, reader.at)
    } else if (opcode === 0xfc) {
      const more = reader.unsigned()
      if (more === 10 || more === 11) put(beforeBlock, from)
      skipMore(reader, more)
    } else skip(reader, opcode)
  }
  parts.push(body.subarray(copied))
  return joined(parts)
}

/** Over what follows an opcode: chapter 5.4. */
function skip(reader: Reader, opcode: number): void {
  if (opcode === 0x02 || opcode === 0x04 || opcode === 0x41 || opcode === 0x42) reader.signed()
  else if (opcode === 0x0e) {
    for (let left = reader.unsigned() + 1; left > 0; left--) reader.unsigned()
  } else if (opcode === 0x11) {
    reader.unsigned()
    reader.unsigned()
  } else if (opcode === 0x1c) reader.take(reader.unsigned())
  else if (opcode >= 0x28 && opcode <= 0x3e) {
    // bit 6 of the alignment: one of several memories is named
    if ((reader.unsigned() & 64) !== 0) reader.unsigned()
    reader.unsigned()
  } else if (opcode === 0x43) reader.take(4)
  else if (opcode === 0x44) reader.take(8)
  else if (WITH_INDEX.has(opcode)) reader.unsigned()
  else if (!((opcode >= 0x45 && opcode <= 0xc4) || ALONE.has(opcode))) {
    throw new Error(`instruction 0x${opcode.toString(16)} is not known`)
  }
}

/** br, br_if, call, local.*, global.*, table.*, memory.size, memory.grow, ref.null, ref.func */
const WITH_INDEX = new Set([0x0c, 0x0d, 0x10, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x3f, 0x40, 0xd0, 0xd2])
/** unreachable, nop, else, end, return, drop, select, ref.is_null */
const ALONE = new Set([0x00, 0x01, 0x05, 0x0b, 0x0f, 0x1a, 0x1b, 0xd1])

/** After 0xfc: conversions have nothing, memory.copy, memory.init, table.init and table.copy two indices, the others one. */
function skipMore(reader: Reader, more: number): void {
  if (more > 17) throw new Error(`instruction 0xfc ${more} is not known`)
  if (more > 7) reader.unsigned()
  if (more === 8 || more === 10 || more === 12 || more === 14) reader.unsigned()
}

class Reader {
  at = 0
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get done(): boolean {
    return this.at >= this.#bytes.length
  }

  byte(): number {
    const byte = this.#bytes[this.at++]
    if (byte === undefined) throw new Error('the module breaks off')
    return byte
  }

  take(length: number): Uint8Array {
    if (this.at + length > this.#bytes.length) throw new Error('the module breaks off')
    return this.#bytes.subarray(this.at, (this.at += length))
  }

  rest(): Uint8Array {
    return this.#bytes.subarray(this.at)
  }

  /** LEB128, up to 32 bits. */
  unsigned(): number {
    let result = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte()
      result |= (byte & 0x7f) << shift
      if (byte < 0x80) return result >>> 0
    }
  }

  /** Of any size; nobody asks for its value. */
  signed(): void {
    while (this.byte() >= 0x80);
  }

  name(): string {
    return Buffer.from(this.take(this.unsigned())).toString('utf8')
  }

  limits(): void {
    const hasMost = (this.unsigned() & 1) !== 0
    this.unsigned()
    if (hasMost) this.unsigned()
  }
}

function unsigned(value: number): number[] {
  const bytes: number[] = []
  let left = value
  for (; left >= 0x80; left = Math.floor(left / 0x80)) bytes.push((left & 0x7f) | 0x80)
  bytes.push(left)
  return bytes
}

/** i32.const */
function constant(value: number): number[] {
  const bytes = [0x41]
  let left = value
  for (;;) {
    const byte = left & 0x7f
    left >>= 7
    const last = (left === 0 && (byte & 0x40) === 0) || (left === -1 && (byte & 0x40) !== 0)
    bytes.push(last ? byte : byte | 0x80)
    if (last) return bytes
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    result.set(part, at)
    at += part.length
  }
  return result
}
