/** sessionPersistence → persistence of the model. Pure. (GEP-1619.) */
import { createHash } from 'node:crypto'
import type { Persistence } from '../../model/model.ts'
import { milliseconds } from './duration.ts'
import type { SessionPersistence } from './types.generated.ts'

/** `place` names the rule: a cookie without a name gets one that no other rule has. */
export function persistenceOf(given: SessionPersistence | undefined, place: string): Persistence | undefined {
  if (given === undefined) return undefined
  const ours = `gantry-${createHash('sha256').update(place).digest('hex').slice(0, 10)}`
  if (given.type === 'Header') return { kind: 'header', name: given.header?.name ?? ours }
  return {
    kind: 'cookie',
    name: given.cookie?.name ?? ours,
    ...(given.cookie?.path === undefined ? {} : { cookiePath: given.cookie.path }),
    // a cookie of the session ends with the browser, whatever the timeout says
    ...(given.cookie?.lifetimeType === 'Permanent' && given.absoluteTimeout !== undefined
      ? { absoluteTimeout: milliseconds(given.absoluteTimeout) }
      : {}),
  }
}
