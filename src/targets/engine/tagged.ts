/** A route's fixed answer with an ETag, and a request → that answer, or 304 where the client holds it. */
import type { Action } from '../../model/model.ts'
import type { ExchangeRequest, Reply } from '../../policies/policy.ts'
import { holdsTag, weakTag } from '../../policies/shared/etag.ts'

type ReplyAction = Extract<Action, { kind: 'reply' }>

interface Made {
  readonly whole: Reply
  readonly tag: string
  readonly unchanged: Reply
}

/** The digest of a body is made once for as long as the plan has it. */
const made = new WeakMap<ReplyAction, Made>()

export function taggedReply(action: ReplyAction, request: ExchangeRequest): Reply {
  let known = made.get(action)
  if (known === undefined) made.set(action, (known = make(action)))
  const { whole, tag, unchanged } = known
  if (action.status >= 300 || (request.method !== 'GET' && request.method !== 'HEAD')) return whole
  const held = request.headers.get('if-none-match')
  return held !== undefined && holdsTag(held, tag) ? unchanged : whole
}

function make({ status, body = '', contentType = 'text/plain; charset=utf-8' }: ReplyAction): Made {
  const bare = status === 204 || status === 205 || status === 304
  const tag = weakTag(body)
  const type = body === '' ? [] : [['Content-Type', contentType] as const]
  return {
    tag,
    whole: bare ? { kind: 'reply', status } : { kind: 'reply', status, headers: [...type, ['ETag', tag]], body },
    unchanged: { kind: 'reply', status: 304, headers: [['ETag', tag]] },
  }
}
