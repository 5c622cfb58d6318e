/** Things that are made anew and say the same → the same objects as last time. Pure as seen from outside. */
export class Keeper<Thing> {
  #last = new Map<string, { readonly text: string; readonly thing: Thing }>()
  #next = new Map<string, { readonly text: string; readonly thing: Thing }>()

  /** `text` must say all that the thing is made of. */
  keep(id: string, text: string, make: () => Thing): Thing {
    const known = this.#last.get(id)
    const entry = known !== undefined && known.text === text ? known : { text, thing: make() }
    this.#next.set(id, entry)
    return entry.thing
  }

  /** What was not asked for since the last turn is forgotten. */
  turn(): void {
    this.#last = this.#next
    this.#next = new Map()
  }
}
