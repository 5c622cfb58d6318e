/** How the policy `storage` is configured. */
import { z } from 'zod'
import { secret } from '../shared/schema.ts'

const provider = z.strictObject({
  /** Absent: Amazon's. */
  endpoint: z.url({ protocol: /^https?$/ }).optional(),
  region: z.string().min(1).default('us-east-1'),
  accessKeyId: z.string().optional(),
  secretAccessKey: secret.optional(),
  sessionToken: secret.optional(),
  /** `path`: endpoint/bucket/key, the default with an endpoint; `host`: bucket.endpoint/key, the default at Amazon. */
  addressing: z.enum(['path', 'host']).optional(),
  /** Takes requests whose first segment names no provider. At most one. */
  default: z.boolean().default(false),
})

export const config = z.strictObject({
  /** `PATH/PROVIDER/BUCKET/KEY`, or `PATH/BUCKET/KEY` of the default provider. */
  path: z.string().regex(/^\//, 'does not begin with /').default('/s3'),
  providers: z
    .record(z.string().min(1), provider)
    .refine(
      (providers) => Object.values(providers).filter((one) => one.default).length <= 1,
      'more than one provider is the default',
    ),
  /** Until the store's answer begins; milliseconds. */
  timeout: z.int().min(1).default(30_000),
})
export type Config = z.infer<typeof config>
export type Provider = Config['providers'][string]
