/** A JSON or form body with some changes to its fields → the changed body. */
import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate } from 'node:zlib'
import { z } from 'zod'
import { nestedDeeper } from '../../lib/json/nesting.ts'
import { type CompileContext, type Exchange, parsedBody, Refusal } from '../policy.ts'
import { bodyValue } from './schema.ts'
import { compileBodyValue } from './value.ts'

/** On top-level fields: first add (or replace), then remove. */
export const bodyChanges = z.strictObject({
  add: z.array(z.strictObject({ name: z.string(), value: bodyValue })).default([]),
  remove: z.array(z.string()).default([]),
})
export type BodyChanges = z.infer<typeof bodyChanges>

type Fields = Record<string, unknown>

/** Fields of a body → what becomes of them. A value that turns out undefined adds nothing. */
export function compileBodyChanges(
  changes: BodyChanges,
  context: CompileContext,
): (fields: Fields, exchange: Exchange) => Fields {
  const additions = changes.add.map(({ name, value }) => [name, compileBodyValue(value, context)] as const)
  return (fields, exchange) => {
    // expressions see the body as it came, not half changed
    exchange.notes.set(parsedBody, fields)
    const changed: Fields = { ...fields }
    for (const [name, of] of additions) {
      const value = of(exchange)
      // defined, not assigned: a field may be called __proto__
      if (value !== undefined) {
        Object.defineProperty(changed, name, { value, enumerable: true, writable: true, configurable: true })
      }
    }
    for (const name of changes.remove) delete changed[name]
    return changed
  }
}

/** The bytes with their coding undone; undefined for a coding that we do not know. A bomb is a Refusal with 413, rubbish one with 400. */
export async function decoded(bytes: Buffer, coding: string | undefined, limit: number): Promise<Buffer | undefined> {
  const name = coding?.trim().toLowerCase() ?? ''
  if (name === '' || name === 'identity') return bytes
  const decoder = decoders[name]
  if (decoder === undefined) return undefined
  try {
    return await decoder(bytes, { maxOutputLength: limit })
  } catch (error) {
    if (error instanceof RangeError) throw new Refusal(413, `the body is larger than ${limit} bytes`)
    throw new Refusal(400, `the body is not ${name}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

type Decoder = (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>

const decoders: Readonly<Record<string, Decoder>> = {
  gzip: promisify<Buffer, { maxOutputLength: number }, Buffer>(gunzip),
  'x-gzip': promisify<Buffer, { maxOutputLength: number }, Buffer>(gunzip),
  deflate: promisify<Buffer, { maxOutputLength: number }, Buffer>(inflate),
  br: promisify<Buffer, { maxOutputLength: number }, Buffer>(brotliDecompress),
}

/** Nobody means more levels than these; whoever walks over a body calls itself for each. */
export const deepest = 512
export const tooDeep = `the body is JSON, but nested deeper than ${deepest} levels`

/** JSON that is an object or an array of at most 512 levels, else a Refusal with 400; '' is an empty object. */
export function readJson(text: string): Fields | readonly unknown[] {
  if (text.trim() === '') return {}
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Refusal(400, `the body is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (typeof value !== 'object' || value === null) throw new Refusal(400, 'the body is JSON, but no object')
  if (text.length > deepest && nestedDeeper(value, deepest)) throw new Refusal(400, tooDeep)
  return value as Fields | readonly unknown[]
}
