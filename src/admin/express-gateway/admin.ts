/** Options → Express Gateway's Admin API as a handler of the admin server: everything it has, nothing else. */
import type { Consumers } from '../../consumers/consumers.ts'
import { ConsumerMistake } from '../../consumers/mistake.ts'
import type { Handler } from '../../lib/handler.ts'
import { type Answer, bodyOf, Complaint, type Fields, Refusal, refusalOf, send } from './answers.ts'
import { apps } from './apps.ts'
import { configKinds, configuration } from './configuration.ts'
import { credentials } from './credentials.ts'
import type { ExpressGatewayAdminOptions } from './options.ts'
import { schemas } from './schemas.ts'
import { scopes } from './scopes.ts'
import { users } from './users.ts'

/** One request, taken apart: `PUT /users/:id/status` is method PUT, path ['id', 'status'] behind `users`. */
export interface Call {
  readonly method: string
  /** Behind the first segment, decoded. */
  readonly path: readonly string[]
  readonly query: URLSearchParams
  readonly body: Fields
  readonly answers: 'original' | 'strict'
}

/** Undefined: no such endpoint. */
export type Endpoint<Context> = (call: Call, context: Context) => Promise<Answer | undefined> | Answer | undefined

export function expressGatewayAdmin(options: ExpressGatewayAdminOptions): Handler {
  const config = configuration(options)
  return async (request, response, url) => {
    const segments = url.pathname.split('/').filter((segment) => segment !== '')
    const [kind = '', ...path] = segments
    const endpoint = ofConsumers[kind]
    if (endpoint === undefined && kind !== 'schemas' && !configKinds.includes(kind)) return false
    try {
      const call: Call = {
        method: request.method === 'HEAD' ? 'GET' : (request.method ?? 'GET'),
        path: path.map(decoded),
        query: url.searchParams,
        body: await bodyOf(request),
        answers: options.answers,
      }
      const answer =
        endpoint !== undefined
          ? await endpoint(call, present(options.consumers()))
          : kind === 'schemas'
            ? schemas(call, options)
            : await config(kind, call)
      if (answer === undefined) return false
      send(response, answer)
    } catch (error) {
      const refusal = refusalOf(error, options.answers)
      if (refusal === undefined) throw error
      send(response, refusal)
    }
    return true
  }
}

const ofConsumers: Readonly<Record<string, Endpoint<Consumers> | undefined>> = Object.assign(
  Object.create(null) as object,
  {
    users,
    apps,
    scopes,
    credentials,
    tokens: async ({ method, path: [token, ...more], answers }, { tokens }) => {
      if (method !== 'DELETE' || token === undefined || more.length > 0) return undefined
      try {
        await tokens.revoke(token)
      } catch (error) {
        if (answers === 'original' && error instanceof ConsumerMistake) throw new Complaint(error.message)
        throw error
      }
      // what Redis answered to the three commands of the original: clients look at its length, if at anything
      return {
        status: 200,
        body: [
          [null, 1],
          [null, 1],
          [null, 1],
        ],
      }
    },
  } satisfies Record<string, Endpoint<Consumers>>,
)

function present(consumers: Consumers | undefined): Consumers {
  if (consumers === undefined) throw new Refusal(503, 'the store of consumers is not open')
  return consumers
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    throw new Refusal(400, `Failed to decode param '${segment}'`)
  }
}
