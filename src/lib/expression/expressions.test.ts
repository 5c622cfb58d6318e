/** Code of configurations → what it gives, changes and may not do; on both ways of evaluating. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createExpressions, type SandboxedExpressions } from './expressions.ts'
import { makeSubject, type SubjectParts } from './testing.ts'

let expressions: SandboxedExpressions
beforeAll(async () => {
  expressions = await createExpressions({ time: 50 })
})
afterAll(() => expressions.dispose())

const value = (source: string, parts?: SubjectParts): unknown =>
  expressions.compile('expression', source).evaluate(makeSubject(parts))
const program = (source: string): { evaluate(subject: ReturnType<typeof makeSubject>): unknown } =>
  expressions.compile('program', source)

describe('values', () => {
  it.each([
    ['1 + 1', 2],
    ['req.method', 'GET'],
    ['req.url', '/a/b?x=1'],
    ['req.path', '/a/b'],
    ['req.query.x', '1'],
    ['req.params.b', 'b'],
    ['req.headers.host', 'shop.example.com:8080'],
    ['req.headers["Host"]', undefined],
    ['req.get("HOST")', 'shop.example.com:8080'],
    ['req.hostname', 'shop.example.com'],
    ['req.protocol', 'http'],
    ['req.ip', '10.0.0.7'],
    ['req.route.path', '/a/:b'],
    ['requestID.length', 22],
    ['apiEndpoint.apiEndpointName', 'api'],
    ['egContext.req.method + egContext.apiEndpoint.apiEndpointName', 'GETapi'],
    ['egContext.egContext === egContext', true],
    ['consumer', undefined],
    ['const a = 2; a * 3', 6],
    ['if (req.method === "GET") { "yes" } else { "no" }', 'yes'],
    ['[1, 2, 3].map((x) => x * 2)', [2, 4, 6]],
    ['({ a: 1 })', { a: 1 }],
    ['match("1 === 1")', true],
    ['run("a + 1", { a: 1 })', 2],
    ['evaluateAsTemplateString("${req.method}!")', 'GET!'],
    ['0 / 0', NaN],
    ['typeof require + typeof process + typeof setTimeout + typeof fetch', 'undefinedundefinedundefinedundefined'],
    ['console.log("x")', undefined],
    ['null', null],
  ])('%s', (source, expected) => {
    expect(value(source)).toEqual(expected)
  })

  it('shows the consumer and the body', () => {
    expect(value('consumer.username + req.user.id', { consumer: { id: '1', username: 'jane' } })).toBe('jane1')
    expect(value('req.body.list[1]', { body: { list: [1, 2] } })).toBe(2)
  })

  it('evaluates templates, also with backticks in them', () => {
    const template = (text: string): unknown => expressions.compile('template', text).evaluate(makeSubject())
    expect(template('${req.method} ${req.url}')).toBe('GET /a/b?x=1')
    expect(template('plain')).toBe('plain')
    expect(template('a `quoted` ${[1].map((x) => `${x}!`)}')).toBe('a `quoted` 1!')
  })
})

describe('effects', () => {
  it('carries changes of the request back', () => {
    const subject = makeSubject({ headers: { host: 'h', 'x-gone': '1' } })
    program('req.headers["x-new"] = "1"; req.url = "/z"; req.method = "PUT"; delete req.headers["x-gone"]').evaluate(
      subject,
    )
    expect(subject.request.headers.get('x-new')).toBe('1')
    expect(subject.request.headers.get('x-gone')).toBeUndefined()
    expect(subject.request.target).toBe('/z')
    expect(subject.request.method).toBe('PUT')
  })

  it('keeps undeclared and var names for later expressions of the same exchange, and only there', () => {
    const subject = makeSubject()
    program('one = 1; var two = 2; function three() { return 3 }; let four = 4').evaluate(subject)
    expect(expressions.compile('expression', 'one + two + three()').evaluate(subject)).toBe(6)
    expect(expressions.compile('expression', 'typeof four').evaluate(subject)).toBe('undefined')
    expect(value('typeof one + typeof two + typeof three')).toBe('undefinedundefinedundefined')
  })

  it('shows later expressions what code has put on the objects, and what policies have changed since', () => {
    const subject = makeSubject()
    program('req.mine = { deep: 1 }; apiEndpoint.extra = 2').evaluate(subject)
    subject.request.headers.set('x-later', 'yes')
    const read = expressions.compile('expression', 'req.mine.deep + apiEndpoint.extra + req.headers["x-later"]')
    expect(read.evaluate(subject)).toBe('3yes')
    expect(expressions.compile('expression', 'apiEndpoint.extra').evaluate(subject)).toBe(2)
    expect(value('apiEndpoint.extra')).toBeUndefined()
  })

  it('lets code say who the consumer is', () => {
    const subject = makeSubject()
    program('req.user = { id: "u1" }').evaluate(subject)
    expect(subject.consumer).toEqual({ id: 'u1' })
  })

  it('gives the answer that code has sent', () => {
    const subject = makeSubject()
    expect(program('res.status(201).send("hi " + req.params.b)').evaluate(subject)).toEqual({
      kind: 'reply',
      status: 201,
      headers: [['Content-Type', 'text/html; charset=utf-8']],
      body: 'hi b',
    })
    expect(program('res.json({ a: 1 })').evaluate(makeSubject())).toMatchObject({ body: '{"a":1}', status: 200 })
    expect(program('res.sendStatus(204)').evaluate(makeSubject())).toMatchObject({ status: 204 })
    expect(program('res.redirect("/x")').evaluate(makeSubject())).toMatchObject({ status: 302 })
    expect(program('1').evaluate(makeSubject())).toBeUndefined()
  })

  it('puts header fields on the answer; those of a backend win', () => {
    const subject = makeSubject()
    program('res.setHeader("x-a", "1"); res.set({ "X-B": ["1", "2"] })').evaluate(subject)
    program('res.setHeader("x-c", res.getHeader("x-a") + "!")').evaluate(subject)
    expressions.finish(subject)
    expect([...subject.responseHeaders]).toEqual([
      ['x-a', '1'],
      ['X-B', '1'],
      ['X-B', '2'],
      ['x-c', '1!'],
    ])
    const proxied = makeSubject({ from: 'backend' })
    proxied.responseHeaders.set('x-a', 'backend')
    program('res.setHeader("x-a", "1")').evaluate(proxied)
    expressions.finish(proxied)
    expect(proxied.responseHeaders.get('x-a')).toBe('backend')
  })

  it('refuses headers that cannot be written', () => {
    expect(() => program('req.headers.x = "a\\r\\nb"').evaluate(makeSubject())).toThrow(/cannot be written/)
  })
})

describe('limits', () => {
  it('throws what the code throws', () => {
    expect(() => value('nope.nope')).toThrow(/ReferenceError/)
    expect(() => program('throw new Error("boom")').evaluate(makeSubject())).toThrow('Error: boom')
    expect(() => program('throw "text"').evaluate(makeSubject())).toThrow('text')
  })

  it('refuses what is no JavaScript when it is compiled', () => {
    expect(() => expressions.compile('expression', '1 +')).toThrow(SyntaxError)
    expect(() => expressions.compile('program', 'if (')).toThrow(SyntaxError)
    expect(() => expressions.compile('template', '${')).toThrow(SyntaxError)
  })

  it('stops a loop, and works on', () => {
    const started = performance.now()
    expect(() => program('for (;;) {}').evaluate(makeSubject())).toThrow(/took longer/)
    expect(performance.now() - started).toBeLessThan(2000)
    expect(value('1 + 1')).toBe(2)
  })

  it('stops a regular expression that would run for ever', () => {
    const source = '/^(a+)+$/.test("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!")'
    expect(() => program(source).evaluate(makeSubject())).toThrow(/took longer|stopped/)
    expect(value('1 + 1')).toBe(2)
  })

  it.each([
    'const a = []; while (true) a.push(new Uint8Array(1e6))',
    "const a = []; while (true) a.push('x'.repeat(1e6) + a.length)",
  ])('holds the limit over many small pieces together: %s', async (source) => {
    const small = await createExpressions({ memory: 16 * 1024 * 1024, time: 60_000 })
    const before = process.memoryUsage().rss
    const greedy = small.compile('expression', source)
    // more than once, so that a machine which is left behind would count, too
    for (let n = 0; n < 5; n++) expect(() => greedy.evaluate(makeSubject())).toThrow(/more than 16777216 bytes/)
    expect(process.memoryUsage().rss - before).toBeLessThan(128 * 1024 * 1024)
    expect(small.compile('expression', '1 + 1').evaluate(makeSubject())).toBe(2)
    small.dispose()
  })

  it('stops deep recursion and endless memory, and works on', () => {
    expect(() => program('(function f() { f() })()').evaluate(makeSubject())).toThrow()
    expect(() => program('var a = []; for (;;) a.push(new Array(100000).fill(1))').evaluate(makeSubject())).toThrow()
    expect(value('[1, 2].length + (() => 1)()')).toBe(3)
  })

  it('gives nothing of the host away, and lets nobody change the language for others', () => {
    expect(value('req.constructor.constructor("return typeof process")()')).toBe('undefined')
    expect(value('(function () { return typeof this.process })()')).toBe('undefined')
    program(
      'Array.prototype.map = () => "evil"; String.prototype.evil = 1; Object = undefined; JSON.parse = null',
    ).evaluate(makeSubject())
    expect(value('[1].map((x) => x)[0] + typeof "".evil + typeof Object + typeof JSON.parse')).toBe(
      '1undefinedfunctionfunction',
    )
    expect(
      value('(() => { const e = new Error("a"); e.message = "b"; e.toString = () => "c"; return e.message + e })()'),
    ).toBe('bc')
  })
})
