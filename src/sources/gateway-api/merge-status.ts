/**
 * The status that stands in the cluster + what we say → the status to write, or nothing when it says so already. Pure.
 * Entries of other controllers and conditions of types that are not ours stay as they are, field by field.
 */
import type { AncestorStatus, Condition, ListenerStatus, ObjectStatus, ParentStatus } from './status.ts'
import { ownConditions } from './status.ts'

export type Json = Readonly<Record<string, unknown>>

export interface MergeOptions {
  readonly controllerName: string
  /** RFC 3339, for conditions that change their status. */
  readonly now: string
}

/** Undefined: nothing to write. */
export function mergeStatus(current: Json | undefined, wanted: ObjectStatus, options: MergeOptions): Json | undefined {
  const status = current ?? {}
  const next = { ...status, ...partOf(status, wanted, options) }
  return same(status, next) ? undefined : next
}

/** What remains of a route's or policy's status when none of it is ours any more. */
export function withoutOurs(
  current: Json | undefined,
  field: 'parents' | 'ancestors',
  options: MergeOptions,
): Json | undefined {
  const list = listOf(current?.[field])
  const kept = list.filter((each) => each['controllerName'] !== options.controllerName)
  return kept.length === list.length ? undefined : { ...current, [field]: kept }
}

/** Do they differ in nothing but how many routes are attached? */
export function countsOnly(current: Json | undefined, next: Json): boolean {
  const withoutCounts = (status: Json): Json => ({
    ...status,
    ...(Array.isArray(status['listeners'])
      ? { listeners: (status['listeners'] as readonly Json[]).map((each) => ({ ...each, attachedRoutes: 0 })) }
      : {}),
  })
  return current?.['listeners'] !== undefined && same(withoutCounts(current), withoutCounts(next))
}

function partOf(status: Json, wanted: ObjectStatus, options: MergeOptions): Json {
  switch (wanted.kind) {
    case 'GatewayClass':
      return {
        conditions: mergeConditions(
          status['conditions'],
          wanted.status.conditions,
          ownConditions.GatewayClass,
          options,
        ),
        supportedFeatures: wanted.status.supportedFeatures,
      }
    case 'Gateway': {
      const { addresses, conditions, listeners, attachedListenerSets } = wanted.status
      return {
        addresses,
        conditions: mergeConditions(status['conditions'], conditions, ownConditions.Gateway, options),
        listeners: mergeListeners(status['listeners'], listeners, options),
        // older definitions do not know the field and would forget it each time
        ...(attachedListenerSets > 0 || status['attachedListenerSets'] !== undefined ? { attachedListenerSets } : {}),
      }
    }
    case 'ListenerSet':
      return {
        conditions: mergeConditions(status['conditions'], wanted.status.conditions, ownConditions.ListenerSet, options),
        listeners: mergeListeners(status['listeners'], wanted.status.listeners, options),
      }
    case 'HTTPRoute':
    case 'GRPCRoute':
    case 'TLSRoute':
    case 'TCPRoute':
    case 'UDPRoute':
      return {
        parents: mergeEntries(status['parents'], wanted.status.parents, (each) => each.parentRef, 'parentRef', options),
      }
    case 'BackendTLSPolicy':
      return {
        ancestors: mergeEntries(
          status['ancestors'],
          wanted.status.ancestors,
          (each) => each.ancestorRef,
          'ancestorRef',
          options,
        ),
      }
  }
}

function mergeListeners(current: unknown, wanted: readonly ListenerStatus[], options: MergeOptions): readonly Json[] {
  const known = new Map(listOf(current).map((each) => [each['name'], each]))
  return wanted.map(({ name, supportedKinds, attachedRoutes, conditions }) => {
    const before = known.get(name)
    return {
      ...before,
      name,
      supportedKinds,
      attachedRoutes,
      conditions: mergeConditions(before?.['conditions'], conditions, ownConditions.listener, options),
    }
  })
}

/** `parents` and `ancestors` are lists without keys: others' entries keep their place and their every byte. */
function mergeEntries<Entry extends ParentStatus | AncestorStatus>(
  current: unknown,
  wanted: readonly Entry[],
  referenceOf: (entry: Entry) => object,
  field: 'parentRef' | 'ancestorRef',
  options: MergeOptions,
): readonly Json[] {
  const open = new Map(wanted.map((each) => [identity(referenceOf(each)), each]))
  const result: Json[] = []
  for (const entry of listOf(current)) {
    if (entry['controllerName'] !== options.controllerName) {
      result.push(entry)
      continue
    }
    const key = identity(entry[field] as object)
    const ours = open.get(key)
    if (ours === undefined) continue
    open.delete(key)
    result.push({
      ...entry,
      ...ours,
      conditions: mergeConditions(
        entry['conditions'],
        ours.conditions,
        ours.conditions.map((each) => each.type).concat(routeTypes),
        options,
      ),
    })
  }
  for (const ours of open.values())
    result.push({ ...ours, conditions: mergeConditions([], ours.conditions, [], options) })
  return result
}

const routeTypes: readonly string[] = ['Accepted', 'ResolvedRefs', 'PartiallyInvalid']

function identity(reference: object): string {
  const { group, kind, namespace, name, sectionName, port } = reference as Readonly<Record<string, unknown>>
  return JSON.stringify([group ?? '', kind ?? '', namespace ?? '', name ?? '', sectionName ?? '', port ?? 0])
}

/** The list holds eight at most. */
const limit = 8

function mergeConditions(
  current: unknown,
  wanted: readonly Condition[],
  own: readonly string[],
  { now }: MergeOptions,
): readonly Json[] {
  const open = new Map(wanted.map((each) => [each.type, each]))
  const result: Json[] = []
  for (const condition of listOf(current)) {
    const type = String(condition['type'])
    const ours = open.get(type)
    if (ours === undefined) {
      if (!own.includes(type)) result.push(condition)
      continue
    }
    open.delete(type)
    // a later generation was judged already: somebody of us knows more
    if (Number(condition['observedGeneration'] ?? 0) > ours.observedGeneration) {
      result.push(condition)
      continue
    }
    const time = condition['status'] === ours.status ? condition['lastTransitionTime'] : now
    result.push({ ...ours, lastTransitionTime: time ?? now })
  }
  for (const ours of open.values()) if (result.length < limit) result.push({ ...ours, lastTransitionTime: now })
  return result
}

function listOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : []
}

/** Equal as JSON, whatever the order of members. */
function same(left: unknown, right: unknown): boolean {
  if (left === right) return true
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false
  if (Array.isArray(left) || Array.isArray(right)) {
    return (
      Array.isArray(left) &&
      Array.isArray(right) &&
      left.length === right.length &&
      left.every((each, index) => same(each, right[index]))
    )
  }
  const names = Object.keys(left)
  const other = right as Json
  return (
    names.length === Object.keys(right).length &&
    names.every((name) => Object.hasOwn(other, name) && same((left as Json)[name], other[name]))
  )
}
