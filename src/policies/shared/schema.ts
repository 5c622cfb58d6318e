/** Pieces that the configurations of several policies are made of. */
import { z } from 'zod'
import { Secret } from '../../model/secret.ts'

/** A text that must not be seen. Given as a `Secret` or as plain text, it is a `Secret` from here on. */
export const secret = z
  .union([z.instanceof(Secret), z.string()])
  .transform((given) => (typeof given === 'string' ? new Secret(given) : given))

/** RFC 9110 5.6.2: a token. */
export const headerName = z.string().regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, 'is not a header name')

/** RFC 9110 5.5, without the obsolete: no CR, no LF, no NUL. */
export const headerValue = z.string().regex(/^[^\r\n\0]*$/, 'holds a line break or a NUL')

/** An HTTP status of a complete answer. */
export const status = z.int().min(200).max(599)

/** Milliseconds. */
export const milliseconds = z.int().min(0)

/** A regular expression in JavaScript syntax, anchored as written. */
export const regexpSource = z.string().min(1)

/**
 * What a header or a field becomes. A plain text is itself. `expression` and `template` are the user's JavaScript,
 * evaluated in the sandbox for each request. `fact` is something that the gateway knows, at no cost:
 * `exchange-id` the 22 characters that name this exchange, `client-address`, `host` (lower case, without port),
 * `host-header` (as sent), `path`, `target`, `method`, `scheme`, `consumer-id`, `route`.
 */
export const value = z.union([
  headerValue,
  z.strictObject({ expression: z.string() }),
  z.strictObject({ template: z.string() }),
  z.strictObject({
    fact: z.enum([
      'exchange-id',
      'client-address',
      'host',
      'host-header',
      'path',
      'target',
      'method',
      'scheme',
      'consumer-id',
      'route',
    ]),
  }),
])
export type Value = z.infer<typeof value>

/** The same for a field of a body: any JSON may stand there literally, under `json`. */
export const bodyValue = z.union([
  z.strictObject({ json: z.json() }),
  z.strictObject({ expression: z.string() }),
  z.strictObject({ template: z.string() }),
])
export type BodyValue = z.infer<typeof bodyValue>

/** Shared by every policy that finds out who somebody is. */
export const authentication = {
  /**
   * `refuse`: 401 for who cannot prove it. `anonymous`: the request goes on without a consumer, and the answer carries
   * `<consumerHeader>: anonymous` (Express Gateway's passThrough).
   */
  otherwise: z.enum(['refuse', 'anonymous']).default('refuse'),
  /** All of these must be held. */
  scopes: z.array(z.string().min(1)).default([]),
  /** The request header that tells the backend the consumer's id. What a client sends under this name is taken away. */
  consumerHeader: headerName.default('eg-consumer-id'),
  /** The value of `WWW-Authenticate` with a 401. Absent: none is sent, as Express Gateway does. */
  challenge: headerValue.optional(),
}

/** Where a bearer token may stand: RFC 6750 2. `body` reads a form (and JSON) and is for methods that have one. */
export const bearerPlaces = z.array(z.enum(['header', 'query', 'body'])).min(1)
