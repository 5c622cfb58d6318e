/** Statuses → an annotation on each object that has problems, and Events beside it. Effect. */
import { createHash } from 'node:crypto'
import { connectKubernetes, type KubernetesClient, KubernetesError } from '../../lib/kubernetes/client.ts'
import type { Status } from './statuses.ts'

export interface Report {
  /** From here on statuses are told to this cluster; before, to nobody. */
  to(kubeconfig: string | undefined): void
  report(statuses: readonly Status[], signal: AbortSignal): Promise<void>
}

/** So many requests are under way at once. */
const AT_ONCE = 4

/**
 * What an object says already is not written again, so that several of us agree and a reported problem makes no new
 * change. What is forbidden (403) or gone (404) is let be; anything else that fails is thrown when the others are done.
 */
export function createReport(connect: (kubeconfig?: string) => Promise<KubernetesClient> = connectKubernetes): Report {
  let place: { readonly kubeconfig: string | undefined } | undefined
  let client: KubernetesClient | undefined
  /** What was last told, by object: the watch brings it back only later. */
  const told = new Map<string, string | undefined>()
  return {
    to: (kubeconfig) => {
      client?.close()
      client = undefined
      place = { kubeconfig }
      told.clear()
    },
    report: async (statuses, signal) => {
      if (place === undefined) return
      const server = (client ??= await connect(place.kubeconfig))
      const waiting = statuses.filter((status) => {
        const key = keyOf(status)
        return textOf(status) !== (told.has(key) ? told.get(key) : status.told)
      })
      const failures: unknown[] = []
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          for (let status = waiting.shift(); status !== undefined && !signal.aborted; status = waiting.shift()) {
            try {
              await tell(server, status, signal)
              told.set(keyOf(status), textOf(status))
            } catch (error) {
              if (error instanceof KubernetesError && (error.status === 403 || error.status === 404))
                told.set(keyOf(status), textOf(status))
              else failures.push(error)
            }
          }
        }),
      )
      if (failures.length > 0) throw failures[0]
    },
  }
}

async function tell(client: KubernetesClient, status: Status, signal: AbortSignal): Promise<void> {
  const { kind, namespace, name, uid } = status
  const path = kind === 'Pod' ? `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/` : '/api/v1/namespaces/'
  await client.request({
    method: 'PATCH',
    path: `${path}${encodeURIComponent(name)}?fieldManager=gantry`,
    contentType: 'application/merge-patch+json',
    body: {
      metadata: {
        ...(uid === undefined ? {} : { uid }),
        annotations: { [status.annotation]: textOf(status) ?? null },
      },
    },
    signal,
  })
  // Events of what has no namespace stand in `default`
  const where = kind === 'Pod' ? namespace : 'default'
  for (const { code, message } of status.problems) {
    const digest = createHash('sha256')
      .update(JSON.stringify([uid, code, message]))
      .digest('hex')
      .slice(0, 16)
    const now = new Date().toISOString()
    try {
      await client.request({
        method: 'POST',
        path: `/api/v1/namespaces/${encodeURIComponent(where)}/events?fieldManager=gantry`,
        body: {
          apiVersion: 'v1',
          kind: 'Event',
          metadata: { name: `${name.slice(0, 200)}.${digest}`, namespace: where },
          involvedObject: {
            apiVersion: 'v1',
            kind,
            name,
            ...(namespace === '' ? {} : { namespace }),
            ...(uid === undefined ? {} : { uid }),
          },
          reason: reasonOf(code),
          message: message.slice(0, 1024),
          type: 'Warning',
          source: { component: 'gantry' },
          firstTimestamp: now,
          lastTimestamp: now,
          count: 1,
        },
        signal,
      })
    } catch (error) {
      // 409: another one of us has said so
      if (!(error instanceof KubernetesError && error.status === 409)) throw error
    }
  }
}

/** `pods/path-taken` → `PathTaken`. */
function reasonOf(code: string): string {
  return (code.split('/')[1] ?? code).replaceAll(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

/** Undefined: nothing is wrong, and nothing should stand there. */
function textOf({ problems }: Status): string | undefined {
  return problems.length === 0 ? undefined : JSON.stringify(problems)
}

function keyOf({ kind, namespace, name, uid }: Status): string {
  return JSON.stringify([kind, namespace, name, uid])
}
