/** What a server may not do, and what becomes of it (RFC 9113); what a request and its answer look like; the end. */
import { describe, expect, test } from 'vitest'
import { STREAMS_MOST } from './client.ts'
import { ERROR, FLAG, TYPE, WINDOW_FIRST } from './frames.ts'
import { WINDOW } from './intake.ts'
import { body, field, floods, frame, number, Origin, readsOn, repeated } from './testing.ts'

const { data, headers, priority, reset, settings, push, ping, goaway, update, continuation } = TYPE
const END = FLAG.endStream | FLAG.endHeaders
const OPEN = FLAG.endHeaders
/** :status 200 */
const OK = '88'

const whole = (id: number, more = ''): Buffer => frame(headers, END, id, OK + more)
const begun = (id: number, more = ''): Buffer => frame(headers, OPEN, id, OK + more)

describe('mistakes that end the connection', () => {
  const table: [string, Buffer[], number][] = [
    ['DATA on no stream (§6.1)', [frame(data, 0, 0, '61')], ERROR.protocol],
    ['DATA on a stream that was never begun (§5.1)', [frame(data, 0, 9, '61')], ERROR.protocol],
    ['DATA on a stream of its own', [frame(data, 0, 2, '61')], ERROR.protocol],
    ['DATA behind an answer that is whole (§5.1)', [whole(1), frame(data, 0, 1, '61')], ERROR.streamClosed],
    ['HEADERS on no stream (§6.2)', [whole(0)], ERROR.protocol],
    ['HEADERS on a stream that was never begun (§5.1)', [whole(9)], ERROR.protocol],
    ['HEADERS on a stream of its own (§5.1.1)', [whole(2)], ERROR.protocol],
    ['a second answer', [whole(1), whole(1)], ERROR.streamClosed],
    ['PUSH_PROMISE, which we have refused (§8.4)', [frame(push, OPEN, 1, `00000002${OK}`)], ERROR.protocol],
    ['CONTINUATION of a PUSH_PROMISE', [frame(push, 0, 1, '00000002'), frame(continuation, 4, 1)], ERROR.protocol],
    ['SETTINGS that allow pushes (§6.5.2)', [frame(settings, 0, 0, '000200000001')], ERROR.protocol],
    ['SETTINGS: frames too small', [frame(settings, 0, 0, '000500003fff')], ERROR.protocol],
    ['SETTINGS: a window too large', [frame(settings, 0, 0, '000480000000')], ERROR.flowControl],
    ['WINDOW_UPDATE by 0 (§6.9)', [frame(update, 0, 0, number(0))], ERROR.protocol],
    ['WINDOW_UPDATE that makes the window too large', [frame(update, 0, 0, '7fffffff')], ERROR.flowControl],
    ['WINDOW_UPDATE on a stream that was never begun', [frame(update, 0, 9, number(1))], ERROR.protocol],
    ['RST_STREAM on a stream that was never begun (§6.4)', [frame(reset, 0, 9, number(8))], ERROR.protocol],
    ['RST_STREAM of another length', [frame(reset, 0, 1, '000000')], ERROR.frameSize],
    ['GOAWAY on a stream (§6.8)', [frame(goaway, 0, 1, number(0) + number(0))], ERROR.protocol],
    ['GOAWAY too short', [frame(goaway, 0, 0, number(0))], ERROR.frameSize],
    ['PING of another length (§6.7)', [frame(ping, 0, 0, '00')], ERROR.frameSize],
    ['a block that is none (§4.3)', [frame(headers, END, 1, '80')], ERROR.compression],
    ['trailers that are no block', [begun(1), frame(headers, END, 1, '80')], ERROR.compression],
    ['a frame between HEADERS and CONTINUATION (§6.10)', [frame(headers, 1, 1, OK), frame(ping, 0, 0)], ERROR.protocol],
    ['CONTINUATION of nothing', [frame(continuation, 4, 1, OK)], ERROR.protocol],
    ['a frame that is too long (§4.2)', [frame(headers, END, 1, Buffer.alloc(16_385))], ERROR.frameSize],
    ['HTTP/1.1', [Buffer.from('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n')], ERROR.frameSize],
  ]

  test.each(table)('%s', (_what, frames, code) => {
    const origin = new Origin().begin()
    const { got } = origin.ask()
    origin.say(...frames)
    expect(origin.verdicts().at(-1)).toBe(`goaway ${code}`)
    expect(origin.refused).toEqual(['h2-protocol'])
    expect(origin.ended).toBe(true)
    expect(origin.session.open).toBe(false)
    // an answer that was whole before stays; of all others nothing is
    if (!got.ended) expect(got).toMatchObject({ lost: ERROR.cancel, loss: 'gone' })
    expect(origin.say(whole(1)).take()).toEqual([])
  })

  test.each([
    ['no SETTINGS (§3.4)', whole(1)],
    ['an acknowledgement instead', frame(settings, FLAG.ack, 0)],
    ['a PING first', frame(ping, 0, 0, '0000000000000000')],
  ])('%s', (_what, first) => {
    const origin = new Origin()
    const { got } = origin.ask()
    expect(origin.say(first).verdicts()).toEqual(['goaway 1'])
    expect(got).toMatchObject({ status: 0, lost: ERROR.cancel, loss: 'gone' })
  })
})

describe('mistakes that end a stream', () => {
  const answer = (...fields: readonly string[]): Buffer[] => [frame(headers, END, 1, fields.join(''))]
  const table: [string, Buffer[], number][] = [
    ['no status (§8.3.2)', answer(field('x', 'y')), ERROR.protocol],
    ['nothing at all', answer(), ERROR.protocol],
    ['two statuses', answer(OK, OK), ERROR.protocol],
    ['a status behind a field (§8.3)', answer(field('x', 'y'), OK), ERROR.protocol],
    ...['', '20', '2000', '099', '600', '1e2', '+20', '0xC', ' 200', '200 ', '2 0', '2\0'].map(
      (status): [string, Buffer[], number] => [`the status '${status}'`, answer(field(':status', status)), 1],
    ),
    ['101 (§8.6)', answer(field(':status', '101')), ERROR.protocol],
    ['a pseudo-header of requests', answer(OK, field(':path', '/')), ERROR.protocol],
    ['one that nobody knows', answer(OK, field(':reason', 'OK')), ERROR.protocol],
    ['a capital (§8.2.1)', answer(OK, field('X-a', '1')), ERROR.protocol],
    ['no name', answer(OK, field('', '1')), ERROR.protocol],
    ['a colon in a name', answer(OK, field('a:b', '1')), ERROR.protocol],
    ['a line end in a value', answer(OK, field('x', 'a\r\nb: c')), ERROR.protocol],
    ['a bare LF in a value', answer(OK, field('x', 'a\nb')), ERROR.protocol],
    ['NUL in a value', answer(OK, field('x', 'a\0b')), ERROR.protocol],
    ['a space before a value', answer(OK, field('x', ' a')), ERROR.protocol],
    ['connection (§8.2.2)', answer(OK, field('connection', 'close')), ERROR.protocol],
    ['keep-alive', answer(OK, field('keep-alive', 'timeout=5')), ERROR.protocol],
    ['proxy-connection', answer(OK, field('proxy-connection', 'close')), ERROR.protocol],
    ['transfer-encoding', answer(OK, field('transfer-encoding', 'chunked')), ERROR.protocol],
    ['upgrade', answer(OK, field('upgrade', 'h2c')), ERROR.protocol],
    ['1xx that is the end (§8.1)', answer(field(':status', '103')), ERROR.protocol],
    ['DATA before a head (§8.1)', [frame(data, 1, 1, '61')], ERROR.protocol],
    ['DATA behind 1xx', [frame(headers, OPEN, 1, field(':status', '103')), frame(data, 1, 1, '61')], ERROR.protocol],
    ['empty DATA before a head', [frame(data, 0, 1)], ERROR.protocol],
    ['trailers without an end (§8.1)', [begun(1), frame(headers, OPEN, 1, field('x', 'y'))], ERROR.protocol],
    ['a second head in the place of trailers', [begun(1), whole(1)], ERROR.protocol],
    ['1xx behind an answer', [begun(1), frame(headers, OPEN, 1, field(':status', '103'))], ERROR.protocol],
    ['a capital in trailers', [begun(1), frame(headers, END, 1, field('X', 'y'))], ERROR.protocol],
    ['WINDOW_UPDATE by 0 (§6.9)', [frame(update, 0, 1, number(0))], ERROR.protocol],
    ['WINDOW_UPDATE that makes the window too large', [frame(update, 0, 1, '7fffffff')], ERROR.flowControl],
    ['PRIORITY of another length', [frame(priority, 0, 1, '00000003')], ERROR.frameSize],
    [
      'a head that is longer than wanted',
      [frame(headers, END, 1, OK + field('x', 'y'.repeat(100)).repeat(100))],
      ERROR.protocol,
    ],
  ]

  test.each(table)('%s', (_what, frames, code) => {
    const origin = new Origin(8192).begin()
    const { got } = origin.ask('body follows')
    origin.say(...frames)
    expect(origin.verdicts()).toEqual([`reset 1:${code}`])
    expect(got).toMatchObject({ lost: code, loss: 'fault', ended: false, body: '' })
    expect(origin.refused).toEqual(['h2-malformed'])
    // the connection lives, its tables are right, and what was on its way is no mistake
    const next = origin.ask().got
    origin.say(frame(data, 0, 1, '61'), frame(update, 0, 1, number(1)), frame(headers, END, 1, OK), whole(3))
    expect(origin.verdicts()).toEqual([])
    expect(next).toMatchObject({ status: 200, ended: true, lost: undefined })
  })

  test.each([
    [5, ['616263'], 'less'],
    [2, ['616263'], 'more in one frame'],
    [4, ['616263', '616263'], 'more in two frames'],
    [0, ['61'], 'a body where there can be none'],
  ])('%i bytes were announced, and %s come: %s', (length, pieces) => {
    const origin = new Origin().begin()
    const { got, stream } = origin.ask()
    got.onHead = () => (stream.expected = length)
    origin.say(begun(1), ...pieces.map((piece, at) => frame(data, at === pieces.length - 1 ? 1 : 0, 1, piece)))
    expect(origin.verdicts()).toEqual(['reset 1:1'])
    expect(got).toMatchObject({ ended: false, lost: 1, loss: 'fault' })
  })

  test('less than announced, and trailers', () => {
    const origin = new Origin().begin()
    const { got, stream } = origin.ask()
    got.onHead = () => (stream.expected = 2)
    origin.say(begun(1), frame(data, 0, 1, '61'), frame(headers, END, 1, field('x', 'y')))
    expect(origin.verdicts()).toEqual(['reset 1:1'])
    expect(got.ended).toBe(false)
  })
})

describe('requests', () => {
  test('a head, a body, trailers', () => {
    const origin = new Origin().begin()
    origin.take()
    const lines = ':method: POST\r\n:scheme: https\r\n:authority: a.test:8443\r\n:path: /a?b=1:2\r\nX-A:  b \r\n'
    const { stream } = origin.ask('body follows', lines)
    stream.send('one')
    stream.send(Buffer.from('two'))
    stream.end('', 'X-T: 1\r\n')
    const frames = origin.take()
    expect(frames.map(({ type, flags, id }) => [type, flags, id])).toEqual([
      [headers, OPEN, 1],
      [data, 0, 1],
      [data, 0, 1],
      [headers, END, 1],
    ])
    expect([frames[0]!, frames[3]!].map((one) => origin.fieldsOf(one))).toEqual([
      [':method: POST', ':scheme: https', ':authority: a.test:8443', ':path: /a?b=1:2', 'x-a: b'],
      ['x-t: 1'],
    ])
    expect(stream.over).toBe(false)
    origin.say(whole(1))
    expect(stream.over).toBe(true)
    expect(origin.verdicts()).toEqual([])
  })

  test('the first bytes are the preface and SETTINGS without pushes', () => {
    const origin = new Origin()
    origin.session.flush()
    const bytes = Buffer.concat(origin.out)
    expect(bytes.toString('latin1', 0, 24)).toBe('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    expect(bytes.readUInt16BE(33)).toBe(2)
    expect(bytes.readUInt32BE(35)).toBe(0)
  })

  test('streams are odd, and each is the next', () => {
    const origin = new Origin().begin()
    expect([1, 2, 3].map(() => origin.ask().stream.id)).toEqual([1, 3, 5])
    expect(origin.session.streams.size).toBe(3)
    origin.say(whole(5), whole(1), whole(3))
    expect(origin.session.streams.size).toBe(0)
  })

  test('how many there may be at once', () => {
    const origin = new Origin().begin()
    expect(origin.most).toBe(Infinity)
    expect(origin.say(frame(settings, 0, 0, '000300000007')).most).toBe(7)
    // what is not said again stays
    expect(origin.say(frame(settings, 0, 0, '000100000000')).most).toBe(7)
  })

  test('no more than the windows take', () => {
    const origin = new Origin().begin(frame(settings, 0, 0, '000400000005'))
    const { got, stream } = origin.ask('body follows')
    expect(stream.send('1234567')).toBe(false)
    stream.end('', undefined)
    const sent = (): string[] =>
      origin.take().flatMap(({ type, flags, payload }) => (type === data ? [`${flags} ${payload.toString()}`] : []))
    expect(sent()).toEqual(['0 12345'])
    origin.say(frame(update, 0, 1, number(9)))
    expect(sent()).toEqual(['1 67'])
    expect(got.drains).toBe(1)
  })

  test('what is broken off is never whole', () => {
    const origin = new Origin().begin()
    const { stream } = origin.ask('body follows')
    stream.send('part')
    origin.take()
    stream.abort(ERROR.internal)
    stream.end('', undefined)
    expect(origin.take().map(({ type }) => type)).toEqual([reset])
    // what was on its way is nobody's
    expect(origin.say(begun(1), frame(data, 1, 1, '61')).verdicts()).toEqual([])
  })
})

describe('answers', () => {
  test('1xx, a head, a body in pieces, trailers', () => {
    const origin = new Origin().begin()
    const { got, stream } = origin.ask()
    origin.say(frame(headers, OPEN, 1, field(':status', '103') + field('link', '</a>')))
    origin.say(begun(1, field('host', 'h') + field('cookie', 'c')), frame(data, 0, 1, '6162'))
    origin.say(frame(data, 0, 1, '63'), frame(headers, END, 1, field('x', 'y')))
    expect(got).toMatchObject({ informed: [103], status: 200, body: 'abc', ended: true, trailers: 'x: y\r\n' })
    expect(got.lines).toBe('host: h\r\ncookie: c\r\n')
    expect(stream.over).toBe(true)
  })

  test('cut at every byte, the same', () => {
    const bytes = Buffer.concat([
      frame(settings, 0, 0, '000300000007'),
      frame(headers, 0, 1, OK),
      frame(continuation, OPEN, 1, field('x', 'y')),
      frame(data, FLAG.padded, 1, '0261620000'),
      frame(data, 0, 1, '63'),
      frame(headers, END, 1, field('t', '1')),
      whole(3, field('z', '1')),
    ])
    for (let cut = 0; cut <= bytes.length; cut++) {
      const origin = new Origin()
      const [first, second] = [origin.ask().got, origin.ask().got]
      origin.say(bytes.subarray(0, cut)).say(bytes.subarray(cut))
      expect(first).toMatchObject({ status: 200, lines: 'x: y\r\n', body: 'abc', ended: true, trailers: 't: 1\r\n' })
      expect(second).toMatchObject({ status: 200, lines: 'z: 1\r\n', ended: true })
      expect(origin.verdicts()).toEqual([])
    }
  })

  test('before the end of the request: the rest is not sent', () => {
    const origin = new Origin().begin()
    const { got, stream } = origin.ask('body follows')
    stream.send('part')
    origin.take()
    origin.say(begun(1), frame(data, 1, 1, '6e6f'))
    expect(got).toMatchObject({ body: 'no', ended: true, lost: undefined })
    expect(origin.verdicts()).toEqual([`reset 1:${ERROR.cancel}`])
    expect(stream.over).toBe(true)
  })

  test('whole, then RST_STREAM: what waits to be read is still whole', () => {
    const origin = new Origin().begin()
    const { got, stream } = origin.ask('body follows')
    got.onHead = () => stream.pause()
    origin.say(begun(1), frame(data, 1, 1, '6162'), frame(reset, 0, 1, number(ERROR.none)))
    expect(got).toMatchObject({ body: '', ended: false, lost: undefined })
    stream.resume()
    expect(got).toMatchObject({ body: 'ab', ended: true, lost: undefined })
    expect(origin.session.streams.size).toBe(0)
  })

  test('RST_STREAM before the end: never whole, whatever its code', () => {
    for (const code of [ERROR.none, ERROR.refused, ERROR.internal]) {
      const origin = new Origin().begin()
      const { got } = origin.ask()
      origin.say(begun(1), frame(data, 0, 1, '61'), frame(reset, 0, 1, number(code)))
      expect(got).toMatchObject({ ended: false, lost: code, loss: 'reset' })
    }
  })

  test('more than a stream may send', () => {
    const origin = new Origin().begin()
    const { got, stream } = origin.ask()
    got.onHead = () => stream.pause()
    origin.say(begun(1))
    for (let at = 0; at < WINDOW / 16_384; at++) origin.say(frame(data, 0, 1, Buffer.alloc(16_384)))
    expect(origin.verdicts()).toEqual([])
    expect(origin.say(frame(data, 0, 1, '61')).verdicts()).toEqual([`reset 1:${ERROR.flowControl}`])
    expect(got).toMatchObject({ lost: ERROR.flowControl, loss: 'fault' })
  })

  test('of as many streams as there may be, all but one have slow readers: that one is not held', () => {
    const origin = new Origin().begin()
    let window = WINDOW_FIRST + origin.widened()(0)
    for (let at = 1; at < STREAMS_MOST; at++) {
      const { got, stream } = origin.ask()
      got.onHead = () => stream.pause()
      origin.say(begun(stream.id), body(stream.id, WINDOW))
      window -= WINDOW
    }
    const { stream } = origin.ask()
    origin.say(begun(stream.id))
    expect(readsOn(origin, stream.id, window)).toBe(true)
  })
})

describe('floods', () => {
  test.each<[string, Buffer, string]>([
    ...floods(OK, begun(1)),
    ['GOAWAY', repeated(30_000, () => frame(goaway, 0, 0, number(1) + number(0))), 'h2-idle-frames'],
    ['RST_STREAM of a stream that is over', repeated(30_000, () => frame(reset, 0, 1, number(0))), 'h2-idle-frames'],
  ])('%s', (_what, frames, reason) => {
    const origin = new Origin().begin()
    const { got } = origin.ask()
    // another one, so that a server that says GOAWAY is still read
    origin.ask()
    if (_what.startsWith('GOAWAY')) origin.session.streams.get(3)!.abort(ERROR.cancel)
    origin.say(frames)
    expect(origin.verdicts().at(-1)).toBe(`goaway ${ERROR.calm}`)
    expect(origin.refused.at(-1)).toBe(reason)
    expect(got.ended).toBe(false)
    expect(origin.session.streams.size).toBe(0)
  })

  test('who measures its link sends PING for each frame of a body, and is no flood', () => {
    const origin = new Origin().begin(frame(update, 0, 0, number(1_000_000)))
    const { stream } = origin.ask('body follows')
    origin.say(frame(update, 0, 1, number(1_000_000)))
    for (let at = 0; at < 5000; at++) {
      stream.send('x')
      origin.say(frame(ping, 0, 0, '0000000000000000'))
    }
    expect(origin.refused).toEqual([])
  })

  test('what was on its way when we broke off is no flood; what cannot have been is', () => {
    const origin = new Origin().begin()
    const { got } = origin.ask()
    for (let at = 0; at < 20; at++) {
      const { stream } = origin.ask()
      origin.say(begun(stream.id))
      stream.abort(ERROR.cancel)
      origin.say(body(stream.id, WINDOW))
    }
    expect(origin.refused).toEqual([])
    expect(got.lost).toBeUndefined()
    // the first of them ended long ago
    for (let at = 0; at < 5; at++) origin.say(body(3, WINDOW))
    expect(origin.refused).toEqual(['h2-idle-frames'])
  })

  test('ends of a stream that we have broken off, again and again', () => {
    const origin = new Origin().begin()
    origin.ask().stream.abort(ERROR.cancel)
    origin.say(repeated(40_000, () => frame(data, 1, 1)))
    expect(origin.refused).toEqual(['h2-idle-frames'])
  })

  test('a server that reads nothing gets no more requests, and then ends', () => {
    const origin = new Origin().begin()
    origin.blocked = true
    origin.session.flush()
    const lines = (at: number): string => `:method: GET\r\n:path: /${at}\r\nx-long: ${at}${'x'.repeat(20_000)}\r\n`
    let asked = 0
    for (; origin.session.open; asked++) origin.ask('whole', lines(asked))
    expect(asked).toBeLessThan(30)
    // who asks all the same does not make it grow without end
    for (; !origin.ended && asked < 200; asked++) origin.ask('whole', lines(asked))
    expect(origin.refused).toEqual(['h2-unread'])
  })
})

describe('the end', () => {
  test('GOAWAY: what it serves is answered, the rest was not begun, nothing new begins', () => {
    const origin = new Origin().begin()
    const [first, second] = [origin.ask().got, origin.ask().got]
    origin.say(frame(goaway, 0, 0, number(1) + number(0)))
    expect(origin.farewell).toBe(true)
    expect(origin.session.open).toBe(false)
    expect(second).toMatchObject({ lost: ERROR.refused, loss: 'reset' })
    expect(first.lost).toBeUndefined()
    expect(origin.ended).toBe(false)
    origin.say(begun(1), frame(data, 1, 1, '61'))
    expect(first).toMatchObject({ body: 'a', ended: true })
    expect(origin.ended).toBe(true)
    expect(origin.verdicts()).toEqual(['goaway 0'])
  })

  test('a warning first, then the last stream', () => {
    const origin = new Origin().begin()
    const [first, second] = [origin.ask().got, origin.ask().got]
    origin.say(frame(goaway, 0, 0, `7fffffff${number(0)}`))
    expect([first.lost, second.lost]).toEqual([undefined, undefined])
    origin.say(frame(goaway, 0, 0, number(1) + number(0)))
    expect(second).toMatchObject({ lost: ERROR.refused, loss: 'reset' })
  })

  test('the connection goes: every stream hears it', () => {
    const origin = new Origin().begin()
    const { got } = origin.ask()
    origin.say(begun(1), frame(data, 0, 1, '61'))
    origin.session.gone()
    expect(got).toMatchObject({ body: 'a', ended: false, lost: ERROR.cancel, loss: 'gone' })
  })

  test.each<[string, (origin: Origin) => unknown]>([
    ['goes', (origin) => origin.session.gone()],
    ['breaks a rule', (origin) => origin.say(frame(data, 0, 0))],
  ])('the connection %s: an answer that is here is whole, whenever it is read', (_what, end) => {
    for (const body of ['whole', 'body follows'] as const) {
      const origin = new Origin().begin()
      const { got, stream } = origin.ask(body)
      got.onHead = () => stream.pause()
      origin.say(begun(1), frame(data, 0, 1, '6162'), frame(headers, END, 1, field('x', 'y')))
      end(origin)
      expect(origin.session.streams.size).toBe(0)
      origin.take()
      expect(got).toMatchObject({ body: '', ended: false, lost: undefined })
      stream.resume()
      expect(got).toMatchObject({ body: 'ab', ended: true, trailers: 'x: y\r\n', lost: undefined })
      expect(stream.over).toBe(true)
      // nobody is there any more
      expect(origin.take()).toEqual([])
    }
  })

  test('an answer that waits behind a connection that has gone may be left', () => {
    const origin = new Origin().begin()
    const { got, stream } = origin.ask()
    got.onHead = () => stream.pause()
    origin.say(begun(1), frame(data, 1, 1, '6162'))
    origin.take()
    origin.session.gone()
    stream.abort(ERROR.cancel)
    stream.resume()
    expect(got).toMatchObject({ body: '', ended: false, lost: undefined })
    expect(origin.take()).toEqual([])
  })

  test('closed by us: with the last stream', () => {
    const origin = new Origin().begin()
    const { got } = origin.ask()
    origin.session.close()
    expect([origin.session.open, origin.ended]).toEqual([false, false])
    origin.say(whole(1))
    expect([got.ended, origin.ended]).toEqual([true, true])
    expect(origin.verdicts()).toEqual(['goaway 0'])
  })
})
