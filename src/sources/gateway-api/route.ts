/** What every kind of route has in common: parents, hosts, references, its status. Pure. */
import type { Diagnostic } from '../../model/diagnostic.ts'
import type { HostMatch, PolicyUse, Route, StreamRoute, WeightedBackend } from '../../model/model.ts'
import type { Attachment } from './attach.ts'
import { attach, missingParents } from './attach.ts'
import type { BackendReference, Need, Resolved, Speech } from './backends.ts'
import { resolveBackend, speechOf } from './backends.ts'
import { translateFilters } from './filters.ts'
import { hostMatch, hostRank, overlap } from './hostname.ts'
import { diagnose } from './origin.ts'
import type { Ranked } from './precedence.ts'
import type { AnyRoute } from './resources.ts'
import { keyOf } from './resources.ts'
import type { Fault, ObjectStatus, ParentStatus } from './status.ts'
import { fails, holds } from './status.ts'
import type { BackendRefFilter, Filter } from './types.generated.ts'
import type { View } from './view.ts'

export interface RouteEntry extends Ranked {
  readonly route: Route
}

export interface StreamEntry extends Ranked {
  readonly stream: StreamRoute
}

/** A route, translated. Remembered until it or something that it names changes. */
export interface RouteView {
  readonly entries: readonly RouteEntry[]
  readonly streams: readonly StreamEntry[]
  readonly needs: readonly Need[]
  /** Services it leads to, `namespace/name`; also those that must not be spoken to. */
  readonly services: readonly string[]
  /** Keys of the listeners it counts for. */
  readonly attachedTo: readonly string[]
  /** Gateways it serves on, `namespace/name`. */
  readonly gateways: readonly string[]
  readonly status: ObjectStatus | undefined
  readonly diagnostics: readonly Diagnostic[]
}

/** Collects while a route is translated. */
export class RouteScribe {
  readonly route: AnyRoute
  readonly view: View
  readonly attachments: readonly Attachment[]
  readonly entries: RouteEntry[] = []
  readonly streams: StreamEntry[] = []
  readonly #needs = new Map<string, Need>()
  readonly #services = new Set<string>()
  readonly #resolved: { readonly fault: Fault; readonly field: string }[] = []
  readonly #refused: { readonly fault: Fault; readonly field: string }[] = []
  readonly #partial: { readonly fault: Fault; readonly field: string }[] = []

  constructor(route: AnyRoute, hostnames: readonly string[], view: View) {
    this.route = route
    this.view = view
    this.attachments = attach(route, hostnames, view)
  }

  #resolve(reference: BackendReference, clientCertificate: string | undefined, speech?: Speech): Resolved {
    const { kind, metadata } = this.route
    const referrer = { kind, namespace: metadata.namespace, speech: speech ?? speechOf(kind) }
    const resolved = resolveBackend(referrer, reference, clientCertificate, this.view)
    if (resolved.kind === 'backend') {
      this.#needs.set(resolved.need.id, resolved.need)
      this.#services.add(resolved.need.service)
    } else if (resolved.kind === 'refused') this.#services.add(resolved.service)
    return resolved
  }

  /** A reference that leads nowhere. */
  unresolved(fault: Fault, field: string): void {
    this.#resolved.push({ fault, field })
  }

  /** A value that no part of the route can be served with. */
  refuse(fault: Fault, field: string): void {
    this.#refused.push({ fault, field })
  }

  /** A rule that cannot be served as written: it answers 500, or cannot match; the others serve. */
  drop(fault: Fault, field: string): void {
    this.#partial.push({ fault, field })
  }

  get age(): string {
    return this.route.metadata.creationTimestamp ?? ''
  }

  get name(): string {
    return keyOf(this.route)
  }

  /** One for each rank of hostname and each set of listeners that needs backends of its own. */
  placements(hostnames: readonly string[]): readonly Placement[] {
    const byCertificate = new Map<
      string,
      { certificate: string | undefined; listeners: { ids: readonly string[]; hostname: string | undefined }[] }
    >()
    for (const attachment of this.attachments) {
      const key = attachment.clientCertificate ?? ''
      let group = byCertificate.get(key)
      if (group === undefined) {
        group = { certificate: attachment.clientCertificate, listeners: [] }
        byCertificate.set(key, group)
      }
      for (const { ids, hostname } of attachment.listeners) if (ids.length > 0) group.listeners.push({ ids, hostname })
    }
    const ranks = new Map<number, string[]>()
    for (const hostname of hostnames.length === 0 ? [''] : new Set(hostnames.map((each) => each.toLowerCase()))) {
      const rank = hostRank(hostname)
      const list = ranks.get(rank)
      if (list === undefined) ranks.set(rank, [hostname])
      else list.push(hostname)
    }
    const placements: Placement[] = []
    for (const { certificate, listeners } of byCertificate.values()) {
      for (const [rank, names] of ranks) {
        const fitting = listeners.filter((listener) => names.some((name) => overlap(listener.hostname, name)))
        const ids = [...new Set(fitting.flatMap((listener) => listener.ids))]
        if (ids.length === 0) continue
        const hosts = names[0] === '' ? undefined : names.map(hostMatch)
        placements.push({
          hostRank: rank,
          hosts,
          listeners: ids,
          clientCertificate: certificate,
          suffix: this.#suffix(placements.length),
        })
      }
    }
    return placements
  }

  #suffix(index: number): string {
    return index === 0 ? '' : `~${index}`
  }

  /** backendRefs with weights; a reference that cannot be resolved keeps its share and fails it. */
  weigh(
    references: readonly (BackendReference & {
      readonly weight: number
      readonly filters?: readonly (BackendRefFilter | Filter)[]
    })[],
    field: string,
    options: { readonly clientCertificate: string | undefined; readonly prefix: string | undefined },
  ): readonly WeightedBackend[] {
    return references.map((reference, index): WeightedBackend => {
      const place = `${field}.backendRefs[${index}]`
      const target = this.#resolve(reference, options.clientCertificate)
      const weight = reference.weight
      if (target.kind === 'fault') {
        this.unresolved(target.fault, place)
        return { target: { kind: 'fail', status: 500 }, weight }
      }
      if (target.kind === 'refused') return { target: { kind: 'fail', status: 502 }, weight }
      const policies = this.filter(reference.filters ?? [], place, options)
      if (policies === undefined) return { target: { kind: 'fail', status: 500 }, weight }
      return {
        target: { kind: 'backend', id: target.need.id },
        weight,
        ...(policies.uses.length === 0 ? {} : { policies: policies.uses }),
      }
    })
  }

  /** Undefined: requests must not go on without one of them. */
  filter(
    filters: readonly (BackendRefFilter | Filter)[],
    field: string,
    options: { readonly clientCertificate: string | undefined; readonly prefix: string | undefined },
  ): { readonly uses: readonly PolicyUse[]; readonly redirects: boolean } | undefined {
    const filtered = translateFilters(filters, {
      route: this.route,
      field,
      prefix: options.prefix,
      resolve: (reference, speech) => this.#resolve(reference, options.clientCertificate, speech),
    })
    for (const found of filtered.resolved) this.unresolved(found.fault, found.field)
    if (filtered.broken === undefined) return { uses: filtered.uses, redirects: filtered.redirects }
    const { fault, field: place } = filtered.broken
    if (fault.reason === 'UnsupportedValue') this.drop(fault, place)
    return undefined
  }

  finish(): RouteView {
    return {
      entries: this.entries,
      streams: this.streams,
      needs: [...this.#needs.values()],
      services: [...this.#services],
      attachedTo: [...new Set(this.attachments.flatMap((each) => each.listeners.map((listener) => listener.key)))],
      gateways: [...new Set(this.attachments.flatMap((each) => (each.listeners.length === 0 ? [] : [each.gateway])))],
      status: this.attachments.length === 0 ? undefined : this.#status(),
      diagnostics: this.#diagnostics(),
    }
  }

  #status(): ObjectStatus {
    const { metadata, kind } = this.route
    const resolved = this.#resolved[0]?.fault
    const partial = this.#partial[0]
    const parents = this.attachments.map((attachment): ParentStatus => {
      const { parentRef } = attachment
      const refused = attachment.refused ?? this.#refused[0]?.fault
      return {
        parentRef: {
          group: parentRef.group,
          kind: parentRef.kind,
          namespace: parentRef.namespace ?? metadata.namespace,
          name: parentRef.name,
          ...(parentRef.sectionName === undefined ? {} : { sectionName: parentRef.sectionName }),
          ...(parentRef.port === undefined ? {} : { port: parentRef.port }),
        },
        controllerName: this.view.controllerName(),
        conditions: [
          refused === undefined
            ? holds(metadata, 'Accepted', 'Accepted', 'the route is attached')
            : fails(metadata, 'Accepted', refused.reason, refused.message),
          resolved === undefined
            ? holds(metadata, 'ResolvedRefs', 'ResolvedRefs', 'all references are good')
            : fails(metadata, 'ResolvedRefs', resolved.reason, resolved.message),
          ...(partial === undefined
            ? []
            : [
                holds(
                  metadata,
                  'PartiallyInvalid',
                  partial.fault.reason,
                  `Dropped Rule ${partial.field}: ${partial.fault.message}`,
                ),
              ]),
        ],
      }
    })
    return { kind, metadata, status: { parents } }
  }

  #diagnostics(): readonly Diagnostic[] {
    const seen = new Set<string>()
    const say = (code: string, fault: Fault, field: string): readonly Diagnostic[] => {
      const key = `${code} ${field} ${fault.message}`
      if (seen.has(key)) return []
      seen.add(key)
      return [diagnose(code, 'error', this.route, field, fault.message)]
    }
    return [
      ...missingParents(this.route, this.view),
      ...this.attachments.flatMap((each) =>
        each.refused === undefined ? [] : say('not-attached', each.refused, `spec.parentRefs[${each.index}]`),
      ),
      ...this.#refused.flatMap(({ fault, field }) => say('unsupported', fault, field)),
      ...this.#partial.flatMap(({ fault, field }) => say('unsupported', fault, field)),
      ...this.#resolved.flatMap(({ fault, field }) => say('reference', fault, field)),
    ]
  }
}

export interface Placement {
  readonly hostRank: number
  readonly hosts: readonly HostMatch[] | undefined
  readonly listeners: readonly string[]
  readonly clientCertificate: string | undefined
  /** Keeps ids apart. */
  readonly suffix: string
}
