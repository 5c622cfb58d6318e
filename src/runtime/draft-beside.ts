/** Drafts that are made in a thread of their own: the one that serves gets finished plans, a few items in each turn. Effect. */
import { deserialize } from 'node:v8'
import { Worker } from 'node:worker_threads'
import { createDeferred } from '../lib/deferred.ts'
import type { Plan } from '../pipeline/plan.ts'
import { PlanReader } from '../pipeline/wire.ts'
import type { Events } from '../policies/services.ts'
import type { Wishes } from '../sources/source.ts'
import type { FromReader, ReadingOrders, SentWishes, ToReader } from './draft-messages.ts'
import { describe, type Draft, type Drafts, type Take } from './drafts.ts'

export interface BesideOptions {
  /** The program that calls `readForAnother`. */
  readonly program: URL
  /** For the program. */
  readonly data: unknown
  readonly environment: ReadingOrders['environment']
  readonly events: Pick<Events, 'emit'>
}

const FIRST_PAUSE = 100
const LONGEST_PAUSE = 30_000
/** Milliseconds: whatever it is busy with by then, nobody waits for it. */
const LONGEST_STOP = 5000

/** A thread that ends by itself is replaced: what it had read is read again, and what is served stays. */
export function draftBeside({ program, data, environment, events }: BesideOptions): Drafts {
  let take: Take = () => Promise.resolve('refused')
  let thread: Thread | undefined
  let stopping = false
  let pause = FIRST_PAUSE
  /** Settles when another thread begins. */
  let next = createDeferred()

  const begin = (): void => {
    next.resolve()
    next = createDeferred()
    thread = new Thread(new Worker(program, { workerData: data, env: { ...environment } }), {
      take: async (draft) => {
        pause = FIRST_PAUSE
        return take(draft)
      },
      events,
      ended: (why) => {
        thread = undefined
        if (stopping) return
        events.emit('error', 'runtime/reader-failed', `the thread that reads ended: ${why}; a new one starts`)
        setTimeout(() => {
          if (!stopping) begin()
        }, pause).unref()
        pause = Math.min(pause * 2, LONGEST_PAUSE)
      },
    })
  }
  return {
    start: (given) => {
      take = given
      begin()
    },
    again: () => thread?.say({ kind: 'again' }),
    settled: async () => {
      if (thread === undefined) await next.promise
      const following = next.promise
      if ((await thread?.settled()) === 'settled' || stopping) return
      // what it left undone is for the next one; where that ends, too, it cannot be done
      await following
      await thread?.settled()
    },
    stop: async () => {
      stopping = true
      next.resolve()
      await thread?.stop()
    },
  }
}

interface Around {
  readonly take: Take
  readonly events: Pick<Events, 'emit'>
  /** Not told when it was stopped, or has read all that there is to read. */
  ended(why: string): void
}

/** `ended`: the thread, before it was. */
type Settled = 'settled' | 'ended'

class Thread {
  readonly #worker: Worker
  readonly #around: Around
  readonly #reader = new PlanReader()
  #plan: Plan | undefined
  #taking: Promise<void> | undefined
  #over: 'no' | 'read' | 'yes' = 'no'
  /** It ended by itself, and another one takes its place. */
  #failed = false
  readonly #ended: Promise<void>
  readonly #settling = new Map<number, (how: Settled) => void>()
  #turn = 0

  constructor(worker: Worker, around: Around) {
    this.#around = around
    this.#worker = worker
    let why = 'it came to its end'
    this.#worker.on('error', (error: unknown) => {
      why = error instanceof Error ? (error.stack ?? error.message) : String(error)
    })
    this.#worker.on('message', (message: FromReader) => this.#hear(message))
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        const expected = this.#over !== 'no'
        this.#over = 'yes'
        this.#failed = !expected
        for (const settled of this.#settling.values()) settled(expected ? 'settled' : 'ended')
        this.#settling.clear()
        resolve()
        // not before what it had read has been taken: one draft at a time
        if (!expected) void (this.#taking ?? Promise.resolve()).then(() => around.ended(why))
      })
    })
  }

  say(message: ToReader): void {
    this.#worker.postMessage(message)
  }

  async settled(): Promise<Settled> {
    if (this.#over !== 'no') {
      // what has been read once and for all is settled when it has been taken
      await this.#taking
      return this.#failed ? 'ended' : 'settled'
    }
    return new Promise((resolve) => {
      const turn = ++this.#turn
      this.#settling.set(turn, resolve)
      this.say({ kind: 'settle', turn })
    })
  }

  async stop(): Promise<void> {
    if (this.#over === 'no') {
      this.#over = 'read'
      this.say({ kind: 'stop' })
    }
    await this.#taking
    const hung = setTimeout(() => void this.#worker.terminate(), LONGEST_STOP)
    await this.#ended
    clearTimeout(hung)
  }

  /** The thread waits for an answer, whatever became of its draft. */
  async #taken(draft: Draft): Promise<'applied' | 'refused'> {
    try {
      return await this.#around.take(draft)
    } catch (error) {
      this.#around.events.emit('error', 'runtime/take-failed', `what was read could not be taken: ${describe(error)}`)
      return 'refused'
    }
  }

  #hear(message: FromReader): void {
    switch (message.kind) {
      case 'piece':
        this.#plan = this.#reader.read(message.piece) ?? this.#plan
        this.say({ kind: 'next' })
        return
      case 'draft': {
        const { plan, wishes, diagnostics, standing } = message
        const draft = {
          plan: plan === 'sent' ? this.#plan : undefined,
          wishes: wishes.map(opened),
          diagnostics,
          standing,
        }
        this.#taking = this.#taken(draft).then((outcome) => {
          this.#taking = undefined
          this.say({ kind: 'taken', outcome })
        })
        return
      }
      case 'settled':
        this.#settling.get(message.turn)?.('settled')
        this.#settling.delete(message.turn)
        return
      case 'event':
        this.#around.events.emit(...message.event)
        return
      case 'stopped':
        this.#over = 'read'
        return
    }
  }
}

type Configuration = NonNullable<Wishes['expressGateway']>

function opened({ wishes, expressGateway }: SentWishes): Wishes {
  if (expressGateway === undefined) return wishes
  const { closed, ...rest } = expressGateway
  let open: Configuration['gatewayConfig'] | undefined
  const configuration: Configuration = {
    ...rest,
    get gatewayConfig() {
      return (open ??= deserialize(closed) as Configuration['gatewayConfig'])
    },
  }
  return { ...wishes, expressGateway: configuration }
}
