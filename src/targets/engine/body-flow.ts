/**
 * A body on its way from a source to a sink: as it comes, or read, replaced, transformed or taken by a policy in between.
 * Nobody who touches nothing pays for this.
 */
import { Readable } from 'node:stream'
import type { Fields } from '../../lib/http1/fields.ts'
import { BodyTooLarge, Refusal, type Body } from '../../policies/policy.ts'
import { Wire } from './wire.ts'

/** Where a body comes from. */
export interface BodySource {
  pause(): void
  resume(): void
  /** Somebody wants the body now: a client that waits for 100 Continue is told to go on. */
  want(): void
}

/** Where a body goes. `write` says false when it wants `resume` to be called before more. */
export interface BodySink {
  write(piece: Buffer): boolean
  end(trailers: Fields | undefined): void
  /** The body will not be whole. */
  fail(error: Error): void
}

export interface Transformer {
  piece(chunk: Buffer): Buffer | undefined
  end?(): Buffer | undefined
}

const HELD_MOST = 65_536

/** Sees what goes out, without a say. */
export interface Tee {
  piece(piece: Buffer): void
  /** `whole`: false where it broke off, or was longer than wanted. */
  end(whole: boolean): void
}

export class BodyFlow implements Body {
  /** Bytes; -1 where only the end will tell. 0: there is none. */
  readonly declared: number
  #source: BodySource | undefined
  #sink: BodySink | undefined
  #held: Buffer[] = []
  #heldBytes = 0
  #ended = false
  #failed: Error | undefined
  #trailers: Fields | undefined
  #fixed: Buffer | undefined
  #stream: Readable | undefined
  #streamLength = -1
  #taken = false
  #own: Readable | undefined
  #transformers: Transformer[] | undefined
  #collect: { limit: number; resolve: (body: Buffer) => void; reject: (error: Error) => void } | undefined
  #paused = false
  #recordMost = 0
  #record: Buffer[] | undefined
  #tees: { readonly tee: Tee; left: number }[] | undefined

  constructor(declared: number, source: BodySource | undefined) {
    this.declared = declared
    this.#source = source
    this.#ended = declared === 0
  }

  // --- what policies see ---

  get empty(): boolean {
    if (this.#fixed !== undefined) return this.#fixed.length === 0
    if (this.#stream !== undefined) return this.#streamLength === 0
    return this.declared === 0
  }

  read(limit: number): Promise<Buffer> {
    if (this.#fixed !== undefined) {
      this.#settleFixed()
      return this.#fixed.length > limit ? Promise.reject(new BodyTooLarge(limit)) : Promise.resolve(this.#fixed)
    }
    if (this.#stream !== undefined || this.#taken) {
      return Promise.reject(new Error('the body was taken as a stream and cannot be read'))
    }
    if (this.#failed !== undefined) return Promise.reject(this.#failed)
    if (this.#heldBytes > limit || (this.declared > limit && this.declared > 0)) {
      return Promise.reject(new BodyTooLarge(limit))
    }
    if (this.#ended) return this.#whole(limit)
    if (this.#collect !== undefined) return Promise.reject(new Error('the body is being read already'))
    return new Promise((resolve, reject) => {
      this.#collect = {
        limit,
        resolve: () => {
          this.#whole(limit).then(resolve, reject)
        },
        reject,
      }
      this.#source?.want()
      this.#resumeSource()
    })
  }

  replace(body: Buffer | string): void {
    this.#drop()
    this.#fixed = typeof body === 'string' ? Buffer.from(body) : body
    this.#transformers = undefined
  }

  transform(transformer: Transformer): void {
    ;(this.#transformers ??= []).push(transformer)
  }

  stream(): Readable {
    if (this.#stream !== undefined) {
      const stream = this.#stream
      this.#stream = undefined
      this.#taken = true
      return stream
    }
    if (this.#fixed !== undefined) {
      const fixed = this.#fixed
      this.#fixed = Buffer.alloc(0)
      return Readable.from([fixed], { objectMode: false })
    }
    if (this.#own !== undefined) return this.#own
    this.#taken = true
    const own = new Readable({
      read: () => {
        this.#resumeSource()
      },
    })
    this.#own = own
    // a source that fails later must not end the process where the owner has gone
    own.on('error', () => undefined)
    if (this.#failed !== undefined) own.destroy(this.#failed)
    for (const piece of this.#held) own.push(piece)
    this.#held = []
    this.#heldBytes = 0
    if (this.#ended) own.push(null)
    else this.#source?.want()
    return own
  }

  replaceStream(stream: Readable, length?: number): void {
    if (this.#own === undefined) this.#drop()
    this.#taken = true
    this.#fixed = undefined
    this.#stream = stream
    this.#streamLength = length ?? -1
    this.#transformers = undefined
    stream.on('error', () => undefined)
  }

  // --- what the source does ---

  /** `piece` may lie in memory that is read into again: what has to wait is kept. */
  push(piece: Buffer): void {
    if (this.#own !== undefined) {
      if (!this.#own.push(Wire.keep(piece))) this.#pauseSource()
      return
    }
    if (this.#taken || this.#fixed !== undefined) return
    if (this.#sink !== undefined) {
      if (this.#record === undefined && this.#transformers === undefined) this.#deliver(piece)
      else {
        const kept = Wire.keep(piece)
        if (this.#record !== undefined) this.#remember(kept)
        this.#deliver(kept)
      }
      return
    }
    this.#held.push(Wire.keep(piece))
    this.#heldBytes += piece.length
    const collect = this.#collect
    if (collect !== undefined) {
      if (this.#heldBytes > collect.limit) {
        this.#collect = undefined
        this.#pauseSource()
        collect.reject(new BodyTooLarge(collect.limit))
      }
    } else if (this.#heldBytes >= HELD_MOST) this.#pauseSource()
  }

  finish(trailers: Fields | undefined): void {
    if (this.#ended) return
    this.#ended = true
    this.#trailers = trailers
    if (this.#own !== undefined) this.#own.push(null)
    const collect = this.#collect
    if (collect !== undefined) {
      this.#collect = undefined
      collect.resolve(EMPTY)
    }
    if (this.#sink !== undefined && !this.#taken && this.#fixed === undefined) this.#deliverEnd(this.#sink)
  }

  fail(error: Error): void {
    if (this.#ended || this.#failed !== undefined) return
    this.#failed = error
    this.#own?.destroy(error)
    const collect = this.#collect
    if (collect !== undefined) {
      this.#collect = undefined
      collect.reject(error)
    }
    if (!this.#taken && this.#fixed === undefined) this.#sink?.fail(error)
  }

  // --- what the sink does ---

  /** What Content-Length to write: bytes, or -1 for chunks. Settle it before `attach`. */
  length(): number {
    if (this.#fixed !== undefined) {
      this.#settleFixed()
      return this.#fixed.length
    }
    if (this.#stream !== undefined) return this.#transformers === undefined ? this.#streamLength : -1
    if (this.#taken) return 0
    if (this.#transformers !== undefined) return this.declared === 0 ? 0 : -1
    return this.declared
  }

  /** Was the body changed, so that the length that was declared says nothing? */
  get changed(): boolean {
    return this.#fixed !== undefined || this.#taken || this.#transformers !== undefined
  }

  /** From here on everything goes to `sink`: what is held now, the rest as it comes. */
  attach(given: BodySink): void {
    const sink = this.#teed(given)
    this.#sink = sink
    if (this.#fixed !== undefined) {
      try {
        this.#settleFixed()
      } catch (error) {
        this.#refused(error)
        return
      }
      const fixed = this.#fixed
      if (this.#record !== undefined) this.#remember(fixed)
      if (fixed.length > 0) sink.write(fixed)
      sink.end(undefined)
      return
    }
    if (this.#stream !== undefined) {
      this.#pipe(this.#stream, sink)
      return
    }
    if (this.#taken) {
      sink.end(undefined)
      return
    }
    if (this.#failed !== undefined) {
      sink.fail(this.#failed)
      return
    }
    if (this.#heldBytes > 0) {
      const held = this.#held
      this.#held = []
      this.#heldBytes = 0
      for (const piece of held) {
        if (this.#record !== undefined) this.#remember(piece)
        this.#deliver(piece)
      }
    }
    if (this.#sink !== sink) return
    if (this.#ended) this.#deliverEnd(sink)
    else {
      this.#source?.want()
      this.#resumeSource()
    }
  }

  /** The sink goes (a try that failed). What it was given can be given again as long as it was recorded. */
  detach(): void {
    this.#sink = undefined
  }

  /** Keep up to `most` bytes of what goes out, for another try. Call it before `attach`. */
  record(most: number): void {
    if (this.declared === 0 && !this.changed) return
    this.#recordMost = most
    this.#record = []
  }

  /** A copy of what goes out, up to `most` bytes. Of the first try only. */
  tee(most: number, tee: Tee): void {
    ;(this.#tees ??= []).push({ tee, left: most })
  }

  /** Can all of it be sent once more? Then what was sent is held again. */
  rewind(): boolean {
    if (this.#fixed !== undefined || (this.#taken && this.#stream === undefined)) return true
    if (this.declared === 0) return true
    if (this.#stream !== undefined || this.#record === undefined || this.#transformers !== undefined) return false
    this.#held.unshift(...this.#record)
    this.#heldBytes = this.#held.reduce((sum, piece) => sum + piece.length, 0)
    this.#record = []
    this.#sink = undefined
    return true
  }

  /** The sink can take more. */
  resume(): void {
    if (this.#stream !== undefined) this.#stream.resume()
    else this.#resumeSource()
  }

  /** Nobody wants the rest. */
  abandon(error: Error): void {
    this.#sink = undefined
    this.#held = []
    this.#heldBytes = 0
    this.#record = undefined
    this.#stream?.destroy()
    this.fail(error)
    this.#taken = true
    this.#source = undefined
  }

  get sourceEnded(): boolean {
    return this.#ended
  }

  // --- inside ---

  /** Around the sink: what it gets, the tees see. */
  #teed(sink: BodySink): BodySink {
    const tees = this.#tees
    if (tees === undefined) return sink
    this.#tees = undefined
    const end = (whole: boolean): void => {
      for (const one of tees) if (one.left >= 0) one.tee.end(whole)
    }
    return {
      write: (piece) => {
        for (const one of tees) {
          if (one.left < 0) continue
          one.left -= piece.length
          if (one.left < 0) one.tee.end(false)
          else one.tee.piece(piece)
        }
        return sink.write(piece)
      },
      end: (trailers) => {
        end(true)
        sink.end(trailers)
      },
      fail: (error) => {
        end(false)
        sink.fail(error)
      },
    }
  }

  #remember(piece: Buffer): void {
    const record = this.#record!
    this.#recordMost -= piece.length
    if (this.#recordMost < 0) this.#record = undefined
    else record.push(piece)
  }

  async #whole(limit: number): Promise<Buffer> {
    let body = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held)
    if (this.#transformers !== undefined) {
      body = applyAll(this.#transformers, body)
      this.#transformers = undefined
      this.#fixed = body
      this.#held = []
      this.#heldBytes = 0
      if (body.length > limit) throw new BodyTooLarge(limit)
      return body
    }
    this.#held = body.length === 0 ? [] : [body]
    return body
  }

  #settleFixed(): void {
    if (this.#transformers === undefined) return
    this.#fixed = applyAll(this.#transformers, this.#fixed!)
    this.#transformers = undefined
  }

  #drop(): void {
    this.#held = []
    this.#heldBytes = 0
    this.#taken = true
    this.#stream?.destroy()
    this.#stream = undefined
    if (!this.#ended) this.#resumeSource()
  }

  #deliver(piece: Buffer): void {
    let out: Buffer | undefined
    try {
      out = this.#transformers === undefined ? piece : this.#transformed(piece, 0)
    } catch (error) {
      this.#refused(error)
      return
    }
    if (out !== undefined && out.length > 0 && this.#sink?.write(out) === false) this.#pauseSource()
  }

  /** A transformer will not have it: what has gone out is no whole body, and the rest is nobody's. */
  #refused(error: unknown): void {
    const sink = this.#sink
    this.#sink = undefined
    this.#transformers = undefined
    this.#record = undefined
    this.#drop()
    const why = error instanceof Error ? error.message : String(error)
    sink?.fail(error instanceof Refusal ? error : new Refusal(500, why))
  }

  #deliverEnd(sink: BodySink): void {
    const transformers = this.#transformers
    if (transformers !== undefined) {
      try {
        for (let index = 0; index < transformers.length; index++) {
          const last = transformers[index]!.end?.()
          const out = last === undefined ? undefined : this.#transformed(last, index + 1)
          if (out !== undefined && out.length > 0) sink.write(out)
        }
      } catch (error) {
        this.#refused(error)
        return
      }
    }
    sink.end(this.#trailers)
  }

  #transformed(piece: Buffer, from: number): Buffer | undefined {
    let out: Buffer | undefined = piece
    const transformers = this.#transformers!
    for (let index = from; index < transformers.length && out !== undefined; index++) {
      out = transformers[index]!.piece(out)
    }
    return out
  }

  #pipe(stream: Readable, sink: BodySink): void {
    stream.on('data', (piece: Buffer | string) => {
      if (this.#sink !== sink) return
      const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece
      let out: Buffer | undefined
      try {
        out = this.#transformers === undefined ? bytes : this.#transformed(bytes, 0)
      } catch (error) {
        stream.destroy()
        this.#refused(error)
        return
      }
      if (out !== undefined && out.length > 0 && !sink.write(out)) stream.pause()
    })
    stream.on('end', () => {
      if (this.#sink === sink) this.#deliverEnd(sink)
    })
    const fail = (error?: Error): void => {
      if (this.#sink === sink && !stream.readableEnded) sink.fail(error ?? new Error('the body ended early'))
    }
    stream.on('error', fail)
    stream.on('close', () => fail())
    if (stream.destroyed && !stream.readableEnded) fail(stream.errored ?? undefined)
  }

  #pauseSource(): void {
    if (this.#paused || this.#ended) return
    this.#paused = true
    this.#source?.pause()
  }

  #resumeSource(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#source?.resume()
  }
}

const EMPTY = Buffer.alloc(0)

function applyAll(transformers: readonly Transformer[], body: Buffer): Buffer {
  let result = body
  for (const transformer of transformers) {
    const first = result.length === 0 ? undefined : transformer.piece(result)
    const last = transformer.end?.()
    result = first === undefined ? (last ?? EMPTY) : last === undefined ? first : Buffer.concat([first, last])
  }
  return result
}
