/**
 * Plan ↔ messages to another process or thread. Only what is new is sent, a few items in each message, so that the reader's
 * event loop turns in between; what was sent before stays the same object there, and whoever remembers by identity goes on
 * remembering. Pure but for what both ends remember.
 */
import { applyDelta, difference, type Delta, type Edit } from '../model/encode.ts'
import { emptyModel, type Model } from '../model/model.ts'
import { pack, unpack, type Packed } from '../model/pack.ts'
import type { Plan } from './plan.ts'

/** In the order in which they are written: items, and at the end the plan that is made of them and of the last one. */
export type PlanMessage =
  | { readonly kind: 'items'; readonly items: Packed }
  | { readonly kind: 'plan'; readonly id: string; readonly lists: Readonly<Partial<Record<List, readonly Piece[]>>> }

type List = keyof Delta

/** Runs of the list as it was, and the next of the items that were sent. */
type Piece = { readonly from: number; readonly count: number } | { readonly fresh: number }

/** Some hundred microseconds to read. */
const ITEMS = 50

/** One for each reader: it knows what that one has. */
export class PlanWriter {
  #before: Model = emptyModel;

  /** All of them must be read, in this order. */
  *write({ id, model }: Plan): Generator<PlanMessage> {
    const delta = difference(this.#before, model)
    this.#before = model
    const lists: Partial<Record<List, readonly Piece[]>> = {}
    for (const name of Object.keys(delta) as List[]) {
      const edits = delta[name] ?? []
      lists[name] = edits.map((edit) => ('insert' in edit ? { fresh: edit.insert.length } : edit))
      for (const edit of edits) {
        if (!('insert' in edit)) continue
        for (let at = 0; at < edit.insert.length; at += ITEMS)
          yield { kind: 'items', items: pack(edit.insert.slice(at, at + ITEMS)) }
      }
    }
    yield { kind: 'plan', id, lists }
  }
}

export class PlanReader {
  #model: Model = emptyModel
  #fresh: unknown[] = []

  /** The plan, once its last message was read. */
  read(message: PlanMessage): Plan | undefined {
    if (message.kind === 'items') {
      this.#fresh.push(...unpack(message.items))
      return undefined
    }
    const delta: Partial<Record<List, readonly Edit[]>> = {}
    let at = 0
    for (const name of Object.keys(message.lists) as List[]) {
      delta[name] = (message.lists[name] ?? []).map((piece): Edit => {
        if (!('fresh' in piece)) return piece
        at += piece.fresh
        return { insert: this.#fresh.slice(at - piece.fresh, at) }
      })
    }
    if (at !== this.#fresh.length) throw new RangeError('a plan does not fit the items that were sent for it')
    this.#fresh = []
    this.#model = applyDelta(this.#model, delta)
    return { id: message.id, model: this.#model }
  }
}
