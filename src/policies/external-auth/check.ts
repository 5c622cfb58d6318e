/**
 * Request → CheckRequest, CheckResponse → verdict, of envoy.service.auth.v3.Authorization. Pure; field numbers as in Envoy's
 * published definitions of the API, version 3.
 */
import { decodeMessage, encodeMessage, type ProtoField, type ProtoMessage } from '../../lib/protobuf/protobuf.ts'

export const checkPath = '/envoy.service.auth.v3.Authorization/Check'

export interface CheckFacts {
  readonly id: string
  readonly method: string
  /** With the query. */
  readonly target: string
  readonly host: string
  readonly scheme: string
  readonly protocol: string
  /** Names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** Undefined: it is not shown. */
  readonly body: Buffer | undefined
  readonly client: { readonly address: string; readonly port: number }
  readonly local: { readonly address: string; readonly port: number }
  /** Milliseconds since the epoch. */
  readonly at: number
}

export interface HeaderChange {
  readonly name: string
  readonly value: string
  readonly how: 'set' | 'append' | 'add-if-absent' | 'set-if-present'
}

export type Verdict =
  | {
      readonly kind: 'allowed'
      readonly headers: readonly HeaderChange[]
      readonly remove: readonly string[]
      readonly responseHeaders: readonly HeaderChange[]
      readonly query: { readonly set: readonly (readonly [string, string])[]; readonly remove: readonly string[] }
    }
  | {
      readonly kind: 'denied'
      readonly status: number
      readonly headers: readonly HeaderChange[]
      readonly body: string
    }

/** A gRPC message of one frame. */
export function writeCheck(facts: CheckFacts): Buffer {
  const seconds = Math.floor(facts.at / 1000)
  const { body } = facts
  const text = body === undefined || body.length === 0 ? undefined : body.toString('utf8')
  const http: ProtoField[] = [
    [1, facts.id],
    [2, facts.method],
    ...facts.headers.map(([name, value]): ProtoField => [
      3,
      [
        [1, name],
        [2, value],
      ],
    ]),
    [4, facts.target],
    [5, facts.host],
    [6, facts.scheme],
    [9, body === undefined ? -1 : body.length],
    [10, facts.protocol],
  ]
  // a text that is none would come out changed: it goes as bytes
  if (text !== undefined) http.push(Buffer.from(text).equals(body!) ? [11, text] : [12, body!])
  const message = encodeMessage([
    [
      1,
      [
        [1, peer(facts.client)],
        [2, peer(facts.local)],
        [
          4,
          [
            [
              1,
              [
                [1, seconds],
                [2, Math.round((facts.at - seconds * 1000) * 1e6)],
              ],
            ],
            [2, http],
          ],
        ],
      ],
    ],
  ])
  const frame = Buffer.alloc(5)
  frame.writeUInt32BE(message.length, 1)
  return Buffer.concat([frame, message])
}

function peer({ address, port }: CheckFacts['client']): readonly ProtoField[] {
  return [
    [
      1,
      [
        [
          1,
          [
            [2, address],
            [3, port],
          ],
        ],
      ],
    ],
  ]
}

/** Throws on what is no answer: the caller denies. */
export function readVerdict(frame: Buffer): Verdict {
  if (frame.length < 5 || frame[0] !== 0 || frame.readUInt32BE(1) !== frame.length - 5)
    throw new RangeError('it is not one uncompressed message')
  const message = decodeMessage(frame.subarray(5))
  const status = message.message(1)
  const denied = message.message(2)
  const allowed = message.message(3)
  // an empty message is what a server sends that knows nothing of this protocol
  if (status === undefined && denied === undefined && allowed === undefined) throw new RangeError('it says nothing')
  if ((status?.number(1) ?? 0) !== 0 || denied !== undefined) {
    const code = denied?.message(1)?.number(1) ?? 0
    return {
      kind: 'denied',
      status: code >= 200 && code <= 599 ? code : 403,
      headers: changes(denied?.messages(2)),
      body: denied?.text(3) ?? '',
    }
  }
  return {
    kind: 'allowed',
    headers: changes(allowed?.messages(2)),
    remove: allowed?.texts(5) ?? [],
    responseHeaders: changes(allowed?.messages(6)),
    query: {
      set: (allowed?.messages(7) ?? []).map((each) => [each.text(1), each.text(2)]),
      remove: allowed?.texts(8) ?? [],
    },
  }
}

/** HeaderValueOption. `append` is the older way and defaults to replacing; `append_action` counts where it says otherwise. */
function changes(options: readonly ProtoMessage[] = []): readonly HeaderChange[] {
  return options.map((option) => {
    const header = option.message(1)
    const raw = header?.text(3) ?? ''
    return {
      name: (header?.text(1) ?? '').toLowerCase(),
      value: raw === '' ? (header?.text(2) ?? '') : raw,
      how: option.message(2)?.number(1) === 1 ? 'append' : (actions[option.number(3)] ?? 'set'),
    }
  })
}

const actions: readonly (HeaderChange['how'] | undefined)[] = [undefined, 'add-if-absent', 'set', 'set-if-present']
