/**
 * World of the Gateway API → model, statuses, diagnostics. Pure, and quick after a small change: what did not change is
 * remembered, down to the single route, backend and Gateway.
 */
import type { Diagnostic } from '../../model/diagnostic.ts'
import type { Backend, Certificate, Endpoints, Model } from '../../model/model.ts'
import { emptyModel } from '../../model/model.ts'
import type { Translation } from '../source.ts'
import { answerFor } from './answers.ts'
import type { Need } from './backends.ts'
import type { PolicyView } from './backend-tls-policy.ts'
import { policyStatus } from './backend-tls-policy.ts'
import { Facts } from './facts.ts'
import type { Ground } from './gateway-status.ts'
import { gatewayStatuses } from './gateway-status.ts'
import type { GatewayView } from './gateway.ts'
import { Graph, sameList } from './graph.ts'
import { Order } from './precedence.ts'
import type { AnyRoute, World } from './resources.ts'
import { byAge, keyOf, routeKinds } from './resources.ts'
import type { RouteEntry, RouteView, StreamEntry } from './route.ts'
import type { ObjectStatus } from './status.ts'
import { viewOf } from './view.ts'

export interface GatewayApiTranslation extends Translation<ObjectStatus> {
  /** How many answers were computed anew; the rest was remembered. */
  readonly computed: number
  /** Ours, oldest first: for whoever runs their data planes. */
  readonly gateways: readonly GatewayView[]
}

/** A translator remembers what it has translated. Each call is a function of its world alone. */
export function createTranslator(): (world: World) => GatewayApiTranslation {
  const facts = new Facts()
  const needs = new Map<string, Need>()
  const graph = new Graph(answerFor(facts, needs))
  const order = new Order<RouteEntry>()
  const streamOrder = new Order<StreamEntry>()
  const statusOf = new Cached<readonly ObjectStatus[]>()
  let sum: Sum = sumUp([], [])
  let last: Model = emptyModel
  let statuses: readonly ObjectStatus[] = []
  let diagnostics: readonly Diagnostic[] = []

  return (world) => {
    graph.begin()
    for (const question of facts.take(world)) graph.invalidate(question)
    const ask = (question: string): unknown => graph.root(question)
    const view = viewOf(ask)

    const gateways = [...world.objects.Gateway].sort(byAge).flatMap((each) => view.gateway(keyOf(each)) ?? [])
    const routes = sameList(
      sum.routes,
      routeKinds.flatMap((kind) =>
        (world.objects[kind] as readonly AnyRoute[]).map(
          (each) => graph.rootOf(each, () => `route ${kind} ${keyOf(each)}`) as RouteView,
        ),
      ),
    )
    // a Gateway is a new object with each change, most of which mean nothing to backends
    const asking = sameList(
      sum.asking,
      gateways.filter((each) => each.services.length > 0),
    )
    if (routes !== sum.routes || asking !== sum.asking) sum = sumUp(routes, asking)
    for (const need of sum.needs) needs.set(need.id, need)
    const backends = sum.needs.flatMap(
      (need) => (graph.rootOf(need, () => `backend ${need.id}`) as Backend | undefined) ?? [],
    )
    const endpoints = backends.map((each) => graph.rootOf(each, () => `endpoints ${each.id}`) as Endpoints)
    const policies = world.objects.BackendTLSPolicy.map((each) => ask(`policy ${keyOf(each)}`) as PolicyView)
    const certificates = new Map<string, Certificate>()
    for (const owner of [...gateways, ...policies])
      for (const each of owner.certificates) certificates.set(each.id, each)

    statusOf.begin()
    const told: ObjectStatus[] = []
    for (const each of world.objects.GatewayClass) {
      if (each.spec.controllerName === world.controllerName) told.push(ask(`class ${keyOf(each)}`) as ObjectStatus)
    }
    for (const each of gateways) {
      const ground = ask(`ground ${each.key}`) as Ground
      const counts = countsOf(each, sum.attached)
      told.push(
        ...statusOf.get(`Gateway ${each.key}`, [each, ground, counts], () =>
          gatewayStatuses(each, ground, (key) => sum.attached.get(key) ?? 0),
        ),
      )
    }
    for (const route of routes) if (route.status !== undefined) told.push(route.status)
    for (const each of policies) {
      const through = throughOf(each, sum.reached)
      if (through.length === 0) continue
      const conflict = ask(`conflict ${keyOf(each.policy)}`) as Parameters<typeof policyStatus>[1]
      told.push(
        ...statusOf.get(
          `BackendTLSPolicy ${keyOf(each.policy)}`,
          [each, conflict, through.join(' '), world.controllerName],
          () => [policyStatus(each, conflict, through, world.controllerName)],
        ),
      )
    }
    statusOf.end()

    const entries = order.update(routes, (route) => route.entries)
    const streams = streamOrder.update(routes, (route) => route.streams)
    graph.end()
    for (const id of needs.keys()) if (!sum.ids.has(id)) needs.delete(id)

    statuses = sameList(statuses, told)
    diagnostics = sameList(diagnostics, [
      ...world.problems,
      ...gateways.flatMap((each) => each.diagnostics),
      ...routes.flatMap((each) => each.diagnostics),
      ...policies.flatMap((each) => each.diagnostics),
    ])
    last = sameModel(last, {
      ...emptyModel,
      listeners: sameList(
        last.listeners,
        gateways.flatMap((each) => each.modelListeners),
      ),
      routes: sameList(
        last.routes,
        entries.map((each) => each.route),
      ),
      streams: sameList(
        last.streams,
        streams.map((each) => each.stream),
      ),
      backends: sameList(last.backends, backends),
      endpoints: sameList(last.endpoints, endpoints),
      certificates: sameList(last.certificates, [...certificates.values()].sort(byId)),
    })
    return { model: last, statuses, diagnostics, computed: graph.computed, gateways }
  }
}

/** What all routes together need and count for. */
interface Sum {
  readonly routes: readonly RouteView[]
  /** Gateways whose listeners ask somebody. */
  readonly asking: readonly GatewayView[]
  readonly needs: readonly Need[]
  readonly ids: ReadonlySet<string>
  readonly attached: ReadonlyMap<string, number>
  /** Service → Gateways through which it is reached. */
  readonly reached: ReadonlyMap<string, ReadonlySet<string>>
}

function sumUp(routes: readonly RouteView[], asking: readonly GatewayView[]): Sum {
  const needs = new Map<string, Need>()
  const attached = new Map<string, number>()
  const reached = new Map<string, Set<string>>()
  const reach = (service: string): Set<string> => {
    let through = reached.get(service)
    if (through === undefined) reached.set(service, (through = new Set()))
    return through
  }
  for (const route of routes) {
    for (const key of route.attachedTo) attached.set(key, (attached.get(key) ?? 0) + 1)
    for (const need of route.needs) needs.set(need.id, need)
    for (const service of route.services) for (const gateway of route.gateways) reach(service).add(gateway)
  }
  for (const gateway of asking) {
    for (const need of gateway.needs) needs.set(need.id, need)
    for (const service of gateway.services) reach(service).add(gateway.key)
  }
  return { routes, asking, needs: [...needs.values()], ids: new Set(needs.keys()), attached, reached }
}

function countsOf(gateway: GatewayView, attached: ReadonlyMap<string, number>): string {
  const counts: number[] = []
  const add = (kind: string, key: string, names: readonly { readonly name: string }[]): void => {
    for (const { name } of names) counts.push(attached.get(`${kind} ${key} ${name}`) ?? 0)
  }
  add('Gateway', gateway.key, gateway.gateway.spec.listeners)
  for (const { set } of gateway.sets) add('ListenerSet', keyOf(set), set.spec.listeners)
  return counts.join(',')
}

function throughOf({ policy }: PolicyView, reached: Sum['reached']): readonly string[] {
  const result = new Set<string>()
  for (const { group, kind, name } of policy.spec.targetRefs) {
    if (group !== '' || kind !== 'Service') continue
    for (const gateway of reached.get(`${policy.metadata.namespace}/${name}`) ?? []) result.add(gateway)
  }
  return [...result].sort()
}

/** Results by name, kept while everything they were made from is the same. */
class Cached<Result> {
  #known = new Map<string, { readonly from: readonly unknown[]; readonly result: Result }>()
  #next = new Map<string, { readonly from: readonly unknown[]; readonly result: Result }>()

  begin(): void {
    this.#next = new Map()
  }

  get(name: string, from: readonly unknown[], compute: () => Result): Result {
    const known = this.#known.get(name)
    const entry =
      known !== undefined && known.from.every((each, index) => each === from[index])
        ? known
        : { from, result: compute() }
    this.#next.set(name, entry)
    return entry.result
  }

  end(): void {
    this.#known = this.#next
  }
}

function sameModel(before: Model, now: Model): Model {
  return (Object.keys(now) as (keyof Model)[]).every((name) => before[name] === now[name]) ? before : now
}

function byId(left: { readonly id: string }, right: { readonly id: string }): number {
  return left.id < right.id ? -1 : left.id > right.id ? 1 : 0
}
