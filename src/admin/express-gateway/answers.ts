/** What an endpoint returns or throws → the bytes of an answer; a request → its body. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ConsumerMistake, type MistakeKind } from '../../consumers/mistake.ts'
import { InvalidCursor } from '../../consumers/store.ts'
import { nestedDeeper } from '../../lib/json/nesting.ts'
import { StoreUnavailable } from '../../policies/services.ts'
import { sendAndEnd } from '../server.ts'

export interface Answer {
  readonly status: number
  /** JSON for objects and lists, plain text for texts, nothing for undefined. */
  readonly body?: unknown
}

/** A refusal that has a status of its own, whatever the dialect. */
export class Refusal extends Error {
  readonly status: number
  readonly body: unknown

  constructor(status: number, body: unknown) {
    super(typeof body === 'string' ? body : 'refused')
    this.status = status
    this.body = body
  }
}

/** The caller's mistake where the original knew nothing better than 500. */
export class Complaint extends Error {}

/** Compact, as `res.json` prints. Texts are plain: they may hold what the caller sent. */
export function send(response: ServerResponse, { status, body }: Answer): void {
  if (body === undefined) {
    response.writeHead(status, status === 204 ? {} : { 'Content-Length': 0 })
    response.end()
    return
  }
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const contentType = `${typeof body === 'string' ? 'text/plain' : 'application/json'}; charset=utf-8`
  if (status === 413) {
    sendAndEnd(response, status, contentType, text)
    return
  }
  response.writeHead(status, {
    'Content-Type': contentType,
    'Content-Length': Buffer.byteLength(text),
    'X-Content-Type-Options': 'nosniff',
  })
  response.end(text)
}

/** Our own mistakes are not said here: they are thrown on. */
export function refusalOf(error: unknown, answers: 'original' | 'strict'): Answer | undefined {
  if (error instanceof Refusal) return { status: error.status, body: error.body }
  if (error instanceof StoreUnavailable) return { status: 503, body: error.message }
  const strict = answers === 'strict'
  if (error instanceof ConsumerMistake) {
    return { status: (strict ? strictStatus : originalStatus)[error.kind], body: error.message }
  }
  if (error instanceof Complaint || error instanceof InvalidCursor || error instanceof RangeError) {
    return { status: strict ? 400 : 500, body: error.message }
  }
  return undefined
}

const originalStatus: Readonly<Record<MistakeKind, number>> = {
  invalid: 500,
  exists: 500,
  missing: 404,
  'unknown-consumer': 409,
  ambiguous: 500,
}
const strictStatus: Readonly<Record<MistakeKind, number>> = {
  invalid: 400,
  exists: 409,
  missing: 404,
  'unknown-consumer': 409,
  ambiguous: 409,
}

export type Fields = Readonly<Record<string, unknown>>

/** JSON that says it is JSON; anything else, and none, is an empty object. */
export async function bodyOf(request: IncomingMessage): Promise<Fields> {
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase()
  const bytes = await bytesOf(request)
  if (type !== 'application/json' || bytes.length === 0) return {}
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch (error) {
    throw new Complaint(error instanceof Error ? error.message : 'the body is not JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Complaint('the body should be a JSON object')
  }
  if (nestedDeeper(value, deepest)) throw new Refusal(400, `the body is nested deeper than ${deepest} levels`)
  return value as Fields
}

const limit = 102_400
/** No configuration is; whoever walks over a body calls itself for each level. */
const deepest = 100

/** What is too large is refused before it has come: see `send`. */
function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const tooLarge = new Refusal(413, 'request entity too large')
  if (Number(request.headers['content-length'] ?? 0) > limit) return Promise.reject(tooLarge)
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= limit) chunks.push(chunk)
      else reject(tooLarge)
    })
    request.on('end', () => resolve(Buffer.concat(chunks)))
    request.on('error', reject)
  })
}
