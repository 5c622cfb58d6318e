/** Backends of HTTP/2 that break rules, flood, or go: what the client gets is never a well-formed wrong answer. Frames by hand. */
import http from 'node:http'
import net, { type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { ERROR, FLAG, TYPE } from '../../../lib/http2/frames.ts'
import { field, frame, framesOf, number, repeated } from '../../../lib/http2/testing.ts'
import { serve, type Served } from '../testing.ts'
import { portOf, route, toBackend } from './testing.ts'

const { data, headers, reset, settings, push, ping, goaway, continuation } = TYPE
const END = FLAG.endStream | FLAG.endHeaders
const OPEN = FLAG.endHeaders
/** :status 200 */
const OK = '88'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

interface Asked {
  readonly id: number
  readonly socket: Socket
  /** Of the connection, from 0. */
  readonly connection: number
}

interface ByHand {
  readonly port: number
  readonly open: ReadonlySet<Socket>
  /** Of all connections so far. */
  readonly connections: () => number
  /** What it was told, without heads: `goaway 1`, `reset 1:8`. */
  readonly told: string[]
}

/** Says SETTINGS, and `answer` for each head of a request. */
async function byHand(answer: (asked: Asked) => void, first = frame(settings, 0, 0)): Promise<ByHand> {
  const open = new Set<Socket>()
  const told: string[] = []
  let connections = 0
  const server = net.createServer((socket) => {
    const connection = connections++
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => undefined)
    socket.write(first)
    // the preface is 24 bytes
    let pending = Buffer.alloc(0)
    let preface = 24
    socket.on('data', (piece: Buffer) => {
      pending = Buffer.concat([pending, piece])
      if (pending.length < preface) return
      pending = pending.subarray(preface)
      preface = 0
      while (pending.length >= 9 && pending.length >= 9 + pending.readUIntBE(0, 3)) {
        const size = 9 + pending.readUIntBE(0, 3)
        const [one] = framesOf(pending.subarray(0, size))
        pending = pending.subarray(size)
        const { type, id, payload } = one!
        if (type === headers) answer({ id, socket, connection })
        if (type === goaway) told.push(`goaway ${payload.readUInt32BE(4)}`)
        if (type === reset) told.push(`reset ${id}:${payload.readUInt32BE(0)}`)
      }
    })
  })
  ends.push(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return { port: await portOf(server), open, connections: () => connections, told }
}

async function gateway(port: number, forward: Parameters<typeof route>[2] = {}): Promise<Served> {
  const part = { routes: [route('b', {}, forward)], ...toBackend('b', port, { protocol: 'h2c' }) }
  const served = await serve(part)
  ends.push(() => served.stop())
  return served
}

interface Got {
  readonly status: number
  readonly fields: http.IncomingHttpHeaders
  readonly body: string
  readonly trailers: NodeJS.Dict<string>
  /** Did it break off? */
  readonly broken: boolean
}

/** Over HTTP/1.1, on a connection of its own. */
function get(url: string, method = 'GET', body?: string): Promise<Got> {
  return new Promise((resolve, reject) => {
    const asked = http.request(url, { method, agent: false }, (response) => {
      const { statusCode: status = 0, headers: fields } = response
      let text = ''
      response.setEncoding('latin1')
      response.on('data', (piece: string) => (text += piece))
      response.on('error', () => undefined)
      response.on('close', () =>
        resolve({ status, fields, body: text, trailers: response.trailers, broken: !response.complete }),
      )
    })
    asked.on('error', reject)
    asked.end(body)
  })
}

const whole = (id: number, more = ''): Buffer => frame(headers, END, id, OK + more)

describe('answers that are none', () => {
  type Case = readonly [what: string, answer: (id: number) => Buffer[], ends: 'stream' | 'connection']
  const table: readonly Case[] = [
    ['no status', (id) => [frame(headers, END, id, field('x', 'y'))], 'stream'],
    ['two statuses', (id) => [whole(id, OK)], 'stream'],
    ['a status of two digits', (id) => [frame(headers, END, id, field(':status', '20'))], 'stream'],
    ['a status in another notation', (id) => [frame(headers, END, id, field(':status', '2e2'))], 'stream'],
    ['101', (id) => [frame(headers, END, id, field(':status', '101'))], 'stream'],
    ['a line end in a value', (id) => [whole(id, field('x', 'a\r\nset-cookie: b'))], 'stream'],
    ['a control character in a value', (id) => [whole(id, field('x', 'a\x01b'))], 'stream'],
    ['a capital', (id) => [whole(id, field('X-A', 'b'))], 'stream'],
    ['a colon in a name', (id) => [whole(id, field('x:y', 'b'))], 'stream'],
    ['connection', (id) => [whole(id, field('connection', 'x-hop'))], 'stream'],
    ['transfer-encoding', (id) => [whole(id, field('transfer-encoding', 'chunked'))], 'stream'],
    ['a field that looks like a length', (id) => [whole(id, field('content_length', '5'))], 'stream'],
    ['two lengths', (id) => [whole(id, field('content-length', '0') + field('content-length', '0'))], 'stream'],
    ['a length that is none', (id) => [whole(id, field('content-length', '1, 1'))], 'stream'],
    ['a length, and nothing', (id) => [whole(id, field('content-length', '5'))], 'stream'],
    ['a body without a head', (id) => [frame(data, 1, id, '6869')], 'stream'],
    ['1xx that is all', (id) => [frame(headers, END, id, field(':status', '103'))], 'stream'],
    ['1xx without end', (id) => [repeated(200, () => frame(headers, OPEN, id, field(':status', '103')))], 'stream'],
    [
      '1xx that are long',
      (id) => [repeated(5, () => frame(headers, OPEN, id, field(':status', '103') + longFields(15_000)))],
      'stream',
    ],
    ['201 fields', (id) => [whole(id, field('x', 'y').repeat(201))], 'stream'],
    ['RST_STREAM', (id) => [frame(reset, 0, id, number(ERROR.internal))], 'stream'],
    ['a push', (id) => [frame(push, OPEN, id, `00000002${OK}`), whole(id)], 'connection'],
    ['an answer on another stream', () => [whole(99)], 'connection'],
    ['an answer on no stream', () => [whole(0)], 'connection'],
    ['a block that is none', (id) => [frame(headers, END, id, 'ffffffffff')], 'connection'],
    ['CONTINUATION of another stream', (id) => [frame(headers, 1, id, OK), frame(continuation, 4, 9)], 'connection'],
    [
      'CONTINUATION without end',
      (id) => [frame(headers, 1, id, OK), repeated(2000, () => frame(continuation, 0, id, field('x', 'y')))],
      'connection',
    ],
    ['a frame that is too long', (id) => [frame(headers, END, id, Buffer.alloc(20_000))], 'connection'],
    ['HTTP/1.1', () => [Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi')], 'connection'],
    ['PING without end', () => [repeated(5000, () => frame(ping, 0, 0, '0000000000000000'))], 'connection'],
    ['SETTINGS without end', () => [repeated(5000, () => frame(settings, 0, 0))], 'connection'],
    ['frames that say nothing', () => [repeated(80, () => frame(99, 0, 0, Buffer.alloc(16_384)))], 'connection'],
  ]

  test.each(table)('%s: 502, then served as if nothing had been', async (_what, answer, ended) => {
    let times = 0
    const backend = await byHand(({ id, socket }) => {
      socket.write(Buffer.concat(times++ === 0 ? answer(id) : [whole(id, field('x-good', '1'))]))
    })
    const { url, engine } = await gateway(backend.port)
    const first = await get(url)
    expect(first).toMatchObject({ status: 502, broken: false })
    expect(first.fields).not.toHaveProperty('set-cookie')
    expect(await get(url)).toMatchObject({ status: 200, fields: { 'x-good': '1' }, body: '' })
    // a mistake of one stream costs that one; of the connection, the connection
    expect(backend.connections()).toBe(ended === 'stream' ? 1 : 2)
    if (ended === 'connection') {
      await expect.poll(() => backend.open.size).toBe(1)
      expect(backend.told.some((one) => one.startsWith('goaway'))).toBe(true)
    }
    expect(engine.endpoints()[0]).toMatchObject({ busy: 0 })
  })

  test('what comes before SETTINGS', async () => {
    const backend = await byHand(({ id, socket }) => socket.write(whole(id)), frame(ping, 0, 0, '0000000000000000'))
    const { url } = await gateway(backend.port)
    expect((await get(url)).status).toBe(502)
    await expect.poll(() => backend.open.size).toBe(0)
  })
})

/** Fields of so many bytes, all in all. */
function longFields(bytes: number): string {
  return field('x', 'y'.repeat(100)).repeat(Math.ceil(bytes / 104))
}

describe('answers that break off', () => {
  const head = (id: number, more = ''): Buffer => frame(headers, OPEN, id, OK + more)
  const part = (id: number): Buffer => frame(data, 0, id, '70617274')
  const length = field('content-length', '100')

  test.each<readonly [string, (asked: Asked) => void]>([
    ['the connection goes', ({ socket }) => socket.destroy()],
    ['the connection ends', ({ socket }) => socket.end()],
    ['RST_STREAM', ({ id, socket }) => socket.write(frame(reset, 0, id, number(ERROR.internal)))],
    ['RST_STREAM without an error', ({ id, socket }) => socket.write(frame(reset, 0, id, number(ERROR.none)))],
    ['trailers that are none', ({ id, socket }) => socket.write(frame(headers, END, id, field('X', 'y')))],
    ['trailers that authorise', ({ id, socket }) => socket.write(frame(headers, END, id, field('set-cookie', 'y')))],
    ['trailers without an end', ({ id, socket }) => socket.write(frame(headers, OPEN, id, field('x', 'y')))],
    ['another head', ({ id, socket }) => socket.write(whole(id))],
    ['a broken rule of the connection', ({ socket }) => socket.write(frame(data, 0, 0, '61'))],
  ])('%s: so does the answer', async (_what, then) => {
    for (const announced of ['', length]) {
      const backend = await byHand(({ id, socket, connection }) => {
        socket.write(Buffer.concat([head(id, announced), part(id)]))
        setTimeout(() => then({ id, socket, connection }), 20)
      })
      const { url } = await gateway(backend.port)
      expect(await get(url)).toMatchObject({ status: 200, body: 'part', broken: true })
    }
  })

  test.each([
    ['less than announced', '6869', 1],
    ['more than announced', '61'.repeat(101), 1],
  ])('%s: so does the answer', async (_what, bytes, flags) => {
    const backend = await byHand(({ id, socket }) => {
      socket.write(head(id, length))
      setTimeout(() => socket.write(frame(data, flags, id, bytes)), 20)
    })
    const { url } = await gateway(backend.port)
    expect(await get(url)).toMatchObject({ status: 200, broken: true })
    await expect.poll(() => backend.told).toEqual([`reset 1:${ERROR.protocol}`])
  })

  test.each([
    ['HEAD', OK],
    ['GET', field(':status', '304')],
    ['GET', field(':status', '204')],
  ])('%s %s has no body, whatever it says', async (method, status) => {
    const backend = await byHand(({ id, socket }) => {
      socket.write(frame(headers, OPEN, id, status + length))
      socket.write(id === 1 ? frame(data, 1, id) : frame(data, 1, id, '61'))
    })
    const { url } = await gateway(backend.port)
    expect(await get(url, method)).toMatchObject({ body: '', broken: false })
    expect((await get(url, method).catch(() => ({ body: '' }))).body).toBe('')
    await expect.poll(() => backend.told).toEqual([`reset 3:${ERROR.protocol}`])
  })
})

test('cut anywhere, the same answer', async () => {
  const answer = (id: number): Buffer =>
    Buffer.concat([
      frame(headers, OPEN, id, field(':status', '103') + field('link', '</a>')),
      frame(headers, 0, id, OK + field('x-a', '1')),
      frame(continuation, OPEN, id, field('x-b', '2')),
      frame(data, FLAG.padded, id, '0261620000'),
      frame(data, 0, id, '63'),
      frame(headers, END, id, field('x-sum', '42')),
    ])
  let cut = 0
  const backend = await byHand(({ id, socket }) => {
    const bytes = answer(id)
    socket.setNoDelay(true)
    socket.write(bytes.subarray(0, cut))
    setTimeout(() => socket.write(bytes.subarray(cut)), 1)
  })
  const { url } = await gateway(backend.port)
  for (; cut <= answer(1).length; cut++) {
    const got = await get(url)
    expect(got, `cut at ${cut}`).toMatchObject({ status: 200, body: 'abc', broken: false, trailers: { 'x-sum': '42' } })
    expect(got.fields).toMatchObject({ 'x-a': '1', 'x-b': '2' })
  }
  expect(backend.connections()).toBe(1)
}, 60_000)

describe('streams', () => {
  test('GOAWAY without the stream: on another connection, whatever the method', async () => {
    const backend = await byHand(({ id, socket, connection }) => {
      socket.write(connection === 0 ? frame(goaway, 0, 0, number(0) + number(0)) : whole(id))
    })
    const { url } = await gateway(backend.port)
    expect((await get(url, 'POST', 'body')).status).toBe(200)
    expect(backend.connections()).toBe(2)
  })

  test('REFUSED_STREAM behind a head is no leave to ask again', async () => {
    const backend = await byHand(({ id, socket }) => {
      socket.write(frame(headers, OPEN, id, OK))
      setTimeout(() => socket.write(frame(reset, 0, id, number(ERROR.refused))), 20)
    })
    const { url, engine } = await gateway(backend.port)
    expect(await get(url)).toMatchObject({ status: 200, broken: true })
    expect(engine.counts.upstreamRetries).toBe(0)
  })

  test('a kept connection that goes: once more, for what may be asked twice', async () => {
    const seen: string[] = []
    const backend = await byHand(({ id, socket, connection }) => {
      seen.push(`${connection}/${id}`)
      if (connection === 0 && id > 1) socket.destroy()
      else socket.write(whole(id))
    })
    const { url } = await gateway(backend.port)
    expect([(await get(url)).status, (await get(url)).status]).toEqual([200, 200])
    expect(seen).toEqual(['0/1', '0/3', '1/1'])
  })

  test('a client that goes: CANCEL within a second, and the connection stays', async () => {
    let heads = 0
    const backend = await byHand(() => heads++)
    const { url, engine } = await gateway(backend.port)
    const asked = http.get(url, { agent: false })
    asked.on('error', () => undefined)
    await expect.poll(() => heads).toBe(1)
    // who only ends its side may still read
    asked.socket?.resetAndDestroy()
    await expect.poll(() => backend.told).toEqual([`reset 1:${ERROR.cancel}`])
    expect(engine.endpoints()[0]).toMatchObject({ busy: 0 })
    expect(backend.open.size).toBe(1)
  })

  test('no answer in time: 504, and the stream is taken back', async () => {
    const backend = await byHand(() => undefined)
    const { url } = await gateway(backend.port, { timeouts: { firstByte: 60 } })
    expect((await get(url)).status).toBe(504)
    await expect.poll(() => backend.told).toEqual([`reset 1:${ERROR.cancel}`])
  })

  test.each(['firstByte', 'request'] as const)(
    'a connection that says nothing any more (%s) is left: what is asked next goes over another',
    async (limit) => {
      const backend = await byHand(({ id, socket, connection }) => {
        if (connection > 0 || id === 1) socket.write(whole(id))
      })
      const { url, engine } = await gateway(backend.port, { timeouts: { [limit]: 500 } })
      const statuses: number[] = []
      for (let at = 0; at < 4; at++) statuses.push((await get(url)).status)
      expect(statuses).toEqual([200, 504, 200, 200])
      expect(backend.connections()).toBe(2)
      await expect.poll(() => backend.told).toEqual([`reset 3:${ERROR.cancel}`, `goaway ${ERROR.none}`])
      expect(engine.endpoints()[0]).toMatchObject({ busy: 0 })
    },
  )

  test('no answer in time on a connection that says something else: it stays', async () => {
    const backend = await byHand(({ id, socket }) => {
      if (id === 3) socket.write(frame(ping, 0, 0, '0000000000000000'))
      else socket.write(whole(id))
    })
    const { url } = await gateway(backend.port, { timeouts: { firstByte: 500 } })
    expect([(await get(url)).status, (await get(url)).status, (await get(url)).status]).toEqual([200, 504, 200])
    expect(backend.connections()).toBe(1)
  })

  test('a client that does not read holds the backend to its window', async () => {
    let sent = 0
    const block = Buffer.alloc(16_384)
    const backend = await byHand(({ id, socket }) => {
      socket.write(frame(headers, OPEN, id, OK))
      // as fast as we read, whatever the windows say: who breaks them is cut off
      const more = (): void => {
        if (socket.destroyed || sent > 64_000_000) return
        sent += block.length
        if (socket.write(frame(data, 0, id, block))) setImmediate(more)
        else socket.once('drain', more)
      }
      more()
    })
    const { url } = await gateway(backend.port)
    const { port } = new URL(url)
    const socket = net.connect(Number(port), '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'))
    socket.pause()
    ends.push(() => socket.destroy())
    await expect.poll(() => backend.told[0], { timeout: 20_000 }).toBe(`reset 1:${ERROR.flowControl}`)
    expect(sent).toBeLessThan(64_000_000)
  }, 30_000)
})
