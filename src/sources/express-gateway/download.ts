/** A URL → the document there, remembered for a while. Effect. */
import type { TextFile } from './world.ts'

const FRESH = 300_000
/** After a failure, and after nothing was there. */
const AGAIN = 10_000
const TIMEOUT = 5000
const MOST = 1_048_576

export type Download = (url: string) => Promise<TextFile>

/** What was there once stays in use while it cannot be had again: a server that is down must not take a gateway with it. */
export function createDownload(now: () => number = () => performance.now()): Download {
  const known = new Map<string, { file: TextFile; until: number }>()
  const underWay = new Map<string, Promise<TextFile>>()
  const fetchAgain = async (url: string): Promise<TextFile> => {
    const before = known.get(url)
    const file = await get(url)
    if (file.kind === 'text') known.set(url, { file, until: now() + FRESH })
    else known.set(url, { file: before?.file.kind === 'text' ? before.file : file, until: now() + AGAIN })
    return known.get(url)?.file ?? file
  }
  return (url) => {
    const hit = known.get(url)
    if (hit !== undefined && hit.until > now()) return Promise.resolve(hit.file)
    let pending = underWay.get(url)
    if (pending === undefined) {
      pending = fetchAgain(url).finally(() => underWay.delete(url))
      underWay.set(url, pending)
    }
    return pending
  }
}

async function get(url: string): Promise<TextFile> {
  const unreadable = (reason: string): TextFile => ({ kind: 'unreadable', name: url, reason })
  try {
    const answer = await fetch(url, {
      headers: { accept: 'application/schema+json, application/json;q=0.9, */*;q=0.1' },
      signal: AbortSignal.timeout(TIMEOUT),
    })
    if (!answer.ok) {
      await answer.body?.cancel()
      return unreadable(`it is answered with ${answer.status}`)
    }
    const pieces: Uint8Array[] = []
    let size = 0
    for await (const piece of answer.body ?? []) {
      const bytes = piece as Uint8Array
      size += bytes.length
      if (size > MOST) return unreadable(`it is larger than ${MOST} bytes`)
      pieces.push(bytes)
    }
    return { kind: 'text', name: url, text: Buffer.concat(pieces).toString('utf8') }
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    return unreadable(cause instanceof Error ? cause.message : String(cause))
  }
}
