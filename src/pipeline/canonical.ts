/** Plain data → one text for each content: keys sorted, what is undefined left away, secrets as hashes. Pure. */
import { createHash } from 'node:crypto'
import { Secret } from '../model/secret.ts'
import { remembered } from './memo.ts'

/** Throws a TypeError on a cycle or a symbol: our own mistake, for no source makes such a model. */
export function canonical(value: unknown): string {
  return write(value, 0)
}

/** Of an immutable object; remembered. */
export const hashOf: (value: object) => string = remembered((value) => sha256(canonical(value)))

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

function write(value: unknown, depth: number): string {
  if (depth > 200) throw new TypeError('the model is nested too deeply, or holds itself')
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value)
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value)
    case 'boolean':
      return String(value)
    case 'bigint':
      return `${value}n`
    case 'undefined':
      return 'undefined'
    case 'function':
      return `function ${JSON.stringify(String(value))}`
    case 'symbol':
      throw new TypeError('a symbol cannot be part of the model')
    case 'object':
      return value === null ? 'null' : writeObject(value, depth + 1)
  }
}

/** Items of a list often share a part, the routes of a pipeline their policies: the last text under each key. */
const last = new Map<string, { readonly part: object; readonly text: string }>()
const KEYS = 100

function writePart(key: string, part: unknown): string {
  if (typeof part !== 'object' || part === null) return write(part, 1)
  const known = last.get(key)
  if (known?.part === part) return known.text
  const text = write(part, 1)
  // keys may be a user's own
  if (last.size >= KEYS) last.clear()
  last.set(key, { part, text })
  return text
}

function writeObject(value: object, depth: number): string {
  if (Array.isArray(value)) return `[${value.map((item) => write(item, depth)).join(',')}]`
  if (value instanceof Secret) return `secret(${sha256(value.reveal())})`
  if (value instanceof RegExp) return `regexp(${JSON.stringify(String(value))})`
  if (value instanceof Date) return `date(${value.getTime()})`
  if (value instanceof Uint8Array) return `bytes(${Buffer.from(value).toString('base64')})`
  const record = value as Readonly<Record<string, unknown>>
  const parts: string[] = []
  for (const key of Object.keys(record).sort()) {
    const part = record[key]
    if (part !== undefined)
      parts.push(`${JSON.stringify(key)}:${depth === 1 ? writePart(key, part) : write(part, depth)}`)
  }
  return `{${parts.join(',')}}`
}
