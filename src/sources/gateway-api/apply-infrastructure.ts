/**
 * Manifests of all Gateways → the cluster. Effect: server-side apply under one field manager, again only after a change, or
 * when somebody has deleted what stood there.
 */
import type { Manifest } from './infrastructure.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client.ts'
import { type KubernetesObject, reflect } from '../../lib/kubernetes/reflect.ts'
import { managedByLabel } from './names.ts'

export interface InfrastructureOptions {
  readonly client: KubernetesClient
  /** Only the leader writes; who begins to lead calls `apply`. Default: always. */
  leads?(): boolean
  trouble(message: string): void
}

/** What stands in the cluster is remembered by its text, so that an idle minute writes nothing; what is missed is watched. */
export interface Infrastructure {
  /** Resolves when all of it was tried; what failed is tried again at the next call, and in a second by itself. */
  apply(wanted: readonly Manifest[]): Promise<void>
  /** Resolves when nothing of it is under way any more. */
  close(): Promise<void>
}

interface Applied {
  readonly text: string
  readonly manifest: Manifest
}

/** So many requests are under way at once. */
const AT_ONCE = 8

export function createInfrastructure({ client, trouble, leads }: InfrastructureOptions): Infrastructure {
  let known = new Map<string, Applied>()
  let adopted = false
  let wantedNow: readonly Manifest[] = []
  let running: Promise<void> | undefined
  let retry: NodeJS.Timeout | undefined
  let closed = false
  const abort = new AbortController()
  const idle = (): boolean => closed || leads?.() === false

  const round = async (): Promise<void> => {
    const wanted = wantedNow
    let failed = false
    const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
      try {
        if (!idle()) await work()
      } catch (error) {
        failed = true
        trouble(`${what}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
    if (!adopted) {
      await attempt('Services of ours', async () => {
        known = await adopt(client)
        adopted = true
      })
    }
    const keys = new Set<string>()
    const work: (() => Promise<void>)[] = []
    for (const manifest of wanted) {
      const key = keyOf(manifest)
      keys.add(key)
      const before = known.get(key)
      if (before?.manifest === manifest) continue
      const text = JSON.stringify(manifest)
      if (before?.text === text) {
        known.set(key, { text, manifest })
        continue
      }
      work.push(() =>
        attempt(key, async () => {
          await put(client, manifest)
          known.set(key, { text, manifest })
        }),
      )
    }
    // before it is known what an earlier run of ours made, nothing can be too much
    for (const [key, { manifest }] of adopted ? known : []) {
      if (keys.has(key)) continue
      work.push(() =>
        attempt(key, async () => {
          await remove(client, manifest)
          known.delete(key)
        }),
      )
    }
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let next = work.shift(); next !== undefined; next = work.shift()) await next()
      }),
    )
    if (failed && !idle()) retry ??= setTimeout(() => ((retry = undefined), void run()), 1000)
  }

  /** One round at a time; the latest wish counts. */
  const run = async (): Promise<void> => {
    while (running !== undefined) await running
    if (idle()) {
      // whoever leads now may change what stands there: it is looked at again when it is our turn
      adopted = false
      known.clear()
      return
    }
    running = round().finally(() => (running = undefined))
    await running
  }

  /** Made again, if it is still wanted; several that went together in one round. */
  const missed = (key: string): void => {
    if (!known.delete(key) || retry !== undefined) return
    retry = setTimeout(() => ((retry = undefined), void run()), 0)
  }
  const watching = Object.entries(collections).map(([kind, path]) => {
    const keyIn = ({ metadata }: KubernetesObject): string => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`
    return reflect(
      client,
      { path, labelSelector: `${managedByLabel}=gantry` },
      {
        replace: (objects) => {
          const present = new Set(objects.map(keyIn))
          // one that was made since the list was asked for is applied once more, which changes nothing
          for (const key of known.keys()) if (key.startsWith(`${kind} `) && !present.has(key)) missed(key)
        },
        set: () => undefined,
        remove: (object) => missed(keyIn(object)),
        absent: (error) => trouble(`${path}: ${error.message}`),
        failed: (error) => trouble(`${path}: ${error.message}`),
      },
      abort.signal,
    )
  })

  return {
    apply: async (wanted) => {
      wantedNow = wanted
      await run()
    },
    close: async () => {
      closed = true
      clearTimeout(retry)
      abort.abort()
      await Promise.all(watching)
      await running
    },
  }
}

const collections: Readonly<Record<string, string>> = {
  ServiceAccount: '/api/v1/serviceaccounts',
  Secret: '/api/v1/secrets',
  Service: '/api/v1/services',
  Deployment: '/apis/apps/v1/deployments',
}

function keyOf(manifest: Manifest): string {
  return `${manifest.kind} ${manifest.metadata.namespace}/${manifest.metadata.name}`
}

function pathOf({ kind, metadata }: Manifest): string {
  const collection = collections[kind]
  if (collection === undefined) throw new Error(`nobody said where a ${kind} lives`)
  const cut = collection.lastIndexOf('/')
  return `${collection.slice(0, cut)}/namespaces/${metadata.namespace}${collection.slice(cut)}/${metadata.name}`
}

async function put(client: KubernetesClient, manifest: Manifest): Promise<void> {
  const path = `${pathOf(manifest)}?fieldManager=gantry&force=true`
  const { status, body } = await client.ask({
    method: 'PATCH',
    path,
    body: manifest,
    contentType: 'application/apply-patch+yaml',
  })
  if (status < 300) return
  // the Gateway has gone meanwhile, or its namespace is going: there is nothing left to serve
  if (status === 404 || (status === 403 && JSON.stringify(body).includes('being terminated'))) return
  throw new Error(`the API server answered ${status}: ${(body as { message?: string } | undefined)?.message ?? ''}`)
}

/** What a Gateway owned goes with it; this is for what one that stays no longer asks for. */
async function remove(client: KubernetesClient, manifest: Manifest): Promise<void> {
  const { status } = await client.ask({ method: 'DELETE', path: pathOf(manifest) })
  if (status >= 300 && status !== 404) throw new Error(`the API server answered ${status}`)
}

/** Services and Deployments that an earlier run of ours made: wanted ones are compared, the others removed. */
async function adopt(client: KubernetesClient): Promise<Map<string, Applied>> {
  const found = new Map<string, Applied>()
  for (const kind of ['Service', 'Deployment'] as const) {
    const selector = encodeURIComponent(`${managedByLabel}=gantry`)
    const body = await client.request({ path: `${collections[kind]}?labelSelector=${selector}` })
    for (const item of (body as { items: readonly Manifest[] }).items) {
      const manifest = { ...item, kind }
      if (manifest.metadata.ownerReferences !== undefined) found.set(keyOf(manifest), { text: '', manifest })
    }
  }
  return found
}
