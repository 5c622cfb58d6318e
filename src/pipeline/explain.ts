/** Plan and request → which listener, route, policies and backends, and why the others did not match. Pure. */
import type { Origin } from '../model/diagnostic.ts'
import type { Action, Endpoint, Forward, HostMatch, Listener, PolicyUse, Route, Unmatched } from '../model/model.ts'
import {
  compileHost,
  contentCheck,
  headerCheck,
  hostName,
  hostSuffix,
  queryCheck,
  takesPath,
  type Facts,
  type Problem,
  type Verdict,
} from './match.ts'
import type { Plan } from './plan.ts'

export interface ExplainRequest {
  readonly method: string
  /** Absolute: `http://host:port/path?query`. */
  readonly url: string
  /** Names in lower case. `host` wins over the URL's. */
  readonly headers?: readonly (readonly [name: string, value: string])[]
  readonly clientCertificate?: Facts['clientCertificate']
}

/** Plain JSON. */
export interface Explanation {
  readonly request: { readonly method: string; readonly host: string; readonly path: string; readonly query: string }
  readonly listener?: { readonly id: string; readonly socket: string; readonly origin: Origin }
  /** Why that listener, or why none. */
  readonly why: string
  readonly route?: { readonly id: string; readonly label?: string; readonly origin: Origin }
  /** Set where the route takes the request and must not serve it. */
  readonly problem?: Problem
  /** In the order in which they see the request; the listener's first. */
  readonly policies: readonly ExplainedPolicy[]
  readonly action?: ExplainedAction
  /** What is answered where no route matches. */
  readonly unmatched?: Unmatched
  /** Routes that match too and come behind it: reached if a policy or the action says `next`. */
  readonly behind: readonly { readonly id: string; readonly origin: Origin }[]
  /** Nearest first. */
  readonly others: readonly ExplainedOther[]
  /** Further routes of the listener that do not match. */
  readonly more: number
}

export interface ExplainedPolicy {
  readonly policy: string
  readonly on: 'listener' | 'route'
  readonly config: unknown
  /** Absent: always. */
  readonly when?: PolicyUse['when']
  readonly origin: Origin
}

export type ExplainedAction =
  | { readonly kind: 'reply'; readonly status: number }
  | { readonly kind: 'next' }
  | {
      readonly kind: 'forward'
      readonly host: NonNullable<Forward['host']>
      readonly backends: readonly ExplainedBackend[]
    }

export interface ExplainedBackend {
  readonly target:
    { readonly kind: 'backend'; readonly id: string } | { readonly kind: 'fail'; readonly status: number }
  /** Of its requests, from 0 to 1. */
  readonly share: number
  readonly policies: readonly string[]
  readonly endpoints: readonly Endpoint[]
}

export interface ExplainedOther {
  readonly id: string
  readonly origin: Origin
  /** Each part of the match that does not hold, in words. */
  readonly because: readonly string[]
}

/** `most`: how many routes that did not match are told about. Throws a TypeError for a URL that is none. */
export function explain(plan: Plan, request: ExplainRequest, options: { readonly most?: number } = {}): Explanation {
  const url = new URL(request.url)
  const facts = factsOf(request, url)
  const common = { method: facts.method, host: facts.host, path: facts.path, query: facts.query }
  const { listener, why } = chooseListener(plan.model.listeners, url, facts.host)
  if (listener === undefined) return { request: common, why, policies: [], behind: [], others: [], more: 0 }

  const judged = plan.model.routes
    .filter((route) => route.listeners.includes(listener.id))
    .map((route) => ({ route, ...judge(route, facts) }))
  const [taken, ...behind] = judged.filter(({ because }) => because.length === 0)
  const others = judged
    .filter(({ because }) => because.length > 0)
    .sort((one, other) => one.because.length - other.because.length || other.near - one.near)
  const most = options.most ?? 5
  return {
    request: common,
    listener: { id: listener.id, socket: socketOf(listener), origin: listener.origin },
    why,
    ...(taken === undefined
      ? { unmatched: listener.unmatched ?? { kind: 'reply', status: 404 } }
      : explainTaken(plan, taken)),
    policies: [
      ...(listener.policies ?? []).map((use) => explainUse(use, 'listener')),
      ...(taken?.route.policies ?? []).map((use) => explainUse(use, 'route')),
    ],
    behind: behind.slice(0, most).map(({ route }) => ({ id: route.id, origin: route.origin })),
    others: others.slice(0, most).map(({ route, because }) => ({ id: route.id, origin: route.origin, because })),
    more: Math.max(0, others.length - most),
  }
}

function factsOf(request: ExplainRequest, url: URL): Facts {
  const headers = new Map<string, string>()
  for (const [name, value] of request.headers ?? []) {
    const before = headers.get(name)
    headers.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  // URL would resolve dots and encode; the router sees what was typed
  const typed = /^[^:]+:\/\/[^/?#]*([^?#]*)(?:\?([^#]*))?/.exec(request.url)
  const given = headers.get('host') ?? url.hostname
  return {
    method: request.method,
    host: hostName(given.replace(/:\d*$/, '')),
    path: typed?.[1] === undefined || typed[1] === '' ? '/' : typed[1],
    query: typed?.[2] ?? '',
    header: (name) => headers.get(name),
    clientCertificate: request.clientCertificate ?? 'absent',
  }
}

// --- listeners -------------------------------------------------------------------------------------------------------

function chooseListener(
  all: readonly Listener[],
  url: URL,
  host: string,
): { readonly listener: Listener | undefined; readonly why: string } {
  const scheme = url.protocol === 'https:' ? 'https' : 'http'
  const port = url.port === '' ? (scheme === 'https' ? 443 : 80) : Number(url.port)
  const speaking = all.filter((listener) => listener.protocol === scheme)
  if (speaking.length === 0) return { listener: undefined, why: `no listener speaks ${scheme}` }
  const onPort = speaking.filter((listener) => listener.port === port || listener.port === 0)
  if (onPort.length === 0 && url.port !== '') {
    return { listener: undefined, why: `no ${scheme} listener is on port ${port}` }
  }
  const candidates = onPort.length > 0 ? onPort : speaking
  const [best] = candidates
    .filter(({ host: own }) => own === undefined || compileHost(own)(host) !== false)
    .sort((one, other) => specificity(other.host) - specificity(one.host))
  if (best === undefined) return { listener: undefined, why: `no listener of port ${port} is for the host ${host}` }
  const whyHost = best.host === undefined ? 'for any host' : 'for this host'
  if (onPort.length > 0) return { listener: best, why: `the ${scheme} listener on port ${port}, ${whyHost}` }
  return {
    listener: best,
    why: `the URL names no port, and nothing is on ${port}: the first ${scheme} listener ${whyHost}`,
  }
}

/** An exact name before suffixes, longer ones first and one label before many, before regexps, before none. */
function specificity(host: HostMatch | undefined): number {
  switch (host?.kind) {
    case undefined:
      return 0
    case 'regexp':
      return 1
    case 'suffix':
      return 2 + 2 * hostSuffix(host.suffix).length + (host.labels === 'one' ? 1 : 0)
    case 'exact':
      return 10_000
  }
}

function socketOf({ protocol, address, port }: Listener): string {
  return `${protocol} ${address}:${port}`
}

// --- routes ----------------------------------------------------------------------------------------------------------

interface Judgement {
  readonly because: readonly string[]
  readonly problem: Problem | undefined
  /** How many characters of the path are right. */
  readonly near: number
}

function judge({ hosts = [], match }: Route, facts: Facts): Judgement {
  const because: string[] = []
  let problem: Problem | undefined
  const ask = (verdict: Verdict, reason: () => string): void => {
    if (verdict === false) because.push(reason())
    else if (verdict !== true) problem ??= verdict
  }
  if (hosts.length > 0) {
    const verdicts = hosts.map((host) => compileHost(host)(facts.host))
    const verdict = verdicts.find((one) => one === true) ?? verdicts.find((one) => one !== false) ?? false
    ask(verdict, () => `host: ${facts.host || 'none'} is not ${hosts.map(describeHost).join(' or ')}`)
  }
  ask(takesPath(match.path, facts.path), () => `path: ${facts.path} is not ${describePath(match.path)}`)
  if (match.methods !== undefined) {
    const { methods } = match
    ask(methods.includes(facts.method), () => `method: ${facts.method} is not ${methods.join(' or ')}`)
  }
  if (match.clientCertificate !== undefined) {
    ask(facts.clientCertificate === 'verified', () => 'client certificate: none that was verified')
  }
  if (match.content !== undefined) {
    const { content } = match
    ask(contentCheck(content)(facts), () => `content: it is ${content === 'grpc' ? 'not gRPC' : 'gRPC'}`)
  }
  for (const header of match.headers ?? []) {
    ask(
      headerCheck(header)(facts),
      () => `header ${header.name}: ${facts.header(header.name.toLowerCase()) ?? 'absent'}`,
    )
  }
  for (const parameter of match.query ?? []) {
    ask(queryCheck(parameter)(facts), () => `query ${parameter.name} in ?${facts.query}`)
  }
  return { because, problem, near: commonLength(facts.path, textOf(match.path)) }
}

function textOf(path: Route['match']['path']): string {
  return path === undefined || path.kind === 'regexp' ? '' : path.value
}

function commonLength(one: string, other: string): number {
  let length = 0
  while (length < one.length && length < other.length && one[length] === other[length]) length++
  return length
}

function describeHost(host: HostMatch): string {
  switch (host.kind) {
    case 'exact':
      return host.name
    case 'suffix':
      return `${host.labels === 'one' ? '*' : '**'}${hostSuffix(host.suffix)}`
    case 'regexp':
      return `~${host.source}`
  }
}

function describePath(path: Route['match']['path']): string {
  switch (path?.kind) {
    case undefined:
      return 'any'
    case 'exact':
      return path.value
    case 'prefix':
      return `${path.value === '/' ? '' : path.value}/**`
    case 'start':
      return `${path.value}*`
    case 'regexp':
      return `~${path.source}`
  }
}

function explainTaken(plan: Plan, taken: Judgement & { readonly route: Route }): Partial<Explanation> {
  const { route, problem } = taken
  return {
    route: { id: route.id, ...(route.label === undefined ? {} : { label: route.label }), origin: route.origin },
    ...(problem === undefined ? {} : { problem }),
    action: explainAction(plan, route.action),
  }
}

function explainUse({ policy, config, when, origin }: PolicyUse, on: 'listener' | 'route'): ExplainedPolicy {
  return { policy, on, config, ...(when === undefined ? {} : { when }), origin }
}

function explainAction(plan: Plan, action: Action): ExplainedAction {
  if (action.kind === 'next') return { kind: 'next' }
  if (action.kind === 'reply') return { kind: 'reply', status: action.status }
  const { backends, emptyStatus = 500, host = { kind: 'keep' } } = action.forward
  const sum = backends.reduce((total, { weight = 1 }) => total + weight, 0)
  if (sum <= 0) return { kind: 'reply', status: emptyStatus }
  return {
    kind: 'forward',
    host,
    backends: backends.map(({ target, weight = 1, policies = [] }) => ({
      target,
      share: weight / sum,
      policies: policies.map((use) => use.policy),
      endpoints:
        target.kind === 'backend'
          ? (plan.model.endpoints.find(({ backend }) => backend === target.id)?.addresses ?? [])
          : [],
    })),
  }
}
