/** `headers`: header fields of the request and of the response are set, added, removed. */
import { z } from 'zod'
import { headerName, value } from '../shared/schema.ts'

const field = z.strictObject({ name: headerName, value })

/** In this order: set, add, remove. A value that turns out to be null or undefined changes nothing. */
export const changes = z.strictObject({
  /** Replaces, or creates. */
  set: z.array(field).default([]),
  /** One more field of that name. */
  add: z.array(field).default([]),
  remove: z.array(headerName).default([]),
})

export const config = z
  .strictObject({ request: changes.optional(), response: changes.optional() })
  .refine(
    (given) => given.request !== undefined || given.response !== undefined,
    'says nothing: give request or response',
  )
export type Config = z.infer<typeof config>
