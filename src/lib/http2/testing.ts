/** Frames by hand → a session on no socket → the frames that it answers. For tests. */
import { Decoder } from './decoder.ts'
import { FRAME_BYTES, HEAD_BYTES, PREFACE, TYPE } from './frames.ts'
import type { HeaderList } from './list.ts'
import type { Transport } from './output.ts'
import { Session, type SessionUser } from './session.ts'
import type { Stream, StreamUser } from './stream.ts'

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

/** What a session did with one stream. */
export class Heard implements StreamUser {
  readonly stream: Stream
  readonly head: string
  body = ''
  ended = false
  trailers: string | undefined = undefined
  lost: number | undefined = undefined
  drains = 0

  constructor(stream: Stream, list: HeaderList) {
    this.stream = stream
    const pseudo = `${list.method} ${list.scheme}://${list.authority}${list.path}`
    this.head = `${pseudo}\n${list.lines}${list.cookie === undefined ? '' : `cookie: ${list.cookie}\n`}`
    this.ended = stream.remoteEnded
    stream.user = this
  }

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

  onLost(code: number): void {
    this.lost = code
  }
}

/** A client and its session. Everything is sent at once unless `blocked`. */
export class Peer implements SessionUser, Transport {
  readonly session: Session
  readonly heard: Heard[] = []
  readonly refused: string[] = []
  /** Frames since the last look. */
  out: Buffer[] = []
  ended = false
  farewell = false
  blocked = false
  readonly decoder = new Decoder()
  /** What becomes of a request. */
  answer: (heard: Heard) => void

  constructor(answer: (heard: Heard) => void = () => undefined, headBytes = 32_768) {
    this.answer = answer
    this.session = new Session(this, this, { headBytes })
  }

  /** Preface and SETTINGS, then these. */
  begin(...frames: readonly Buffer[]): this {
    return this.say(Buffer.from(PREFACE, 'latin1'), frame(TYPE.settings, 0, 0), ...frames)
  }

  say(...frames: readonly Buffer[]): this {
    const bytes = Buffer.concat(frames)
    this.session.receive(bytes, 0, bytes.length)
    return this
  }

  take(): Frame[] {
    this.session.flush()
    const frames = framesOf(Buffer.concat(this.out))
    this.out = []
    return frames
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

  onRequest(stream: Stream, list: HeaderList): void {
    const heard = new Heard(stream, list)
    this.heard.push(heard)
    this.answer(heard)
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
