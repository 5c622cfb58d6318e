/**
 * Statuses → the cluster. Effect. Writes only what differs, under the version that was read; reads again and merges anew
 * after a conflict; tries again until it stands, however long the API server is away.
 */
import { setMaxListeners } from 'node:events'
import type { KubeClient } from './kube.ts'
import type { Json, MergeOptions } from './merge-status.ts'
import { mergeStatus, withoutOurs } from './merge-status.ts'
import { clusterKinds } from './read-cluster.ts'
import type { ClusterReader } from './read-cluster.ts'
import { sleep } from './reflect.ts'
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
  readonly client: KubeClient
  readonly reader: Pick<ClusterReader, 'latest' | 'keys' | 'onStatus'>
  readonly controllerName: string
  /** Only the leader writes. */
  leads(): boolean
  trouble(message: string): void
  /** Default 16. */
  readonly parallel?: number
}

export function createStatusWriter(options: StatusWriterOptions): StatusWriter {
  const { client, reader } = options
  const abort = new AbortController()
  // one listener for each request under way
  setMaxListeners(0, abort.signal)
  let wanted = new Map<string, ObjectStatus>()
  let began = false
  const queue = new Set<string>()
  const running = new Set<string>()
  const pauses = new Map<string, number>()
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

  const check = (name: string): void => {
    if (abort.signal.aborted || !options.leads()) return
    const { kind, key } = partsOf(name)
    const latest = reader.latest(kind, key)
    if (latest === undefined || nextOf(name, kind, latest.status) === undefined) return
    queue.add(name)
    pump()
  }

  /** What another run of ours left behind. */
  const checkLeftovers = (): void => {
    for (const kind of [...routeKinds, 'BackendTLSPolicy'] as const) {
      for (const key of reader.keys(kind)) check(`${kind} ${key}`)
    }
  }

  const nextOf = (name: string, kind: KnownKind, current: Json | undefined): Json | undefined => {
    const status = wanted.get(name)
    if (status !== undefined) return mergeStatus(current, status, merging())
    if ((routeKinds as readonly string[]).includes(kind)) return withoutOurs(current, 'parents', merging())
    return kind === 'BackendTLSPolicy' ? withoutOurs(current, 'ancestors', merging()) : undefined
  }

  const pump = (): void => {
    for (const name of queue) {
      if (running.size >= (options.parallel ?? 16)) return
      if (running.has(name)) continue
      queue.delete(name)
      running.add(name)
      const work = write(name).finally(() => {
        running.delete(name)
        working.delete(work)
        pump()
        if (queue.size === 0 && running.size === 0) for (const done of waiters.splice(0)) done()
      })
      working.add(work)
    }
  }

  const write = async (name: string): Promise<void> => {
    const { kind, key } = partsOf(name)
    let latest: { readonly resourceVersion: string; readonly status: Json | undefined } | undefined = reader.latest(
      kind,
      key,
    )
    const path = pathOf(kind, key)
    for (let attempt = 0; attempt < 6 && latest !== undefined && !abort.signal.aborted && options.leads(); attempt++) {
      const status = nextOf(name, kind, latest.status)
      if (status === undefined) return
      try {
        const body = {
          metadata: { resourceVersion: latest.resourceVersion },
          status: patchOf(latest.status ?? {}, status),
        }
        const reply = await client.request('PATCH', `${path}/status`, {
          body,
          contentType: 'application/merge-patch+json',
          signal: abort.signal,
        })
        if (reply.status === 200) {
          writes++
          pauses.delete(name)
          return
        }
        if (reply.status === 404) return
        if (reply.status !== 409)
          return await later(name, `${name}: status ${reply.status} ${messageOf(reply.body)}`, reply.retryAfter)
        const fresh = await client.request('GET', path, { signal: abort.signal })
        if (fresh.status === 404) return
        if (fresh.status !== 200) return await later(name, `${name}: status ${fresh.status}`, fresh.retryAfter)
        const object = fresh.body as { readonly metadata: { readonly resourceVersion: string }; readonly status?: Json }
        latest = { resourceVersion: object.metadata.resourceVersion, status: object.status }
      } catch (error) {
        if (!abort.signal.aborted)
          return await later(name, `${name}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
  }

  const later = async (name: string, message: string, seconds?: number): Promise<void> => {
    options.trouble(`a status could not be written: ${message}`)
    const pause = pauses.get(name) ?? 100
    pauses.set(name, Math.min(pause * 2, 5_000))
    await sleep(Math.max(pause * (0.75 + Math.random() / 2), (seconds ?? 0) * 1000), abort.signal)
    queue.add(name)
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
      for (const name of before.keys()) if (!wanted.has(name)) check(name)
    },
    recheck() {
      if (!began) return
      for (const name of wanted.keys()) check(name)
      checkLeftovers()
    },
    idle: () => new Promise((done) => (queue.size === 0 && running.size === 0 ? done() : void waiters.push(done))),
    get writes() {
      return writes
    },
    async close() {
      abort.abort()
      await Promise.allSettled(working)
    },
  }
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

function messageOf(body: unknown): string {
  const message = (body as { message?: unknown } | undefined)?.message
  return typeof message === 'string' ? message : ''
}
