/** `mirror`: a copy of some requests goes to another backend; its answer is dropped and nobody waits for it. */
import { z } from 'zod'
import { type Policy, type Step, unsupported } from '../policy.ts'
import type { Mirror } from '../services.ts'

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

export const mirror: Policy<Config> = {
  name: 'mirror',
  summary: 'sends a copy of the request to another backend',
  config,
  engine: (config, context) => mirrorStep(config, context.services.mirror, Math.random),
  nginx: () => unsupported('its mirror would send the path as the client sent it, and wait for the copy'),
}

/** `random`: 0 up to but not 1. */
export function mirrorStep(config: Config, send: Mirror | undefined, random: () => number): Step {
  if (send === undefined) throw new Error('this gateway cannot mirror requests')
  const { backend } = config
  const share = config.share.numerator / config.share.denominator
  return {
    request: (exchange) => {
      if (share === 1 || random() < share) send(exchange, backend)
      return undefined
    },
  }
}
