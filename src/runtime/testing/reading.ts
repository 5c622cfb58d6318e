/**
 * A thread's sources for the test beside: three worlds, each after the one before was served; the end of the thread after them,
 * or when somebody says so. Where it is told to, as on a machine that gives threads no priorities of their own.
 */
import os from 'node:os'
import { syncBuiltinESMExports } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import { emptyModel, type Listener, type Route } from '../../model/model.ts'
import { Secret } from '../../model/secret.ts'
import type { Source } from '../../sources/source.ts'
import type { ReadingOrders } from '../draft-messages.ts'
import { readForAnother } from '../read-for-another.ts'

const origin = { source: 'scripted' }
const route = (id: string): Route => ({
  id,
  listeners: ['l'],
  match: { path: { kind: 'exact', value: `/${id}` } },
  policies: [{ policy: 'key', config: { secret: new Secret(`secret of ${id}`) }, origin }],
  action: { kind: 'next' },
  origin,
})
const listeners: readonly Listener[] = [{ id: 'l', address: '*', port: 0, protocol: 'http', origin }]
const routes = Array.from({ length: 120 }, (_, at) => route(`r${at}`))

let served: () => void = () => undefined

const source: Source<number, string> = {
  name: 'scripted',
  async *read(_place, signal) {
    signal.addEventListener('abort', () => served())
    for (let world = 1; world <= 3; world++) {
      const next = new Promise<void>((resolve) => {
        served = resolve
      })
      yield world
      await next
      if (signal.aborted) return
    }
    process.exit(7)
  },
  translate: (world) => ({
    model: {
      ...emptyModel,
      listeners,
      routes: world === 1 ? routes : [...routes.slice(0, 50), route('new'), ...routes.slice(50)],
    },
    diagnostics: world === 3 ? [{ code: 'test/third', severity: 'info', message: 'the third' }] : [],
    statuses: [],
    wishes: {
      plugins: [],
      expressGateway: { folder: '/f', gatewayConfig: { pattern: /x/, world }, systemConfig: {}, models: {} },
    },
  }),
  report: () => Promise.resolve(served()),
}

export async function read(): Promise<void> {
  const { END_WHEN_TOLD_ON: name, REFUSE_PRIORITY: refusal } = process.env
  if (refusal !== undefined) {
    os.setPriority = () => {
      throw new Error(refusal)
    }
    syncBuiltinESMExports()
  }
  if (name !== undefined) new BroadcastChannel(name).onmessage = () => process.exit(8)
  if (parentPort === null) throw new Error('this is no thread')
  const { orders } = workerData as { readonly orders: ReadingOrders }
  await readForAnother({ port: parentPort, orders, sources: [source as Source<unknown, unknown>] })
}
