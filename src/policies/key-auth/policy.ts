/** `key-auth`: an API key in a header or in the query → the consumer it belongs to, or 401 / 403. */
import { z } from 'zod'
import { authentication, headerName } from '../shared/schema.ts'

export const config = z.strictObject({
  ...authentication,
  /** The header that carries the key. `scheme` (without case) must stand before it; `any`: whatever stands before the last space. `false`: headers are not looked at. */
  header: z
    .union([
      z.literal(false),
      z.strictObject({
        name: headerName,
        scheme: z.union([z.strictObject({ name: z.string().min(1) }), z.literal('any')]),
      }),
    ])
    .default({ name: 'authorization', scheme: { name: 'apiKey' } }),
  /** The query parameter that carries the key when the header has none; brackets are part of the name. `false`: not looked at. */
  query: z.union([z.literal(false), z.string().min(1)]).default('apiKey'),
  /**
   * `store`: keys `<id>:<secret>` of the users and applications in the store. `group`: the static credentials of kind
   * `key` with that group in the model; the key is the whole secret.
   */
  credentials: z.union([z.literal('store'), z.strictObject({ group: z.string().min(1) })]).default('store'),
})
export type Config = z.infer<typeof config>
