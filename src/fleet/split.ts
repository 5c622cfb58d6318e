/**
 * One model → a model for each fleet: its listeners, the routes on them, and nothing that they do not need. Pure, and
 * remembers by identity: what has not changed for a fleet is the same object again.
 */
import { emptyModel, type Endpoints, type Model, type Route, type StreamRoute } from '../model/model.ts'

/** Which fleet serves a listener; undefined: none. */
export type FleetOf = (listener: string) => string | undefined

export type Splitter = (model: Model) => ReadonlyMap<string, Model>

/** What a route says, looked up once in its life. */
interface Place {
  readonly fleets: readonly string[]
  /** Every text that may be the id of something that the route needs. */
  readonly texts: readonly string[]
}

/** Each splitter has a memory of its own. */
export function createSplitter(fleetOf: FleetOf): Splitter {
  const places = new WeakMap<object, Place>()
  const narrowed = new WeakMap<object, Map<string, object>>()
  let before: ReadonlyMap<string, Model> = new Map()

  const placeOf = (route: Route | StreamRoute): Place => {
    const known = places.get(route)
    if (known !== undefined) return known
    const fleets = new Set(route.listeners.flatMap((listener) => fleetOf(listener) ?? []))
    // what a request must look like names nothing that is needed to serve it
    const { id: _, origin: __, listeners: ___, ...rest } = route
    const { match: ____, hosts: _____, ...needs } = rest as Partial<Route>
    const found = { fleets: [...fleets], texts: stringsIn(needs) }
    places.set(route, found)
    return found
  }

  /** The same route on the listeners of one fleet only. */
  const narrow = <T extends Route | StreamRoute>(route: T, fleet: string): T => {
    let byFleet = narrowed.get(route)
    if (byFleet === undefined) narrowed.set(route, (byFleet = new Map()))
    const known = byFleet.get(fleet)
    if (known !== undefined) return known as T
    const listeners = route.listeners.filter((listener) => fleetOf(listener) === fleet)
    const made = listeners.length === route.listeners.length ? route : { ...route, listeners }
    byFleet.set(fleet, made)
    return made
  }

  return (model) => {
    const parts = new Map<string, Mutable>()
    for (const listener of model.listeners) {
      const fleet = fleetOf(listener.id)
      if (fleet === undefined) continue
      let part = parts.get(fleet)
      if (part === undefined) parts.set(fleet, (part = newPart()))
      part.listeners.push(listener)
      for (const id of [...(listener.tls?.certificates ?? []), ...(listener.tls?.clientValidation?.ca ?? [])])
        part.certificateIds.add(id)
      for (const use of listener.policies ?? []) for (const text of stringsIn(use.config)) part.texts.add(text)
    }
    const place = <T extends Route | StreamRoute>(route: T, listOf: (part: Mutable) => T[]): void => {
      const { fleets, texts } = placeOf(route)
      for (const fleet of fleets) {
        const part = parts.get(fleet)
        if (part === undefined) continue
        listOf(part).push(narrow(route, fleet))
        for (const text of texts) part.texts.add(text)
      }
    }
    for (const route of model.routes) place(route, (part) => part.routes)
    for (const stream of model.streams) place(stream, (part) => part.streams)
    const endpoints = new Map(model.endpoints.map((each) => [each.backend, each]))
    const after = new Map<string, Model>()
    for (const [fleet, part] of parts) after.set(fleet, finish(model, part, endpoints, before.get(fleet)))
    before = after
    return after
  }
}

interface Mutable {
  readonly listeners: Model['listeners'][number][]
  readonly routes: Route[]
  readonly streams: StreamRoute[]
  readonly certificateIds: Set<string>
  /** Every text in routes and policies: those that are ids of something are references to it. */
  readonly texts: Set<string>
}

function newPart(): Mutable {
  return { listeners: [], routes: [], streams: [], certificateIds: new Set(), texts: new Set() }
}

function finish(
  model: Model,
  part: Mutable,
  endpoints: ReadonlyMap<string, Endpoints>,
  before: Model | undefined,
): Model {
  const used = model.backends.filter((backend) => part.texts.has(backend.id))
  for (const { tls } of used) {
    if (tls?.clientCertificate !== undefined) part.certificateIds.add(tls.clientCertificate)
    if (tls?.trust.kind === 'ca') for (const id of tls.trust.certificates) part.certificateIds.add(id)
  }
  const next: Model = {
    ...emptyModel,
    listeners: same(before?.listeners, part.listeners),
    routes: same(before?.routes, part.routes),
    streams: same(before?.streams, part.streams),
    backends: same(before?.backends, used),
    endpoints: same(
      before?.endpoints,
      used.flatMap((backend) => endpoints.get(backend.id) ?? []),
    ),
    certificates: same(
      before?.certificates,
      model.certificates.filter(
        (certificate) => part.certificateIds.has(certificate.id) || part.texts.has(certificate.id),
      ),
    ),
    consumers: model.consumers,
    credentials: model.credentials,
  }
  const keys = Object.keys(next) as (keyof Model)[]
  return before !== undefined && keys.every((key) => before[key] === next[key]) ? before : next
}

/** The list before, where it has the same members. */
function same<T>(before: readonly T[] | undefined, after: readonly T[]): readonly T[] {
  const equal =
    before !== undefined && before.length === after.length && before.every((each, index) => each === after[index])
  return equal ? before : after
}

function stringsIn(value: unknown): readonly string[] {
  const found = new Set<string>()
  const walk = (each: unknown): void => {
    if (typeof each === 'string') found.add(each)
    else if (Array.isArray(each)) each.forEach(walk)
    else if (typeof each === 'object' && each !== null) Object.values(each).forEach(walk)
  }
  walk(value)
  return [...found]
}
