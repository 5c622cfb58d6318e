/** Filters that ask somebody else, on a rule or on a listener → a policy use, or why there can be none. Pure. (HTTPExternalAuthFilter, ListenerFilters.) */
import type { PolicyUse } from '../../model/model.ts'
import type { BackendReference, Need, Resolved, Speech } from './backends.ts'
import { resolveBackend } from './backends.ts'
import { originOf } from './origin.ts'
import type { Gateway, ListenerSet } from './resources.ts'
import type { Fault } from './status.ts'
import type { ExternalAuth, Listener } from './types.generated.ts'
import type { View } from './view.ts'

/** `reference`: the backend cannot be found or must not be used. `value`: no service could be asked so. */
export type Asking =
  { readonly kind: 'use'; readonly config: unknown } | { readonly kind: 'reference' | 'value'; readonly fault: Fault }

export function translateExternalAuth(
  filter: ExternalAuth,
  resolve: (reference: BackendReference, speech: Speech) => Resolved,
): Asking {
  const target = resolve(filter.backendRef, filter.protocol === 'GRPC' ? 'grpc' : 'http')
  if (target.kind === 'fault') return { kind: 'reference', fault: target.fault }
  if (target.kind === 'refused') {
    const message = `Service ${target.service} has a BackendTLSPolicy that cannot be followed`
    return { kind: 'reference', fault: { reason: 'BackendNotFound', message } }
  }
  const speech = filter.protocol === 'GRPC' ? speechOfGrpc(filter) : speechOfHttp(filter)
  if (speech === undefined) {
    const message = `path ${JSON.stringify(filter.http?.path)} has empty segments or leads upwards`
    return { kind: 'value', fault: { reason: 'UnsupportedValue', message } }
  }
  return {
    kind: 'use',
    config: { backend: target.need.id, speech, bodyBytes: filter.forwardBody?.maxSize ?? 0 },
  }
}

function speechOfGrpc({ grpc }: ExternalAuth): unknown {
  const headers = grpc?.allowedHeaders ?? []
  return { protocol: 'grpc', headers: headers.length === 0 ? 'all' : headers }
}

/** Undefined: the path is not one to put before others. */
function speechOfHttp({ http }: ExternalAuth): unknown {
  const path = (http?.path ?? '').replace(/\/$/, '')
  const prefix = path === '' || path.startsWith('/') ? path : `/${path}`
  const segments = prefix.split('/').slice(1)
  if (segments.some((each) => /^(\.|%2e){0,2}$/i.test(each))) return undefined
  const copied = http?.allowedResponseHeaders ?? []
  return {
    protocol: 'http',
    prefix,
    headers: http?.allowedHeaders ?? [],
    copied: copied.length === 0 ? 'all' : copied,
  }
}

export interface ListenerFilters {
  readonly uses: readonly PolicyUse[]
  readonly needs: readonly Need[]
  /** Services they lead to, `namespace/name`; also those that must not be spoken to. */
  readonly services: readonly string[]
  readonly accepted?: Fault
  readonly resolved?: Fault
}

/** In the order of the list. With one that cannot run the listener answers 500: who left it out would open what it closes. */
export function translateListenerFilters(
  owner: Gateway | ListenerSet,
  spec: Listener,
  options: { readonly clientCertificate: string | undefined; readonly view: View },
): ListenerFilters {
  const filters = spec.filters?.requests ?? []
  const needs = new Map<string, Need>()
  const services = new Set<string>()
  const uses: PolicyUse[] = []
  let accepted: Fault | undefined
  let resolved: Fault | undefined
  const place = `spec.listeners[${owner.spec.listeners.indexOf(spec)}]`
  if (filters.length > 0 && spec.protocol !== 'HTTP' && spec.protocol !== 'HTTPS') {
    const message = `filters.requests: protocol ${spec.protocol} has no requests`
    return { uses, needs: [], services: [], accepted: { reason: 'InvalidListenerFilter', message } }
  }
  filters.forEach((filter, index) => {
    const at = `filters.requests[${index}]`
    if (filter.type === 'ExtensionRef' || filter.externalAuth === undefined) {
      const { kind = '', name = '' } = filter.extensionRef ?? {}
      accepted ??= {
        reason: 'UnsupportedValue',
        message: `${at}: ${filter.type} ${kind} ${name} is not a filter that is known here`,
      }
      return
    }
    const asking = translateExternalAuth(filter.externalAuth, (reference, speech) => {
      const referrer = { kind: owner.kind, namespace: owner.metadata.namespace, speech }
      const target = resolveBackend(referrer, reference, options.clientCertificate, options.view)
      if (target.kind === 'backend') {
        needs.set(target.need.id, target.need)
        services.add(target.need.service)
      } else if (target.kind === 'refused') services.add(target.service)
      return target
    })
    switch (asking.kind) {
      case 'use':
        uses.push({ policy: 'external-auth', config: asking.config, origin: originOf(owner, `${place}.${at}`) })
        break
      case 'reference': {
        const reason = asking.fault.reason === 'RefNotPermitted' ? 'RefNotPermitted' : 'InvalidListenerFilterRef'
        resolved ??= { reason, message: `${at}.externalAuth.backendRef: ${asking.fault.message}` }
        break
      }
      case 'value':
        accepted ??= { reason: asking.fault.reason, message: `${at}.externalAuth: ${asking.fault.message}` }
    }
  })
  const closed: PolicyUse = { policy: 'reply', config: { status: 500 }, origin: originOf(owner, place) }
  return {
    uses: resolved === undefined ? uses : [closed],
    needs: [...needs.values()],
    services: [...services],
    ...(accepted === undefined ? {} : { accepted }),
    ...(resolved === undefined ? {} : { resolved }),
  }
}
