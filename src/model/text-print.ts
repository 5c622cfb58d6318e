/** Model → text. Pure. What has no words of its own is written as `name=JSON`, so that nothing can be lost. */
import type {
  Action,
  Condition,
  Endpoint,
  HostMatch,
  Listener,
  Match,
  Model,
  NamedMatch,
  PolicyUse,
  Route,
  StreamRoute,
  WeightedBackend,
} from './model.ts'
import { jsonWith, printOrigin, word, type Json } from './text-words.ts'

export function printParagraphs(model: Model, options: { readonly secrets: 'redact' | 'reveal' }): string {
  const json = jsonWith(options.secrets)
  const paragraphs = [
    ...model.listeners.map((listener) => printListener(listener, json)),
    ...model.routes.map((route) => printRoute(route, json)),
    ...model.streams.map((stream) => printStream(stream, json)),
    ...model.backends.map(({ id, protocol, origin, ...rest }) => [
      `backend ${word(id)} ${protocol}${printOrigin(origin)}`,
      ...fieldLines(rest, json),
    ]),
    ...model.endpoints.map(({ backend, addresses, ...rest }) => [
      `endpoints ${word(backend)}`,
      ...addresses.map((endpoint) => printEndpoint(endpoint, json)),
      ...fieldLines(rest, json),
    ]),
    ...model.certificates.map(({ id, origin, ...rest }) => [
      `certificate ${word(id)}${printOrigin(origin)}`,
      ...fieldLines(rest, json),
    ]),
    ...model.consumers.map(({ id, kind, name, origin, ...rest }) => [
      `consumer ${word(id)} ${kind} ${word(name)}${printOrigin(origin)}`,
      ...fieldLines(rest, json),
    ]),
    ...model.credentials.map(({ id, consumer, kind, origin, ...rest }) => [
      `credential ${word(id)} ${kind} ${word(consumer)}${printOrigin(origin)}`,
      ...fieldLines(rest, json),
    ]),
  ]
  return paragraphs.map((lines) => `${lines.join('\n')}\n`).join('')
}

function printListener(listener: Listener, json: Json): string[] {
  const { id, protocol, address, port, host, unmatched, policies, origin, ...rest } = listener
  const plain = unmatched !== undefined && Object.keys(unmatched).length === 1
  const head = [
    `listener ${word(id)}`,
    `${protocol} ${word(`${address}:${port}`)}`,
    ...(host === undefined ? [] : [printHost(host, json)]),
    ...(unmatched === undefined ? [] : [plain ? `unmatched ${unmatched.kind}` : `unmatched=${json(unmatched)}`]),
    ...(policies?.length === 0 ? ['policies=[]'] : []),
  ]
  return [
    head.join('  ') + printOrigin(origin),
    ...fieldLines(rest, json),
    ...(policies ?? []).map((use) => printUse(use, json)),
  ]
}

function printRoute(route: Route, json: Json): string[] {
  const { id, listeners, hosts, match, policies, action, origin, ...rest } = route
  const head = [
    `route ${word(id)}`,
    ...listeners.map((listener) => `on ${word(listener)}`),
    ...printHosts(hosts, json),
    ...printMatch(match, json),
  ]
  return [
    head.join('  ') + printOrigin(origin),
    ...fieldLines(rest, json),
    ...policies.map((use) => printUse(use, json)),
    ...printAction(action, json),
  ]
}

function printStream(stream: StreamRoute, json: Json): string[] {
  const { id, listeners, hosts, backends, origin, ...rest } = stream
  const head = [
    `stream ${word(id)}`,
    ...listeners.map((listener) => `on ${word(listener)}`),
    ...printHosts(hosts, json),
  ]
  return [
    head.join('  ') + printOrigin(origin),
    ...fieldLines(rest, json),
    ...backends.flatMap((weighted) => printWeighted(weighted, json)),
  ]
}

function fieldLines(rest: object, json: Json): string[] {
  return Object.entries(rest)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `  ${name}=${json(value)}`)
}

function fields(rest: object, json: Json): string {
  return Object.entries(rest)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${json(value)}`)
    .join('')
}

function printHosts(hosts: readonly HostMatch[] | undefined, json: Json): string[] {
  if (hosts === undefined) return []
  return hosts.length === 0 ? ['hosts=[]'] : hosts.map((host) => printHost(host, json))
}

/** `*.a.com` takes one label, `**.a.com` one or more, `~` begins a regexp. */
function printHost(host: HostMatch, json: Json): string {
  switch (host.kind) {
    case 'exact':
      return /^[*~]/.test(host.name) ? `host=${json(host)}` : `host ${word(host.name)}`
    case 'suffix':
      if (!host.suffix.startsWith('.')) return `host=${json(host)}`
      return `host ${word(`${host.labels === 'one' ? '*' : '**'}${host.suffix}`)}`
    case 'regexp':
      return `host ${word(`~${host.source}`)}`
  }
}

function printMatch(match: Match, json: Json): string[] {
  const { methods, path, headers, query, ...rest } = match
  return [
    ...(methods === undefined ? [] : [printMethods(methods, json)]),
    ...(path === undefined ? [] : [printPath(path, json)]),
    ...printNamed('header', 'headers', headers, json),
    ...printNamed('query', 'queries', query, json),
    ...(Object.keys(rest).length === 0 ? [] : [fields(rest, json).trim()]),
  ]
}

function printMethods(methods: readonly string[], json: Json): string {
  const simple = methods.length > 0 && methods.every((method) => /^[A-Z]+$/.test(method))
  return simple ? methods.join(',') : `methods=${json(methods)}`
}

/** `/a` exact, `/a/**` by segments, `/a*` by characters. */
function printPath(path: NonNullable<Match['path']>, json: Json): string {
  const whole = `path=${json(path)}`
  if (path.kind === 'regexp') return whole
  const { value } = path
  if (!value.startsWith('/') || value.includes('*')) return whole
  switch (path.kind) {
    case 'prefix':
      if (value === '/') return '/**'
      return value.endsWith('/') ? whole : quoted(`${value}/**`)
    case 'start':
      if (path.ignoreCase === false) return whole
      return quoted(`${value}*`) + (path.ignoreCase === true ? ' ignore-case' : '')
    case 'exact': {
      if (path.ignoreCase === false || path.optionalSlash === false) return whole
      const flags =
        (path.ignoreCase === true ? ' ignore-case' : '') + (path.optionalSlash === true ? ' optional-slash' : '')
      return quoted(value) + flags
    }
  }
}

const quoted = word

function printNamed(one: string, all: string, named: readonly NamedMatch[] | undefined, json: Json): string[] {
  if (named === undefined) return []
  const simple = named.length > 0 && named.every(({ name }) => /^[A-Za-z0-9_-]+$/.test(name))
  if (!simple) return [`${all}=${json(named)}`]
  return named.map(({ name, value }) => `${one}.${name}=${json(value.kind === 'exact' ? value.value : value)}`)
}

function printUse(use: PolicyUse, json: Json, indent = '  '): string {
  const { policy, config, when, origin } = use
  const bare = typeof config === 'object' && config !== null && !(config instanceof RegExp)
  const written = bare ? ` ${json(config)}` : ` config=${json(config)}`
  const condition = when === undefined ? '' : ` when ${printCondition(when, json)}`
  return `${indent}${word(policy)}${written}${condition}${printOrigin(origin)}`
}

function printCondition(condition: Condition, json: Json): string {
  if (condition.kind === 'method' && condition.methods.length > 0) {
    if (condition.methods.every((method) => /^[A-Z]+$/.test(method))) return `method ${condition.methods.join(',')}`
  }
  if (condition.kind === 'authenticated' || condition.kind === 'client-certificate') return condition.kind
  return json(condition)
}

function printAction(action: Action, json: Json): string[] {
  switch (action.kind) {
    case 'next':
      return ['  -> next']
    case 'reply': {
      const { kind: _, status, ...rest } = action
      return [`  -> reply ${status}${fields(rest, json)}`]
    }
    case 'forward': {
      const { backends, ...rest } = action.forward
      return [
        ...(backends.length === 0 ? ['  -> nowhere'] : backends.flatMap((weighted) => printWeighted(weighted, json))),
        ...(Object.keys(rest).length === 0 ? [] : [`  with${fields(rest, json)}`]),
      ]
    }
  }
}

function printWeighted({ target, weight, policies }: WeightedBackend, json: Json): string[] {
  const where = target.kind === 'backend' ? `forward ${word(target.id)}` : `fail ${target.status}`
  const share = weight === undefined ? '' : ` weight ${weight}`
  const none = policies?.length === 0 ? ' policies=[]' : ''
  return [`  -> ${where}${share}${none}`, ...(policies ?? []).map((use) => printUse(use, json, '    '))]
}

function printEndpoint({ host, port, ...rest }: Endpoint, json: Json): string {
  return `  ${word(`${host}:${port}`)}${fields(rest, json)}`
}
