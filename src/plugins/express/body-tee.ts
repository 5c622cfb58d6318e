/** A client's body → the middleware that reads it and the backend, which gets it, too, or what middleware makes of it. */
import { PassThrough, Readable } from 'node:stream'
import type { Exchange } from '../../policies/policy.ts'
import type { ExpressRequest } from '../types.ts'
import { lengthOf } from './framing.ts'

/** What has passed when middleware goes on is kept, what comes then goes both ways. */
export class BodyTee {
  #source: Readable | undefined
  /** `keep`: middleware has not decided yet. `both`: it has gone on. `request`: the backend gets something else. */
  #mode: 'keep' | 'both' | 'request' = 'keep'
  #kept: Buffer[] | undefined = []
  #size = 0
  #forward: PassThrough | undefined

  read(exchange: Exchange, request: ExpressRequest, limit: number): void {
    if (this.#source !== undefined) {
      this.#resume()
      return
    }
    const { body } = exchange.request
    if (body.empty) {
      request.complete = true
      request.push(null)
      return
    }
    const source = body.stream()
    this.#source = source
    source.on('data', (chunk: Buffer) => this.#piece(source, chunk, request, limit))
    source.on('end', () => {
      request.complete = true
      request.push(null)
      this.#forward?.end()
    })
    source.on('error', (error) => {
      this.#forward?.destroy(error)
      request.destroy(error)
    })
  }

  /** Unless the backend has enough for now: its `drain` goes on. */
  #resume(): void {
    if (this.#forward?.writableNeedDrain !== true) this.#source?.resume()
  }

  #piece(source: Readable, chunk: Buffer, request: ExpressRequest, limit: number): void {
    if (this.#mode === 'both') {
      // what nobody reads any more must not pile up
      if (request.readableFlowing === true || request.listenerCount('readable') > 0) request.push(chunk)
      if (this.#forward?.write(chunk) === false) source.pause()
      return
    }
    if (this.#mode === 'keep') {
      this.#size += chunk.length
      if (this.#size > limit) this.#kept = undefined
      this.#kept?.push(chunk)
    }
    if (!request.push(chunk)) source.pause()
  }

  /** Middleware goes on: what the backend gets is put in its place. */
  carryBack(exchange: Exchange, request: ExpressRequest, given: unknown): 'ok' | 'too-large' {
    const { body, headers } = exchange.request
    if (this.#mode === 'request') return 'ok'
    const stream = asReadable(given)
    if (stream !== undefined) {
      // the client's body is what it is made from: it is taken out before it is replaced
      if (this.#source === undefined) this.read(exchange, request, 0)
      this.#mode = 'request'
      this.#kept = undefined
      this.#forward?.destroy()
      // its length is unknown, whatever the client has said about the body that it replaces
      headers.delete('content-length')
      body.replaceStream(stream)
      return 'ok'
    }
    if (this.#mode === 'both') return 'ok'
    const listening = request.listenerCount('data') + request.listenerCount('readable') > 0
    if (this.#source === undefined && (!listening || body.empty)) return 'ok'
    if (this.#source === undefined) this.read(exchange, request, 0)
    if (this.#kept === undefined) return 'too-large'
    this.#mode = 'both'
    if (request.complete) body.replace(Buffer.concat(this.#kept))
    else {
      const forward = new PassThrough()
      for (const chunk of this.#kept) forward.write(chunk)
      forward.on('drain', () => this.#resume())
      this.#forward = forward
      this.#resume()
      body.replaceStream(forward, lengthOf([['content-length', headers.get('content-length') ?? '']]))
    }
    this.#kept = []
    return 'ok'
  }
}

/** Streams of the package `readable-stream` are none of Node's own, and are wrapped. */
function asReadable(stream: unknown): Readable | undefined {
  if (stream instanceof Readable) return stream
  const pipe = (stream as { pipe?: unknown } | null | undefined)?.pipe
  return typeof pipe === 'function' ? new Readable().wrap(stream as NodeJS.ReadableStream) : undefined
}
