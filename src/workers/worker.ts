/** A worker process: plans come over IPC, are compiled and applied here, and acknowledged. Effect. */
import cluster from 'node:cluster'
import type { Diagnostic } from '../model/diagnostic.ts'
import { PlanReader } from '../pipeline/wire.ts'
import type { Counters } from '../policies/services.ts'
import type { Engine } from '../targets/engine/engine.ts'
import { openLedger } from './ledger.ts'
import { type FromWorker, ledgerVariable, type ToWorker } from './messages.ts'

export interface WorkerParts {
  readonly engine: Engine
  /** Stores and plugins of this process, as the sources wish. */
  grant?(wishes: unknown): Promise<readonly Diagnostic[]>
  /** What this process has counted. */
  metrics?(): Promise<readonly object[]>
  close?(): Promise<void>
}

/** `start` gets the counters that are exact across workers. Resolves when the worker has stopped. */
export async function serveAsWorker(start: (counters: Counters) => Promise<WorkerParts>): Promise<void> {
  if (cluster.worker === undefined) throw new Error('this process is no worker')
  const say = (message: FromWorker): boolean => {
    if (!process.connected) return false
    process.send!(message)
    return true
  }
  const counters = openLedger({ folder: process.env[ledgerVariable] ?? '', writer: cluster.worker.id })
  const parts = await start(counters)
  const reader = new PlanReader()
  // one thing at a time, in the order in which it was said
  let last: Promise<void> = Promise.resolve()

  await new Promise<void>((resolve) => {
    const stop = async (graceMs: number): Promise<void> => {
      await parts.engine.stop(graceMs)
      await parts.close?.()
      counters.close()
      resolve()
      cluster.worker?.disconnect()
    }
    process.on('message', (message: ToWorker) => {
      switch (message.kind) {
        case 'grant':
          last = last.then(async () => {
            const diagnostics = (await parts.grant?.(message.wishes)) ?? []
            say({ kind: 'granted', turn: message.turn, diagnostics })
          })
          return
        case 'metrics':
          // beside the line: a scrape does not wait for a plan
          void (parts.metrics?.() ?? Promise.resolve([])).then((metrics) =>
            say({ kind: 'measured', turn: message.turn, metrics }),
          )
          return
        case 'plan':
          last = last.then(async () => {
            const plan = reader.read(message.piece)
            if (plan === undefined) {
              say({ kind: 'took', turn: message.turn })
              return
            }
            const { artifact } = await parts.engine.compileInTurns(plan)
            const applied = await parts.engine.apply(artifact)
            say({
              kind: 'applied',
              turn: message.turn,
              refused: applied.kind === 'refused',
              diagnostics: applied.diagnostics,
              addresses: [...parts.engine.addresses()],
            })
          })
          return
        case 'ledger':
          // at once: others count there already
          counters.move(message.folder)
          return
        case 'stop':
          void stop(message.graceMs)
          return
      }
    })
    // without its primary a worker would get no plan and could not count; node:cluster ends it, and the port is free
    // the terminal sends these to every process of the group; the primary says when
    process.on('SIGINT', () => undefined)
    process.on('SIGTERM', () => undefined)
    say({ kind: 'ready' })
  })
}
