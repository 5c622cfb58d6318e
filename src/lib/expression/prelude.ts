/**
 * What stands in the sandbox before any of the user's code: `req`, `res`, `egContext` as plain objects, and the functions
 * by which the host compiles and evaluates. JavaScript for QuickJS, as text. Nothing of the host is reachable from it.
 */
export const prelude = String.raw`
(function (global) {
  'use strict'
  const { create, assign, keys, defineProperty, defineProperties, getOwnPropertyNames, getOwnPropertyDescriptor, getPrototypeOf, freeze, hasOwn, isFrozen } = Object
  const { parse, stringify } = JSON
  const make = Function
  const tick = String.fromCharCode(96)
  const sources = []
  const kept = new Map()

  // --- compiling: the user's text becomes a function; its free names are found on the global object

  const script = eval
  /** Only code that speaks of these can change what stands in them. */
  const deep = /\b(?:apiEndpoint|egContext|consumer|user|params|query|body|locals|ip|protocol|eval|run|this|globalThis)\b|\[/
  const scripted = /\bvar\b|\bfunction\b/

  function compile(kind, source) {
    if (kind === 'template') {
      return build('return ' + tick + source + tick) || build('return ' + tick + escapeTicks(source) + tick) || fail(tick + source + tick)
    }
    if (kind === 'program') {
      const program = build(source) || fail(source)
      // what it declares stays for later expressions of the exchange, as at the top of a script
      return scripted.test(source) ? () => script(source) : program
    }
    const one = /^\s*\{/.test(source) ? undefined : build('return (' + source + '\n)')
    if (one) return one
    if (!build(source)) fail(source)
    // several statements: the value of the last one, as a script has it
    return () => script(source)
  }

  function build(body) {
    try {
      return make(body)
    } catch (error) {
      if (error instanceof SyntaxError) return undefined
      throw error
    }
  }

  function fail(source) {
    make(source) // says where
    throw new SyntaxError('not an expression')
  }

  function escapeTicks(source) {
    let out = '', depth = 0
    for (let i = 0; i < source.length; i++) {
      const c = source[i]
      if (c === '\\') { out += c + (source[++i] ?? ''); continue }
      if (c === '$' && source[i + 1] === '{') { depth++; out += '$' + '{'; i++; continue }
      if (depth > 0 && c === '{') depth++
      if (depth > 0 && c === '}') depth--
      out += depth === 0 && c === tick ? '\\' + c : c
    }
    return out
  }

  // --- request, response, context

  const types = { html: 'text/html', json: 'application/json', text: 'text/plain', txt: 'text/plain', xml: 'application/xml', js: 'application/javascript', css: 'text/css' }
  const quiet = freeze({ log() {}, info() {}, warn() {}, error() {}, debug() {}, trace() {} })

  const requestMethods = {
    get(name) { const lower = String(name).toLowerCase(); return lower === 'referrer' ? this.headers.referrer || this.headers.referer : this.headers[lower] },
    header(name) { return this.get(name) },
    param(name, otherwise) {
      for (const place of [this.params, this.body, this.query]) if (place && place[name] !== undefined) return place[name]
      return otherwise
    },
    is(type) {
      const given = String(this.headers['content-type'] || '').split(';')[0].trim().toLowerCase()
      if (given === '') return false
      const wanted = types[type] || String(type)
      if (wanted === given || wanted === '*/*') return given
      if (wanted.endsWith('/*') && given.startsWith(wanted.slice(0, -1))) return given
      return wanted.startsWith('+') && given.endsWith(wanted) ? given : false
    },
    isAuthenticated() { return this.user !== undefined && this.user !== null },
    isUnauthenticated() { return !this.isAuthenticated() },
  }
  const request = defineProperties(requestMethods, {
    path: { get() { const at = this.url.indexOf('?'); return at === -1 ? this.url : this.url.slice(0, at) }, configurable: true },
    hostname: { get() { const host = this.headers.host; if (host === undefined) return undefined; const end = host.indexOf(':', host[0] === '[' ? host.indexOf(']') : 0); return end === -1 ? host : host.slice(0, end) }, configurable: true },
    host: { get() { return this.hostname }, configurable: true },
    secure: { get() { return this.protocol === 'https' }, configurable: true },
    xhr: { get() { return String(this.headers['x-requested-with'] || '').toLowerCase() === 'xmlhttprequest' }, configurable: true },
    subdomains: { get() { const host = this.hostname; return host === undefined ? [] : host.split('.').reverse().slice(2) }, configurable: true },
    rawHeaders: { get() { return keys(this.headers).flatMap(name => [name, this.headers[name]]) }, configurable: true },
  })

  /** Where a response keeps what the host will ask for. */
  const kept_ = Symbol('answer')

  const response = {
    get headersSent() { return this[kept_].sent !== undefined },
    get finished() { return this[kept_].sent !== undefined },
    status(code) { this.statusCode = Number(code); return this },
    setHeader(name, value) { this[kept_].fields[String(name).toLowerCase()] = [String(name), value]; return this },
    set(name, value) {
      if (typeof name === 'object' && name !== null) for (const key of keys(name)) this.setHeader(key, name[key])
      else this.setHeader(name, value)
      return this
    },
    header(name, value) { return this.set(name, value) },
    append(name, value) {
      const before = this.getHeader(name)
      return this.setHeader(name, before === undefined ? value : [].concat(before, value))
    },
    getHeader(name) { const found = this[kept_].fields[String(name).toLowerCase()]; return found === undefined ? undefined : found[1] },
    get(name) { return this.getHeader(name) },
    getHeaders() {
      const all = {}
      const { fields } = this[kept_]
      for (const key of keys(fields)) if (fields[key][1] !== undefined) all[key] = fields[key][1]
      return all
    },
    hasHeader(name) { return this.getHeader(name) !== undefined },
    removeHeader(name) { this[kept_].fields[String(name).toLowerCase()] = [String(name), undefined]; return this },
    vary(name) { const before = this.getHeader('vary'); return this.setHeader('Vary', before === undefined ? name : before + ', ' + name) },
    type(name) { return this.setHeader('Content-Type', String(name).includes('/') ? String(name) : (types[name] || 'application/octet-stream') + '; charset=utf-8') },
    contentType(name) { return this.type(name) },
    location(url) { return this.setHeader('Location', String(url)) },
    write(text) { this[kept_].written += String(text); return true },
    writeHead(code, reason, more) {
      this.statusCode = Number(code)
      const given = typeof reason === 'object' ? reason : more
      if (given) this.set(given)
      return this
    },
    end(text) { return finish(this, this[kept_].written + (text === undefined || text === null ? '' : String(text)), undefined) },
    send(body) {
      if ((typeof body === 'object' && body !== null) || typeof body === 'boolean') return this.json(body)
      if (typeof body === 'number') return this.sendStatus(body)
      return finish(this, body === undefined || body === null ? '' : String(body), 'text/html; charset=utf-8')
    },
    json(body) { return finish(this, stringify(body === undefined ? null : body), 'application/json; charset=utf-8') },
    sendStatus(code) { this.statusCode = Number(code); return finish(this, undefined, 'text/plain; charset=utf-8') },
    redirect(first, second) {
      this.statusCode = second === undefined ? 302 : Number(first)
      const url = String(second === undefined ? first : second)
      this.location(url)
      return finish(this, 'Found. Redirecting to ' + url, 'text/plain; charset=utf-8')
    },
  }

  function finish(self, body, type) {
    const answer = self[kept_]
    if (answer.sent !== undefined) throw new Error('Cannot set headers after they are sent to the client')
    answer.sent = { status: self.statusCode, body, type: self.getHeader('content-type') === undefined ? type : undefined }
    return self
  }

  const contextMethods = {
    run(code, more) {
      if (more === undefined) return evaluate(this, String(code))
      const within = make('__names', '__code', 'with (__names) { return eval(__code) }')
      return within.call(this, more, String(code))
    },
    match(code) { return !!this.run(code) },
    evaluateAsTemplateString(text) { return this.run(tick + text + tick) },
  }
  const byText = new Map()

  function evaluate(scope, code) {
    let compiled = byText.get(code)
    if (compiled === undefined) {
      compiled = compile('expression', code)
      if (byText.size > 500) byText.clear()
      byText.set(code, compiled)
    }
    return compiled.call(scope)
  }

  const contextShape = create(null, {
    run: { value: contextMethods.run },
    match: { value: contextMethods.match },
    evaluateAsTemplateString: { value: contextMethods.evaluateAsTemplateString },
    console: { value: quiet },
    consumer: { get() { return this.req.user } },
    egContext: { get() { return this } },
  })

  /** The scope of the exchange whose code is running. */
  let current

  const methods = ['run', 'match', 'evaluateAsTemplateString']
  const standard = ['req', 'res', 'apiEndpoint', 'requestID', 'consumer', 'egContext', 'console', ...methods]
  for (const name of standard) {
    defineProperty(global, name, {
      configurable: false,
      enumerable: false,
      get: methods.includes(name)
        ? () => current && ((...given) => current[name](...given))
        : () => current && current[name],
      set(value) {
        if (current) defineProperty(current, name, { value, writable: true, enumerable: true, configurable: true })
      },
    })
  }

  function scopeOf(state) {
    const scope = create(contextShape)
    const req = create(request)
    const res = create(response)
    const answer = { fields: create(null), sent: undefined, written: '' }
    defineProperty(res, kept_, { value: answer })
    res.statusCode = 200
    res.locals = {}
    scope.req = req
    scope.res = res
    scope.apiEndpoint = state.apiEndpoint
    scope.requestID = state.id
    req.res = res
    res.req = req
    req.egContext = scope
    req.originalUrl = state.originalUrl
    req.baseUrl = ''
    req.httpVersion = state.version
    req.protocol = state.protocol
    req.ip = state.ip
    req.ips = []
    req.connection = req.socket = { remoteAddress: state.ip, remotePort: state.port, encrypted: state.protocol === 'https' }
    req.params = state.params
    req.route = { path: state.pattern }
    return { scope, answer }
  }

  /** What is new outside since the last time goes in; what code has put on the objects stays. */
  function refresh(entry, state, held) {
    const { req } = entry.scope
    req.method = state.method
    req.url = state.url
    req.headers = state.headers
    if (!held || stringify(req.user) !== stringify(state.user)) req.user = state.user
    if (!held || state.query !== undefined) req.query = state.query
    if (!held || state.body !== undefined) req.body = state.body
  }

  // --- what the host calls

  function run(index, text, mode) {
    const state = parse(text)
    const held = state.key === undefined ? undefined : kept.get(state.key)
    const entry = held === undefined ? scopeOf(state) : held
    refresh(entry, state, held !== undefined)
    const source = sources[index]
    const given = mode === 1 ? assign({}, state.headers) : undefined
    const before = mode === 1 && held === undefined ? marks(entry, source.deep) : undefined
    current = entry.scope
    if (held !== undefined) expose(entry)
    let value
    try {
      value = source.compiled.call(entry.scope)
    } finally {
      sweep(entry.scope)
      current = undefined
    }
    if (mode === 0) return encode(value)
    const { req } = entry.scope
    const changes = {}
    if (req.method !== state.method) changes.method = String(req.method)
    if (req.url !== state.url) changes.url = String(req.url)
    for (const name of keys(req.headers)) {
      const value = req.headers[name]
      if (value === given[name]) continue
      if (value === undefined || value === null) { if (given[name] !== undefined) (changes.deleted ||= []).push(name) }
      else (changes.headers ||= []).push([name, Array.isArray(value) ? value.join(', ') : String(value)])
    }
    for (const name of keys(given)) if (!hasOwn(req.headers, name)) (changes.deleted ||= []).push(name)
    if (req.user !== state.user || source.deep) {
      if (stringify(req.user) !== stringify(parse(text).user)) changes.user = req.user === undefined ? null : req.user
    }
    if (entry.answer.sent !== undefined) changes.sent = entry.answer.sent
    const fields = keys(entry.answer.fields)
    if (fields.length > 0) changes.fields = fields.map(name => entry.answer.fields[name])
    if (held === undefined && state.slot !== undefined && marks(entry, source.deep) !== before) {
      kept.set(state.slot, entry)
      if (kept.size > 10000) kept.delete(kept.keys().next().value)
      changes.kept = true
    }
    return stringify(changes) + '\n' + encode(value)
  }

  /** Tells whether code has left anything on the objects that the host does not carry itself. */
  function marks(entry, deep) {
    const { scope, answer } = entry
    const { req, res } = scope
    const shallow = keys(scope).length + ' ' + keys(req).length + ' ' + keys(res).length + ' ' + keys(answer.fields).length + ' ' + res.statusCode
    if (!deep) return shallow
    try {
      return shallow + stringify([scope.apiEndpoint, req.params, req.query, req.body, req.ip, req.protocol, res.locals])
    } catch {
      return shallow + 'cyclic'
    }
  }

  /** What earlier code of this exchange has named is global while its later code runs. */
  function expose(entry) {
    for (const name of keys(entry.scope)) {
      if (!standard.includes(name)) global[name] = entry.scope[name]
    }
  }

  /** Names that code has assigned without declaring them belong to this exchange, not to all. */
  function sweep(scope) {
    for (const name of keys(global)) {
      scope[name] = global[name]
      delete global[name]
    }
  }

  function encode(value) {
    switch (typeof value) {
      case 'string': return 's' + value
      case 'undefined': case 'symbol': return 'u'
      case 'function': return 'f'
      case 'bigint': return 's' + String(value)
      case 'number': return Number.isFinite(value) && !Object.is(value, -0) ? 'j' + stringify(value) : 'n' + (value === 0 ? '-0' : value)
      default: {
        const text = stringify(value)
        return text === undefined ? 'u' : 'j' + text
      }
    }
  }

  const host = {
    compile(kind, source) {
      sources.push({ compiled: compile(kind, source), deep: deep.test(source) })
      return sources.length - 1
    },
    run,
    release(key) { kept.delete(key) },
    kept() { return kept.size },
  }

  // --- one exchange must not change the language for the next: what is built in cannot be written to

  const seen = new Set()
  function harden(value) {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value)) return
    seen.add(value)
    for (const name of [...getOwnPropertyNames(value), ...Object.getOwnPropertySymbols(value)]) {
      const found = getOwnPropertyDescriptor(value, name)
      if (!found) continue
      if ('value' in found) harden(found.value)
      else { harden(found.get); harden(found.set) }
    }
    harden(getPrototypeOf(value))
    if (value !== global) freeze(value)
  }

  /** A frozen prototype would forbid objects of the user's own to have properties of these names. */
  function assignable(prototype, names) {
    for (const name of names) {
      const found = getOwnPropertyDescriptor(prototype, name)
      if (!found || !('value' in found)) continue
      const own = found.value
      defineProperty(prototype, name, {
        configurable: false,
        enumerable: found.enumerable,
        get() { return own },
        set(value) {
          if (this === prototype) return
          defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true })
        },
      })
    }
  }
  assignable(Object.prototype, ['toString', 'toLocaleString', 'valueOf', 'constructor', 'hasOwnProperty'])
  for (const error of [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError]) assignable(error.prototype, ['name', 'message', 'toString'])

  for (const name of getOwnPropertyNames(global)) {
    const found = getOwnPropertyDescriptor(global, name)
    if (found && 'value' in found && name !== 'globalThis') {
      harden(found.value)
      defineProperty(global, name, { writable: false, configurable: false, enumerable: false })
    }
  }
  for (const odd of [function* () {}, async function () {}, async function* () {}]) harden(getPrototypeOf(odd))
  for (const shape of [requestMethods, contextMethods, contextShape, response, types]) freeze(shape)
  return host
})(globalThis)
`
