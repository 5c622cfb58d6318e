/** The configuration → where sessions are kept: our own store, or an npm module made for express-session. */
import { EventEmitter } from 'node:events'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Authorizations } from '../services.ts'
import type { Config } from './config.ts'
import type { SessionData, SessionStore } from './session.ts'

export function ownStore(sessions: Authorizations['sessions']): SessionStore {
  return {
    newId: () => sessions.newId(),
    get: async (id) => {
      const text = await sessions.get(id)
      return text === undefined ? undefined : (JSON.parse(text) as SessionData)
    },
    set: (id, data, ttlMs) => sessions.set(id, JSON.stringify(data), ttlMs),
    delete: (id) => sessions.delete(id),
  }
}

/**
 * `folder`: from where the module is resolved. It is called with what express-session exports, as far as stores use it (`Store` to inherit from), and gives
 * the class of a store. Throws when it cannot be loaded or gives something else.
 */
export function providedStore(config: Config, newId: () => string, folder = process.cwd()): SessionStore {
  const name = config.session.storeProvider ?? ''
  const load = createRequire(join(folder, 'system.config.yml'))
  const provide = load(name) as unknown
  if (typeof provide !== 'function') throw new TypeError(`session.storeProvider: ${name} exports no function`)
  const StoreClass = (provide as (session: unknown) => new (options: unknown) => ForeignStore)(sessionModule)
  const options = config.session.storeOptions
  const store = new StoreClass(options === undefined ? undefined : JSON.parse(options.reveal()))
  const call = <T>(use: (done: (error?: unknown, value?: T) => void) => void): Promise<T | undefined> =>
    new Promise((resolve, reject) => {
      use((error, value) => {
        if (error === undefined || error === null) resolve(value)
        else reject(error instanceof Error ? error : new Error(String(error as string)))
      })
    })
  return {
    newId,
    get: async (id) => (await call<SessionData | null>((done) => store.get(id, done))) ?? undefined,
    set: async (id, data) => void (await call((done) => store.set(id, data, done))),
    delete: async (id) => void (await call((done) => store.destroy(id, done))),
  }
}

interface ForeignStore {
  get(id: string, done: (error?: unknown, session?: SessionData | null) => void): void
  set(id: string, session: SessionData, done: (error?: unknown) => void): void
  destroy(id: string, done: (error?: unknown) => void): void
}

class Store extends EventEmitter {}
const sessionModule = Object.assign(() => undefined, { Store, Session: class {}, Cookie: class {} })
