/** `gantry data-plane`: serves what a control plane says. Ready when the first plan is served; serves on when nobody says anything. */
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { healthHandler } from '../../admin/health.ts'
import { openAdmin } from '../../admin/server.ts'
import { subscribe } from '../../fleet/subscriber.ts'
import { createEvents } from '../../runtime/events.ts'
import { createMetrics } from '../../runtime/metrics.ts'
import { settle } from '../../runtime/settings.ts'
import { UsageError } from '../load.ts'
import type { Parts } from '../parts.ts'

export interface DataPlaneOptions {
  readonly control: string
  readonly fleet: string
  readonly name?: string
  readonly tokenFile: string
  readonly caFile?: string
  readonly healthAddress: string
  readonly healthPort: string
  readonly grace: string
  readonly logLevel: string
}

export async function dataPlane(parts: Parts, options: DataPlaneOptions): Promise<number> {
  const { settings } = settle({
    flags: { grace: options.grace, 'log.level': options.logLevel, 'store.kind': 'memory' },
    environment: {},
  })
  const events = createEvents({ level: settings.log.level, format: 'json' })
  const metrics = createMetrics()
  const machine = await parts.start({
    settings,
    folder: process.cwd(),
    events,
    metrics,
    settled: () => Promise.resolve(),
  })
  await machine.grant([])
  const subscriber = subscribe({
    url: options.control,
    ...(options.caFile === undefined ? {} : { ca: read(options.caFile) }),
    token: read(options.tokenFile).trim(),
    fleet: options.fleet,
    name: options.name ?? hostname(),
    target: machine.target,
    events,
  })
  let stopping = false
  // the kubelet asks from outside the Pod: only whether it is ready, and counters
  const health = await openAdmin({
    address: options.healthAddress,
    port: Number(options.healthPort),
    open: true,
    handlers: [
      healthHandler({
        unready: () => (subscriber.plan() === undefined || stopping ? 'no plan is being served' : undefined),
        metrics,
      }),
    ],
  })
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
  stopping = true
  await subscriber.stop()
  await machine.target.stop(settings.grace)
  await health.close()
  await machine.close()
  return 0
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
}
