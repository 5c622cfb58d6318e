/** One of several controllers leads, by a Lease of the coordination API. Effect. (coordination.k8s.io/v1, as client-go elects.) */
import { type KubernetesClient, refusal, type Reply } from '../../lib/kubernetes/client.ts'
import { sleep } from '../../lib/kubernetes/reflect.ts'

export interface LeaseOptions {
  readonly client: KubernetesClient
  readonly namespace: string
  readonly name: string
  /** Who we are: the name of the Pod. */
  readonly identity: string
  /** Milliseconds without a beat after which another one may lead. Default 15,000. */
  readonly duration?: number
  /** Milliseconds between two beats. Default 5,000. */
  readonly beat?: number
  trouble(message: string): void
}

/** `lost`: we led, and could not say so in time; nobody else is known to lead. */
export type Standing = 'unknown' | 'leads' | 'lost' | 'follows'

export interface Election {
  leads(): boolean
  standing(): Standing
  onChange(listener: (leads: boolean) => void): void
  /** Gives the lease back, so that the next one need not wait for it to end. */
  close(): Promise<void>
}

interface LeaseObject {
  readonly metadata: { readonly name: string; readonly namespace: string; readonly resourceVersion?: string }
  readonly spec?: {
    readonly holderIdentity?: string
    readonly leaseDurationSeconds?: number
    readonly acquireTime?: string
    readonly renewTime?: string
    readonly leaseTransitions?: number
  }
}

export function elect(options: LeaseOptions): Election {
  const { client, identity } = options
  const duration = options.duration ?? 15_000
  const beat = options.beat ?? 5_000
  const abort = new AbortController()
  const listeners: ((leads: boolean) => void)[] = []
  const collection = `/apis/coordination.k8s.io/v1/namespaces/${options.namespace}/leases`
  const path = `${collection}/${options.name}`
  /** Clocks differ between machines, so a lease ends by our own clock, counted from when we saw it change. */
  let seen: { readonly version: string; readonly at: number } | undefined
  let renewed = 0
  let standing = 'unknown' as Standing
  let ends: NodeJS.Timeout | undefined

  const set = (next: Standing): void => {
    const before = standing
    standing = next
    if ((before === 'leads') === (next === 'leads') && before !== 'unknown') return
    for (const listener of listeners) listener(next === 'leads')
  }
  const now = (): string => new Date().toISOString().replace(/Z$/, '000Z')
  const record = (old: LeaseObject | undefined, holder: string): object => {
    const same = old?.spec?.holderIdentity === identity
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: {
        name: options.name,
        namespace: options.namespace,
        ...(old?.metadata.resourceVersion === undefined ? {} : { resourceVersion: old.metadata.resourceVersion }),
      },
      spec: {
        holderIdentity: holder,
        leaseDurationSeconds: Math.max(1, Math.round(duration / 1000)),
        acquireTime: same ? (old.spec?.acquireTime ?? now()) : now(),
        renewTime: now(),
        leaseTransitions: (old?.spec?.leaseTransitions ?? 0) + (same || old === undefined ? 0 : 1),
      },
    }
  }
  const write = (old: LeaseObject | undefined, holder: string, signal?: AbortSignal): Promise<Reply> =>
    client.ask({
      ...(old === undefined ? { method: 'POST', path: collection } : { method: 'PUT', path }),
      body: record(old, holder),
      ...(signal === undefined ? {} : { signal }),
    })

  const attempt = async (): Promise<void> => {
    const started = Date.now()
    const found = await client.ask({ path, signal: abort.signal })
    if (found.status !== 200 && found.status !== 404) throw refusal(found)
    const old = found.status === 404 ? undefined : (found.body as LeaseObject)
    const version = old?.metadata.resourceVersion ?? ''
    if (seen?.version !== version) seen = { version, at: Date.now() }
    const holder = old?.spec?.holderIdentity ?? ''
    const until = seen.at + (old?.spec?.leaseDurationSeconds ?? 0) * 1000
    if (holder !== identity && holder !== '' && Date.now() < until) return set('follows')
    const reply = await write(old, identity, abort.signal)
    if (reply.status === 200 || reply.status === 201) {
      renewed = started
      clearTimeout(ends)
      // who could not beat in time no longer leads, whether the server could be told or not
      ends = setTimeout(() => set('lost'), started + duration - Date.now())
      ends.unref()
      set('leads')
    } else if (reply.status === 409) set('follows')
    else throw refusal(reply)
  }

  const loop = (async () => {
    while (!abort.signal.aborted) {
      try {
        await attempt()
      } catch (error) {
        if (abort.signal.aborted) return
        options.trouble(
          `the lease ${options.namespace}/${options.name}: ${error instanceof Error ? error.message : String(error)}`,
        )
      }
      await sleep((standing === 'leads' ? beat : beat / 2.5) * (0.9 + Math.random() / 5), abort.signal)
    }
  })()

  return {
    leads: () => standing === 'leads' && Date.now() - renewed < duration,
    standing: () => standing,
    onChange: (listener) => void listeners.push(listener),
    async close() {
      abort.abort()
      clearTimeout(ends)
      await loop
      const led = standing === 'leads'
      standing = 'unknown'
      if (!led) return
      try {
        const { status, body } = await client.ask({ path })
        const old = body as LeaseObject | undefined
        if (status === 200 && old?.spec?.holderIdentity === identity) await write(old, '')
      } catch {
        // it ends by itself
      }
    },
  }
}
