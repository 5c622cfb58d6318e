/** Filters of a rule or backendRef → policy uses, and what cannot be done. Pure. (HTTPRouteFilter, GRPCRouteFilter.) */
import type { PolicyUse } from '../../model/model.ts'
import type { Resolved, Speech } from './backends.ts'
import { translateExternalAuth } from './external-auth.ts'
import { originOf } from './origin.ts'
import type { AnyRoute } from './resources.ts'
import type { Fault } from './status.ts'
import type {
  BackendRefFilter,
  Cors,
  Filter,
  Path,
  RequestHeaderModifier,
  RequestMirror,
  RequestMirrorBackendRef,
} from './types.generated.ts'

export interface FilterContext {
  readonly route: AnyRoute
  /** `spec.rules[0]` */
  readonly field: string
  /** The one prefix that the rule matches; what ReplacePrefixMatch replaces. */
  readonly prefix: string | undefined
  /** `speech`: where it is not the route's own. */
  resolve(reference: RequestMirrorBackendRef, speech?: Speech): Resolved
}

/** A fault and the field it is in. */
export interface Found {
  readonly fault: Fault
  readonly field: string
}

export interface Filtered {
  readonly uses: readonly PolicyUse[]
  /** Of references: the route says ResolvedRefs=False. */
  readonly resolved: readonly Found[]
  /** Requests must not go on without this filter: the rule answers 500. */
  readonly broken?: Found
  readonly redirects: boolean
}

export function translateFilters(filters: readonly (BackendRefFilter | Filter)[], context: FilterContext): Filtered {
  const uses: PolicyUse[] = []
  const resolved: Found[] = []
  let broken: Found | undefined
  let redirects = false
  filters.forEach((filter, index) => {
    const field = `${context.field}.filters[${index}]`
    const use = (policy: string, config: unknown): void => {
      uses.push({ policy, config, origin: originOf(context.route, field) })
    }
    switch (filter.type) {
      case 'RequestHeaderModifier':
        use('headers', { request: headerChanges(filter.requestHeaderModifier) })
        break
      case 'ResponseHeaderModifier':
        use('headers', { response: headerChanges(filter.responseHeaderModifier) })
        break
      case 'RequestMirror': {
        const mirror = filter.requestMirror
        if (mirror === undefined) break
        const target = context.resolve(mirror.backendRef)
        if (target.kind === 'backend') {
          use('mirror', { backend: target.need.id, share: shareOf(mirror) })
        } else if (target.kind === 'fault') resolved.push({ fault: target.fault, field })
        // a copy that cannot be sent safely is not sent
        break
      }
      case 'RequestRedirect': {
        const { scheme, hostname, port, path, statusCode } = filter.requestRedirect ?? { statusCode: 302 as const }
        redirects = true
        use('redirect', {
          ...(scheme === undefined ? {} : { scheme }),
          ...(hostname === undefined ? {} : { hostname }),
          ...(port === undefined ? {} : { port }),
          ...(path === undefined ? {} : { path: replacement(path, context.prefix) }),
          status: statusCode,
        })
        break
      }
      case 'URLRewrite': {
        const { hostname, path } = filter.urlRewrite ?? {}
        if (hostname === undefined && path === undefined) break
        use('url-rewrite', {
          ...(hostname === undefined ? {} : { hostname }),
          ...(path === undefined ? {} : { path: replacement(path, context.prefix) }),
        })
        break
      }
      case 'CORS':
        // before the others: a preflight asks about the resource, nothing else may answer or change it
        if (filter.cors !== undefined)
          uses.unshift({ policy: 'cors', config: corsConfig(filter.cors), origin: originOf(context.route, field) })
        break
      case 'ExtensionRef': {
        const name = `${filter.extensionRef?.kind ?? ''} ${filter.extensionRef?.name ?? ''}`
        const found = { fault: { reason: 'InvalidKind', message: `${name} is not a filter that is known here` }, field }
        resolved.push(found)
        broken ??= found
        break
      }
      case 'ExternalAuth': {
        if (filter.externalAuth === undefined) break
        const asking = translateExternalAuth(filter.externalAuth, (reference, speech) =>
          context.resolve(reference, speech),
        )
        if (asking.kind === 'use') {
          use('external-auth', asking.config)
          break
        }
        const found = { fault: asking.fault, field: `${field}.externalAuth` }
        if (asking.kind === 'reference') resolved.push(found)
        broken ??= found
        break
      }
    }
  })
  return { uses, resolved, redirects, ...(broken === undefined ? {} : { broken }) }
}

function headerChanges(given: RequestHeaderModifier | undefined): {
  readonly set: unknown
  readonly add: unknown
  readonly remove: unknown
} {
  return { set: first(given?.set ?? []), add: first(given?.add ?? []), remove: given?.remove ?? [] }
}

/** A name that stands twice in one list counts once, as first written. */
function first<Item extends { readonly name: string; readonly value: string }>(
  items: readonly Item[],
): readonly Item[] {
  const seen = new Set<string>()
  return items.filter((each) => {
    const name = each.name.toLowerCase()
    if (seen.has(name)) return false
    seen.add(name)
    return true
  })
}

function shareOf({ percent, fraction }: RequestMirror): { readonly numerator: number; readonly denominator: number } {
  if (fraction !== undefined) return { numerator: fraction.numerator, denominator: fraction.denominator }
  return { numerator: percent ?? 100, denominator: 100 }
}

function replacement(path: Path, prefix: string | undefined): unknown {
  if (path.type === 'ReplaceFullPath') return { kind: 'full', value: path.replaceFullPath ?? '/' }
  return { kind: 'prefix', prefix: prefix ?? '/', value: path.replacePrefixMatch ?? '/' }
}

function corsConfig(cors: Cors): unknown {
  const credentials = cors.allowCredentials === true
  const every = (list: readonly string[] | undefined): boolean => list?.includes('*') === true
  const origins = cors.allowOrigins ?? []
  return {
    // a wildcard means nothing beside credentials (Fetch standard), so everybody is told their own name
    origins: every(origins)
      ? { kind: credentials ? 'reflect' : 'any' }
      : {
          kind: 'list',
          of: origins.map((value) => (value.includes('*') ? { kind: 'wildcard', value } : { kind: 'exact', value })),
        },
    methods: every(cors.allowMethods) ? 'reflect' : (cors.allowMethods ?? ['GET', 'HEAD', 'POST']),
    allowHeaders: every(cors.allowHeaders) ? 'reflect' : (cors.allowHeaders ?? []),
    exposeHeaders: credentials ? (cors.exposeHeaders ?? []).filter((each) => each !== '*') : (cors.exposeHeaders ?? []),
    credentials,
    maxAge: cors.maxAge,
    answer: 'preflight',
  }
}
