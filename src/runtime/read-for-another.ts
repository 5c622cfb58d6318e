/** The thread that reads: drafts → messages to the thread that serves. Effect. */
import { readlinkSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'
import { serialize } from 'node:v8'
import { isMainThread, type MessagePort } from 'node:worker_threads'
import { createDeferred } from '../lib/deferred.ts'
import { prepare } from '../pipeline/run.ts'
import { PlanWriter } from '../pipeline/wire.ts'
import type { Source, Wishes } from '../sources/source.ts'
import { draftHere, type Draft } from './drafts.ts'
import type { FromReader, ReadingOrders, SentWishes, ToReader } from './draft-messages.ts'

export interface Reading {
  readonly port: MessagePort
  readonly orders: ReadingOrders
  /** Those that the orders name, in that order. */
  readonly sources: readonly Source<unknown, unknown>[]
}

/** Resolves when it was told to stop; without watching, when a draft was applied. */
export async function readForAnother({ port, orders, sources }: Reading): Promise<void> {
  const { folder: path, environment, watch } = orders
  const say = (message: FromReader): void => port.postMessage(message)
  try {
    stepBack()
  } catch (error) {
    // without /proc, or under a filter of system calls: configurations are read all the same
    const message = `the thread that reads has the priority of the one that serves: ${String(error)}`
    say({ kind: 'event', event: ['info', 'runtime/reader-priority', message] })
  }
  const writer = new PlanWriter()
  let awaited = createDeferred<ToReader>()
  const answer = (): Promise<ToReader> => {
    awaited = createDeferred()
    return awaited.promise
  }
  const stopped = createDeferred()
  // before it has read anything, nothing waits and nothing is under way, but nothing is settled either
  const firstTaken = createDeferred()
  const drafts = draftHere({
    feeds: sources.map((source) => ({
      source: watch ? source : readingOnce(source),
      place: { kind: 'folder', path, environment },
    })),
    prepare,
    events: { emit: (...event) => say({ kind: 'event', event }) },
  })
  port.on('message', (message: ToReader) => {
    switch (message.kind) {
      case 'next':
      case 'taken':
        awaited.resolve(message)
        return
      case 'again':
        drafts.again()
        return
      case 'settle':
        void firstTaken.promise.then(() => drafts.settled()).then(() => say({ kind: 'settled', turn: message.turn }))
        return
      case 'stop':
        stopped.resolve()
        return
    }
  })
  drafts.start(async (draft) => {
    if (draft.plan !== undefined) {
      for (const piece of writer.write(draft.plan)) {
        const next = answer()
        say({ kind: 'piece', piece })
        await next
      }
    }
    const taken = answer()
    say(sent(draft))
    const { outcome } = (await taken) as Extract<ToReader, { readonly kind: 'taken' }>
    firstTaken.resolve()
    // what was refused may be asked for again
    if (!watch && outcome === 'applied') stopped.resolve()
    return outcome
  })
  await stopped.promise
  say({ kind: 'stopped' })
  await drafts.stop()
  port.close()
}

/** Nice levels behind the thread that serves: of a core that both want all the time it gets a quarter, and gives it up at once. */
const BEHIND = 5
const LOWEST = 19

/** On Linux each thread has a priority of its own, under its own id; elsewhere one process has one, and this changes nothing. */
function stepBack(): void {
  if (process.platform !== 'linux' || isMainThread) return
  const [own, , id] = readlinkSync('/proc/thread-self').split('/')
  // another namespace's name for this thread may be the name of somebody else here
  if (Number(own) !== process.pid) throw new Error('/proc shows another namespace of processes')
  const thread = Number(id)
  setPriority(thread, Math.min(LOWEST, getPriority(thread) + BEHIND))
}

function sent({ plan, wishes, diagnostics, standing }: Draft): FromReader {
  return {
    kind: 'draft',
    plan: plan === undefined ? 'none' : 'sent',
    wishes: wishes.map(closed),
    diagnostics,
    standing,
  }
}

function closed({ expressGateway, ...wishes }: Wishes): SentWishes {
  if (expressGateway === undefined) return { wishes }
  const { gatewayConfig, ...rest } = expressGateway
  return { wishes, expressGateway: { ...rest, closed: serialize(gatewayConfig) } }
}

/** The same source, deaf after its first world. */
function readingOnce(source: Source<unknown, unknown>): Source<unknown, unknown> {
  return {
    ...source,
    translate: (world) => source.translate(world),
    async *read(place, signal) {
      for await (const world of source.read(place, signal)) {
        yield world
        return
      }
    },
  }
}
