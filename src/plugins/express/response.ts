/** What middleware writes to `res` → head and body, as values. The methods stand on the object itself: see `equip`. */
import { STATUS_CODES } from 'node:http'
import { PassThrough, type Readable } from 'node:stream'
import type { ExpressResponse } from '../types.ts'

/** Head and body of an answer that middleware has written, or is still writing. */
export interface Written {
  readonly status: number
  readonly reason: string | undefined
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** A Buffer where all of it was given to `end()`, else a stream that is being written. */
  readonly body: Buffer | Readable | undefined
}

/** Where `res` tells its pair what happens. */
export interface Sink {
  /** The head stands, and the first of the body: called once for each answer. */
  written(answer: Written): void
  /** `res.destroy()`: nothing more will come. */
  destroyed(): void
}

type Callback = (error?: Error | null) => void
type HeaderArgument = Readonly<Record<string, unknown>> | readonly unknown[] | undefined

interface State {
  readonly sink: Sink
  stream: PassThrough | undefined
}

const key = Symbol('gantry.response')
type Equipped = ExpressResponse & {
  [key]: State
  _header: string | null
  _hasBody: boolean
  finished: boolean
  _implicitHeader(): void
}

/**
 * Own properties, not a prototype: Express and every app that is mounted in another put a prototype of their own on the
 * object. What differs from these functions has been wrapped by middleware that wants to change the answer.
 */
export function equip(response: ExpressResponse, sink: Sink): void {
  const equipped = response as Equipped
  equipped[key] = { sink, stream: undefined }
  Object.assign(equipped, {
    writeHead,
    write,
    end,
    flushHeaders,
    writeContinue,
    writeProcessing: writeContinue,
    writeEarlyHints,
    destroy,
  })
}

/** What has middleware put itself around? */
export function wrappedParts(response: ExpressResponse): { readonly head: boolean; readonly body: boolean } {
  const current = response as unknown as Record<string, unknown>
  const body = current['write'] !== write || current['end'] !== end
  const head =
    current['writeHead'] !== writeHead ||
    Object.hasOwn(response, 'setHeader') ||
    current['flushHeaders'] !== flushHeaders
  return { head: head || body, body }
}

/** The head as it stands, names as given, one entry for each line. */
export function headersOf(response: ExpressResponse): readonly (readonly [name: string, value: string])[] {
  const lines: (readonly [string, string])[] = []
  for (const name of (response as unknown as { getRawHeaderNames(): string[] }).getRawHeaderNames()) {
    const value = response.getHeader(name)
    if (Array.isArray(value)) for (const one of value) lines.push([name, String(one)])
    else if (value !== undefined) lines.push([name, String(value)])
  }
  return lines
}

/** From here on the head cannot be changed, as if it had been sent. */
export function sealHead(response: ExpressResponse): void {
  ;(response as Equipped)._header ??= 'sent'
}

/** The answer is over: `res.writableEnded` and friends say so. */
export function sealBody(response: ExpressResponse): void {
  sealHead(response)
  ;(response as Equipped).finished = true
}

function writeHead(
  this: Equipped,
  status: number,
  ...rest: [] | [string | HeaderArgument] | [string | undefined, HeaderArgument]
): Equipped {
  if (this._header !== null)
    throw coded('ERR_HTTP_HEADERS_SENT', 'Cannot write headers after they are sent to the client')
  const code = Math.trunc(Number(status))
  if (!(code >= 100 && code <= 999))
    throw coded('ERR_HTTP_INVALID_STATUS_CODE', `Invalid status code: ${String(status)}`)
  const reason = typeof rest[0] === 'string' ? rest[0] : undefined
  const headers = (typeof rest[0] === 'object' ? rest[0] : rest[1]) as HeaderArgument
  this.statusCode = code
  this.statusMessage = reason ?? (this.statusMessage || (STATUS_CODES[code] ?? 'unknown'))
  for (const [name, value] of pairsOf(headers)) this.setHeader(name, value)
  if (code === 204 || code === 304 || code < 200) this._hasBody = false
  this._header = `HTTP/1.1 ${code} ${this.statusMessage}\r\n\r\n`
  return this
}

function write(this: Equipped, chunk: unknown, encoding?: unknown, callback?: unknown): boolean {
  const done = (typeof encoding === 'function' ? encoding : callback) as Callback | undefined
  if (this.finished) {
    const error = coded('ERR_STREAM_WRITE_AFTER_END', 'write after end')
    process.nextTick(() => {
      this.emit('error', error)
      done?.(error)
    })
    return false
  }
  if (this._header === null) this._implicitHeader()
  const bytes = toBuffer(chunk, encoding)
  if (!this._hasBody || bytes.length === 0) {
    if (done !== undefined) process.nextTick(done)
    return true
  }
  return stream(this).write(bytes, (error) => done?.(error))
}

function end(this: Equipped, chunk?: unknown, encoding?: unknown, callback?: unknown): Equipped {
  const done = [chunk, encoding, callback].find((argument) => typeof argument === 'function') as Callback | undefined
  const bytes =
    chunk === undefined || chunk === null || typeof chunk === 'function' ? undefined : toBuffer(chunk, encoding)
  if (this.finished) {
    if (done !== undefined)
      process.nextTick(done, coded('ERR_STREAM_ALREADY_FINISHED', 'Cannot call end after a stream was finished'))
    return this
  }
  if (done !== undefined) this.once('finish', done)
  if (this._header === null) this._implicitHeader()
  this.finished = true
  const state = this[key]
  if (state.stream !== undefined) state.stream.end(bytes)
  else state.sink.written(written(this, this._hasBody ? (bytes ?? Buffer.alloc(0)) : undefined))
  return this
}

function flushHeaders(this: Equipped): void {
  if (this._header === null) this._implicitHeader()
  if (this._hasBody && !this.finished) stream(this)
}

// what goes on before an answer (100, 102, 103) is the engine's matter
function writeContinue(): void {}
function writeEarlyHints(_hints: unknown, callback?: unknown): void {
  if (typeof callback === 'function') (callback as () => void)()
}

function destroy(this: Equipped, error?: Error): Equipped {
  if (this.destroyed) return this
  Object.defineProperty(this, 'destroyed', { value: true, configurable: true })
  this[key].stream?.destroy(error)
  this[key].sink.destroyed()
  return this
}

/** The body's stream; asking for it the first time hands the answer over. */
function stream(response: Equipped): PassThrough {
  const state = response[key]
  if (state.stream === undefined) {
    const made = new PassThrough()
    state.stream = made
    made.on('drain', () => response.emit('drain'))
    // cut by whoever reads it: the client has gone, or the answer was replaced
    made.on('error', () => response.emit('close'))
    state.sink.written(written(response, made))
  }
  return state.stream
}

function written(response: Equipped, body: Buffer | Readable | undefined): Written {
  return {
    status: response.statusCode,
    reason: response.statusMessage || undefined,
    headers: headersOf(response),
    body,
  }
}

function* pairsOf(headers: HeaderArgument): Iterable<[string, string | string[]]> {
  if (headers === undefined || headers === null) return
  if (!Array.isArray(headers)) {
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) yield [name, value as string]
    return
  }
  const flat = headers.every((entry) => !Array.isArray(entry)) ? headers : (headers as unknown[][]).flat()
  const grouped = new Map<string, string[]>()
  for (let index = 0; index + 1 < flat.length; index += 2) {
    const name = String(flat[index])
    grouped.set(name, [...(grouped.get(name) ?? []), String(flat[index + 1])])
  }
  for (const [name, values] of grouped) yield [name, values.length === 1 ? (values[0] as string) : values]
}

function toBuffer(chunk: unknown, encoding: unknown): Buffer {
  if (typeof chunk === 'string')
    return Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
  if (Buffer.isBuffer(chunk)) return chunk
  if (chunk instanceof Uint8Array) return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
  throw Object.assign(
    new TypeError('The "chunk" argument must be of type string or an instance of Buffer or Uint8Array.'),
    {
      code: 'ERR_INVALID_ARG_TYPE',
    },
  )
}

function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}
