/** Several workers as one target: plans are compiled here for their diagnostics, and served there. Effect. */
import cluster, { type Worker } from 'node:cluster'
import type { AddressInfo } from 'node:net'
import type { Diagnostic } from '../model/diagnostic.ts'
import type { Plan } from '../pipeline/plan.ts'
import { PlanWriter } from '../pipeline/wire.ts'
import type { Events } from '../policies/services.ts'
import type { Applied, Compilation, Target } from '../targets/target.ts'
import { keepLedger } from './keeper.ts'
import { type FromWorker, ledgerVariable, type ToWorker } from './messages.ts'

export interface WorkersOptions {
  readonly count: number
  /** The program that calls `serveAsWorker`, and its arguments. */
  readonly program: string
  readonly args?: readonly string[]
  readonly execArgv?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** For diagnostics only: nothing of it is applied. */
  compile(plan: Plan): Compilation<unknown>
  /** The same; the primary accepts connections meanwhile. */
  compileInTurns?(plan: Plan): Promise<Compilation<unknown>>
  /** Of this process and its workers alone, and removed by whoever gave it: what workers share while they run. */
  readonly folder: string
  readonly events: Events
}

export interface Workers extends Target<Plan> {
  /** To all of them, and to those that come later. The diagnostics are the first worker's. */
  grant(wishes: unknown): Promise<readonly Diagnostic[]>
  addresses(): ReadonlyMap<string, AddressInfo>
  /** What each of those that serve has counted. */
  metrics(): Promise<readonly (readonly object[])[]>
  /** Process ids of those that serve. */
  pids(): readonly number[]
}

/** How long a worker may take for one plan, milliseconds. */
const PATIENCE = 60_000
/** Workers that may die over a plan before it is refused. */
const TRIES = 2
const FIRST_PAUSE = 100
const LONGEST_PAUSE = 5000

export async function startWorkers(options: WorkersOptions): Promise<Workers> {
  cluster.setupPrimary({
    exec: options.program,
    args: [...(options.args ?? [])],
    execArgv: [...(options.execArgv ?? process.execArgv)],
    // a configuration may hold what JSON has no words for: expressions, undefined
    serialization: 'advanced',
  })
  const members: Member[] = []
  const keeper = keepLedger({
    folder: options.folder,
    events: options.events,
    moved: (ledger) => {
      for (const member of members) member.count(ledger)
    },
  })
  /** Those that do not serve yet. */
  const starting = new Set<Member>()
  let plan: Plan | undefined
  let wishes: { readonly value: unknown } | undefined
  let addresses: ReadonlyMap<string, AddressInfo> = new Map()
  let stopping = false
  let pause = FIRST_PAUSE

  const enlist = async (): Promise<Member> => {
    let ledger = keeper.ledger()
    const member = new Member(cluster.fork({ ...options.environment, [ledgerVariable]: ledger }))
    starting.add(member)
    member.worker.once('exit', (code, signal) => {
      starting.delete(member)
      const at = members.indexOf(member)
      if (at >= 0) members.splice(at, 1)
      member.gone()
      if (stopping) return
      options.events.emit(
        'error',
        'workers/died',
        `worker ${member.worker.process.pid} ended (${signal ?? code}); a new one starts`,
      )
      setTimeout(() => void replace(), pause).unref()
      pause = Math.min(pause * 2, LONGEST_PAUSE)
    })
    await member.ready
    // what the others are told meanwhile it is not told
    let granted: typeof wishes
    let applied: Plan | undefined
    while (ledger !== keeper.ledger() || granted !== wishes || applied !== plan) {
      if (ledger !== keeper.ledger()) {
        ledger = keeper.ledger()
        member.count(ledger)
      } else if (granted !== wishes) {
        granted = wishes
        await member.grant(granted?.value)
      } else if (plan !== undefined) {
        applied = plan
        if (!(await member.apply(applied)).refused) continue
        member.worker.process.kill('SIGKILL')
        throw new Error(`worker ${member.worker.process.pid} refused the plan that the others serve`)
      }
    }
    starting.delete(member)
    members.push(member)
    return member
  }
  const replace = async (): Promise<void> => {
    if (stopping) return
    try {
      await enlist()
      pause = FIRST_PAUSE
    } catch (error) {
      if (stopping) return
      options.events.emit('error', 'workers/start', error instanceof Error ? error.message : String(error))
    }
  }
  await Promise.all(Array.from({ length: options.count }, () => enlist()))

  return {
    name: 'engine',
    compile: (next) => ({ artifact: next, diagnostics: options.compile(next).diagnostics }),
    compileInTurns: async (next) => {
      const { diagnostics } = (await options.compileInTurns?.(next)) ?? options.compile(next)
      return { artifact: next, diagnostics }
    },

    async grant(value) {
      wishes = { value }
      const [first] = await Promise.all(members.map((member) => member.grant(value)))
      return first ?? []
    },

    async apply(next): Promise<Applied> {
      // one tries what all must be able to do: a port that is taken is refused before anybody else has moved
      let first: Member | undefined
      let tried: Taken = { refused: true, diagnostics: [NOBODY], addresses: [] }
      for (first of members.slice(0, TRIES)) {
        const answer = await first.apply(next).catch((error: Error) => error)
        tried = answer instanceof Error ? died(answer) : answer
        // who died meanwhile may have died of something else
        if (!(answer instanceof Error)) break
      }
      if (tried.refused) return { kind: 'refused', diagnostics: tried.diagnostics }
      plan = next
      addresses = new Map(tried.addresses)
      // with those that have come while the first one tried
      const others = members.filter((member) => member !== first)
      await Promise.all(
        others.map(async (member) => {
          const { refused } = await member.apply(next).catch(died)
          // it cannot serve what the others serve: a new one will
          if (refused) member.worker.process.kill('SIGKILL')
        }),
      )
      return { kind: 'applied', diagnostics: tried.diagnostics }
    },

    async stop(graceMs) {
      stopping = true
      keeper.close()
      // who has not begun to serve has nothing to finish, and may not be able to hear yet
      for (const member of starting) member.worker.process.kill('SIGKILL')
      await Promise.all([...members, ...starting].map((member) => member.stop(graceMs)))
    },

    addresses: () => addresses,
    metrics: () => Promise.all(members.map((member) => member.metrics().catch(() => []))),
    pids: () => members.map((member) => member.worker.process.pid ?? 0),
  }
}

const NOBODY: Diagnostic = {
  code: 'workers/none',
  severity: 'error',
  message: 'no worker is alive to take the plan; it is tried again with the next change',
}

/** A worker that ended over a plan has refused it; another one is on its way. */
type Taken = Pick<Extract<FromWorker, { readonly kind: 'applied' }>, 'refused' | 'diagnostics' | 'addresses'>

function died(error: Error): Taken {
  const diagnostic: Diagnostic = {
    code: 'workers/died',
    severity: 'error',
    message: `the plan was not taken: ${error.message}`,
  }
  return { refused: true, diagnostics: [diagnostic], addresses: [] }
}

type Answer = Extract<FromWorker, { readonly turn: number }>

/** One worker, as the primary sees it. */
class Member {
  readonly worker: Worker
  readonly ready: Promise<void>
  readonly #writer = new PlanWriter()
  readonly #waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>()
  #turn = 0
  #failReady: ((error: Error) => void) | undefined

  constructor(worker: Worker) {
    this.worker = worker
    this.ready = new Promise((resolve, reject) => {
      this.#failReady = reject
      worker.on('message', (message: FromWorker) => {
        if (message.kind === 'ready') resolve()
        else this.#answered(message)
      })
    })
    // whoever awaits `ready` hears of it; without a listener a worker that cannot start would end the primary
    this.ready.catch(() => undefined)
    worker.on('error', () => undefined)
  }

  async grant(wishes: unknown): Promise<readonly Diagnostic[]> {
    const answer = await this.#ask((turn) => ({ kind: 'grant', turn, wishes }))
    return answer.kind === 'granted' ? answer.diagnostics : []
  }

  async apply(plan: Plan): Promise<Extract<FromWorker, { readonly kind: 'applied' }>> {
    for (const piece of this.#writer.write(plan)) {
      const answer = await this.#ask((turn) => ({ kind: 'plan', turn, piece }))
      if (answer.kind === 'applied') return answer
    }
    throw new Error('a worker answered something else than it was asked')
  }

  count(ledger: string): void {
    this.#say({ kind: 'ledger', folder: ledger })
  }

  async metrics(): Promise<readonly object[]> {
    const answer = await this.#ask((turn) => ({ kind: 'metrics', turn }))
    return answer.kind === 'measured' ? answer.metrics : []
  }

  /** Resolves when the process has ended. */
  stop(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const { worker } = this
      const timer = setTimeout(() => worker.process.kill('SIGKILL'), graceMs + 5000)
      worker.once('exit', () => {
        clearTimeout(timer)
        resolve()
      })
      this.#say({ kind: 'stop', graceMs })
    })
  }

  gone(): void {
    const error = new Error('the worker ended')
    this.#failReady?.(error)
    for (const one of this.#waiting.values()) one.reject(error)
    this.#waiting.clear()
  }

  #ask(question: (turn: number) => ToWorker): Promise<Answer> {
    const turn = ++this.#turn
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        // whatever it is busy with, it does not serve the plan
        this.worker.process.kill('SIGKILL')
      }, PATIENCE)
      const done = (): void => clearTimeout(timer)
      this.#waiting.set(turn, {
        resolve: (answer) => {
          done()
          resolve(answer)
        },
        reject: (error) => {
          done()
          reject(error)
        },
      })
      this.#say(question(turn))
    })
  }

  #answered(answer: Answer): void {
    const waiting = this.#waiting.get(answer.turn)
    this.#waiting.delete(answer.turn)
    waiting?.resolve(answer)
  }

  #say(message: ToWorker): void {
    if (this.worker.isConnected()) this.worker.send(message)
  }
}
