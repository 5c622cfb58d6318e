/** Requests and answers of any kind, for tests that hold us against another implementation. */
import fc from 'fast-check'
import type { ClientHttp2Session } from 'node:http2'

type Fields = readonly (readonly [name: string, value: string])[]

export interface Case {
  readonly method: string
  readonly path: string
  readonly fields: Fields
  /** Bytes; -1: none. */
  readonly body: number
  readonly trailers: boolean
  readonly status: number
  readonly answerFields: Fields
  /** Bytes of each. */
  readonly pieces: readonly number[]
  /** Does the answer say its length? */
  readonly announced: boolean
  readonly how: 'whole' | 'trailers' | 'broken'
}

const value = fc
  .string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)), maxLength: 200 })
  .map((text) => text.trim())
const fields = fc
  .uniqueArray(fc.tuple(fc.stringMatching(/^x-[a-z0-9_]{1,12}$/), value), { maxLength: 10, selector: ([name]) => name })
  .map((list) => list.filter(([name]) => name !== 'x-case' && name !== 'x-last' && name !== 'x-sum'))
const size = fc.oneof(fc.nat(100), fc.nat(20_000), fc.constantFrom(0, 16_384, 65_535, 65_536, 200_000))

const anyCase: fc.Arbitrary<Case> = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PUT', 'PURGE'),
  path: fc.stringMatching(/^\/[a-z0-9?&=%._-]{0,80}$/),
  fields,
  body: fc.oneof(fc.constant(-1), size),
  trailers: fc.boolean(),
  status: fc.constantFrom(200, 201, 404, 418, 503),
  answerFields: fields,
  pieces: fc.array(size, { maxLength: 4 }),
  announced: fc.boolean(),
  how: fc.constantFrom('whole' as const, 'whole' as const, 'trailers' as const, 'broken' as const),
})

export const anyCases = fc.array(anyCase, { minLength: 1, maxLength: 16 })

/** All at once, and again, with tables that know all of it. */
export async function checkTwice(
  client: ClientHttp2Session,
  all: readonly Case[],
  check: (client: ClientHttp2Session, one: Case) => Promise<void>,
): Promise<void> {
  client.on('error', () => undefined)
  try {
    await Promise.all(all.map((one) => check(client, one)))
    await Promise.all(all.map((one) => check(client, one)))
  } finally {
    client.destroy()
  }
}
