/** Server, authority and token → requests, watches and caches of a Kubernetes API. What an object means is not known here. */
import { Agent, request } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Resource } from './objects.ts'

export interface Access {
  readonly server: string
  /** PEM. */
  readonly ca: string
  readonly token: string
}

export type Observer<T extends Resource> = (object: T, change: 'set' | 'gone') => void

export interface Cache<T extends Resource> {
  get(namespace: string, name: string): T | undefined
  list(): readonly T[]
}

/** Whoever asks names the shape that the path answers with; nothing checks it. */
export interface Kube {
  get<T extends object = Resource>(path: string): Promise<T>
  post<T extends object = Resource>(path: string, body: object): Promise<T>
  /** JSON merge patch: lists are replaced whole. */
  patch<T extends object = Resource>(path: string, body: object): Promise<T>
  delete(path: string, options?: object): Promise<void>
  /** Resolves when the first list has been observed; goes on until the signal, or until the process ends. */
  watch<T extends Resource>(path: string, observe: Observer<T>, signal?: AbortSignal): Promise<void>
  cache<T extends Resource>(path: string, observe?: Observer<T>, signal?: AbortSignal): Promise<Cache<T>>
}

/** An answer of 300 or more. */
export class KubeError extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

interface List {
  readonly items: readonly Resource[]
  readonly metadata: { readonly resourceVersion: string }
}

interface Change {
  readonly type?: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  readonly object?: Resource & { readonly code?: number; readonly message?: string }
}

export function connect(access: Access): Kube {
  const agent = new Agent({ keepAlive: true, maxSockets: 64, ca: access.ca })

  function open(
    method: string,
    path: string,
    body?: object,
    type = 'application/json',
    signal?: AbortSignal,
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? '' : JSON.stringify(body)
      // Node sends no length for the body of a DELETE, the server would read it as the next request
      const headers = {
        authorization: `Bearer ${access.token}`,
        'content-type': type,
        'content-length': Buffer.byteLength(text),
      }
      const sent = request(new URL(path, access.server), { method, agent, headers, ...(signal && { signal }) }, resolve)
      sent.on('error', reject)
      sent.end(text)
    })
  }

  async function ask<T>(method: string, path: string, body?: object, type?: string): Promise<T> {
    const response = await open(method, path, body, type)
    const chunks: Buffer[] = []
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString()
    const status = response.statusCode ?? 0
    if (status >= 300) throw new KubeError(status, `${method} ${path}: ${messageOf(text)}`)
    return JSON.parse(text) as T
  }

  async function watch<T extends Resource>(path: string, observe: Observer<T>, signal?: AbortSignal): Promise<void> {
    const known = new Map<string, Resource>()
    const note = (object: Resource, change: 'set' | 'gone') => {
      if (change === 'gone') known.delete(object.metadata.uid)
      else known.set(object.metadata.uid, object)
      observe(object as T, change)
    }
    let version = await list()
    void follow()

    async function list(): Promise<string> {
      const { items, metadata } = await ask<List>('GET', path)
      const present = new Set(items.map((object) => object.metadata.uid))
      for (const object of known.values()) if (!present.has(object.metadata.uid)) note(object, 'gone')
      for (const object of items) {
        if (known.get(object.metadata.uid)?.metadata.resourceVersion !== object.metadata.resourceVersion)
          note(object, 'set')
      }
      return metadata.resourceVersion
    }

    async function follow(): Promise<void> {
      while (!signal?.aborted) {
        try {
          const separator = path.includes('?') ? '&' : '?'
          const query = `watch=1&allowWatchBookmarks=true&resourceVersion=${version}`
          const response = await open('GET', `${path}${separator}${query}`, undefined, undefined, signal)
          for await (const line of lines(response)) {
            const { type, object } = JSON.parse(line) as Change
            if (type === 'ERROR' || !type || !object) throw new KubeError(object?.code ?? 500, object?.message ?? line)
            version = object.metadata.resourceVersion
            if (type !== 'BOOKMARK') note(object, type === 'DELETED' ? 'gone' : 'set')
          }
        } catch {
          // an expired version or a restarted server: what was missed shows in a new list
          if (signal?.aborted) return
          await sleep(200)
          version = await list().catch(() => version)
        }
      }
    }
  }

  async function cache<T extends Resource>(
    path: string,
    observe: Observer<T> = () => undefined,
    signal?: AbortSignal,
  ): Promise<Cache<T>> {
    const objects = new Map<string, T>()
    const key = (namespace: string | undefined, name: string) => `${namespace ?? ''}/${name}`
    await watch<T>(
      path,
      (object, change) => {
        const at = key(object.metadata.namespace, object.metadata.name)
        if (change === 'set') objects.set(at, object)
        else if (objects.get(at)?.metadata.uid === object.metadata.uid) objects.delete(at)
        observe(object, change)
      },
      signal,
    )
    return { get: (namespace, name) => objects.get(key(namespace, name)), list: () => [...objects.values()] }
  }

  return {
    get: (path) => ask('GET', path),
    post: (path, body) => ask('POST', path, body),
    patch: (path, body) => ask('PATCH', path, body, 'application/merge-patch+json'),
    delete: (path, options) => ask('DELETE', path, options),
    watch,
    cache,
  }
}

/** The message of a Status, or the text where a proxy or a dying server answered something else. */
function messageOf(text: string): string {
  try {
    return (JSON.parse(text) as { message?: string }).message ?? text
  } catch {
    return text
  }
}

/** Chunks of bytes → lines, empty ones left out; a character may be cut in two by a chunk. */
export async function* lines(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest = ''
  const decoder = new TextDecoder()
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = parts.pop() ?? ''
    yield* parts.filter((part) => part !== '')
  }
}
