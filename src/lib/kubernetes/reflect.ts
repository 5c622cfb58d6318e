/**
 * One kind of a cluster → every object of it, at first and after each change. Effect. Lists, then watches from there;
 * resumes where a watch ended, lists again when the server has forgotten (410), waits longer the longer nothing works.
 */
import { type KubernetesClient, KubernetesError, refusal } from './client.ts'

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

export interface Observer {
  /** The whole list; what is not in it is gone. */
  replace(objects: readonly KubernetesObject[]): void
  set(object: KubernetesObject): void
  remove(object: KubernetesObject): void
  /** The kind is not there, or not ours to read; said each time that it was asked for in vain. */
  absent(error: KubernetesError): void
  /** Something failed and will be tried again; what was told so far stands. */
  failed(error: KubernetesError): void
  /** The server tells again what happens: after `replace`, and after a pause that `failed` announced. */
  current?(): void
}

export interface ReflectOptions {
  /** `/apis/gateway.networking.k8s.io/v1/gateways` */
  readonly path: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
  /** Milliseconds; up to half more or less by chance. Default 100, doubled up to `longestPause`. */
  readonly firstPause?: number
  /** Milliseconds; default 5,000. */
  readonly longestPause?: number
  /** Milliseconds; up to this the pause grows for a kind that is not there, or not ours to read. Default 10,000. */
  readonly absentPause?: number
  /**
   * Milliseconds that 404 must last before a kind that was there counts as gone. Default 30,000: a server that starts
   * knows neither all kinds nor all rights at once.
   */
  readonly goneAfter?: number
  /** How long the server is asked to keep a watch, seconds. Default one to two minutes, by chance. */
  readonly watchSeconds?: number
}

/** Of a watch that ends so early, milliseconds, the next one is not asked for at once. */
const EARLY = 1000

export async function reflect(
  client: KubernetesClient,
  options: ReflectOptions,
  observer: Observer,
  signal: AbortSignal,
): Promise<void> {
  const { firstPause = 100, longestPause = 5_000, absentPause = 10_000, goneAfter = 30_000 } = options
  let pause = firstPause
  let version: string | undefined
  let listed = false
  let missingSince: number | undefined
  let forgotten = 0
  const rest = async (longest: number, atLeast = 0): Promise<void> => {
    await sleep(Math.max(pause * (0.5 + Math.random()), atLeast), signal)
    pause = Math.min(pause * 2, longest)
  }
  const works = (): void => {
    pause = firstPause
    missingSince = undefined
    observer.current?.()
  }

  while (!signal.aborted) {
    try {
      if (version === undefined) {
        const answer = await list(client, options, signal)
        observer.replace(answer.objects)
        version = answer.version
        listed = true
        works()
      }
      const began = Date.now()
      for await (const event of client.watch(watchPath(options, version), signal)) {
        const { type, object } = event as { type?: string; object: KubernetesObject & StatusFields }
        if (type === 'ERROR') throw new KubernetesError(object.code ?? 500, object.message ?? 'the watch failed')
        version = object.metadata.resourceVersion ?? version
        forgotten = 0
        works()
        if (type === 'DELETED') observer.remove(object)
        else if (type !== 'BOOKMARK') observer.set(object)
      }
      if (Date.now() - began < EARLY) await rest(longestPause)
    } catch (thrown) {
      if (signal.aborted) return
      // what is no error of the wire is ours, or a line that is no JSON: said, and begun anew
      const error =
        thrown instanceof KubernetesError
          ? thrown
          : new KubernetesError(0, thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown })
      if (error.status === 410) {
        version = undefined
        // the history is gone, once; who says so again and again is not asked without a pause
        if (forgotten++ > 0) await rest(longestPause)
        continue
      }
      // whatever else it was, the next list tells: after a restore the server does not know the versions that it gave
      if (error.status !== 0 && error.status !== 429) version = undefined
      if (error.status === 404 || error.status === 403) {
        missingSince ??= Date.now()
        const gone = !listed || (error.status === 404 && Date.now() - missingSince >= goneAfter)
        if (gone) {
          observer.absent(error)
          listed = false
          await rest(absentPause)
          continue
        }
      }
      observer.failed(error)
      await rest(longestPause, (error.retryAfter ?? 0) * 1000)
    }
  }
}

interface StatusFields {
  readonly code?: number
  readonly message?: string
}

function watchPath(options: ReflectOptions, version: string): string {
  const seconds = options.watchSeconds ?? 60 + Math.floor(Math.random() * 60)
  return pathOf(options, {
    watch: 'true',
    allowWatchBookmarks: 'true',
    timeoutSeconds: String(seconds),
    resourceVersion: version,
  })
}

function pathOf(options: ReflectOptions, query: Readonly<Record<string, string>>): string {
  const words = new URLSearchParams(query)
  if (options.labelSelector !== undefined) words.set('labelSelector', options.labelSelector)
  if (options.fieldSelector !== undefined) words.set('fieldSelector', options.fieldSelector)
  return `${options.path}?${words.toString()}`
}

/** In pages, so that a large cluster is not one answer. */
async function list(
  client: KubernetesClient,
  options: ReflectOptions,
  signal: AbortSignal,
): Promise<{ readonly objects: readonly KubernetesObject[]; readonly version: string }> {
  const objects: KubernetesObject[] = []
  let more = ''
  for (;;) {
    const path = pathOf(options, { limit: '500', ...(more === '' ? {} : { continue: more }) })
    const reply = await client.ask({ path, signal })
    const answer = reply.body as
      | {
          kind?: string
          apiVersion?: string
          items?: KubernetesObject[]
          metadata?: { resourceVersion?: string; continue?: string }
        }
      | undefined
    if (reply.status !== 200) throw refusal(reply)
    if (answer?.items === undefined) throw new KubernetesError(0, 'the API server answered with no list')
    // objects of a list carry neither kind nor version of their own
    const kind = answer.kind?.replace(/List$/, '')
    for (const item of answer.items)
      objects.push({
        ...item,
        ...(answer.apiVersion === undefined ? {} : { apiVersion: answer.apiVersion }),
        ...(kind === undefined ? {} : { kind }),
      })
    more = answer.metadata?.continue ?? ''
    if (more === '') return { objects, version: answer.metadata?.resourceVersion ?? '0' }
  }
}

/** Ends with the signal, without a complaint. */
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
