/** `mirror`: a copy of some requests goes to another backend; its answer is dropped and nobody waits for it. */
import { z } from 'zod'

export const config = z.strictObject({
  /** Id of the backend. */
  backend: z.string().min(1),
  /** Which part of the requests, drawn for each anew. */
  share: z
    .strictObject({ numerator: z.int().min(0), denominator: z.int().min(1) })
    .refine((share) => share.numerator <= share.denominator, 'is more than all of them')
    .default({ numerator: 1, denominator: 1 }),
})
export type Config = z.infer<typeof config>
