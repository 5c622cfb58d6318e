/** Passwords → bcrypt hashes and back to yes or no, on threads of their own: the data path does not stall. */
import { createHmac, randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { StoreUnavailable } from '../policies/services.ts'

export interface Passwords {
  hash(password: string): Promise<string>
  /** Constant in time for one cost. With no hash at all it takes as long, and is false. */
  verify(password: string, hash: string | undefined): Promise<boolean>
  close(): Promise<void>
}

export interface PasswordOptions {
  /** bcrypt's cost: `crypto.saltRounds`. */
  readonly rounds: number
  /** Default: one less than there are processors, at least 1, at most 4. Started when first needed. */
  readonly threads?: number
  /** How many may wait; more are refused with StoreUnavailable. Default 512. */
  readonly queue?: number
  /** How long a password that was right is remembered, milliseconds; default 60,000, 0: never. */
  readonly rememberMs?: number
  readonly now?: () => number
}

/**
 * A right password is remembered for a minute, under a keyed digest of it together with the hash it fits (the key never
 * leaves the process): one bcrypt a minute and client in place of one a request. A changed password has another hash
 * and is checked anew at once. Wrong ones are never remembered.
 */
export function passwords(options: PasswordOptions): Passwords {
  const { rounds, queue = 512, rememberMs = 60_000, now = Date.now } = options
  const size = options.threads ?? Math.min(4, Math.max(1, availableParallelism() - 1))
  const secret = randomBytes(32)
  const right = new Map<string, number>()
  const underWay = new Map<string, Promise<boolean>>()
  const threads: Thread[] = []
  let waiting = 0
  let dummy: Promise<string> | undefined

  const run = async (job: Job): Promise<string | boolean> => {
    if (waiting >= queue) throw new StoreUnavailable('too many passwords are waiting to be checked')
    waiting++
    try {
      return await idlest(threads, size).run(job)
    } finally {
      waiting--
    }
  }
  const hash = async (password: string) => String(await run({ kind: 'hash', password, rounds }))
  const compare = async (password: string, against: string) =>
    (await run({ kind: 'compare', password, hash: against })) === true

  return {
    hash,
    verify: async (password, stored) => {
      if (stored === undefined) {
        dummy ??= hash(randomBytes(16).toString('hex'))
        await compare(password, await dummy)
        return false
      }
      const digest = createHmac('sha256', secret).update(`${stored}\0${password}`).digest('base64')
      const until = right.get(digest)
      if (until !== undefined && until > now()) return true
      const pending = underWay.get(digest)
      if (pending !== undefined) return pending
      const answer = compare(password, stored)
      underWay.set(digest, answer)
      try {
        const fits = await answer
        if (fits && rememberMs > 0) {
          if (right.size >= 10_000) right.clear()
          right.set(digest, now() + rememberMs)
        }
        return fits
      } finally {
        underWay.delete(digest)
      }
    },
    close: async () => {
      await Promise.all(threads.splice(0).map((thread) => thread.close()))
    },
  }
}

type Job =
  | { readonly kind: 'hash'; readonly password: string; readonly rounds: number }
  | { readonly kind: 'compare'; readonly password: string; readonly hash: string }

interface Thread {
  readonly load: () => number
  run(job: Job): Promise<string | boolean>
  close(): Promise<unknown>
}

function idlest(threads: Thread[], size: number): Thread {
  const idle = threads.find((thread) => thread.load() === 0)
  if (idle !== undefined) return idle
  if (threads.length < size) {
    const fresh = startThread(() => threads.splice(threads.indexOf(fresh), 1))
    threads.push(fresh)
    return fresh
  }
  return threads.reduce((best, thread) => (thread.load() < best.load() ? thread : best))
}

function startThread(onEnd: () => void): Thread {
  // plain JavaScript in a string: a thread starts in the same way from sources and from the built package
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads')
     const bcrypt = require(workerData)
     parentPort.on('message', ({ id, job }) => {
       try {
         const value = job.kind === 'hash' ? bcrypt.hashSync(job.password, job.rounds) : bcrypt.compareSync(job.password, job.hash)
         parentPort.postMessage({ id, value })
       } catch (error) {
         parentPort.postMessage({ id, error: String(error) })
       }
     })`,
    { eval: true, workerData: createRequire(import.meta.url).resolve('bcryptjs'), execArgv: [], env: {} },
  )
  worker.unref()
  const jobs = new Map<number, { resolve(value: string | boolean): void; reject(error: Error): void }>()
  let last = 0
  const settle = (): void => {
    if (jobs.size === 0) worker.unref()
  }
  worker.on('message', ({ id, value, error }: { id: number; value: string | boolean; error?: string }) => {
    const job = jobs.get(id)
    jobs.delete(id)
    if (error === undefined) job?.resolve(value)
    else job?.reject(new Error(error))
    settle()
  })
  worker.on('error', () => undefined) // `exit` follows, and says it to those who wait
  worker.on('exit', () => {
    onEnd()
    for (const job of jobs.values()) job.reject(new StoreUnavailable('the thread that checks passwords has ended'))
    jobs.clear()
  })
  return {
    load: () => jobs.size,
    run: (job) =>
      new Promise((resolve, reject) => {
        const id = ++last
        jobs.set(id, { resolve, reject })
        worker.ref()
        worker.postMessage({ id, job })
      }),
    close: () => worker.terminate(),
  }
}
