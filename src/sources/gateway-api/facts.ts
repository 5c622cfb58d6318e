/** Worlds, one after the other → answers to the plain questions about the last one, and which of them changed. */
import { sameData, sameList } from './graph.ts'
import type { AnyResource, KindMap, KnownKind, World } from './resources.ts'
import { byAge, emptyObjects, keyOf } from './resources.ts'

const kinds = Object.keys(emptyObjects) as readonly KnownKind[]

export class Facts {
  #world: World | undefined
  readonly #objects = new Map<KnownKind, Map<string, AnyResource>>(kinds.map((kind) => [kind, new Map()]))
  readonly #groups = new Map<string, Set<AnyResource>>()

  /** Takes the next world; says which questions have new answers. */
  take(world: World): readonly string[] {
    const changed = new Set<string>()
    const before = this.#world
    if (before === undefined || before.controllerName !== world.controllerName) changed.add('controllerName')
    if (before === undefined || before.place !== world.place) changed.add('place')
    for (const kind of kinds) {
      const then = before?.objects[kind] ?? []
      const now = world.objects[kind]
      if (then === now) continue
      const kept = new Set<AnyResource>(now)
      const known = new Set<AnyResource>(then)
      for (const each of then) if (!kept.has(each)) this.#change(each, 'remove', changed)
      for (const each of now) if (!known.has(each)) this.#change(each, 'add', changed)
      if (kind === 'Gateway') changed.add('gateways')
    }
    this.#world = world
    return [...changed]
  }

  /** Undefined answers included; throws for a question that is none of these. */
  answer(verb: string, rest: string, before: unknown): unknown {
    switch (verb) {
      case 'controllerName':
        return this.#world?.controllerName
      case 'place':
        return sameData(before, this.#world?.place)
      case 'object': {
        const cut = rest.indexOf(' ')
        return this.#objects.get(rest.slice(0, cut) as KnownKind)?.get(rest.slice(cut + 1))
      }
      case 'labels': {
        const namespace = this.#objects.get('Namespace')?.get(`/${rest}`) as KindMap['Namespace'] | undefined
        return sameData(before, { ...namespace?.metadata.labels, 'kubernetes.io/metadata.name': rest })
      }
      case 'gateways':
        return sameList(before as readonly unknown[] | undefined, [...(this.#world?.objects.Gateway ?? [])].sort(byAge))
      case 'grants':
      case 'slices':
      case 'sets':
      case 'policies':
        // in an order of its own, whatever order the reader found them in
        return sameList(
          before as readonly unknown[] | undefined,
          [...(this.#groups.get(`${verb} ${rest}`) ?? [])].sort(byAge),
        )
      default:
        throw new Error(`nobody answers the question "${verb} ${rest}"`)
    }
  }

  #change(object: AnyResource, change: 'add' | 'remove', changed: Set<string>): void {
    const key = keyOf(object)
    const objects = this.#objects.get(object.kind)!
    if (change === 'add') objects.set(key, object)
    else if (objects.get(key) === object) objects.delete(key)
    changed.add(`object ${object.kind} ${key}`)
    if (object.kind === 'Namespace') changed.add(`labels ${object.metadata.name}`)
    for (const name of groupsOf(object)) {
      changed.add(name)
      let group = this.#groups.get(name)
      if (group === undefined) this.#groups.set(name, (group = new Set()))
      if (change === 'add') group.add(object)
      else group.delete(object)
      if (group.size === 0) this.#groups.delete(name)
    }
  }
}

function groupsOf(object: AnyResource): readonly string[] {
  const { namespace } = object.metadata
  switch (object.kind) {
    case 'ReferenceGrant':
      return [`grants ${namespace}`]
    case 'EndpointSlice':
      return object.spec.service === undefined ? [] : [`slices ${namespace}/${object.spec.service}`]
    case 'ListenerSet': {
      const { group, kind, name } = object.spec.parentRef
      if (group !== 'gateway.networking.k8s.io' || kind !== 'Gateway') return []
      return [`sets ${object.spec.parentRef.namespace ?? namespace}/${name}`]
    }
    case 'BackendTLSPolicy': {
      const services = object.spec.targetRefs.filter((each) => each.group === '' && each.kind === 'Service')
      return [...new Set(services.map((each) => `policies ${namespace}/${each.name}`))]
    }
    default:
      return []
  }
}
