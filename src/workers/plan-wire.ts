/**
 * Plan ↔ messages between processes. What was sent before is named, not sent again, so that a plan in which one route
 * changed is one route long, and the reader's objects stay the same ones: whoever remembers by identity there goes on
 * remembering. Secrets are revealed here and nowhere else on the way.
 */
import { emptyModel, type Model } from '../model/model.ts'
import { Secret } from '../model/secret.ts'
import type { Plan } from '../pipeline/plan.ts'

type Part = Exclude<keyof Model, 'version'>

const PARTS = Object.keys(emptyModel).filter((key) => key !== 'version') as Part[]

export interface WrittenPlan {
  readonly id: string
  readonly parts: readonly WrittenPart[]
}

/** `same`: the list is the one sent before. Otherwise numbers of its items in their order, and the items that are new. */
export type WrittenPart =
  | { readonly same: true }
  | { readonly items: readonly number[]; readonly fresh: readonly (readonly [number: number, json: string])[] }

/** One for each reader: it knows what that one has. */
export class PlanWriter {
  #numbers = new WeakMap<object, number>()
  #next = 0
  #lists = new Map<Part, { readonly list: readonly object[]; readonly items: readonly number[] }>()

  write(plan: Plan): WrittenPlan {
    const parts = PARTS.map((part): WrittenPart => {
      const list: readonly object[] = plan.model[part]
      const before = this.#lists.get(part)
      if (before?.list === list) return { same: true }
      const had = new Set(before?.items)
      const fresh: (readonly [number, string])[] = []
      const items = list.map((item) => {
        let number = this.#numbers.get(item)
        if (number === undefined) this.#numbers.set(item, (number = this.#next++))
        // the reader forgets what the last list did not hold
        if (!had.has(number)) {
          had.add(number)
          fresh.push([number, stringify(item)])
        }
        return number
      })
      this.#lists.set(part, { list, items })
      return { items, fresh }
    })
    return { id: plan.id, parts }
  }
}

export class PlanReader {
  readonly #known = new Map<Part, Map<number, unknown>>()
  readonly #lists = new Map<Part, readonly unknown[]>()

  read(written: WrittenPlan): Plan {
    const model: Record<string, unknown> = { version: 1 }
    written.parts.forEach((part, index) => {
      const name = PARTS[index]!
      if ('items' in part) {
        const before = this.#known.get(name)
        const fresh = new Map(part.fresh.map(([number, json]) => [number, parse(json)]))
        const now = new Map<number, unknown>()
        const list = part.items.map((number) => {
          const item = now.get(number) ?? fresh.get(number) ?? before?.get(number)
          if (item === undefined) throw new Error(`item ${number} of ${name} was never sent`)
          now.set(number, item)
          return item
        })
        this.#known.set(name, now)
        this.#lists.set(name, list)
      }
      model[name] = this.#lists.get(name) ?? []
    })
    return { id: written.id, model: model as unknown as Model }
  }
}

/** A key that no configuration format of ours can write. */
const SECRET = '\u0000secret'

function stringify(item: object): string {
  return JSON.stringify(item, function (this: Record<string, unknown>, key, value: unknown) {
    // toJSON has redacted `value` already
    const raw = this[key]
    return raw instanceof Secret ? { [SECRET]: raw.reveal() } : value
  })
}

function parse(json: string): unknown {
  return JSON.parse(json, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null || !(SECRET in value)) return value
    return new Secret(String(value[SECRET]))
  })
}
