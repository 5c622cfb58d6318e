/** Manifests of all Gateways → the cluster. Effect: server-side apply under one field manager, again only after a change. */
import type { Manifest } from './infrastructure.ts'
import type { KubeClient } from './kube.ts'
import { managedByLabel } from './names.ts'

export interface InfrastructureOptions {
  readonly client: KubeClient
  trouble(message: string): void
}

/** What stands in the cluster is remembered by its text, so that an idle minute writes nothing. */
export interface Infrastructure {
  /** Resolves when all of it was tried; what failed is tried again at the next call, and in a second by itself. */
  apply(wanted: readonly Manifest[]): Promise<void>
  close(): void
}

export function createInfrastructure({ client, trouble }: InfrastructureOptions): Infrastructure {
  const known = new Map<string, { readonly text: string; readonly manifest: Manifest }>()
  let adopted = false
  let wantedNow: readonly Manifest[] = []
  let running: Promise<void> | undefined
  let retry: NodeJS.Timeout | undefined
  let closed = false

  const round = async (): Promise<void> => {
    const wanted = wantedNow
    let failed = false
    const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
      try {
        await work()
      } catch (error) {
        failed = true
        trouble(`${what}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
    if (!adopted) {
      await attempt('Services of ours', async () => {
        await adopt(client, known)
        adopted = true
      })
    }
    const keys = new Set(wanted.map(keyOf))
    for (const manifest of wanted) {
      const text = JSON.stringify(manifest)
      if (known.get(keyOf(manifest))?.text === text) continue
      await attempt(keyOf(manifest), async () => {
        await put(client, manifest)
        known.set(keyOf(manifest), { text, manifest })
      })
    }
    for (const [key, { manifest }] of known) {
      if (keys.has(key)) continue
      await attempt(key, async () => {
        await remove(client, manifest)
        known.delete(key)
      })
    }
    if (failed && !closed) retry ??= setTimeout(() => ((retry = undefined), void run()), 1000)
  }

  /** One round at a time; the latest wish counts. */
  const run = async (): Promise<void> => {
    while (running !== undefined) await running
    if (closed) return
    running = round().finally(() => (running = undefined))
    await running
  }

  return {
    apply: async (wanted) => {
      wantedNow = wanted
      await run()
    },
    close: () => {
      closed = true
      clearTimeout(retry)
    },
  }
}

const places: Readonly<Record<string, string>> = {
  ServiceAccount: '/api/v1/namespaces/NS/serviceaccounts',
  Secret: '/api/v1/namespaces/NS/secrets',
  Service: '/api/v1/namespaces/NS/services',
  Deployment: '/apis/apps/v1/namespaces/NS/deployments',
}

function keyOf(manifest: Manifest): string {
  return `${manifest.kind} ${manifest.metadata.namespace}/${manifest.metadata.name}`
}

function pathOf(manifest: Manifest): string {
  const place = places[manifest.kind]
  if (place === undefined) throw new Error(`nobody said where a ${manifest.kind} lives`)
  return `${place.replace('NS', manifest.metadata.namespace)}/${manifest.metadata.name}`
}

async function put(client: KubeClient, manifest: Manifest): Promise<void> {
  const path = `${pathOf(manifest)}?fieldManager=gantry&force=true`
  const { status, body } = await client.request('PATCH', path, {
    body: manifest,
    contentType: 'application/apply-patch+yaml',
  })
  if (status < 300) return
  // the Gateway has gone meanwhile, or its namespace is going: there is nothing left to serve
  if (status === 404 || (status === 403 && JSON.stringify(body).includes('being terminated'))) return
  throw new Error(`the API server answered ${status}: ${(body as { message?: string } | undefined)?.message ?? ''}`)
}

/** What a Gateway owned goes with it; this is for what one that stays no longer asks for. */
async function remove(client: KubeClient, manifest: Manifest): Promise<void> {
  const { status } = await client.request('DELETE', pathOf(manifest))
  if (status >= 300 && status !== 404) throw new Error(`the API server answered ${status}`)
}

/** Services and Deployments that an earlier run of ours made: wanted ones are compared, the others removed. */
async function adopt(
  client: KubeClient,
  known: Map<string, { readonly text: string; readonly manifest: Manifest }>,
): Promise<void> {
  for (const [kind, path] of [
    ['Service', '/api/v1/services'],
    ['Deployment', '/apis/apps/v1/deployments'],
  ] as const) {
    const { status, body } = await client.request(
      'GET',
      `${path}?labelSelector=${encodeURIComponent(`${managedByLabel}=gantry`)}`,
    )
    if (status !== 200) throw new Error(`the API server answered ${status}`)
    for (const item of (body as { items: readonly Manifest[] }).items) {
      const manifest = { ...item, kind }
      if (manifest.metadata.ownerReferences !== undefined) known.set(keyOf(manifest), { text: '', manifest })
    }
  }
}
