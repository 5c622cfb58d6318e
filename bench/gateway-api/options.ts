/** What the outer program tells the one in the lab. */
import { z } from 'zod'
import { rowNames } from './rows.ts'

export const peerNames = ['gantry', 'envoy-gateway'] as const
export type PeerName = (typeof peerNames)[number]

export const insideShape = z.strictObject({
  peer: z.enum(peerNames),
  rows: z.array(z.enum(rowNames)),
  /** How many routes a row uses. */
  attach: z.number(),
  add: z.number(),
  change: z.number(),
  churn: z.number(),
  /** Seconds of endpoint changes. */
  churnSeconds: z.number(),
  /** Manifests to apply, or a shell command to run, before the class is waited for. */
  manifests: z.array(z.string()),
  install: z.string().optional(),
  gatewayClass: z.string(),
  folder: z.string(),
  result: z.string(),
})
export type InsideOptions = z.infer<typeof insideShape>
