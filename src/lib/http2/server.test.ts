/** What a client may not do, and what becomes of it (RFC 9113); windows; the end. */
import { describe, expect, test } from 'vitest'
import { ERROR, FLAG, PREFACE, TYPE, WINDOW_FIRST } from './frames.ts'
import { WINDOW } from './intake.ts'
import { body, field, floods, frame, GET, Heard, number, Peer, POST, readsOn, repeated } from './testing.ts'

const { data, headers, priority, reset, settings, push, ping, goaway, update, continuation } = TYPE
const END = FLAG.endStream | FLAG.endHeaders
const OPEN = FLAG.endHeaders

const get = (id: number): Buffer => frame(headers, END, id, GET)
const post = (id: number): Buffer => frame(headers, OPEN, id, POST)
const withField = (name: string, value: string): Buffer => frame(headers, END, 1, GET + field(name, value))
const answers = (heard: Heard): void => {
  if (heard.ended) heard.stream.respondWhole(204, '')
}

describe('mistakes that end the connection', () => {
  const table: [string, Buffer[], number][] = [
    ['DATA on no stream (§6.1)', [frame(data, 0, 0, '61')], ERROR.protocol],
    ['DATA on a stream that was never begun (§5.1)', [frame(data, 0, 1, '61')], ERROR.protocol],
    ['DATA with too much padding (§6.1)', [post(1), frame(data, FLAG.padded, 1, '0561')], ERROR.protocol],
    ['DATA behind RST_STREAM of the client (§5.1)', [post(1), frame(reset, 0, 1, number(8)), frame(data, 0, 1)], 5],
    ['HEADERS on no stream (§6.2)', [frame(headers, END, 0, GET)], ERROR.protocol],
    ['HEADERS on an even stream (§5.1.1)', [frame(headers, END, 2, GET)], ERROR.protocol],
    ['HEADERS on a lower stream (§5.1.1)', [get(5), get(3)], ERROR.protocol],
    ['HEADERS on a stream that is over (§5.1)', [get(1), get(1)], ERROR.streamClosed],
    ['HEADERS with too much padding (§6.2)', [frame(headers, END | FLAG.padded, 1, `09${GET}`)], ERROR.protocol],
    ['HEADERS that depend on themselves', [frame(headers, END | FLAG.priority, 1, `0000000100${GET}`)], ERROR.protocol],
    ['HEADERS too short for a priority', [frame(headers, END | FLAG.priority, 1, '00000000')], ERROR.frameSize],
    ['a frame between HEADERS and CONTINUATION (§6.10)', [frame(headers, 1, 1, GET), frame(ping, 0, 0)], 1],
    ['DATA between HEADERS and CONTINUATION', [frame(headers, 1, 1, GET), frame(data, 0, 1)], ERROR.protocol],
    ['an unknown frame between them (§5.5)', [frame(headers, 1, 1, GET), frame(0xf0, 0, 1)], ERROR.protocol],
    ['CONTINUATION of another stream', [frame(headers, 1, 1, GET), frame(continuation, 4, 3)], ERROR.protocol],
    ['CONTINUATION of nothing', [frame(continuation, 4, 1, GET)], ERROR.protocol],
    ['CONTINUATION behind the end of a head', [get(1), frame(continuation, 4, 1, GET)], ERROR.protocol],
    ['a block that is none (§4.3)', [frame(headers, END, 1, '80')], ERROR.compression],
    ['trailers that are no block', [post(1), frame(headers, END, 1, '80')], ERROR.compression],
    ['PRIORITY on no stream (§6.3)', [frame(priority, 0, 0, '0000000300')], ERROR.protocol],
    ['PRIORITY of another length', [frame(priority, 0, 1, '00000003')], ERROR.frameSize],
    ['PRIORITY that depends on itself', [frame(priority, 0, 3, '0000000300')], ERROR.protocol],
    ['RST_STREAM on no stream (§6.4)', [frame(reset, 0, 0, number(8))], ERROR.protocol],
    ['RST_STREAM on a stream that was never begun', [frame(reset, 0, 1, number(8))], ERROR.protocol],
    ['RST_STREAM on a stream that was left out', [get(5), frame(reset, 0, 3, number(8))], ERROR.protocol],
    ['RST_STREAM of another length', [post(1), frame(reset, 0, 1, '000000')], ERROR.frameSize],
    ['SETTINGS on a stream (§6.5)', [frame(settings, 0, 1)], ERROR.protocol],
    ['SETTINGS of another length', [frame(settings, 0, 0, '000300')], ERROR.frameSize],
    ['SETTINGS that acknowledge and say more', [frame(settings, FLAG.ack, 0, '000300000001')], ERROR.frameSize],
    ['SETTINGS: push neither 0 nor 1 (§6.5.2)', [frame(settings, 0, 0, '000200000002')], ERROR.protocol],
    ['SETTINGS: a window too large', [frame(settings, 0, 0, '000480000000')], ERROR.flowControl],
    ['SETTINGS: frames too small', [frame(settings, 0, 0, '000500003fff')], ERROR.protocol],
    ['SETTINGS: frames too large', [frame(settings, 0, 0, '000501000000')], ERROR.protocol],
    [
      'SETTINGS that make a window too large (§6.9.2)',
      [post(1), frame(update, 0, 1, '7fff0000'), frame(settings, 0, 0, '00047fffffff')],
      3,
    ],
    ['PUSH_PROMISE (§8.4)', [frame(push, 4, 1, `00000002${GET}`)], ERROR.protocol],
    ['PING on a stream (§6.7)', [frame(ping, 0, 1, '0000000000000000')], ERROR.protocol],
    ['PING of another length', [frame(ping, 0, 0, '00000000000000')], ERROR.frameSize],
    ['GOAWAY on a stream (§6.8)', [frame(goaway, 0, 1, `${number(0)}${number(0)}`)], ERROR.protocol],
    ['GOAWAY too short', [frame(goaway, 0, 0, number(0))], ERROR.frameSize],
    ['WINDOW_UPDATE by 0 (§6.9)', [frame(update, 0, 0, number(0))], ERROR.protocol],
    ['WINDOW_UPDATE of another length', [frame(update, 0, 0, '000001')], ERROR.frameSize],
    ['WINDOW_UPDATE on a stream that was never begun', [frame(update, 0, 1, number(1))], ERROR.protocol],
    ['WINDOW_UPDATE that makes the window too large (§6.9.1)', [frame(update, 0, 0, '7fffffff')], ERROR.flowControl],
    ['a frame that is too long (§4.2)', [frame(headers, END, 1, Buffer.alloc(16_385))], ERROR.frameSize],
  ]

  test.each(table)('%s', (_what, frames, code) => {
    const peer = new Peer(answers).begin(...frames)
    expect(peer.verdicts().at(-1)).toBe(`goaway ${code}`)
    expect(peer.refused).toEqual(['h2-protocol'])
    expect(peer.ended).toBe(true)
    // and nothing is taken any more
    const before = peer.heard.length
    peer.say(get(101))
    expect(peer.heard.length).toBe(before)
    expect(peer.take()).toEqual([])
  })

  test('another preface, and no SETTINGS behind a good one (§3.4)', () => {
    expect(new Peer().say(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\rX')).verdicts()).toEqual(['goaway 1'])
    expect(new Peer().say(Buffer.from(PREFACE), get(1)).verdicts()).toEqual(['goaway 1'])
    expect(new Peer().say(Buffer.from(PREFACE), frame(settings, FLAG.ack, 0)).verdicts()).toEqual(['goaway 1'])
  })

  test('GOAWAY names the last stream that was begun', () => {
    const [frames] = [new Peer(answers).begin(get(1), get(7), frame(data, 0, 0)).take()]
    expect(frames.at(-1)!.payload.readUInt32BE(0)).toBe(7)
  })
})

describe('mistakes that end a stream', () => {
  const table: [string, Buffer[], number][] = [
    ['a capital (§8.2.1)', [withField('X-a', '1')], ERROR.protocol],
    ['a name with a space', [withField('x a', '1')], ERROR.protocol],
    ['no name', [withField('', '1')], ERROR.protocol],
    ['a line end in a value', [withField('x', 'a\r\nb: c')], ERROR.protocol],
    ['a bare LF in a value', [withField('x', 'a\nb')], ERROR.protocol],
    ['NUL in a value', [withField('x', 'a\0b')], ERROR.protocol],
    ['a space before a value', [withField('x', ' a')], ERROR.protocol],
    ['a tab behind a value', [withField('x', 'a\t')], ERROR.protocol],
    ['connection (§8.2.2)', [withField('connection', 'close')], ERROR.protocol],
    ['keep-alive', [withField('keep-alive', '1')], ERROR.protocol],
    ['proxy-connection', [withField('proxy-connection', 'close')], ERROR.protocol],
    ['transfer-encoding', [withField('transfer-encoding', 'chunked')], ERROR.protocol],
    ['upgrade', [withField('upgrade', 'h2c')], ERROR.protocol],
    ['te that is not trailers', [withField('te', 'gzip')], ERROR.protocol],
    ['an unknown pseudo-header (§8.3)', [frame(headers, END, 1, field(':a', 'b') + GET)], ERROR.protocol],
    ['one of answers', [frame(headers, END, 1, `88${GET}`)], ERROR.protocol],
    ['one behind a field', [frame(headers, END, 1, `${field('x', 'y')}${GET}`)], ERROR.protocol],
    ['no method (§8.3.1)', [frame(headers, END, 1, '8684410161')], ERROR.protocol],
    ['no scheme', [frame(headers, END, 1, '8284410161')], ERROR.protocol],
    ['no path', [frame(headers, END, 1, '8286410161')], ERROR.protocol],
    ['an empty path', [frame(headers, END, 1, `8286${field(':path', '')}`)], ERROR.protocol],
    ['two methods', [frame(headers, END, 1, `82${GET}`)], ERROR.protocol],
    ['two schemes', [frame(headers, END, 1, `87${GET}`)], ERROR.protocol],
    ['two paths', [frame(headers, END, 1, `84${GET}`)], ERROR.protocol],
    ['two authorities', [frame(headers, END, 1, `${GET}${field(':authority', 'a')}`)], ERROR.protocol],
    ['two hosts', [frame(headers, END, 1, `${GET}${field('host', 'a')}${field('host', 'a')}`)], ERROR.protocol],
    ['CONNECT with a path (§8.5)', [frame(headers, END, 1, `${field(':method', 'CONNECT')}84410161`)], ERROR.protocol],
    ['trailers without an end (§8.1)', [post(1), frame(headers, OPEN, 1, field('x', 'y'))], ERROR.protocol],
    ['a pseudo-header in trailers', [post(1), frame(headers, END, 1, '82')], ERROR.protocol],
    ['a capital in trailers', [post(1), frame(headers, END, 1, field('X', 'y'))], ERROR.protocol],
    ['PRIORITY of another length', [post(1), frame(priority, 0, 1, '00000003')], ERROR.frameSize],
    ['WINDOW_UPDATE by 0', [post(1), frame(update, 0, 1, number(0))], ERROR.protocol],
    ['WINDOW_UPDATE that makes the window too large', [post(1), frame(update, 0, 1, '7fffffff')], ERROR.flowControl],
    ['DATA behind the end (§5.1)', [get(1), frame(data, 0, 1, '61')], ERROR.streamClosed],
    ['HEADERS behind the end', [get(1), frame(headers, END, 1, field('x', 'y'))], ERROR.streamClosed],
  ]

  test.each(table)('%s', (_what, frames, code) => {
    const peer = new Peer().begin(...frames)
    expect(peer.verdicts()).toEqual([`reset 1:${code}`])
    expect(peer.refused).toEqual(['h2-malformed'])
    if (peer.heard[0] !== undefined) expect(peer.heard[0].lost).toBe(code)
    // the connection lives, its tables are right, and what was on its way to the stream is no mistake
    peer.say(frame(data, 0, 1, '61'), frame(update, 0, 1, number(1)), frame(headers, END, 1, GET), get(3))
    expect(peer.verdicts()).toEqual([])
    expect(peer.heard.at(-1)).toMatchObject({ head: 'GET http://a/\n', ended: true, lost: undefined })
  })

  test.each([
    [5, ['616263'], 'less'],
    [2, ['616263'], 'more in one frame'],
    [4, ['616263', '616263'], 'more in two frames'],
  ])('%i bytes were announced, and %s come: %s', (length, pieces) => {
    const peer = new Peer().begin(post(1))
    peer.heard[0]!.stream.expected = length
    peer.say(...pieces.map((piece, at) => frame(data, at === pieces.length - 1 ? 1 : 0, 1, piece)))
    expect(peer.verdicts()).toEqual(['reset 1:1'])
    expect(peer.heard[0]!.ended).toBe(false)
  })

  test('less than announced, and trailers', () => {
    const peer = new Peer().begin(post(1))
    peer.heard[0]!.stream.expected = 2
    peer.say(frame(data, 0, 1, '61'), frame(headers, END, 1, field('x', 'y')))
    expect(peer.verdicts()).toEqual(['reset 1:1'])
    expect(peer.heard[0]!.ended).toBe(false)
  })

  test('one stream too many', () => {
    const peer = new Peer().begin(...Array.from({ length: 129 }, (_, at) => get(at * 2 + 1)))
    expect(peer.verdicts()).toEqual([`reset 257:${ERROR.refused}`])
    peer.heard[0]!.stream.respondWhole(204, '')
    peer.take()
    expect(peer.say(get(259)).verdicts()).toEqual([])
  })
})

describe('what is no mistake', () => {
  test.each<[string, Buffer[]]>([
    ['unknown frames and flags, unknown settings', [frame(0x99, 0xff, 9), frame(settings, 0, 0, '00ff00000001')]],
    [
      'PRIORITY of any stream, at any time',
      [frame(priority, 0, 9, '0000000300'), get(1), frame(priority, 0, 1, '0000000300')],
    ],
    ['a reserved bit', [frame(update, 0, 0, '80000001')]],
    [
      'late frames of a stream that was answered',
      [get(1), frame(update, 0, 1, number(1)), frame(reset, 0, 1, number(8))],
    ],
    [
      'an empty head in CONTINUATION',
      [frame(headers, 1, 1, GET), frame(continuation, 0, 1), frame(continuation, 4, 1)],
    ],
    ['padding and a priority', [frame(headers, END | FLAG.padded | FLAG.priority, 1, `020000000000${GET}0000`)]],
  ])('%s', (_what, frames) => {
    const peer = new Peer(answers).begin(...frames, get(11))
    expect(peer.verdicts()).toEqual([])
    expect(peer.refused).toEqual([])
    expect(peer.heard.at(-1)!.stream.id).toBe(11)
  })

  test('SETTINGS and PING are answered in their order', () => {
    const frames = new Peer().begin(frame(ping, 0, 0, '0102030405060708'), frame(settings, 0, 0)).take()
    expect(frames.map(({ type, flags }) => [type, flags])).toEqual([
      [settings, 0],
      [update, 0],
      [settings, 1],
      [ping, 1],
      [settings, 1],
    ])
    expect(frames[3]!.payload.toString('hex')).toBe('0102030405060708')
  })

  test('a head in pieces, with crumbs of cookies', () => {
    const block = Buffer.from(GET + field('cookie', 'a=1') + field('x', 'y') + field('cookie', 'b=2'), 'hex')
    const pieces = Array.from({ length: 8 }, (_, at) => block.subarray(at * 7, at === 7 ? undefined : at * 7 + 7))
    const frames = pieces.map((piece, at) =>
      frame(at === 0 ? headers : continuation, at === 0 ? 1 : at === 7 ? 4 : 0, 1, piece),
    )
    expect(new Peer().begin(...frames).heard[0]!.head).toBe('GET http://a/\nx: y\r\ncookie: a=1; b=2\n')
  })

  test('trailers', () => {
    const peer = new Peer().begin(post(1), frame(data, 0, 1, '61'), frame(headers, END, 1, field('x', 'y')))
    expect(peer.heard[0]).toMatchObject({ body: 'a', ended: true, trailers: 'x: y\r\n' })
  })
})

describe('answers', () => {
  test('a head, a body, trailers', () => {
    const peer = new Peer().begin(get(1))
    const { stream } = peer.heard[0]!
    peer.take()
    stream.inform(103, 'Link: </a>\r\n')
    stream.respond(200, 'X-A: b\r\n')
    stream.send('one')
    stream.send(Buffer.from('two'))
    stream.end('three', 'X-T: 1\r\n')
    const frames = peer.take()
    expect(frames.map(({ type, flags, id }) => [type, flags, id])).toEqual([
      [headers, 4, 1],
      [headers, 4, 1],
      [data, 0, 1],
      [data, 0, 1],
      [data, 0, 1],
      [headers, 5, 1],
    ])
    expect([frames[0]!, frames[1]!, frames[5]!].map((one) => peer.fieldsOf(one))).toEqual([
      [':status: 103', 'link: </a>'],
      [':status: 200', 'x-a: b'],
      ['x-t: 1'],
    ])
    expect(stream.over).toBe(true)
  })

  test('an answer before the end of the request: the rest is not wanted', () => {
    const peer = new Peer().begin(post(1), frame(data, 0, 1, '61'))
    peer.heard[0]!.stream.respond(413, '')
    peer.heard[0]!.stream.end('no', undefined)
    expect(peer.verdicts()).toEqual(['reset 1:0'])
    expect(peer.say(frame(data, 0, 1, '61'), frame(data, 1, 1)).verdicts()).toEqual([])
    expect(peer.heard[0]!.body).toBe('a')
  })

  test('what is broken off is never whole', () => {
    const peer = new Peer().begin(get(1))
    const { stream } = peer.heard[0]!
    stream.respond(200, '')
    stream.send('part')
    peer.take()
    stream.abort(ERROR.internal)
    stream.end('', undefined)
    expect(peer.take().map(({ type }) => type)).toEqual([reset])
  })

  const sent = (peer: Peer): string =>
    peer
      .take()
      .filter(({ type }) => type === data)
      .map(({ id, flags, payload }) => `${id}:${payload.length}${flags === 1 ? '!' : ''}`)
      .join(' ')

  test('no more than the windows take, in turn', () => {
    const peer = new Peer().begin(frame(settings, 0, 0, '000400004e20'), get(1), get(3))
    const [first, second] = peer.heard.map(({ stream }) => stream)
    for (const stream of [first!, second!]) {
      stream.respond(200, '')
      expect(stream.send(Buffer.alloc(50_000))).toBe(false)
    }
    first!.end('', undefined)
    second!.end('', 'x: y\r\n')
    expect(sent(peer)).toBe('1:16384 1:3616 3:16384 3:3616')
    // 65,535 for all: 25,535 are left
    expect(sent(peer.say(frame(update, 0, 1, number(100_000)), frame(update, 0, 3, number(100_000))))).toBe(
      '1:16384 1:9151',
    )
    expect(sent(peer.say(frame(update, 0, 0, number(40_000))))).toBe('1:4465! 3:16384 3:13616')
    expect(peer.heard.map(({ drains }) => drains)).toEqual([1, 1])
    expect([first!.over, second!.over]).toEqual([true, true])
  })

  test('a window that shrinks below nothing', () => {
    const peer = new Peer().begin(get(1))
    const { stream } = peer.heard[0]!
    stream.respond(200, '')
    stream.send(Buffer.alloc(60_000))
    peer.say(frame(settings, 0, 0, '000400000000'), frame(update, 0, 0, number(100_000)))
    stream.send('x'.repeat(10))
    stream.end('', undefined)
    peer.take()
    expect(sent(peer.say(frame(update, 0, 1, number(60_000))))).toBe('')
    expect(sent(peer.say(frame(update, 0, 1, number(4))))).toBe('1:4')
    expect(sent(peer.say(frame(settings, 0, 0, '000400000006')))).toBe('1:6!')
  })

  test('a connection that takes no more holds the bodies, not the rest', () => {
    const peer = new Peer().begin(get(1), get(3))
    const [first, second] = peer.heard.map(({ stream }) => stream)
    peer.blocked = true
    first!.respond(200, '')
    first!.send(Buffer.alloc(20_000))
    second!.respond(200, '')
    expect(second!.send('two')).toBe(false)
    second!.end('', undefined)
    first!.end('', undefined)
    expect(sent(peer)).toBe('1:16384 1:3616')
    peer.blocked = false
    peer.session.drained()
    const frames = peer.take()
    expect(frames.map(({ type, id, flags }) => [type, id, flags])).toEqual([
      [headers, 3, 4],
      [data, 1, 1],
      [data, 3, 1],
    ])
  })
})

describe('bodies', () => {
  test('more than a stream may send', () => {
    const peer = new Peer().begin(post(1))
    peer.heard[0]!.stream.pause()
    const piece = frame(data, 0, 1, Buffer.alloc(16_384))
    for (let at = 0; at < WINDOW / 16_384; at++) peer.say(piece)
    expect(peer.verdicts()).toEqual([])
    expect(peer.say(frame(data, 0, 1, '61')).verdicts()).toEqual([`reset 1:${ERROR.flowControl}`])
  })

  test('more than all streams may send', () => {
    const ids = Array.from({ length: 17 }, (_, at) => at * 2 + 1)
    const peer = new Peer((heard) => heard.stream.pause()).begin(...ids.map(post))
    for (const id of ids.slice(0, 16)) {
      for (let at = 0; at < WINDOW / 16_384; at++) peer.say(frame(data, 0, id, Buffer.alloc(16_384)))
    }
    expect(peer.verdicts()).toEqual([])
    expect(peer.say(frame(data, 0, 33, '61')).verdicts()).toEqual([`goaway ${ERROR.flowControl}`])
  })

  test('fifteen that nobody uses do not hold the others', () => {
    const peer = new Peer(({ stream }) => stream.id < 31 && stream.pause()).begin()
    let window = WINDOW_FIRST + peer.widened()(0)
    for (let id = 1; id < 31; id += 2) {
      peer.say(post(id), body(id, WINDOW))
      window -= WINDOW
    }
    peer.say(post(31))
    expect(readsOn(peer, 31, window)).toBe(true)
  })

  test('what was used may come again: padding, and what nobody wants, too', () => {
    const peer = new Peer().begin(post(1), post(3))
    peer.heard[1]!.stream.abort(ERROR.internal)
    peer.take()
    const padded = frame(data, FLAG.padded, 1, `ff${'61'.repeat(16_128)}${'00'.repeat(255)}`)
    for (let at = 0; at < 30; at++) peer.say(frame(data, 0, 3, Buffer.alloc(16_384)))
    for (let at = 0; at < 200; at++) peer.say(padded)
    expect(peer.refused).toEqual([])
    const total = peer.widened()
    expect(total(0)).toBeGreaterThan(0)
    expect(total(1)).toBeGreaterThan(0)
    expect(total(3)).toBe(0)
  })

  test('a body that waits is kept in blocks, however small its frames are', () => {
    const peer = new Peer(({ stream }) => stream.pause()).begin(post(1))
    const letter = (at: number): string => String.fromCharCode(97 + (at % 26))
    for (let at = 0; at < 40_000; at++) peer.say(frame(data, 0, 1, Buffer.from(letter(at))))
    const heard = peer.heard[0]!
    const sizes: number[] = []
    const onData = heard.onData.bind(heard)
    heard.onData = (bytes, from, end) => {
      sizes.push(end - from)
      onData(bytes, from, end)
      // one at a time, and more comes meanwhile
      heard.stream.pause()
    }
    heard.stream.resume()
    peer.say(frame(data, 1, 1, Buffer.from('the end')))
    while (!heard.ended) heard.stream.resume()
    expect(heard.body).toBe(`${Array.from({ length: 40_000 }, (_, at) => letter(at)).join('')}the end`)
    expect(sizes).toEqual([1, 16_384, 16_384, 40_007 - 32_769])
  })

  test('a body that waits, and its end behind it', () => {
    const peer = new Peer().begin(post(1))
    const [heard] = peer.heard
    heard!.stream.pause()
    peer.say(frame(data, 0, 1, '6162'), frame(data, 0, 1, '63'), frame(data, 1, 1, '64'))
    expect(heard).toMatchObject({ body: '', ended: false })
    heard!.stream.resume()
    expect(heard).toMatchObject({ body: 'abcd', ended: true })
  })
})

describe('floods', () => {
  const cancel = (id: number): Buffer => frame(reset, 0, id, number(8))

  test.each<[string, Buffer, string]>([
    ...floods(GET, post(1)),
    [
      'requests that are taken back',
      repeated(300, (at) => Buffer.concat([get(at * 2 + 1), cancel(at * 2 + 1)])),
      'h2-rapid-reset',
    ],
    [
      'requests that make us take them back',
      repeated(300, (at) => Buffer.concat([post(at * 2 + 1), frame(update, 0, at * 2 + 1, number(0))])),
      'h2-rapid-reset',
    ],
    ['requests that are malformed', repeated(300, (at) => frame(headers, END, at * 2 + 1, '82')), 'h2-rapid-reset'],
    ['more streams than there are', repeated(500, (at) => get(at * 2 + 1)), 'h2-rapid-reset'],
  ])('%s', (_what, frames, reason) => {
    const peer = new Peer().begin(frames)
    expect(peer.verdicts().at(-1)).toBe(`goaway ${ERROR.calm}`)
    expect(peer.refused.at(-1)).toBe(reason)
    expect(peer.session.streams.size).toBe(0)
  })

  test('who asks for much and reads nothing', () => {
    const peer = new Peer((heard) => heard.stream.respondWhole(200, `X-Long: ${'x'.repeat(20_000)}\r\n`))
    peer.blocked = true
    peer.begin()
    peer.session.flush()
    for (let at = 0; at < 200; at++) peer.say(get(at * 2 + 1))
    expect(peer.refused).toEqual(['h2-unread'])
  })

  test('uploads that were refused are no flood while they are on their way', () => {
    const peer = new Peer(({ stream }) => stream.respondWhole(413, '')).begin()
    for (let at = 0; at < 20; at++) peer.say(post(at * 2 + 1), body(at * 2 + 1, WINDOW))
    expect(peer.refused).toEqual([])
    expect(peer.verdicts()).toHaveLength(20)
    for (let at = 0; at < 5; at++) peer.say(body(1, WINDOW))
    expect(peer.refused).toEqual(['h2-idle-frames'])
  })

  test('what may be spent comes back', () => {
    const peer = new Peer()
    peer.begin()
    for (let second = 0; second < 20; second++) {
      peer.say(
        repeated(100, () => frame(ping, 0, 0, '0000000000000000')),
        repeated(20_000, () => frame(update, 0, 0, number(1))),
      )
      peer.session.refill(1)
    }
    expect(peer.refused).toEqual([])
  })

  test('a list that is too long is read to its end, and said to be', () => {
    let long = false
    const peer = new Peer((heard) => heard.stream.respondWhole(431, ''), 1000)
    const onRequest = peer.onRequest.bind(peer)
    peer.onRequest = (stream, list) => {
      long = list.long
      onRequest(stream, list)
    }
    peer.begin(frame(headers, END, 1, GET + field('x', 'y'.repeat(100)).repeat(20)))
    expect(long).toBe(true)
    expect(peer.verdicts()).toEqual([])
  })
})

describe('the end', () => {
  test('a warning first; what was on its way is served, what comes later is not', () => {
    const peer = new Peer().begin(get(1))
    peer.take()
    peer.session.warn()
    const [away, question] = peer.take()
    expect([away!.type, away!.payload.readUInt32BE(0), away!.payload.readUInt32BE(4)]).toEqual([goaway, 2 ** 31 - 1, 0])
    peer.say(get(3), frame(ping, FLAG.ack, 0, question!.payload))
    expect(peer.take().map(({ type, payload }) => [type, payload.readUInt32BE(0)])).toEqual([[goaway, 3]])
    expect(peer.farewell).toBe(true)
    expect(peer.say(get(5)).verdicts()).toEqual([`reset 5:${ERROR.refused}`])
    expect(peer.heard.map(({ stream }) => stream.id)).toEqual([1, 3])
  })

  test('all streams hear that the connection has gone', () => {
    const peer = new Peer().begin(get(1), post(3))
    peer.session.gone()
    expect(peer.heard.map(({ lost }) => lost)).toEqual([ERROR.cancel, ERROR.cancel])
    expect(peer.session.streams.size).toBe(0)
  })
})
