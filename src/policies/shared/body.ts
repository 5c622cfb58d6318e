/** A JSON or form body with some changes to its fields → the changed body. */
import { z } from 'zod'
import { bodyValue } from './schema.ts'

/** On top-level fields: first add (or replace), then remove. */
export const bodyChanges = z.strictObject({
  add: z.array(z.strictObject({ name: z.string(), value: bodyValue })).default([]),
  remove: z.array(z.string()).default([]),
})
export type BodyChanges = z.infer<typeof bodyChanges>
