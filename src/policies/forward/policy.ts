/** `forward`: ends the request phase and sends the request to backends. Its configuration is the model's `Forward`. */
import { z } from 'zod'
import type { Forward, PolicyUse } from '../../model/model.ts'
import { type ForwardNow, type Policy, unsupported } from '../policy.ts'
import { headerName, milliseconds, status } from '../shared/schema.ts'

const policyUse: z.ZodType<PolicyUse> = z.custom<PolicyUse>(
  (given) =>
    typeof given === 'object' &&
    given !== null &&
    'policy' in given &&
    typeof given.policy === 'string' &&
    'origin' in given,
  'is not a policy use',
)

/** Field by field as `Forward` in the model, where they are explained. */
const config: z.ZodType<Forward> = z.strictObject({
  backends: z.array(
    z.strictObject({
      target: z.discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('backend'), id: z.string() }),
        z.strictObject({ kind: z.literal('fail'), status }),
      ]),
      weight: z.int().min(0).optional(),
      policies: z.array(policyUse).optional(),
    }),
  ),
  emptyStatus: status.optional(),
  host: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('keep') }),
      z.strictObject({ kind: z.literal('backend') }),
      z.strictObject({ kind: z.literal('set'), name: z.string() }),
    ])
    .optional(),
  timeouts: z
    .strictObject({
      request: milliseconds.optional(),
      backendRequest: milliseconds.optional(),
      connect: milliseconds.optional(),
      firstByte: milliseconds.optional(),
      idle: milliseconds.optional(),
    })
    .optional(),
  retry: z
    .strictObject({
      attempts: z.int().min(0).max(100),
      statuses: z.array(z.int().min(400).max(599)).optional(),
      backoff: milliseconds.optional(),
      bufferBytes: z.int().min(0).optional(),
    })
    .optional(),
  persistence: z
    .strictObject({
      kind: z.enum(['cookie', 'header']),
      name: headerName,
      absoluteTimeout: milliseconds.optional(),
      idleTimeout: milliseconds.optional(),
      cookiePath: z.string().optional(),
    })
    .optional(),
  forwarded: z.enum(['append', 'replace', 'none']).optional(),
  upgrade: z.boolean().optional(),
  failure: z
    .strictObject({ status: status.optional(), body: z.string().optional(), contentType: z.string().optional() })
    .optional(),
})
export type Config = Forward

export const forward: Policy<Config> = {
  name: 'forward',
  summary: 'sends the request to backends, here and now',
  config,
  engine: (config) => {
    // one object for each use: the engine compiles it once and finds it again by identity
    const outcome: ForwardNow = { kind: 'forward', forward: config }
    return { request: () => outcome }
  },
  nginx: () => unsupported('a location of nginx forwards in one place only, its action'),
}
