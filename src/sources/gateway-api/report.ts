/**
 * Statuses → the cluster. Effect. Writes only what differs, under the version that was read; reads again and merges anew
 * after a conflict; tries again until it stands, however long the API server is away.
 */
import { setMaxListeners } from 'node:events'
import { type KubernetesClient, KubernetesError, refusal } from '../../lib/kubernetes/client.ts'
import type { Json, MergeOptions } from './merge-status.ts'
import { countsOnly, mergeStatus, withoutOurs } from './merge-status.ts'
import { clusterKinds } from './read-cluster.ts'
import type { ClusterReader } from './read-cluster.ts'
import type { KnownKind } from './resources.ts'
import { keyOf, routeKinds } from './resources.ts'
import type { ObjectStatus } from './status.ts'

export interface StatusWriter {
  /** What the data plane serves now; what is not in it is not ours. */
  want(statuses: readonly ObjectStatus[]): void
  /** Looks at every object again: after we have begun to lead. */
  recheck(): void
  /** Until every status stands in the cluster as it was wanted; for tests and for a shutdown. */
  idle(): Promise<void>
  readonly writes: number
  close(): Promise<void>
}

export interface StatusWriterOptions {
  readonly client: KubernetesClient
  readonly reader: Pick<ClusterReader, 'latest' | 'keys' | 'onStatus'>
  readonly controllerName: string
  /** Only the leader writes. */
  leads(): boolean
  trouble(message: string): void
  /** Default 16. */
  readonly parallel?: number
}

/** What is known of an object by the time that it is written. */
interface Seen {
  readonly resourceVersion: string
  readonly status: Json | undefined
}

/** Milliseconds. */
const firstPause = 100
const longestPause = 5_000
/** For what is refused again and again although the server is well. */
const longestRefusal = 60_000
/** Counts of routes follow at once, then ever more slowly while they go on changing, and at once again after a pause. */
const pace = { first: 50, longest: 1_000, quiet: 2_000 } as const

export function createStatusWriter(options: StatusWriterOptions): StatusWriter {
  const { client, reader } = options
  const abort = new AbortController()
  // one listener for each request under way
  setMaxListeners(0, abort.signal)
  let wanted = new Map<string, ObjectStatus>()
  let began = false
  const queue = new Set<string>()
  const running = new Set<string>()
  /** To be looked at again, each at its time. */
  const delayed = new Map<string, NodeJS.Timeout>()
  const refusals = new Map<string, number>()
  const paces = new Map<string, { readonly at: number; readonly pause: number }>()
  /** What we wrote, until the watch has told something newer than what it was written over. */
  const written = new Map<string, { readonly over: string; readonly now: Seen }>()
  /** While the server is away nobody is sent to it. */
  let held: NodeJS.Timeout | undefined
  let hold = firstPause
  const waiters: (() => void)[] = []
  const working = new Set<Promise<void>>()
  let writes = 0
  const merging = (): MergeOptions => ({
    controllerName: options.controllerName,
    now: `${new Date().toISOString().slice(0, 19)}Z`,
  })

  reader.onStatus((kind, key) => {
    if (began) check(`${kind} ${key}`)
  })

  const seen = (name: string): Seen | undefined => {
    const { kind, key } = partsOf(name)
    const latest = reader.latest(kind, key)
    const own = written.get(name)
    if (own === undefined) return latest
    if (latest?.resourceVersion === own.over) return own.now
    written.delete(name)
    return latest
  }

  const check = (name: string): void => {
    if (abort.signal.aborted || !options.leads()) return
    const latest = seen(name)
    if (latest === undefined) return
    const next = nextOf(name, latest.status)
    if (next === undefined) return
    const wait = countsOnly(latest.status, next) ? waitOf(name) : 0
    if (wait > 0) return delay(name, wait)
    queue.add(name)
    pump()
  }

  const delay = (name: string, ms: number): void => {
    if (delayed.has(name) || abort.signal.aborted) return
    const timer = setTimeout(() => {
      delayed.delete(name)
      queue.add(name)
      pump()
      rest()
    }, ms)
    delayed.set(name, timer)
  }

  const waitOf = (name: string): number => {
    const last = paces.get(name)
    return last === undefined ? 0 : last.at + last.pause - Date.now()
  }

  /** What another run of ours left behind. */
  const checkLeftovers = (): void => {
    for (const kind of [...routeKinds, 'BackendTLSPolicy'] as const) {
      for (const key of reader.keys(kind)) check(`${kind} ${key}`)
    }
  }

  const nextOf = (name: string, current: Json | undefined): Json | undefined => {
    const { kind } = partsOf(name)
    const status = wanted.get(name)
    if (status !== undefined) return mergeStatus(current, status, merging())
    if ((routeKinds as readonly string[]).includes(kind)) return withoutOurs(current, 'parents', merging())
    return kind === 'BackendTLSPolicy' ? withoutOurs(current, 'ancestors', merging()) : undefined
  }

  const pump = (): void => {
    if (held !== undefined || abort.signal.aborted) return
    for (const name of queue) {
      if (running.size >= (options.parallel ?? 16)) return
      if (running.has(name)) continue
      queue.delete(name)
      running.add(name)
      const work = write(name).finally(() => {
        running.delete(name)
        working.delete(work)
        pump()
        rest()
      })
      working.add(work)
    }
  }

  const rest = (): void => {
    if (queue.size === 0 && running.size === 0 && delayed.size === 0) for (const done of waiters.splice(0)) done()
  }

  const write = async (name: string): Promise<void> => {
    const { kind, key } = partsOf(name)
    const path = pathOf(kind, key)
    let latest = seen(name)
    try {
      for (let attempt = 0; attempt < 6; attempt++) {
        if (latest === undefined || abort.signal.aborted || !options.leads()) return
        const status = nextOf(name, latest.status)
        if (status === undefined) return
        const body = {
          metadata: { resourceVersion: latest.resourceVersion },
          status: patchOf(latest.status ?? {}, status),
        }
        const reply = await client.ask({
          method: 'PATCH',
          path: `${path}/status`,
          body,
          contentType: 'application/merge-patch+json',
          signal: abort.signal,
        })
        if (reply.status === 404) return
        if (reply.status === 200) return wrote(name, latest, reply.body)
        if (reply.status !== 409) throw refusal(reply)
        const fresh = await client.ask({ path, signal: abort.signal })
        if (fresh.status === 404) return
        if (fresh.status !== 200) throw refusal(fresh)
        latest = seenIn(fresh.body)
      }
      throw new KubernetesError(409, 'somebody else writes it all the time')
    } catch (error) {
      if (!abort.signal.aborted) failed(name, error)
    }
  }

  const wrote = (name: string, before: Seen, body: unknown): void => {
    writes++
    hold = firstPause
    refusals.delete(name)
    written.set(name, { over: before.resourceVersion, now: seenIn(body) })
    const last = paces.get(name)
    const calm = last === undefined || Date.now() - last.at > pace.quiet
    paces.set(name, { at: Date.now(), pause: calm ? pace.first : Math.min(last.pause * 2, pace.longest) })
    // it may have become another one while it was being written
    check(name)
  }

  const failed = (name: string, error: unknown): void => {
    const { status, retryAfter = 0 } = error instanceof KubernetesError ? error : { status: 0 }
    const message = error instanceof Error ? error.message : String(error)
    if (status === 0 || status === 429 || status >= 500) {
      queue.add(name)
      if (held !== undefined) return
      options.trouble(`statuses cannot be written: ${message}`)
      held = setTimeout(
        () => {
          held = undefined
          pump()
        },
        Math.max(hold * (0.75 + Math.random() / 2), retryAfter * 1000),
      )
      hold = Math.min(hold * 2, longestPause)
      return
    }
    options.trouble(`the status of ${name} could not be written: ${message}`)
    const pause = refusals.get(name) ?? firstPause
    refusals.set(name, Math.min(pause * 2, longestRefusal))
    delay(name, pause * (0.75 + Math.random() / 2))
  }

  return {
    want(statuses) {
      const before = wanted
      wanted = new Map(statuses.map((each) => [`${each.kind} ${keyOf(each)}`, each]))
      if (!began) {
        began = true
        checkLeftovers()
      }
      for (const [name, status] of wanted) if (before.get(name) !== status) check(name)
      for (const name of before.keys()) {
        if (wanted.has(name)) continue
        paces.delete(name)
        check(name)
      }
    },
    recheck() {
      if (!began) return
      for (const name of wanted.keys()) check(name)
      checkLeftovers()
    },
    idle: () =>
      new Promise((done) => {
        waiters.push(done)
        rest()
      }),
    get writes() {
      return writes
    },
    async close() {
      abort.abort()
      clearTimeout(held)
      for (const timer of delayed.values()) clearTimeout(timer)
      await Promise.allSettled(working)
    },
  }
}

function seenIn(body: unknown): Seen {
  const object = body as { readonly metadata: { readonly resourceVersion: string }; readonly status?: Json }
  return { resourceVersion: object.metadata.resourceVersion, status: object.status }
}

function partsOf(name: string): { readonly kind: KnownKind; readonly key: string } {
  const space = name.indexOf(' ')
  return { kind: name.slice(0, space) as KnownKind, key: name.slice(space + 1) }
}

function pathOf(kind: KnownKind, key: string): string {
  const { path } = clusterKinds[kind]
  const [namespace, name] = key.split('/') as [string, string]
  const cut = path.lastIndexOf('/')
  return namespace === ''
    ? `${path}/${name}`
    : `${path.slice(0, cut)}/namespaces/${namespace}${path.slice(cut)}/${name}`
}

/** A merge patch replaces lists whole and drops what is null. */
function patchOf(before: Json, after: Json): Json {
  return {
    ...Object.fromEntries(
      Object.keys(before)
        .filter((name) => !Object.hasOwn(after, name))
        .map((name) => [name, null]),
    ),
    ...after,
  }
}
