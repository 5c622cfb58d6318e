/**
 * Merged model → the model that may be served, and what is wrong with it. Pure.
 *
 * Nothing disappears that would open a way: a route that refers to what is missing stays where it is and answers 500, a
 * listener without its certificate fails every handshake, a trust that names nobody trusts nobody.
 */
import type { Diagnostic, Origin } from '../model/diagnostic.ts'
import type { Backend, Certificate, Credential, Endpoints, Listener, Model, Route } from '../model/model.ts'
import { checkListeners } from './check-listeners.ts'
import { checkRoute, checkStream, type Known } from './check-routes.ts'
import { Copies, filterSame, mapSame, remembered } from './memo.ts'
import { neverReached } from './reachable.ts'

export interface Checked {
  readonly model: Model
  readonly diagnostics: readonly Diagnostic[]
}

/** Listeners that one machine serves: `machineOf` says which; only they can be in one another's way. */
export const checkFor = (machineOf: (listener: string) => string | undefined): ((model: Model) => Checked) =>
  remembered((given) => checked(given, machineOf))

/** All of it on one machine. */
export const check: (model: Model) => Checked = checkFor(() => undefined)

function checked(given: Model, machineOf: (listener: string) => string | undefined): Checked {
  const diagnostics: Diagnostic[] = []
  const certificates = firstOfId('certificate', given.certificates, diagnostics)
  const byCertificate = new Map(certificates.map((certificate) => [certificate.id, certificate]))
  const listeners = checkListeners(
    firstOfId('listener', given.listeners, diagnostics),
    byCertificate,
    diagnostics,
    machineOf,
  )
  const backends = mapSame(firstOfId('backend', given.backends, diagnostics), (backend) =>
    checkBackend(backend, byCertificate, diagnostics),
  )
  const known: Known = {
    listeners: new Map(listeners.map((listener) => [listener.id, listener])),
    backends: new Set(backends.map((backend) => backend.id)),
    report: (diagnostic) => diagnostics.push(diagnostic),
  }
  const around = surroundings(listeners, backends)
  const routes = mapSame(renamed('route', given.routes, diagnostics), (route) => {
    if (faultless.get(route) === around) return route
    const before = diagnostics.length
    const judged = checkRoute(route, known)
    if (judged === route && diagnostics.length === before) faultless.set(route, around)
    return judged
  })
  const streams = mapSame(renamed('stream', given.streams, diagnostics), (stream) => checkStream(stream, known))
  const endpoints = checkEndpoints(given.endpoints, known.backends, diagnostics)
  const consumers = firstOfId('consumer', given.consumers, diagnostics)
  const names = new Set(consumers.map((consumer) => consumer.id))
  const credentials = filterSame(firstOfId('credential', given.credentials, diagnostics), (credential) =>
    checkCredential(credential, names, diagnostics),
  )
  diagnostics.push(...neverReached(routes))
  const model: Model = {
    version: 1,
    listeners,
    routes,
    streams,
    backends,
    endpoints,
    certificates,
    consumers,
    credentials,
  }
  return { model: sameParts(given, model) ? given : model, diagnostics }
}

/** Routes that were good, and among which listeners and backends they were. */
const faultless = new WeakMap<Route, object>()
let last: { readonly listeners: readonly Listener[]; readonly backends: readonly Backend[] } | undefined

/** The same object for the same listeners and backends: most changes are of routes and endpoints. */
function surroundings(listeners: readonly Listener[], backends: readonly Backend[]): object {
  if (last === undefined || !sameItems(last.listeners, listeners) || !sameItems(last.backends, backends))
    last = { listeners, backends }
  return last
}

function sameItems(one: readonly object[], other: readonly object[]): boolean {
  return one === other || (one.length === other.length && one.every((item, index) => item === other[index]))
}

function sameParts(one: Model, other: Model): boolean {
  return (Object.keys(other) as (keyof Model)[]).every((part) => one[part] === other[part])
}

// --- ids -------------------------------------------------------------------------------------------------------------

interface Named {
  readonly id: string
  readonly origin: Origin
}

function firstOfId<Item extends Named>(
  kind: string,
  items: readonly Item[],
  diagnostics: Diagnostic[],
): readonly Item[] {
  const seen = new Map<string, Item>()
  return filterSame(items, (item) => {
    const earlier = seen.get(item.id)
    if (earlier !== undefined) diagnostics.push(duplicate(kind, item, earlier, 'the first stands'))
    else seen.set(item.id, item)
    return earlier === undefined
  })
}

const renames = new Copies<Named>()

/** Routes are not left out: behind the one that is gone, a laxer one would take its requests. */
function renamed<Item extends Named>(kind: string, items: readonly Item[], diagnostics: Diagnostic[]): readonly Item[] {
  const seen = new Map<string, Item>()
  const taken = new Set(items.map((item) => item.id))
  return mapSame(items, (item) => {
    const earlier = seen.get(item.id)
    if (earlier === undefined) {
      seen.set(item.id, item)
      return item
    }
    let number = 2
    while (taken.has(`${item.id}~${number}`)) number++
    const id = `${item.id}~${number}`
    taken.add(id)
    diagnostics.push(duplicate(kind, item, earlier, `the second is called ${id}`))
    return renames.of(item, id, () => ({ ...item, id })) as Item // a copy of this very item
  })
}

function duplicate(kind: string, item: Named, earlier: Named, outcome: string): Diagnostic {
  return {
    code: 'check/duplicate-id',
    severity: 'error',
    message: `${kind} ${item.id} is said twice; ${outcome}`,
    hint: 'give one of them another name',
    origin: item.origin,
    related: [earlier.origin],
  }
}

// --- backends, endpoints, credentials --------------------------------------------------------------------------------

const backendCopies = new Copies<Backend>()

function checkBackend(
  backend: Backend,
  certificates: ReadonlyMap<string, Certificate>,
  diagnostics: Diagnostic[],
): Backend {
  const { tls } = backend
  if (tls === undefined) return backend
  const missing = (id: string, effect: string): void => {
    diagnostics.push({
      code: 'check/unknown-certificate',
      severity: 'error',
      message: `backend ${backend.id} refers to the certificate ${id}, which does not exist; ${effect}`,
      origin: backend.origin,
    })
  }
  let changed = tls
  if (tls.trust.kind === 'ca') {
    const kept = filterSame(tls.trust.certificates, (id) => {
      if (certificates.has(id)) return true
      missing(id, 'nobody is trusted in its place')
      return false
    })
    if (kept !== tls.trust.certificates) changed = { ...changed, trust: { kind: 'ca', certificates: kept } }
  }
  const own = tls.clientCertificate
  if (own !== undefined && certificates.get(own)?.key === undefined) {
    missing(own, 'none is shown to the backend')
    const { clientCertificate: _, ...rest } = changed
    changed = rest
  }
  if (changed === tls) return backend
  const reason = JSON.stringify([changed.trust, changed.clientCertificate])
  return backendCopies.of(backend, reason, () => ({ ...backend, tls: changed }))
}

function checkEndpoints(
  all: readonly Endpoints[],
  backends: ReadonlySet<string>,
  diagnostics: Diagnostic[],
): readonly Endpoints[] {
  const seen = new Set<string>()
  return mapSame(
    filterSame(all, ({ backend }) => {
      const problem = !backends.has(backend) ? 'unknown-backend' : seen.has(backend) ? 'duplicate-endpoints' : undefined
      seen.add(backend)
      if (problem === undefined) return true
      const what = problem === 'unknown-backend' ? 'which does not exist' : 'which has endpoints already'
      diagnostics.push({
        code: `check/${problem}`,
        severity: 'warning',
        message: `endpoints are given for the backend ${backend}, ${what}; they are left out`,
      })
      return false
    }),
    (endpoints) => goodAddresses(endpoints, diagnostics),
  )
}

const endpointCopies = new Copies<Endpoints>()

function goodAddresses(endpoints: Endpoints, diagnostics: Diagnostic[]): Endpoints {
  const addresses = filterSame(endpoints.addresses, ({ host, port, weight = 1 }) => {
    const unix = host.startsWith('unix:')
    const wrong =
      host === '' || host === 'unix:'
        ? 'a host is missing'
        : !unix && !(Number.isInteger(port) && port >= 1 && port <= 65_535)
          ? `${port} is not a port`
          : !(Number.isFinite(weight) && weight >= 0)
            ? `${weight} is not a weight`
            : undefined
    if (wrong === undefined) return true
    diagnostics.push({
      code: 'check/endpoint',
      severity: 'error',
      message: `backend ${endpoints.backend}: ${wrong} (${host}:${port}); nothing is sent there`,
      hint: 'a host, a port from 1 to 65535, a weight of 0 or more',
    })
    return false
  })
  if (addresses === endpoints.addresses) return endpoints
  return endpointCopies.of(endpoints, 'addresses', () => ({ ...endpoints, addresses }))
}

function checkCredential(credential: Credential, consumers: ReadonlySet<string>, diagnostics: Diagnostic[]): boolean {
  if (consumers.has(credential.consumer)) return true
  diagnostics.push({
    code: 'check/unknown-consumer',
    severity: 'error',
    message: `credential ${credential.id} belongs to ${credential.consumer}, who does not exist; it opens nothing`,
    origin: credential.origin,
  })
  return false
}
