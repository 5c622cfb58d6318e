/** A route in its place → the directives of a location, or why nginx cannot serve it. Pure. */
import { createHash } from 'node:crypto'
import type { Directive } from '../../lib/nginx/print.ts'
import { literal } from '../../lib/nginx/print.ts'
import { addressOf } from '../../model/address.ts'
import type { Backend, Endpoint, Endpoints, Forward, Model, PolicyUse, Route } from '../../model/model.ts'
import type { AnyPolicy, CompileContext, NginxPiece, Unsupported } from '../../policies/policy.ts'
import type { Services } from '../../policies/services.ts'

export type Placed =
  | { readonly kind: 'directives'; readonly directives: readonly Directive[]; readonly upstream?: string }
  | { readonly kind: 'engine'; readonly why: string }

export interface PlaceContext {
  readonly model: Model
  readonly policies: ReadonlyMap<string, AnyPolicy>
  readonly services: Services
  readonly backends: ReadonlyMap<string, Backend>
  readonly endpoints: ReadonlyMap<string, Endpoints>
}

/** Of a word, bytes: nginx reads none of 4,096. */
export const LONGEST_WORD = 4000

/** `path`: as the listener has it. */
export function placeRoute(
  route: Route,
  next: Route | undefined,
  path: 'sent' | 'decoded',
  context: PlaceContext,
): Placed {
  const placed = placeWords(route, next, path, context)
  return placed.kind === 'directives' && placed.directives.some(isTooLong)
    ? engine('nginx reads no word of this length')
    : placed
}

function isTooLong({ args, block = [] }: Directive): boolean {
  return (
    block.some(isTooLong) ||
    args.some((word) => Buffer.byteLength(typeof word === 'string' ? word : word.raw) > LONGEST_WORD)
  )
}

function placeWords(route: Route, next: Route | undefined, path: 'sent' | 'decoded', context: PlaceContext): Placed {
  const { match, action } = route
  const guard: Directive[] = []
  if (match.methods !== undefined) return engine('it matches by method')
  if ((match.headers ?? []).length > 0) return engine('it matches by headers')
  if ((match.query ?? []).length > 0) return engine('it matches by the query')
  if (match.content !== undefined) return engine('it matches by the kind of content')
  if (match.clientCertificate === 'verified') {
    const otherwise =
      next === undefined || next.match.clientCertificate !== undefined || next.policies.length > 0
        ? undefined
        : next.action
    if (otherwise?.kind !== 'reply' || !isPlainReply(otherwise))
      return engine('another route takes clients without a certificate')
    guard.push({
      name: 'if',
      args: [{ raw: '(' }, { raw: '$ssl_client_verify' }, { raw: '!=' }, 'SUCCESS', { raw: ')' }],
      block: reply(otherwise),
    })
  }
  const policies = placePolicies(route.policies, route, context)
  if ('unsupported' in policies) return engine(policies.unsupported)
  const before = [...guard, ...policies.location]
  if (path === 'decoded' && JSON.stringify(before).includes('$request_uri'))
    return engine('it says the path in normal form')
  switch (action.kind) {
    case 'next':
      return engine('it goes on with the next route')
    case 'reply':
      if (action.etag !== undefined) return engine('nginx makes no ETag for a fixed answer')
      if (!isPlainReply(action)) return engine('nginx would read $ in its answer, or knows no such status')
      return { kind: 'directives', directives: [...before, ...reply(action)] }
    case 'forward':
      if (path === 'decoded' && !policies.settled) return engine('its backend is asked for the path in normal form')
      return placeForward(action.forward, policies, guard, context)
  }
}

export interface Pieces {
  readonly location: readonly Directive[]
  readonly server: readonly Directive[]
  readonly http: readonly Directive[]
  readonly rewritten: boolean
  readonly decoded: boolean
  readonly settled: boolean
  readonly underscores: 'drop' | 'keep'
}

export function placePolicies(
  uses: readonly PolicyUse[],
  route: Route | undefined,
  context: PlaceContext,
): Pieces | Unsupported {
  const pieces: NginxPiece[] = []
  for (const use of uses) {
    const piece = placePolicy(use, route, context)
    if ('unsupported' in piece) return { unsupported: `${use.policy}: ${piece.unsupported}` }
    pieces.push(piece)
  }
  const names = pieces.flatMap((piece) =>
    (piece.location ?? [])
      .filter(({ name }) => name === 'proxy_set_header' || name === 'default_type')
      .map(({ name, args: [first] }) =>
        `${name} ${typeof first === 'string' ? first : JSON.stringify(first)}`.toLowerCase(),
      ),
  )
  if (new Set(names).size < names.length) return { unsupported: 'two policies set the same thing' }
  // `rewrite … break` ends what nginx evaluates: it comes last
  const ordered = [...pieces.filter(({ uri }) => uri === undefined), ...pieces.filter(({ uri }) => uri !== undefined)]
  return {
    location: ordered.flatMap((piece) => piece.location ?? []),
    server: pieces.flatMap((piece) => piece.server ?? []),
    http: pieces.flatMap((piece) => piece.http ?? []),
    rewritten: pieces.some(({ uri }) => uri === 'rewritten'),
    decoded: pieces.some(({ path }) => path === 'decoded'),
    settled: pieces.some(({ target }) => target === 'settled'),
    underscores: pieces.some(({ underscores }) => underscores === 'drop') ? 'drop' : 'keep',
  }
}

function placePolicy(use: PolicyUse, route: Route | undefined, context: PlaceContext): NginxPiece | Unsupported {
  if (use.when !== undefined) return { unsupported: 'it depends on a condition' }
  const policy = context.policies.get(use.policy)
  if (policy === undefined) return { unsupported: 'nginx does not know it' }
  const parsed = policy.config.safeParse(use.config)
  if (!parsed.success) return { unsupported: 'its configuration is not valid' }
  const { model, services } = context
  const compile: CompileContext = {
    route,
    origin: use.origin,
    model,
    services,
    certificate: (id) => model.certificates.find((one) => one.id === id),
    report: () => undefined,
    compileCondition: () => {
      throw new Error('conditions are not for nginx')
    },
  }
  try {
    return policy.nginx(parsed.data as never, compile)
  } catch (error) {
    return { unsupported: error instanceof Error ? error.message : String(error) }
  }
}

function placeForward(forward: Forward, policies: Pieces, guard: readonly Directive[], context: PlaceContext): Placed {
  const [share] = forward.backends
  if (forward.backends.length !== 1 || share === undefined || share.target.kind !== 'backend' || share.weight === 0)
    return engine('its requests are shared out among several backends, or none')
  if ((share.policies ?? []).length > 0) return engine('its backend has policies of its own')
  const backend = context.backends.get(share.target.id)
  if (backend === undefined) return engine('its backend is not there')
  const why = whyNotProxied(forward, backend)
  if (why !== undefined) return engine(why)
  const endpoints = (context.endpoints.get(backend.id)?.addresses ?? []).filter(({ draining }) => draining !== true)
  const before = [...guard, { name: 'set', args: [{ raw: '$gantry_target' }, { raw: '$request_uri' }] }]
  const host = hostOf(forward, endpoints)
  if (
    forward.host !== undefined &&
    forward.host.kind !== 'keep' &&
    JSON.stringify(policies.location).includes('$gantry_host')
  )
    return engine('a policy and its action both say which host its backend is asked for')
  if (host === undefined) return engine('the host of its backend differs from endpoint to endpoint')
  before.push({ name: 'set', args: [{ raw: '$gantry_host' }, host] })
  if (endpoints.length === 0) {
    return {
      kind: 'directives',
      directives: [
        ...before,
        // `rewrite … break` would end what nginx evaluates, and the answer would be a file that is not there
        ...policies.location.filter(({ name }) => name !== 'rewrite'),
        { name: 'return', args: [String(backend.unavailableStatus ?? 503)] },
      ],
    }
  }
  const upstream = upstreamName(backend.id)
  const { timeouts = {} } = forward
  const directives: Directive[] = [
    ...before,
    ...policies.location,
    { name: 'proxy_set_header', args: ['Host', { raw: '$gantry_host' }] },
    {
      name: 'proxy_set_header',
      args: ['Connection', { raw: forward.upgrade === false ? '$gantry_nothing' : '$gantry_connection' }],
    },
    {
      name: 'proxy_set_header',
      args: ['Upgrade', { raw: forward.upgrade === false ? '$gantry_nothing' : '$http_upgrade' }],
    },
    ...(forward.forwarded === 'none' ? [] : forwardedHeaders),
    { name: 'proxy_connect_timeout', args: [`${timeouts.connect ?? 5000}ms`] },
    { name: 'proxy_read_timeout', args: [idle(timeouts.idle)] },
    { name: 'proxy_send_timeout', args: [idle(timeouts.idle)] },
    {
      name: 'proxy_pass',
      args: [{ raw: policies.rewritten ? `http://${upstream}` : `http://${upstream}$gantry_target` }],
    },
  ]
  return { kind: 'directives', directives, upstream: backend.id }
}

/** nginx knows no silence without end: a day is as good. */
function idle(ms: number | undefined): string {
  return ms === undefined || ms === 0 ? '1d' : `${ms}ms`
}

function whyNotProxied(forward: Forward, backend: Backend): string | undefined {
  const { timeouts = {}, retry, persistence, forwarded = 'replace' } = forward
  if (backend.protocol !== 'http1') return `its backend speaks ${backend.protocol}`
  if (backend.tls !== undefined) return 'its backend speaks TLS'
  if (backend.via !== undefined) return 'its backend is reached through a proxy'
  if (backend.health?.active !== undefined) return 'its endpoints are checked actively'
  if (backend.balance !== undefined && backend.balance.kind === 'hash') return 'its endpoints are chosen by a hash'
  if (retry !== undefined && retry.attempts > 0) return 'it is tried again'
  if (persistence !== undefined) return 'its clients stay with an endpoint'
  if (forward.failure !== undefined) return 'it answers failures in its own words'
  if ((timeouts.request ?? 0) > 0 || (timeouts.backendRequest ?? 0) > 0 || (timeouts.firstByte ?? 0) > 0)
    return 'it has a time limit for the whole exchange'
  if (forwarded === 'append') return 'it appends to X-Forwarded-*'
  return undefined
}

const forwardedHeaders: readonly Directive[] = [
  { name: 'proxy_set_header', args: ['X-Forwarded-For', { raw: '$remote_addr' }] },
  { name: 'proxy_set_header', args: ['X-Forwarded-Host', { raw: '$http_host' }] },
  { name: 'proxy_set_header', args: ['X-Forwarded-Port', { raw: '$gantry_port' }] },
  { name: 'proxy_set_header', args: ['X-Forwarded-Proto', { raw: '$scheme' }] },
]

function hostOf(forward: Forward, endpoints: readonly Endpoint[]): string | { readonly raw: string } | undefined {
  const { host = { kind: 'keep' } } = forward
  switch (host.kind) {
    case 'keep':
      return { raw: '$http_host' }
    case 'set':
      return host.name
    case 'backend': {
      const names = new Set(endpoints.map(addressOf))
      return names.size > 1 ? undefined : ([...names][0] ?? { raw: '$http_host' })
    }
  }
}

export function upstreamOf(backend: Backend, endpoints: readonly Endpoint[]): Directive {
  const { failures = 3, ejection = 10_000 } = backend.health?.passive ?? {}
  const serving = endpoints.filter(({ draining }) => draining !== true)
  return {
    name: 'upstream',
    args: [upstreamName(backend.id)],
    comment: backend.id,
    block: [
      ...(backend.balance?.kind === 'least-connections' ? [{ name: 'least_conn', args: [] }] : []),
      ...serving.map((endpoint) => ({
        name: 'server',
        args: [
          literal(addressOf(endpoint)),
          ...(endpoint.weight === undefined ? [] : [`weight=${endpoint.weight}`]),
          `max_fails=${failures}`,
          `fail_timeout=${Math.max(1, Math.round(ejection / 1000))}s`,
        ],
        ...(endpoint.label === undefined ? {} : { comment: endpoint.label }),
      })),
      { name: 'keepalive', args: ['1024'] },
    ],
  }
}

/** Long enough that two never meet. */
function upstreamName(id: string): string {
  return `gantry_${createHash('sha256').update(id).digest('hex').slice(0, 24)}`
}

type ReplyAction = Extract<Route['action'], { kind: 'reply' }>

function isPlainReply({ status, body = '', contentType = '' }: ReplyAction): boolean {
  return status >= 200 && status <= 999 && status !== 444 && !/[$\0]/.test(body + contentType)
}

function reply({ status, body = '', contentType }: ReplyAction): readonly Directive[] {
  const words = body === '' && status >= 300 ? [String(status)] : [String(status), body]
  return [
    // inside `if` nginx takes no default_type: text is what is said without one
    ...(body === '' || contentType === undefined || contentType.startsWith('text/plain')
      ? []
      : [{ name: 'default_type', args: [contentType] }]),
    { name: 'return', args: words },
  ]
}

function engine(why: string): Placed {
  return { kind: 'engine', why }
}
