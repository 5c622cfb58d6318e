/** One of several controllers leads, by a Lease of the coordination API. Effect. (coordination.k8s.io/v1, as client-go elects.) */
import type { KubeClient } from './kube.ts'
import { sleep } from './reflect.ts'

export interface LeaseOptions {
  readonly client: KubeClient
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

export interface Election {
  leads(): boolean
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
  let leading = false

  const set = (value: boolean): void => {
    if (value === leading) return
    leading = value
    for (const listener of listeners) listener(value)
  }
  const now = (): string => new Date().toISOString().replace(/Z$/, '000Z')
  const record = (old: LeaseObject | undefined, holder: string): LeaseObject => {
    const same = old?.spec?.holderIdentity === identity
    return {
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

  const attempt = async (): Promise<void> => {
    const started = Date.now()
    const { status, body } = await client.request('GET', path, { signal: abort.signal })
    if (status !== 200 && status !== 404) throw new Error(`status ${status}`)
    const old = status === 404 ? undefined : (body as LeaseObject)
    const version = old?.metadata.resourceVersion ?? ''
    if (seen?.version !== version) seen = { version, at: Date.now() }
    const holder = old?.spec?.holderIdentity ?? ''
    const ends = seen.at + (old?.spec?.leaseDurationSeconds ?? 0) * 1000
    if (holder !== identity && holder !== '' && Date.now() < ends) return set(false)
    const given = { ...record(old, identity), apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' }
    const reply = await (old === undefined
      ? client.request('POST', collection, { body: given, signal: abort.signal })
      : client.request('PUT', path, { body: given, signal: abort.signal }))
    if (reply.status === 200 || reply.status === 201) {
      renewed = started
      set(true)
    } else if (reply.status === 409) set(false)
    else throw new Error(`status ${reply.status}`)
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
      await sleep((leading ? beat : beat / 2.5) * (0.9 + Math.random() / 5), abort.signal)
    }
  })()

  return {
    // who could not beat in time no longer leads, whether the server could be told or not
    leads: () => leading && Date.now() - renewed < duration,
    onChange: (listener) => void listeners.push(listener),
    async close() {
      abort.abort()
      await loop
      if (!leading) return
      leading = false
      const { status, body } = await client.request('GET', path).catch(() => ({ status: 0, body: undefined }))
      const old = body as LeaseObject | undefined
      if (status !== 200 || old?.spec?.holderIdentity !== identity) return
      const given = { ...record(old, ''), apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' }
      await client.request('PUT', path, { body: given }).catch(() => undefined)
    },
  }
}
