/** What middleware has written → a reply without the lines that frame it, which are the engine's to say. Pure. */
import { Readable } from 'node:stream'
import type { Reply } from '../../policies/policy.ts'
import type { Written } from './response.ts'

export function toReply(answer: Written): Reply {
  return {
    kind: 'reply',
    status: answer.status,
    ...(answer.reason === undefined ? {} : { reason: answer.reason }),
    headers: answer.headers.filter(([name]) => !isFraming(name, answer.body)),
    // to HEAD, the length is that of the body which GET would have got
    body: answer.body ?? (lengthOf(answer.headers) === undefined ? '' : Readable.from([])),
  }
}

/** How the message is framed is the engine's to say; the length of a stream, or of what HEAD leaves out, it cannot know. */
export function isFraming(name: string, body: Written['body']): boolean {
  const lower = name.toLowerCase()
  return lower === 'transfer-encoding' || (lower === 'content-length' && Buffer.isBuffer(body))
}

export function lengthOf(headers: Written['headers']): number | undefined {
  const text = headers.find(([name]) => name.toLowerCase() === 'content-length')?.[1]
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}
