/** A path under a prefix, and what a client asks → an object of an S3-compatible store, streamed, as a reply. */
import type { GetObjectCommandOutput, HeadObjectCommandOutput, S3Client } from '@aws-sdk/client-s3'
import { Readable } from 'node:stream'
import type { Reply } from '../policy.ts'
import type { Config, Provider } from './config.ts'

export interface Asked {
  readonly method: string
  /** Percent-encoded, without the query. */
  readonly path: string
  /** Without '?'. */
  readonly query: string
  header(lowerName: string): string | undefined
  /** Ends when the client has gone. */
  readonly signal: AbortSignal
}

export interface Storage {
  /** Undefined: the path is not of this storage. Never rejects; what the store says of itself is not passed on. */
  serve(asked: Asked): Promise<Reply> | undefined
}

export type Problem = (message: string, facts: Readonly<Record<string, unknown>>) => void

export function createStorage(config: Config, problem: Problem): Storage {
  const prefix = config.path.replace(/\/+$/, '')
  const clients = new Map<string, Promise<S3Client>>()
  const clientOf = (name: string, provider: Provider): Promise<S3Client> => {
    let client = clients.get(name)
    if (client === undefined) clients.set(name, (client = connect(provider, config.timeout)))
    return client
  }
  const fallback = Object.entries(config.providers).find(([, provider]) => provider.default)

  return {
    serve: (asked) => {
      if (asked.path !== prefix && !asked.path.startsWith(`${prefix}/`)) return undefined
      return answer(asked)
    },
  }

  async function answer(asked: Asked): Promise<Reply> {
    if (asked.method !== 'GET' && asked.method !== 'HEAD') return plain(405, [['Allow', 'GET, HEAD']])
    const place = placeOf(asked.path.slice(prefix.length + 1))
    if (typeof place === 'number') return plain(place)
    const { name, provider, bucket, key } = place
    if (bucket === '' || key === '') return plain(400)
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/.test(bucket)) return plain(400)
    // such a key could be read as another bucket's by whoever tidies paths on the way
    if (key.split('/').some((segment) => segment === '.' || segment === '..')) return plain(400)
    if (provider.accessKeyId === undefined || provider.secretAccessKey === undefined) return plain(503)
    try {
      return await fetchObject(await clientOf(name, provider), asked, bucket, key, config.timeout)
    } catch (error) {
      return refusalOf(error, asked, (status) => {
        if (status >= 500)
          problem(`storage ${name} failed: ${error instanceof Error ? error.message : String(error)}`, {
            bucket,
            status,
          })
      })
    }
  }

  function placeOf(rest: string): { name: string; provider: Provider; bucket: string; key: string } | number {
    let decoded: string
    try {
      decoded = decodeURIComponent(rest)
    } catch {
      return 400
    }
    if (decoded.includes('\0')) return 400
    const [first, after] = cut(decoded)
    if (Object.hasOwn(config.providers, first)) {
      const [bucket, key] = cut(after)
      return { name: first, provider: config.providers[first] as Provider, bucket, key }
    }
    if (decoded === '') return 400
    return fallback === undefined ? 404 : { name: fallback[0], provider: fallback[1], bucket: first, key: after }
  }
}

async function connect(provider: Provider, timeout: number): Promise<S3Client> {
  // a megabyte of code, for those only who have a storage
  const { S3Client } = await import('@aws-sdk/client-s3')
  return new S3Client({
    region: provider.region,
    ...(provider.endpoint === undefined ? {} : { endpoint: provider.endpoint }),
    forcePathStyle: (provider.addressing ?? (provider.endpoint === undefined ? 'host' : 'path')) === 'path',
    credentials: {
      accessKeyId: provider.accessKeyId ?? '',
      secretAccessKey: provider.secretAccessKey?.reveal() ?? '',
      ...(provider.sessionToken === undefined ? {} : { sessionToken: provider.sessionToken.reveal() }),
    },
    maxAttempts: 2,
    requestHandler: { connectionTimeout: Math.min(timeout, 5000) },
    // the client checks what it gets; we pass on pieces of objects, which have no checksum of their own
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestChecksumCalculation: 'WHEN_REQUIRED',
  })
}

async function fetchObject(
  client: S3Client,
  asked: Asked,
  bucket: string,
  key: string,
  timeout: number,
): Promise<Reply> {
  const { GetObjectCommand, HeadObjectCommand } = await import('@aws-sdk/client-s3')
  const versionId = new URLSearchParams(asked.query).get('versionId')
  const since = dateOf(asked.header('if-modified-since'))
  const unmodified = dateOf(asked.header('if-unmodified-since'))
  const input = {
    Bucket: bucket,
    Key: key,
    Range: asked.header('range'),
    IfMatch: asked.header('if-match'),
    IfNoneMatch: asked.header('if-none-match'),
    ...(since === undefined ? {} : { IfModifiedSince: since }),
    ...(unmodified === undefined ? {} : { IfUnmodifiedSince: unmodified }),
    ...(versionId === null ? {} : { VersionId: versionId }),
  }
  const abort = new AbortController()
  const gone = (): void => abort.abort()
  asked.signal.addEventListener('abort', gone, { once: true })
  // until the answer begins; an object may take as long as it likes
  const timer = setTimeout(() => abort.abort(new TimedOut()), timeout)
  try {
    const options = { abortSignal: abort.signal }
    if (asked.method === 'HEAD') {
      const head = await client.send(new HeadObjectCommand(input), options)
      return {
        kind: 'reply',
        status: head.ContentRange === undefined ? 200 : 206,
        headers: headersOf(head),
        body: nothing(head),
      }
    }
    const found = await client.send(new GetObjectCommand(input), options)
    const body = found.Body as Readable | undefined
    // whoever ends the body, ends the store's answer with it
    if (body !== undefined) asked.signal.addEventListener('abort', () => body.destroy(), { once: true })
    return {
      kind: 'reply',
      status: found.ContentRange === undefined ? 200 : 206,
      headers: headersOf(found),
      body: body ?? '',
    }
  } catch (error) {
    throw abort.signal.reason instanceof TimedOut ? abort.signal.reason : error
  } finally {
    clearTimeout(timer)
  }
}

class TimedOut extends Error {
  constructor() {
    super('the store did not answer in time')
    this.name = 'TimedOut'
  }
}

/** HEAD: the length is said, the body is not sent. */
function nothing(head: HeadObjectCommandOutput): Readable | string {
  return head.ContentLength === undefined ? '' : Readable.from([])
}

function headersOf(found: GetObjectCommandOutput | HeadObjectCommandOutput): readonly (readonly [string, string])[] {
  const headers: [string, string | number | undefined][] = [
    ['Content-Type', found.ContentType ?? 'application/octet-stream'],
    ['Content-Length', found.ContentLength],
    ['Content-Range', found.ContentRange],
    ['Accept-Ranges', found.AcceptRanges ?? 'bytes'],
    ['ETag', found.ETag],
    ['Last-Modified', found.LastModified?.toUTCString()],
    ['Cache-Control', found.CacheControl],
    ['Content-Disposition', found.ContentDisposition],
    ['Content-Encoding', found.ContentEncoding],
    ['Content-Language', found.ContentLanguage],
    ['Expires', found.ExpiresString],
    ['x-amz-version-id', found.VersionId],
    ...Object.entries(found.Metadata ?? {}).map(([name, value]): [string, string] => [`x-amz-meta-${name}`, value]),
  ]
  return headers.flatMap(([name, value]) =>
    value === undefined || /[\r\n\0]/.test(String(value)) ? [] : [[name, String(value)] as const],
  )
}

/** What the client is told: its own mistakes as such, everything else as that of a gateway. */
function refusalOf(error: unknown, asked: Asked, tell: (status: number) => void): Reply {
  if (asked.signal.aborted) return plain(499)
  if (error instanceof TimedOut) {
    tell(504)
    return plain(504)
  }
  const { $metadata, $response } = error as {
    $metadata?: { httpStatusCode?: number }
    $response?: { headers?: Readonly<Record<string, string>> }
  }
  const status = $metadata?.httpStatusCode
  const said = (name: string): readonly (readonly [string, string])[] => {
    const value = $response?.headers?.[name.toLowerCase()]
    return value === undefined ? [] : [[name, value]]
  }
  switch (status) {
    case 304:
      return { kind: 'reply', status, headers: [...said('ETag'), ...said('Last-Modified'), ...said('Cache-Control')] }
    case 416:
      return plain(416, said('Content-Range'))
    case 400:
    case 403:
    case 404:
    case 412:
      return plain(status)
    default:
      tell(502)
      return plain(502)
  }
}

const words: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  412: 'Precondition Failed',
  416: 'Range Not Satisfiable',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
}

function plain(status: number, headers: readonly (readonly [string, string])[] = []): Reply {
  const body = words[status] ?? ''
  return { kind: 'reply', status, headers: [...headers, ['Content-Type', 'text/plain; charset=utf-8']], body }
}

function cut(path: string): readonly [first: string, rest: string] {
  const slash = path.indexOf('/')
  return slash === -1 ? [path, ''] : [path.slice(0, slash), path.slice(slash + 1)]
}

function dateOf(text: string | undefined): Date | undefined {
  const date = text === undefined ? undefined : new Date(text)
  return date === undefined || Number.isNaN(date.getTime()) ? undefined : date
}
