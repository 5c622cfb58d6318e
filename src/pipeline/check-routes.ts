/** One route → the route as it may be served. Pure. What refers to something missing fails closed, in its place. */
import { compilePattern } from '../lib/regexp/pattern.ts'
import type { Diagnostic } from '../model/diagnostic.ts'
import type {
  Action,
  Condition,
  Forward,
  HostMatch,
  Listener,
  PolicyUse,
  Route,
  StreamRoute,
  Timeouts,
  WeightedBackend,
} from '../model/model.ts'
import { Copies, filterSame, mapSame, remembered } from './memo.ts'

export interface Known {
  readonly listeners: ReadonlyMap<string, Listener>
  readonly backends: ReadonlySet<string>
  report(diagnostic: Diagnostic): void
}

const routeCopies = new Copies<Route>()
const streamCopies = new Copies<StreamRoute>()

export function checkRoute(route: Route, known: Known): Route {
  const listeners = knownListeners('route', route, known, ['http', 'https'])
  const mistakes = ownMistakes(route)
  for (const mistake of mistakes) known.report(mistake)
  const missing = new Set<string>()
  const action = mistakes.length > 0 ? broken : checkAction(route.action, known, missing)
  const policies = mapSame(route.policies, (use) => checkUse(use, known, missing))
  for (const id of missing) {
    known.report({
      code: 'check/unknown-backend',
      severity: 'error',
      message: `route ${route.id} forwards to the backend ${id}, which does not exist; that share of its requests gets 500`,
      hint: 'define the backend, or correct its name',
      origin: route.origin,
    })
  }
  if (listeners === route.listeners && action === route.action && policies === route.policies) return route
  const reason = JSON.stringify([listeners, mistakes.length > 0, [...missing]])
  return routeCopies.of(route, reason, () => ({ ...route, listeners, action, policies }))
}

/** It keeps its place and its policies, so nothing behind it is reached by what was meant for it. */
const broken: Action = { kind: 'reply', status: 500 }

function knownListeners(
  kind: string,
  route: Route | StreamRoute,
  known: Known,
  protocols: readonly string[],
): readonly string[] {
  const listeners = filterSame(route.listeners, (id) => {
    const listener = known.listeners.get(id)
    if (listener !== undefined && protocols.includes(listener.protocol)) return true
    const what = listener === undefined ? 'which does not exist or was left out' : `which speaks ${listener.protocol}`
    known.report({
      code: listener === undefined ? 'check/unknown-listener' : 'check/wrong-listener',
      severity: 'error',
      message: `${kind} ${route.id} is on the listener ${id}, ${what}`,
      hint: `listeners for it speak ${protocols.join(' or ')}`,
      origin: route.origin,
    })
    return false
  })
  if (route.listeners.length === 0) {
    known.report({
      code: 'check/no-listener',
      severity: 'warning',
      message: `${kind} ${route.id} is on no listener, so no request reaches it`,
      origin: route.origin,
    })
  }
  return listeners
}

export function checkStream(stream: StreamRoute, known: Known): StreamRoute {
  const listeners = knownListeners('stream', stream, known, ['tls', 'tcp', 'udp'])
  const missing = new Set<string>()
  const backends = mapSame(stream.backends, (weighted) => checkWeighted(weighted, known, missing))
  for (const id of missing) {
    known.report({
      code: 'check/unknown-backend',
      severity: 'error',
      message: `stream ${stream.id} forwards to the backend ${id}, which does not exist; that share of its connections is closed`,
      origin: stream.origin,
    })
  }
  const wrong = [...weightMistakes(stream.backends), ...timeoutMistakes(stream.timeouts)]
  for (const message of wrong) {
    known.report({
      code: 'check/value',
      severity: 'error',
      message: `stream ${stream.id}: ${message}; it serves nothing`,
      origin: stream.origin,
    })
  }
  if (listeners === stream.listeners && backends === stream.backends && wrong.length === 0) return stream
  const reason = JSON.stringify([listeners, wrong.length, [...missing]])
  return streamCopies.of(stream, reason, () => ({ ...stream, listeners, backends: wrong.length > 0 ? [] : backends }))
}

// --- references ------------------------------------------------------------------------------------------------------

function checkAction(action: Action, known: Known, missing: Set<string>): Action {
  if (action.kind !== 'forward') return action
  const forward = checkForward(action.forward, known, missing)
  return forward === action.forward ? action : { kind: 'forward', forward }
}

function checkForward(forward: Forward, known: Known, missing: Set<string>): Forward {
  const backends = mapSame(forward.backends, (weighted) => checkWeighted(weighted, known, missing))
  return backends === forward.backends ? forward : { ...forward, backends }
}

function checkWeighted(weighted: WeightedBackend, known: Known, missing: Set<string>): WeightedBackend {
  const { target } = weighted
  if (target.kind === 'fail' || known.backends.has(target.id)) return weighted
  missing.add(target.id)
  return { ...weighted, target: { kind: 'fail', status: 500 } }
}

/** `forward` sends requests away mid-pipeline; its configuration is the model's own Forward. */
function checkUse(use: PolicyUse, known: Known, missing: Set<string>): PolicyUse {
  if (use.policy !== 'forward' || !isForward(use.config)) return use
  const config = checkForward(use.config, known, missing)
  return config === use.config ? use : { ...use, config }
}

function isForward(config: unknown): config is Forward {
  return (
    typeof config === 'object' &&
    config !== null &&
    'backends' in config &&
    Array.isArray(config.backends) &&
    config.backends.every(
      (weighted: unknown) => typeof weighted === 'object' && weighted !== null && 'target' in weighted,
    )
  )
}

// --- values ----------------------------------------------------------------------------------------------------------

/** What is wrong with a route whatever stands beside it; remembered, for patterns are analysed. */
const ownMistakes: (route: Route) => readonly Diagnostic[] = remembered((route) => {
  const mistakes: Diagnostic[] = []
  const say = (code: string, message: string, hint: string): void => {
    mistakes.push({
      code: `check/${code}`,
      severity: 'error',
      message: `route ${route.id}: ${message}; its requests get 500`,
      hint,
      origin: route.origin,
    })
  }
  for (const { source, ignoreCase } of patternsOf(route)) {
    const pattern = compilePattern(source, { ignoreCase })
    if (pattern.kind === 'bad')
      say('pattern', `the pattern ${source} cannot be used: ${pattern.why}`, 'a simpler pattern')
  }
  const { action } = route
  if (action.kind === 'reply' && !(Number.isInteger(action.status) && action.status >= 200 && action.status <= 999)) {
    say(
      'status',
      `${action.status} is not the status of an answer`,
      'a number from 200 to 599, or up to 999 where somebody insists',
    )
  }
  for (const forward of [action.kind === 'forward' ? action.forward : undefined, ...route.policies.map(forwardOf)]) {
    if (forward === undefined) continue
    for (const message of weightMistakes(forward.backends)) say('weight', message, 'a number of 0 or more')
    for (const message of timeoutMistakes(forward.timeouts)) say('timeout', message, 'milliseconds; 0 for no limit')
    const attempts = forward.retry?.attempts ?? 0
    if (!(Number.isInteger(attempts) && attempts >= 0 && attempts <= 100)) {
      say('retry', `${attempts} is not a number of tries`, 'a number from 0 to 100')
    }
  }
  return mistakes
})

function forwardOf(use: PolicyUse): Forward | undefined {
  return use.policy === 'forward' && isForward(use.config) ? use.config : undefined
}

function* patternsOf(route: Route): Iterable<{ readonly source: string; readonly ignoreCase: boolean }> {
  const { path, headers = [], query = [] } = route.match
  if (path?.kind === 'regexp') yield { source: path.source, ignoreCase: path.ignoreCase === true }
  for (const { value } of [...headers, ...query]) {
    if (value.kind === 'regexp') yield { source: value.source, ignoreCase: false }
  }
  for (const host of (route.hosts ?? []) as readonly HostMatch[]) {
    if (host.kind === 'regexp') yield { source: host.source, ignoreCase: true }
  }
  for (const use of route.policies) if (use.when !== undefined) yield* patternsIn(use.when)
}

function* patternsIn(condition: Condition): Iterable<{ readonly source: string; readonly ignoreCase: boolean }> {
  if (condition.kind === 'target' && condition.value.kind === 'regexp') {
    yield { source: condition.value.source, ignoreCase: false }
  }
  if (condition.kind === 'not') yield* patternsIn(condition.of)
  if (condition.kind === 'all' || condition.kind === 'any') for (const part of condition.of) yield* patternsIn(part)
}

function weightMistakes(backends: readonly WeightedBackend[]): readonly string[] {
  return backends.flatMap(({ weight = 1 }) =>
    Number.isFinite(weight) && weight >= 0 ? [] : [`${weight} is not a weight`],
  )
}

function timeoutMistakes(timeouts: Timeouts = {}): readonly string[] {
  return Object.entries(timeouts).flatMap(([name, value]: [string, number | undefined]) =>
    value === undefined || (Number.isFinite(value) && value >= 0) ? [] : [`${value} is not a time (${name})`],
  )
}
