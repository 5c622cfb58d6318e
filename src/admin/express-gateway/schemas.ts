/** `/schemas` */
import type { Call } from './admin.ts'
import type { Answer } from './answers.ts'
import type { ExpressGatewayAdminOptions } from './options.ts'

/** All of them, those of a type, or the one with an `$id`; an empty list where nothing has that name. */
export function schemas({ method, path }: Call, options: ExpressGatewayAdminOptions): Answer | undefined {
  const [wanted, ...more] = path
  if (method !== 'GET' || more.length > 0) return undefined
  const all = options.schemas()
  if (wanted === undefined) return { status: 200, body: all }
  const one = all.find(({ schema }) => schema['$id'] === wanted)
  if (one !== undefined) return { status: 200, body: { schema: one.schema } }
  return { status: 200, body: all.filter(({ type }) => type === wanted) }
}
