/**
 * A kind of object → what there is of it now, kept up to date by list and watch. Effect.
 *
 * One that did not change is the same object (by identity) in every list, over a relist too. A watch is resumed where it
 * ended; after 410 everything is listed again, and what is gone is found by comparing. While the server is away the last
 * list stays, and `state` says so.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type KubernetesClient, KubernetesError } from './client.ts'

export interface KubernetesObject {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly uid?: string
    readonly resourceVersion?: string
    readonly [field: string]: unknown
  }
  readonly [field: string]: unknown
}

export interface WatchedKind<Item> {
  /** `/api/v1/pods`. */
  readonly path: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
  /** What is kept of an object, as plain data that JSON can compare: the less, the fewer changes. Undefined: not ours. */
  keep(object: KubernetesObject): Item | undefined
}

/** `listing`: not yet known. `away`: the last list stands, and may be old. */
export type WatchState =
  | { readonly kind: 'listing' | 'current' }
  | { readonly kind: 'away'; readonly status: number; readonly message: string; readonly since: number }

export interface Watched<Item> {
  /** By namespace and name, in byte order. Undefined until it was listed once. */
  items(): readonly Item[] | undefined
  state(): WatchState
  stop(): void
}

export interface WatchTimes {
  /** Of the first pause after a failure, milliseconds; doubled up to `longest`, with jitter. Default 200 and 30,000. */
  readonly shortest?: number
  readonly longest?: number
  /** How long the server is asked to keep a watch, seconds. Default 290. */
  readonly watchSeconds?: number
}

/** `changed` is called once for each burst that arrives in one piece, and when the state changes. */
export function watchKind<Item>(
  client: KubernetesClient,
  kind: WatchedKind<Item>,
  changed: () => void,
  times: WatchTimes = {},
): Watched<Item> {
  const { shortest = 200, longest = 30_000, watchSeconds = 290 } = times
  const abort = new AbortController()
  let kept = new Map<string, Kept<Item>>()
  let listed = false
  let sorted: readonly Item[] | undefined
  let state: WatchState = { kind: 'listing' }
  let version = ''
  let told = false
  let pause = shortest

  const tell = (): void => {
    if (told) return
    told = true
    setImmediate(() => {
      told = false
      if (!abort.signal.aborted) changed()
    })
  }
  const moveTo = (next: WatchState): void => {
    if (state.kind === next.kind && next.kind !== 'away') return
    state = next
    tell()
  }
  /** Does the list change by it? */
  const put = (into: Map<string, Kept<Item>>, object: KubernetesObject): boolean => {
    const key = keyOf(object)
    const before = kept.get(key)
    const item = kind.keep(object)
    if (item === undefined) return into.delete(key)
    const text = JSON.stringify(item)
    if (before !== undefined && before.text === text) {
      into.set(key, before)
      return false
    }
    into.set(key, { item, text })
    return true
  }

  const list = async (): Promise<void> => {
    const next = new Map<string, Kept<Item>>()
    let more = ''
    let changes = false
    do {
      const page = (await client.request({
        path: withQuery(kind, { limit: '500', ...(more === '' ? {} : { continue: more }) }),
        signal: abort.signal,
      })) as { metadata?: { resourceVersion?: string; continue?: string }; items?: readonly KubernetesObject[] }
      for (const object of page.items ?? []) if (put(next, object)) changes = true
      more = page.metadata?.continue ?? ''
      version = page.metadata?.resourceVersion ?? ''
    } while (more !== '')
    if (!changes && listed) for (const key of kept.keys()) if (!next.has(key)) changes = true
    kept = next
    if (changes || !listed) {
      sorted = undefined
      listed = true
      tell()
    }
    moveTo({ kind: 'current' })
  }

  /** Until it ends by itself. */
  const follow = async (): Promise<void> => {
    const path = withQuery(kind, {
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion: version,
      timeoutSeconds: String(watchSeconds),
    })
    // a bookmark comes every minute: a silence of this length is a dead connection
    const silence = Math.min(watchSeconds * 1000, 120_000) + 10_000
    for await (const line of client.lines({ path, signal: abort.signal }, silence)) {
      const event = JSON.parse(line) as {
        type?: string
        object?: KubernetesObject & { code?: number; message?: string }
      }
      const { object } = event
      if (object === undefined) continue
      if (event.type === 'ERROR') throw new KubernetesError(object.code ?? 0, object.message ?? 'the watch failed')
      version = object.metadata.resourceVersion ?? version
      pause = shortest
      moveTo({ kind: 'current' })
      let changes = false
      if (event.type === 'ADDED' || event.type === 'MODIFIED') changes = put(kept, object)
      else if (event.type === 'DELETED') changes = kept.delete(keyOf(object))
      if (!changes) continue
      sorted = undefined
      tell()
    }
  }

  const run = async (): Promise<void> => {
    while (!abort.signal.aborted) {
      const began = Date.now()
      try {
        if (version === '') await list()
        await follow()
        // one that ends at once would be asked for again and again
        if (Date.now() - began > 5000) pause = shortest
        else await wait()
      } catch (error) {
        if (abort.signal.aborted) return
        const known = error instanceof KubernetesError ? error : new KubernetesError(0, String(error), { cause: error })
        // 410: what was missed can no longer be told
        if (known.status === 410) version = ''
        else {
          // a server that is back after it lost its history says 400 or 500 to a version it never gave
          if (known.status >= 400) version = ''
          moveTo({ kind: 'away', status: known.status, message: known.message, since: sinceOf(state) })
        }
        await wait()
      }
    }
  }
  const wait = async (): Promise<void> => {
    const ms = pause * (0.5 + Math.random())
    pause = Math.min(pause * 2, longest)
    await sleep(ms, undefined, { signal: abort.signal }).catch(() => undefined)
  }
  void run()

  return {
    items: () => {
      if (!listed) return undefined
      sorted ??= [...kept].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, one]) => one.item)
      return sorted
    },
    state: () => state,
    stop: () => abort.abort(),
  }
}

interface Kept<Item> {
  readonly item: Item
  readonly text: string
}

function sinceOf(state: WatchState): number {
  return state.kind === 'away' ? state.since : Date.now()
}

/** NUL sorts before every character of a name: `a` and its objects before `a-b`. */
function keyOf({ metadata }: KubernetesObject): string {
  return `${metadata.namespace ?? ''}\u0000${metadata.name}`
}

function withQuery(
  kind: { readonly path: string; readonly labelSelector?: string; readonly fieldSelector?: string },
  query: Readonly<Record<string, string>>,
): string {
  const words = new URLSearchParams(query)
  if (kind.labelSelector !== undefined) words.set('labelSelector', kind.labelSelector)
  if (kind.fieldSelector !== undefined) words.set('fieldSelector', kind.fieldSelector)
  return `${kind.path}?${words.toString()}`
}
