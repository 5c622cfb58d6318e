/**
 * Services whose parts can be replaced while steps hold on to them: a changed store or reloaded plugins are seen by the
 * next request. Parts that nobody has granted yet fail closed.
 */
import type {
  Authorizations,
  Cache,
  Counters,
  Events,
  Expressions,
  Identities,
  Metrics,
  Plugins,
  Services,
} from '../policies/services.ts'
import { StoreUnavailable } from '../policies/services.ts'

export interface ServiceParts {
  readonly identities: Identities
  readonly counters: Counters
  readonly cache: Cache
  readonly authorizations: Authorizations
  readonly plugins: Plugins
}

export interface LiveServices extends Services {
  replace(parts: Partial<ServiceParts>): void
}

export interface LiveOptions {
  readonly expressions: Expressions
  readonly events: Events
  readonly metrics: Metrics
  readonly folder?: string
}

export function createLiveServices(options: LiveOptions): LiveServices {
  let parts: ServiceParts = {
    identities: closedIdentities,
    counters: closedCounters,
    cache: noCache,
    authorizations: closedAuthorizations,
    plugins: noPlugins,
  }
  return {
    ...options,
    now: () => Date.now(),
    authorizations: delegating(() => parts.authorizations),
    identities: {
      credential: (type, id) => parts.identities.credential(type, id),
      consumer: (id, lookup) => parts.identities.consumer(id, lookup),
      verifyPassword: (credential, password) => parts.identities.verifyPassword(credential, password),
      accessToken: (token) => parts.identities.accessToken(token),
    },
    counters: { add: (key, windowMs, amount) => parts.counters.add(key, windowMs, amount) },
    cache: { get: (key) => parts.cache.get(key), set: (key, value, ttlMs) => parts.cache.set(key, value, ttlMs) },
    plugins: {
      get loaded() {
        return parts.plugins.loaded
      },
      policy: (name) => parts.plugins.policy(name),
      condition: (name) => parts.plugins.condition(name),
      get gatewayRoutes() {
        return parts.plugins.gatewayRoutes
      },
    },
    replace: (next) => {
      parts = { ...parts, ...next }
    },
  }
}

/** An object whose members are those of the current one; for what is not asked on every request. */
function delegating<T extends object>(current: () => T): T {
  return new Proxy({} as T, {
    get: (_, name) => {
      const object = current()
      const member: unknown = Reflect.get(object, name)
      return typeof member === 'function' ? member.bind(object) : member
    },
  })
}

function closed(): never {
  throw new StoreUnavailable('no store of consumers is open')
}

const closedAuthorizations = new Proxy({} as Authorizations, { get: () => closed })
const closedIdentities: Identities = {
  credential: closed,
  consumer: closed,
  verifyPassword: closed,
  accessToken: closed,
}
const closedCounters: Counters = { add: closed }
const noCache: Cache = { get: () => undefined, set: () => undefined }
const noPlugins: Plugins = { policy: () => undefined, condition: () => undefined, gatewayRoutes: undefined }
