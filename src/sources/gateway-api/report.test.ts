/** Statuses that are wanted → what is written, how often, and when a server or an object is in the way. Time stands still but where it is told to go. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { KubernetesClient, KubernetesRequest, Reply } from '../../lib/kubernetes/client.ts'
import { createStatusWriter } from './report.ts'
import type { ObjectStatus } from './status.ts'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

const metadata = {
  name: 'web',
  namespace: 'default',
  labels: {},
  annotations: {},
} as unknown as ObjectStatus['metadata']
const gateway = (attachedRoutes: number, status: 'True' | 'False' = 'True'): ObjectStatus => ({
  kind: 'Gateway',
  metadata,
  status: {
    addresses: [],
    conditions: [{ type: 'Programmed', status, reason: 'x', message: '', observedGeneration: 1 }],
    listeners: [{ name: 'a', supportedKinds: [], attachedRoutes, conditions: [] }],
    attachedListenerSets: 0,
  },
})

/** One Gateway; the watch tells at once what was written. */
function stage(answer: (request: KubernetesRequest) => Reply | undefined = () => undefined) {
  let version = 1
  let stored: Record<string, unknown> | undefined
  let told: ((kind: 'Gateway', key: string) => void) | undefined
  const asked: KubernetesRequest[] = []
  const troubles: string[] = []
  const ask = async (request: KubernetesRequest): Promise<Reply> => {
    asked.push(request)
    const fault = answer(request)
    if (fault !== undefined) return fault
    const { status } = request.body as { status: Record<string, unknown> }
    stored = { ...stored, ...status }
    version += 1
    told?.('Gateway', 'default/web')
    return { status: 200, body: { metadata: { resourceVersion: String(version) }, status: stored } }
  }
  const writer = createStatusWriter({
    client: { ask } as KubernetesClient,
    reader: {
      latest: () => ({ resourceVersion: String(version), uid: 'u', status: stored }),
      keys: () => [],
      onStatus: (listener) => (told = listener as typeof told),
    },
    controllerName: 'x/y',
    leads: () => true,
    trouble: (message) => troubles.push(message),
  })
  const count = (): unknown => (stored?.['listeners'] as { attachedRoutes: number }[] | undefined)?.[0]?.attachedRoutes
  return { writer, asked, troubles, count }
}

test('counts that go on changing are written ever more slowly, and the last one stands soon after', async () => {
  const { writer, asked, count } = stage()
  for (let routes = 1; routes <= 300; routes += 1) {
    writer.want([gateway(routes)])
    await vi.advanceTimersByTimeAsync(10)
  }
  expect(asked.length).toBeLessThanOrEqual(10)
  await vi.advanceTimersByTimeAsync(1000)
  expect(count()).toBe(300)
  // after a pause one that changes alone is written at once
  await vi.advanceTimersByTimeAsync(3000)
  writer.want([gateway(301)])
  await vi.advanceTimersByTimeAsync(1)
  expect(count()).toBe(301)
  await writer.close()
})

test('a condition does not wait for the pace of counts', async () => {
  const { writer, asked } = stage()
  for (let routes = 1; routes <= 10; routes += 1) writer.want([gateway(routes)])
  await vi.advanceTimersByTimeAsync(1)
  const before = asked.length
  writer.want([gateway(11, 'False')])
  await vi.advanceTimersByTimeAsync(1)
  expect(asked.length).toBe(before + 1)
  await writer.close()
})

test('what stands is not written again', async () => {
  const { writer, asked } = stage()
  writer.want([gateway(1)])
  await vi.advanceTimersByTimeAsync(100)
  writer.want([gateway(1)])
  writer.recheck()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(asked).toHaveLength(1)
  await writer.close()
})

test('a server that is not well is asked ever more slowly, and told when it is', async () => {
  let well = false
  const { writer, asked, troubles, count } = stage(() => (well ? undefined : { status: 503, body: undefined }))
  writer.want([gateway(1)])
  await vi.advanceTimersByTimeAsync(10_000)
  expect(asked.length).toBeLessThanOrEqual(10)
  expect(troubles.length).toBe(asked.length)
  well = true
  await vi.advanceTimersByTimeAsync(7000)
  expect(count()).toBe(1)
  await writer.close()
})

test('who is refused for good does not ask all the time', async () => {
  const { writer, asked } = stage(() => ({ status: 422, body: { message: 'no' } }))
  writer.want([gateway(1)])
  await vi.advanceTimersByTimeAsync(600_000)
  expect(asked.length).toBeLessThanOrEqual(24)
  await writer.close()
})
