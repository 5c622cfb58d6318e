/** The head of an answer → `res`, and back: what middleware has put around `res` sees it, and may change it. */
import type { Exchange } from '../../policies/policy.ts'
import type { ExpressResponse } from '../types.ts'
import { isFraming } from './framing.ts'
import { headersOf, type Written } from './response.ts'

type Head = Omit<Written, 'body'> & { readonly body?: Written['body'] }

/** The answer's own headers win, as where a proxy copies them; cookies and Vary of both stand. */
export function mergeHeaders({ headers }: Exchange['response'], response: ExpressResponse): void {
  const theirs = new Set([...headers].map(([name]) => name.toLowerCase()))
  for (const [name, value] of headersOf(response)) {
    const lower = name.toLowerCase()
    if (lower === 'set-cookie' || lower === 'vary' || !theirs.has(lower)) headers.append(name, value)
  }
}

/** The head of the answer → `res`, through whatever is wrapped around `setHeader`. */
export function offerHead(answer: Exchange['response'], response: ExpressResponse): void {
  const lines = new Map<string, { name: string; values: string[] }>()
  for (const [name, value] of answer.headers) {
    const lower = name.toLowerCase()
    if (lower === 'transfer-encoding') continue
    const line = lines.get(lower)
    if (line === undefined) lines.set(lower, { name, values: [value] })
    else line.values.push(value)
  }
  response.statusCode = answer.status
  response.statusMessage = answer.reason
  for (const [lower, { name, values }] of lines) {
    const before = lower === 'set-cookie' || lower === 'vary' ? response.getHeader(name) : undefined
    const all = before === undefined ? values : [...[before].flat().map(String), ...values]
    response.setHeader(name, all.length === 1 ? (all[0] as string) : all)
  }
}

/** What middleware has made of it → the head of the answer. */
export function replaceHead(answer: Exchange['response'], head: Head): void {
  answer.status = head.status
  if (head.reason !== undefined) answer.reason = head.reason
  for (const name of new Set([...answer.headers].map(([one]) => one.toLowerCase()))) answer.headers.delete(name)
  for (const [name, value] of head.headers) {
    if (!isFraming(name, head.body)) answer.headers.append(name, value)
  }
}
