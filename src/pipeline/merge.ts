/**
 * Models of several sources → one, and where they claim the same. Pure.
 *
 * The rule: what an earlier source said stands. A later listener on the same address, port, protocol and host lends its
 * routes to the earlier one; with another protocol, or with policies of its own that those routes would lose, it is
 * left out. A later route with the same listener, hosts and match is left out.
 */
import type { Diagnostic, Origin } from '../model/diagnostic.ts'
import { placeOf } from '../model/diagnostic.ts'
import { emptyModel, type HostMatch, type Listener, type Model, type Route } from '../model/model.ts'
import { canonical } from './canonical.ts'
import { Copies, filterSame, mapSame, remembered, rememberedList } from './memo.ts'

export interface Merged {
  readonly model: Model
  readonly diagnostics: readonly Diagnostic[]
}

export const merge: (models: readonly Model[]) => Merged = rememberedList((models) => {
  const [first = emptyModel, ...others] = models
  if (others.length === 0) return { model: first, diagnostics: [] }
  const diagnostics: Diagnostic[] = []
  const merged = others.reduce((before, model) => mergeTwo(before, model, diagnostics), first)
  return { model: merged, diagnostics }
})

function mergeTwo(before: Model, after: Model, diagnostics: Diagnostic[]): Model {
  const listeners = mergeListeners(before, after, diagnostics)
  const routes = mergeRoutes(before, after, listeners.instead, diagnostics)
  const fresh = <Item extends { readonly id: string; readonly origin: Origin }>(
    kind: string,
    known: readonly Item[],
    added: readonly Item[],
  ): readonly Item[] => [...known, ...withoutKnown(kind, known, added, diagnostics)]
  return {
    version: 1,
    listeners: [...before.listeners, ...listeners.kept],
    routes: [...before.routes, ...routes],
    streams: fresh('stream', before.streams, moved(after.streams, listeners.instead)),
    backends: fresh('backend', before.backends, after.backends),
    endpoints: [...before.endpoints, ...after.endpoints],
    certificates: fresh('certificate', before.certificates, after.certificates),
    consumers: fresh('consumer', before.consumers, after.consumers),
    credentials: fresh('credential', before.credentials, after.credentials),
  }
}

function withoutKnown<Item extends { readonly id: string; readonly origin: Origin }>(
  kind: string,
  known: readonly Item[],
  added: readonly Item[],
  diagnostics: Diagnostic[],
): readonly Item[] {
  const byId = new Map(known.map((item) => [item.id, item]))
  return filterSame(added, (item) => {
    const earlier = byId.get(item.id)
    if (earlier === undefined) return true
    diagnostics.push({
      code: 'merge/duplicate-id',
      severity: 'error',
      message: `${kind} ${item.id} is said by two sources; the one from ${placeOf(earlier.origin)} stands`,
      hint: 'ids begin with the name of their source; two sources of one name need two names',
      origin: item.origin,
      related: [earlier.origin],
    })
    return false
  })
}

// --- listeners -------------------------------------------------------------------------------------------------------

interface MergedListeners {
  readonly kept: readonly Listener[]
  /** Ids of listeners that are left out → the one that serves instead, or none. */
  readonly instead: ReadonlyMap<string, string | undefined>
}

function mergeListeners(before: Model, after: Model, diagnostics: Diagnostic[]): MergedListeners {
  const earlier = new Map(before.listeners.map((listener) => [nameOf(listener), listener]))
  const instead = new Map<string, string | undefined>()
  const unknown = withoutKnown('listener', before.listeners, after.listeners, diagnostics)
  const kept = unknown.filter((listener) => {
    // each asks the system for a port of its own
    const rival = listener.port === 0 ? undefined : earlier.get(nameOf(listener))
    if (rival === undefined) return true
    const lends = rival.protocol === listener.protocol && (listener.policies ?? []).length === 0
    instead.set(listener.id, lends ? rival.id : undefined)
    diagnostics.push(sameListener(listener, rival))
    return false
  })
  return { kept, instead }
}

function sameListener(listener: Listener, rival: Listener): Diagnostic {
  const where = `${listener.address}:${listener.port}`
  const common = { origin: listener.origin, related: [rival.origin] }
  if (rival.protocol !== listener.protocol) {
    return {
      code: 'merge/listener-protocol',
      severity: 'error',
      message: `listener ${listener.id} wants ${listener.protocol} on ${where}, where ${rival.id} speaks ${rival.protocol}; it is left out`,
      hint: 'give one of them another port',
      ...common,
    }
  }
  if ((listener.policies ?? []).length > 0) {
    return {
      code: 'merge/listener-policies',
      severity: 'error',
      message: `listener ${listener.id} has policies of its own, and ${where} already belongs to ${rival.id}; it is left out`,
      hint: 'give it another port, or another host',
      ...common,
    }
  }
  return {
    code: 'merge/same-listener',
    severity: 'warning',
    message: `listener ${listener.id} is the same as ${rival.id} (${where}); its routes are served there, with the settings of ${rival.id}`,
    hint: 'give one of them another port if they must not mix',
    ...common,
  }
}

function nameOf(listener: Listener): string {
  const transport = listener.protocol === 'udp' ? 'udp' : 'tcp'
  return `${transport} ${listener.address} ${listener.port} ${hostKey(listener.host)}`
}

function hostKey(host: HostMatch | undefined): string {
  return host === undefined ? '' : canonical(host)
}

// --- routes ----------------------------------------------------------------------------------------------------------

const copies = new Copies<{ readonly listeners: readonly string[] }>()

function moved<Item extends { readonly listeners: readonly string[] }>(
  items: readonly Item[],
  instead: ReadonlyMap<string, string | undefined>,
): readonly Item[] {
  if (instead.size === 0) return items
  return mapSame(items, (item) => {
    if (!item.listeners.some((id) => instead.has(id))) return item
    const listeners = item.listeners.flatMap((id) => (instead.has(id) ? (instead.get(id) ?? []) : [id]))
    const copy = copies.of(item, canonical(listeners), () => ({ ...item, listeners }))
    return copy as Item // a copy of this very item
  })
}

function mergeRoutes(
  before: Model,
  after: Model,
  instead: ReadonlyMap<string, string | undefined>,
  diagnostics: Diagnostic[],
): readonly Route[] {
  const claims = new Map<string, Route>()
  for (const route of before.routes) {
    for (const listener of route.listeners) {
      const claim = `${listener} ${matchKey(route)}`
      if (!claims.has(claim)) claims.set(claim, route)
    }
  }
  const fresh = withoutKnown('route', before.routes, after.routes, diagnostics)
  const kept = moved(fresh, instead).flatMap((route): readonly Route[] => {
    const lost = route.listeners.filter((listener) => claims.has(`${listener} ${matchKey(route)}`))
    const [one] = lost
    if (one === undefined) return [route]
    const rival = claims.get(`${one} ${matchKey(route)}`) as Route
    diagnostics.push({
      code: 'merge/same-match',
      severity: 'warning',
      message: `route ${route.id} takes the same requests as ${rival.id}; ${rival.id} serves them, for its source is listed first`,
      hint: 'change host or path of one of them, or the order of the sources',
      origin: route.origin,
      related: [rival.origin],
    })
    if (lost.length === route.listeners.length) return []
    const listeners = route.listeners.filter((listener) => !lost.includes(listener))
    return [copies.of(route, canonical(listeners), () => ({ ...route, listeners })) as Route]
  })
  // the same objects in the same order are the same list
  return kept.length === fresh.length && kept.every((route, index) => route === fresh[index]) ? fresh : kept
}

/** Equal for routes that take the same requests of a listener. */
export const matchKey: (route: Route) => string = remembered((route) => {
  const hosts = (route.hosts ?? []).map((host) => canonical(host)).sort()
  return `${hosts.join(',')} ${canonical(route.match)}`
})
