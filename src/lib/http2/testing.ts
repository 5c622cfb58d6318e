/** Frames by hand → a session on no socket → the frames that it answers. For tests. */
import type { AnswerUser, ClientStream } from './client-stream.ts'
import { ClientSession, type ClientUser } from './client.ts'
import { Decoder } from './decoder.ts'
import { FLAG, FRAME_BYTES, HEAD_BYTES, PREFACE, TYPE } from './frames.ts'
import { WINDOW } from './intake.ts'
import type { HeaderList } from './list.ts'
import type { Transport } from './output.ts'
import { ServerSession, type ServerUser } from './server.ts'
import type { ServerStream } from './server-stream.ts'
import type { Session, SessionUser } from './session.ts'
import type { Loss, StreamUser } from './stream.ts'

interface Frame {
  readonly type: number
  readonly flags: number
  readonly id: number
  readonly payload: Buffer
}

export function frame(type: number, flags: number, id: number, payload: Buffer | string = ''): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload, 'hex') : payload
  const head = Buffer.alloc(HEAD_BYTES)
  head.writeUIntBE(bytes.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(id, 5)
  return Buffer.concat([head, bytes])
}

/** A field as a literal, not coded. */
export const field = (name: string, value: string): string => `00${text(name)}${text(value)}`
const text = (value: string): string =>
  `${value.length.toString(16).padStart(2, '0')}${Buffer.from(value, 'latin1').toString('hex')}`
/** Four bytes. */
export const number = (value: number): string => value.toString(16).padStart(8, '0')
export const repeated = (count: number, one: (at: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, at) => one(at)))

/** Bytes of body in frames of 16 KiB, without an end. */
export const body = (id: number, bytes: number): Buffer =>
  repeated(bytes / 16_384, () => frame(TYPE.data, 0, id, Buffer.alloc(16_384)))

/** What nobody may send without end, and what it is counted as. `block`: of a head; `begun`: the head of stream 1, whose body follows. */
export function floods(block: string, begun: Buffer): [what: string, frames: Buffer, reason: string][] {
  const { data, headers, priority, settings, ping, update, continuation } = TYPE
  const head = frame(headers, FLAG.endStream, 1, block)
  return [
    ['PING', repeated(1100, () => frame(ping, 0, 0, '0000000000000000')), 'h2-control-flood'],
    ['SETTINGS', repeated(1100, () => frame(settings, 0, 0)), 'h2-control-flood'],
    ['long SETTINGS', repeated(30, () => frame(settings, 0, 0, '000300000001'.repeat(2730))), 'h2-control-flood'],
    ['WINDOW_UPDATE', repeated(30_000, () => frame(update, 0, 0, number(1))), 'h2-idle-frames'],
    ['PRIORITY', repeated(30_000, () => frame(priority, 0, 9, '0000000300')), 'h2-idle-frames'],
    ['unknown frames', repeated(70, () => frame(99, 0, 0, Buffer.alloc(16_384))), 'h2-idle-frames'],
    ['empty DATA', Buffer.concat([begun, repeated(40_000, () => frame(data, 0, 1))]), 'h2-idle-frames'],
    ['CONTINUATION, empty', Buffer.concat([head, repeated(100, () => frame(continuation, 0, 1))]), 'h2-protocol'],
    [
      'CONTINUATION, long',
      Buffer.concat([head, repeated(5, () => frame(continuation, 0, 1, Buffer.alloc(16_384, 0x82)))]),
      'h2-protocol',
    ],
  ]
}

/** GET / of http://a */
export const GET = '828684410161'
export const POST = '838684410161'

export function framesOf(bytes: Buffer): Frame[] {
  const frames: Frame[] = []
  for (let at = 0; at < bytes.length;) {
    const end = at + HEAD_BYTES + bytes.readUIntBE(at, 3)
    if (end - at - HEAD_BYTES > FRAME_BYTES) throw new Error('a frame that nobody asked for')
    frames.push({
      type: bytes[at + 3]!,
      flags: bytes[at + 4]!,
      id: bytes.readUInt32BE(at + 5),
      payload: bytes.subarray(at + HEAD_BYTES, end),
    })
    at = end
  }
  return frames
}

/** What has come of one stream. */
class Taken implements StreamUser {
  body = ''
  ended = false
  trailers: string | undefined = undefined
  lost: number | undefined = undefined
  loss: Loss | undefined = undefined
  drains = 0

  onData(bytes: Buffer, from: number, end: number): void {
    this.body += bytes.toString('latin1', from, end)
  }

  onEndOfBody(trailers: string | undefined): void {
    this.ended = true
    this.trailers = trailers
  }

  onDrain(): void {
    this.drains++
  }

  onLost(code: number, loss: Loss): void {
    this.lost = code
    this.loss = loss
  }
}

/** What a request was to a server's session. */
export class Heard extends Taken {
  readonly stream: ServerStream
  readonly head: string

  constructor(stream: ServerStream, list: HeaderList) {
    super()
    this.stream = stream
    const pseudo = `${list.method} ${list.scheme}://${list.authority}${list.path}`
    this.head = `${pseudo}\n${list.lines}${list.cookie === undefined ? '' : `cookie: ${list.cookie}\n`}`
    this.ended = stream.remoteEnded
    stream.user = this
  }
}

/** What an answer was to who has asked. */
export class Got extends Taken implements AnswerUser {
  status = 0
  lines = ''
  readonly informed: number[] = []
  /** What becomes of the head. */
  onHead: () => void = () => undefined

  onInform(status: number): void {
    this.informed.push(status)
  }

  onAnswer(status: number, list: HeaderList, ends: boolean): void {
    this.status = status
    this.lines = list.lines
    this.ended = ends
    this.onHead()
  }
}

/** A session, and the other side by hand. Everything is sent at once unless `blocked`. */
abstract class Side implements SessionUser, Transport {
  abstract readonly session: Session
  readonly refused: string[] = []
  /** Frames since the last look. */
  out: Buffer[] = []
  ended = false
  farewell = false
  blocked = false
  readonly decoder = new Decoder()

  say(...frames: readonly Buffer[]): this {
    const bytes = Buffer.concat(frames)
    this.session.receive(bytes, 0, bytes.length)
    return this
  }

  take(): Frame[] {
    this.session.flush()
    const bytes = Buffer.concat(this.out)
    this.out = []
    return framesOf(bytes.toString('latin1', 0, PREFACE.length) === PREFACE ? bytes.subarray(PREFACE.length) : bytes)
  }

  /** By how much windows were widened since the last look, bytes; of all: 0. */
  widened(): (id: number) => number {
    const updates = this.take().filter(({ type }) => type === TYPE.update)
    return (id) => updates.filter((one) => one.id === id).reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0)
  }

  /** How the connection or the stream ended: `goaway 1`, `reset 3:1`. */
  verdicts(): string[] {
    const said: string[] = []
    for (const { type, id, payload } of this.take()) {
      if (type === TYPE.goaway) said.push(`goaway ${payload.readUInt32BE(4)}`)
      if (type === TYPE.reset) said.push(`reset ${id}:${payload.readUInt32BE(0)}`)
    }
    return said
  }

  /** The fields of a head that the session has sent. */
  fieldsOf({ payload }: Frame): string[] {
    const fields: string[] = []
    const good = this.decoder.decode(payload, 0, payload.length, {
      field: ({ name, value }) => fields.push(`${name}: ${value}`),
    })
    if (!good) throw new Error('a block that nobody can read')
    return fields
  }

  write(text: string): boolean {
    this.out.push(Buffer.from(text, 'latin1'))
    return !this.blocked
  }

  writePieces(pieces: readonly (string | Buffer)[]): boolean {
    for (const piece of pieces)
      this.out.push(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : Buffer.from(piece))
    return !this.blocked
  }

  keep(piece: Buffer): Buffer {
    return Buffer.from(piece)
  }

  schedule(): void {
    return undefined
  }

  onRefused(reason: string): void {
    this.refused.push(reason)
  }

  onLeft(): void {
    return undefined
  }

  onFarewell(): void {
    this.farewell = true
  }

  onEnd(): void {
    this.ended = true
  }
}

/** Is a body of 16 MiB read while the other side has this `window` for all, bytes, and what is given to it meanwhile? */
export function readsOn(side: Side, id: number, window: number): boolean {
  let left = window
  let own = WINDOW
  for (let to = 16_777_216; to > 0;) {
    const given = side.widened()
    left += given(0)
    own += given(id)
    const bytes = Math.min(left, own, to, FRAME_BYTES)
    if (bytes <= 0) return false
    side.say(frame(TYPE.data, 0, id, Buffer.alloc(bytes)))
    left -= bytes
    own -= bytes
    to -= bytes
  }
  return side.refused.length === 0
}

/** A client by hand and the session that serves it. */
export class Peer extends Side implements ServerUser {
  readonly session: ServerSession
  readonly heard: Heard[] = []
  /** What becomes of a request. */
  answer: (heard: Heard) => void

  constructor(answer: (heard: Heard) => void = () => undefined, headBytes = 32_768) {
    super()
    this.answer = answer
    this.session = new ServerSession(this, this, { headBytes })
  }

  /** Preface and SETTINGS, then these. */
  begin(...frames: readonly Buffer[]): this {
    return this.say(Buffer.from(PREFACE, 'latin1'), frame(TYPE.settings, 0, 0), ...frames)
  }

  onRequest(stream: ServerStream, list: HeaderList): void {
    const heard = new Heard(stream, list)
    this.heard.push(heard)
    this.answer(heard)
  }
}

/** A server by hand and the session that asks it. */
export class Origin extends Side implements ClientUser {
  readonly session: ClientSession
  most = 0

  constructor(headBytes = 32_768) {
    super()
    this.session = new ClientSession(this, this, { headBytes })
  }

  /** SETTINGS, then these. */
  begin(...frames: readonly Buffer[]): this {
    return this.say(frame(TYPE.settings, 0, 0), ...frames)
  }

  ask(body: 'whole' | 'body follows' = 'whole', lines = REQUEST): { readonly got: Got; readonly stream: ClientStream } {
    const got = new Got()
    return { got, stream: this.session.begin(got, lines, body) }
  }

  onStreams(most: number): void {
    this.most = most
  }
}

const REQUEST = ':method: GET\r\n:scheme: http\r\n:authority: a\r\n:path: /\r\n'
