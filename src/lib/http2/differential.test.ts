/** Sessions with node:http2 as their client: what one side has said, the other has heard. */
import fc from 'fast-check'
import http2, { type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2'
import net, { type AddressInfo, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ERROR } from './frames.ts'
import type { HeaderList } from './list.ts'
import type { Transport } from './output.ts'
import { ServerSession, type ServerUser } from './server.ts'
import type { ServerStream } from './server-stream.ts'
import { anyCases, checkTwice, type Case } from './testing-cases.ts'
import { Heard } from './testing.ts'

const cases = new Map<string, Case>()
const heard = new Map<string, Heard>()
const refused: string[] = []

/** A session on a socket; writes go out piece by piece so that nothing depends on where they are cut. */
class Server implements ServerUser, Transport {
  readonly session: ServerSession
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
    this.session = new ServerSession(this, this, { headBytes: 65_536 })
    socket.on('data', (piece: Buffer) => {
      const cut = piece.length >> 1
      this.session.receive(piece, 0, cut)
      this.session.receive(piece, cut, piece.length)
    })
    socket.on('drain', () => this.session.drained())
    socket.on('error', () => undefined)
    socket.on('close', () => this.session.gone())
  }

  onRequest(stream: ServerStream, list: HeaderList): void {
    const key = /x-case: (\d+)/.exec(list.lines)![1]!
    const found = new Heard(stream, list)
    heard.set(key, found)
    const onEndOfBody = found.onEndOfBody.bind(found)
    found.onEndOfBody = (trailers) => {
      onEndOfBody(trailers)
      answer(stream, cases.get(key)!)
    }
    if (stream.remoteEnded) answer(stream, cases.get(key)!)
  }

  write(text: string): boolean {
    return this.#socket.destroyed || this.#socket.write(text, 'latin1')
  }

  writePieces(pieces: readonly (string | Buffer)[]): boolean {
    let more = true
    for (const piece of pieces) more = this.write(typeof piece === 'string' ? piece : piece.toString('latin1'))
    return more
  }

  keep(piece: Buffer): Buffer {
    return Buffer.from(piece)
  }

  schedule(): void {
    setImmediate(() => this.session.flush())
  }

  onRefused(reason: string): void {
    refused.push(reason)
  }

  onEnd(): void {
    setImmediate(() => {
      this.session.flush()
      this.#socket.end()
    })
  }

  onLeft(): void {
    return undefined
  }

  onFarewell(): void {
    return undefined
  }
}

function answer(stream: ServerStream, { status, answerFields, pieces, how }: Case): void {
  const lines = answerFields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  if (pieces.length === 0 && how === 'whole') {
    stream.respondWhole(status, lines)
    return
  }
  stream.respond(status, lines)
  for (const [at, size] of pieces.entries()) {
    // one kind as text, the other as bytes in memory that is used again
    if (at % 2 === 0) stream.send('t'.repeat(size))
    else {
      const lent = Buffer.alloc(size, 't')
      stream.send(lent)
      lent.fill('!')
    }
  }
  if (how === 'broken') stream.abort(ERROR.internal)
  else stream.end('', how === 'trailers' ? 'X-Sum: 42\r\n' : undefined)
}

let port = 0
const sockets = new Set<Socket>()
const server = net.createServer((socket) => {
  sockets.add(socket)
  new Server(socket)
})
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
afterAll(() => {
  for (const socket of sockets) socket.destroy()
  server.close()
})

interface Answer {
  readonly headers: IncomingHttpHeaders
  readonly trailers: IncomingHttpHeaders | undefined
  readonly body: string
  readonly code: number
}

function ask(client: ClientHttp2Session, key: string, { method, path, fields, body, trailers }: Case): Promise<Answer> {
  return new Promise((resolve) => {
    const stream = client.request(
      { ':method': method, ':path': path, 'x-case': key, ...Object.fromEntries(fields) },
      { endStream: body < 0, waitForTrailers: trailers && body >= 0 },
    )
    let headers: IncomingHttpHeaders = {}
    let last: IncomingHttpHeaders | undefined
    const pieces: Buffer[] = []
    stream.on('response', (given) => (headers = given))
    stream.on('trailers', (given) => (last = given))
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-last': key }))
    stream.on('data', (piece: Buffer) => pieces.push(piece))
    stream.on('error', () => undefined)
    stream.on('close', () =>
      resolve({ headers, trailers: last, body: Buffer.concat(pieces).toString('latin1'), code: stream.rstCode ?? 0 }),
    )
    if (body >= 0) stream.end(Buffer.alloc(body, 'r'))
  })
}

let next = 0

async function check(client: ClientHttp2Session, one: Case): Promise<void> {
  const key = String(next++)
  cases.set(key, one)
  const got = await ask(client, key, one)
  const request = heard.get(key)!
  cases.delete(key)
  heard.delete(key)
  const [first, ...lines] = request.head.trimEnd().split('\n')
  expect(first).toBe(`${one.method} http://127.0.0.1:${port}${one.path}`)
  expect(lines.map((line) => line.trimEnd())).toEqual([
    `x-case: ${key}`,
    ...one.fields.map(([name, text]) => `${name}: ${text}`.trimEnd()),
  ])
  expect(request.body.length).toBe(Math.max(0, one.body))
  expect(request.trailers).toBe(one.body >= 0 && one.trailers ? `x-last: ${key}\r\n` : undefined)
  if (one.how === 'broken') {
    expect(got.code).toBe(ERROR.internal)
    return
  }
  expect(got.code).toBe(0)
  expect(got.headers[':status']).toBe(one.status)
  for (const [name, text] of one.answerFields) expect(got.headers[name]).toBe(text)
  expect(got.body.length).toBe(one.pieces.reduce((sum, piece) => sum + piece, 0))
  expect(got.body).toMatch(/^t*$/)
  expect(got.trailers?.['x-sum']).toBe(one.how === 'trailers' ? '42' : undefined)
}

test('whatever is asked and answered, many at a time', async () => {
  await fc.assert(
    fc.asyncProperty(
      anyCases,
      fc.constantFrom(undefined, 0, 1000, 1_000_000),
      fc.constantFrom(0, 100, 4096, 65_536),
      async (all, initialWindowSize, headerTableSize) => {
        const settings = { headerTableSize, ...(initialWindowSize ? { initialWindowSize } : {}) }
        await checkTwice(http2.connect(`http://127.0.0.1:${port}`, { settings }), all, check)
      },
    ),
    { numRuns: 15 },
  )
  expect(refused).toEqual([])
}, 60_000)
