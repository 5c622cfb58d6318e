/** `allow-options`: OPTIONS → 200 with the methods that the routes of this path allow. */
import { z } from 'zod'

export const config = z.strictObject({
  /** Upper case, in the order in which they are told. */
  methods: z.array(z.string().regex(/^[A-Z-]+$/, 'is not a method in upper case')).default([]),
  /**
   * `collect`: the methods are noted, and the next route that matches goes on. `answer`: what was noted so far and these
   * are the answer; with nothing to tell, the next route goes on. So the union of many overlapping routes can be told:
   * one collecting route for each, and an answering one at the end.
   */
  then: z.enum(['collect', 'answer']).default('answer'),
})
export type Config = z.infer<typeof config>
