/**
 * One kind of a cluster → every object of it, at first and after each change. Effect. Lists, then watches from there;
 * resumes where a watch ended, lists again when the server has forgotten (410), waits longer the longer nothing works.
 */
import type { KubeClient } from './kube.ts'
import { Refused } from './kube.ts'

export interface RawObject {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly resourceVersion: string
    readonly [field: string]: unknown
  }
  readonly [field: string]: unknown
}

export interface Observer {
  /** The whole list; what is not in it is gone. */
  replace(objects: readonly RawObject[]): void
  set(object: RawObject): void
  remove(object: RawObject): void
  /** The kind is not there, or not ours to read; it is asked for again from time to time. */
  absent(reason: string): void
  trouble(message: string): void
}

export interface ReflectOptions {
  /** `/apis/gateway.networking.k8s.io/v1/gateways` */
  readonly path: string
  readonly fieldSelector?: string
  /** Milliseconds; a quarter more or less by chance. Default 100, doubled up to 5,000. */
  readonly firstPause?: number
  /** Milliseconds until a kind that is not there, or not ours to read, is asked for again. Default 10,000. */
  readonly absentPause?: number
}

export async function reflect(
  client: KubeClient,
  options: ReflectOptions,
  observer: Observer,
  signal: AbortSignal,
): Promise<void> {
  const selector =
    options.fieldSelector === undefined ? '' : `&fieldSelector=${encodeURIComponent(options.fieldSelector)}`
  const firstPause = options.firstPause ?? 100
  let pause = firstPause
  let version: string | undefined
  let missing: string | undefined
  while (!signal.aborted) {
    try {
      if (version === undefined) {
        const listed = await list(client, options.path, selector, signal)
        observer.replace(listed.objects)
        version = listed.version
        pause = firstPause
        missing = undefined
      }
      const seconds = 60 + Math.floor(Math.random() * 60)
      const path = `${options.path}?watch=true&allowWatchBookmarks=true&timeoutSeconds=${seconds}&resourceVersion=${version}${selector}`
      for await (const event of client.watch(path, signal)) {
        const { type, object } = event as { type: string; object: RawObject & { code?: number; message?: string } }
        if (type === 'ERROR') throw new Refused(object.code ?? 500, object.message ?? 'the watch failed')
        version = object.metadata.resourceVersion
        pause = firstPause
        if (type === 'DELETED') observer.remove(object)
        else if (type !== 'BOOKMARK') observer.set(object)
      }
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof Refused) {
        // 410: the history is gone; 404 and 403: the kind is, or our right to it. Whatever else, the next list tells.
        if (error.status === 410) {
          version = undefined
          continue
        }
        if (error.status !== 429 && error.status < 500) version = undefined
        if (error.status === 404 || error.status === 403) {
          // said once: an optional kind may be missing for as long as the cluster lives
          if (missing !== error.message) observer.trouble(`${options.path}: ${error.message}`)
          missing = error.message
          observer.absent(error.message)
          await sleep((options.absentPause ?? 10_000) * (0.75 + Math.random() / 2), signal)
          continue
        }
      }
      observer.trouble(`${options.path}: ${error instanceof Error ? error.message : String(error)}`)
      await sleep(pause * (0.75 + Math.random() / 2), signal)
      pause = Math.min(pause * 2, 5_000)
    }
  }
}

/** In pages, so that a large cluster is not one answer. */
async function list(
  client: KubeClient,
  path: string,
  selector: string,
  signal: AbortSignal,
): Promise<{ readonly objects: readonly RawObject[]; readonly version: string }> {
  const objects: RawObject[] = []
  let token = ''
  for (;;) {
    const page = token === '' ? '' : `&continue=${encodeURIComponent(token)}`
    const { status, body } = await client.request('GET', `${path}?limit=500${page}${selector}`, { signal })
    const answer = body as
      | {
          kind?: string
          apiVersion?: string
          items?: RawObject[]
          message?: string
          metadata?: { resourceVersion?: string; continue?: string }
        }
      | undefined
    if (status !== 200 || answer?.items === undefined) throw new Refused(status, answer?.message ?? `status ${status}`)
    // objects of a list carry neither kind nor version of their own
    const kind = answer.kind?.replace(/List$/, '')
    for (const item of answer.items)
      objects.push({
        ...item,
        ...(answer.apiVersion === undefined ? {} : { apiVersion: answer.apiVersion }),
        ...(kind === undefined ? {} : { kind }),
      })
    token = answer.metadata?.continue ?? ''
    if (token === '') return { objects, version: answer.metadata?.resourceVersion ?? '0' }
  }
}

export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) return done()
    const finish = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', finish)
      done()
    }
    const timer = setTimeout(finish, ms)
    signal.addEventListener('abort', finish, { once: true })
  })
}
