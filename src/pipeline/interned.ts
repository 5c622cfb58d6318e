/** Models one after the other → the same, in which whatever equals something of the last one is that very object. Pure but for what it remembers. */
import { emptyModel, type Model } from '../model/model.ts'
import { hashOf } from './canonical.ts'
import { remembered } from './memo.ts'

type List = Exclude<keyof Model, 'version'>

const lists = Object.keys(emptyModel).filter((name): name is List => name !== 'version')

/** For a source that translates a text: a file has no identity to remember by, and all that follows remembers by identity. Origins count: what has moved to another line is new. */
export function createInterner(): (model: Model) => Model {
  let before = new Map<List, ReadonlyMap<string, object>>()
  return remembered((model) => {
    const now = new Map<List, ReadonlyMap<string, object>>()
    const same: Record<string, unknown> = { version: model.version }
    for (const name of lists) {
      const known = before.get(name)
      const next = new Map<string, object>()
      same[name] = model[name].map((item: object) => {
        const hash = hashOf(item)
        const first = known?.get(hash) ?? item
        next.set(hash, first)
        return first
      })
      now.set(name, next)
    }
    before = now
    return same as unknown as Model
  })
}
